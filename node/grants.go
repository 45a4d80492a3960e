package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vigil/ledger"
	"vigil/node/author"
)

// audiencesOf reads names of our audiences; none named is everyone, and "none" is no audience.
func audiencesOf(g *ledger.Governance, names []string) ([]ledger.AudienceName, error) {
	if len(names) == 0 {
		return []ledger.AudienceName{ledger.Everyone(g.Origin.Jurisdiction())}, nil
	}
	out := []ledger.AudienceName{}
	for _, text := range names {
		if text == "none" && len(names) == 1 {
			return out, nil
		}
		name, err := ledger.ParseAudienceName(text)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "audience", err.Error(), "'vigil audience list' shows them; none stands for no audience")
		}
		if _, ok := g.Audience(name); !ok {
			return nil, refuse(http.StatusNotFound, "no-audience", fmt.Sprintf("there is no audience %s", name), "'vigil audience list' shows them")
		}
		out = append(out, name)
	}
	return out, nil
}

// SetAudience implements api.Node: it proposes who is in an audience.
func (n *Node) SetAudience(ctx context.Context, name string, members []string) (author.Receipt, error) {
	c := &ledger.SetAudience{Name: ledger.AudienceName(name)}
	if _, err := ledger.ParseAudienceName(name); err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "audience", err.Error(), "such as "+string(n.id.Origin.Jurisdiction())+"/@desk")
	}
	for _, text := range members {
		id, err := ledger.ParseAgencyID(text)
		if err != nil {
			return author.Receipt{}, refuse(http.StatusBadRequest, "agency-id", err.Error(), "'vigil agency list' shows the members")
		}
		c.Members = append(c.Members, id)
	}
	return n.propose(ctx, c)
}

// Grant implements api.Node: it proposes to open an audience's past to an agency. This agency must hold what it proposes to
// give, so that somebody can hand it over.
func (n *Node) Grant(ctx context.Context, agency, audience string, first, last uint64) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	id, err := ledger.ParseAgencyID(agency)
	if err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "agency-id", err.Error(), "'vigil agency list' shows the members")
	}
	name, err := ledger.ParseAudienceName(audience)
	if err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "audience", err.Error(), "'vigil audience list' shows them")
	}
	if a, ok := state.Governance.Audience(name); ok && last == 0 {
		last = a.Epoch
	}
	c := &ledger.Grant{Agency: id, Audience: name, First: max(first, 1), Last: last}
	if last > c.First+ledger.MaxGrantEpochs {
		return author.Receipt{}, refuse(http.StatusBadRequest, "grant", fmt.Sprintf("at most %d epochs at once", ledger.MaxGrantEpochs), "grant a part, then the next")
	}
	if _, held := n.opener.epochKeys(name, c.First, c.Last); !held {
		return author.Receipt{}, refuse(http.StatusConflict, "not-held", fmt.Sprintf("this agency does not hold the keys of epochs %d to %d of %s itself", c.First, c.Last, name), "ask an agency that does to propose it")
	}
	return n.propose(ctx, c)
}

// keepGrants hands over what this agency holds and another was granted, and takes what was handed to it, until ctx ends.
func (n *Node) keepGrants(ctx context.Context) error {
	var seen *ledger.Governance
	for ctx.Err() == nil {
		changed := n.store.Changed()
		if state := n.store.State(); state != nil && state.Governance != seen {
			seen = state.Governance
			for _, o := range seen.Grants {
				if o.Agency == n.id.Agency {
					n.takeGrant(ctx, o)
				} else {
					n.giveGrant(ctx, o)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

// takeGrant says whether what was handed over matches, and before that lets the board read again what opens now: a stop in
// between begins anew.
func (n *Node) takeGrant(ctx context.Context, o ledger.OpenGrant) {
	if o.Maker == "" {
		return
	}
	_, held := n.opener.epochKeys(o.Audience, o.First, o.Last)
	if held {
		n.rewind()
		if n.rewound(ctx) != nil {
			return
		}
	} else {
		n.alarm(string(o.Maker), fmt.Sprintf("it handed over keys of %s that do not match", o.Audience))
	}
	if _, err := n.author.Govern(ctx, &ledger.Took{Audience: o.Audience, OK: held}); err != nil && ctx.Err() == nil {
		n.log.Warn("a grant is not closed yet", "audience", o.Audience, "error", err)
	}
}

// rewound waits until the board has followed everything again.
func (n *Node) rewound(ctx context.Context) error {
	tick := time.NewTicker(rewindEvery)
	defer tick.Stop()
	for {
		n.mu.Lock()
		wishes := n.rewinds
		n.mu.Unlock()
		if wishes == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// giveGrant waits for its turn among the members and hands the keys over if nobody has.
func (n *Node) giveGrant(ctx context.Context, o ledger.OpenGrant) {
	a, ok := n.store.State().Governance.Audience(o.Audience)
	if !ok || o.Maker != "" {
		return
	}
	rank, may := o.MayHandOver(a, n.id.Agency)
	keys, held := n.opener.epochKeys(o.Audience, o.First, o.Last)
	if !may || !held || n.waitWhile(ctx, time.Duration(rank)*epochStep, func() bool { return n.waits(o) }) {
		return
	}
	to, ok := n.store.State().Governance.Agency(o.Agency)
	if !ok {
		return
	}
	h, err := ledger.MakeHandOver(keys, o.Audience, o.First, to)
	if err != nil {
		n.log.Error("earlier keys cannot be handed over", "error", err)
		return
	}
	if _, err := n.author.Govern(ctx, h); err != nil && !errors.Is(err, author.ErrRefused) && ctx.Err() == nil {
		n.log.Warn("earlier keys are not handed over yet", "audience", o.Audience, "error", err)
	}
}

// waits says whether a grant is open as it was and nobody has handed its keys over.
func (n *Node) waits(o ledger.OpenGrant) bool {
	for _, x := range n.store.State().Governance.Grants {
		if x.Agency == o.Agency && x.Audience == o.Audience && x.First == o.First && x.Last == o.Last {
			return x.Maker == ""
		}
	}
	return false
}
