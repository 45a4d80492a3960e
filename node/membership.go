package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
)

// Agencies implements api.Node.
func (n *Node) Agencies() api.Agencies {
	state := n.store.State()
	if state == nil {
		return api.Agencies{Origin: string(n.id.Origin)}
	}
	g := state.Governance
	out := api.Agencies{Origin: string(g.Origin), Version: g.Version, Threshold: int(g.Policy.Threshold), Agencies: []api.Agency{}, Proposals: []api.Proposal{}, Audiences: []api.Audience{}}
	voters := g.Voters()
	for i := range g.Agencies {
		a := &g.Agencies[i]
		c, _ := g.Certificate(a.ID)
		x := api.Agency{ID: string(a.ID), Name: a.Name, Fingerprint: c.Fingerprint().String(), Node: a.Node.Key.ID().String(), Address: a.Node.Address, Voter: slices.Contains(voters, a.ID), Joined: a.Joined, Audiences: []string{}}
		for _, s := range g.Audiences {
			if slices.Contains(s.Members, a.ID) {
				x.Audiences = append(x.Audiences, string(s.Name))
			}
		}
		out.Agencies = append(out.Agencies, x)
	}
	for _, s := range g.Audiences {
		x := api.Audience{Name: string(s.Name), Epoch: s.Epoch, Stale: s.Stale}
		for _, m := range s.Members {
			x.Members = append(x.Members, string(m))
		}
		out.Audiences = append(out.Audiences, x)
	}
	for _, p := range g.Proposals {
		out.Proposals = append(out.Proposals, describeProposal(g, p))
	}
	for _, p := range n.notices.proposals(g) {
		x := describeProposal(g, p)
		x.Outside = true
		out.Proposals = append(out.Proposals, x)
	}
	return out
}

func refuse(status int, code, detail, hint string) error {
	return &api.Problem{Type: "about:blank#" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code, Hint: hint}
}

var errNotYet = refuse(http.StatusServiceUnavailable, "not-ready", "this node has no ledger yet", "it waits to be admitted, or for its leader")

// Invite implements api.Node.
func (n *Node) Invite(agency string, audiences []string, valid time.Duration) (api.Invitation, error) {
	id, err := ledger.ParseAgencyID(agency)
	state := n.store.State()
	switch {
	case state == nil:
		return api.Invitation{}, errNotYet
	case err != nil:
		return api.Invitation{}, refuse(http.StatusBadRequest, "agency-id", err.Error(), "such as "+string(n.id.Origin.Jurisdiction())+"/mh-cyber")
	case id.Jurisdiction() != n.id.Origin.Jurisdiction():
		return api.Invitation{}, refuse(http.StatusBadRequest, "other-jurisdiction", fmt.Sprintf("%s is of another jurisdiction than %s", id, n.id.Origin.Jurisdiction()), "other jurisdictions are linked: vigil partner link")
	case valid > maxInvite:
		return api.Invitation{}, refuse(http.StatusBadRequest, "too-long", ErrInviteTooLong.Error(), "")
	}
	if _, exists := state.Governance.Agency(id); exists {
		return api.Invitation{}, refuse(http.StatusConflict, "exists", fmt.Sprintf("%s is a member already", id), "choose another id")
	}
	names, err := audiencesOf(state.Governance, audiences)
	if err != nil {
		return api.Invitation{}, err
	}
	inv := newInvitation(n.current(), id, names, time.Now().Add(valid))
	inv.Origin, inv.Genesis = n.id.Origin, state.Governance.Genesis
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		pin := Pin{Agency: a.ID, Node: a.Node.Key.ID().String(), Address: a.Node.Address}
		inv.Members = append(inv.Members, pin)
		if a.ID == n.id.Agency {
			inv.Inviter = pin
		}
	}
	return api.Invitation{Token: inv.Token(), Expires: time.Unix(inv.Expires, 0).UTC()}, nil
}

// serveJoin answers a joiner: everything it claims is proved, then the admission is proposed. The same request again
// gets the same answer; another one with a used invitation is refused.
func (n *Node) serveJoin(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxJoinBytes))
	if err != nil {
		http.Error(w, "request cut off", http.StatusBadRequest)
		return
	}
	body, err := openJoin(raw, n.ring.all(), n.id.Origin, time.Now())
	if err != nil && !errors.Is(err, ErrTokenExpired) {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	proposal, err := n.admit(r.Context(), body, err)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_ = json.NewEncoder(w).Encode(joinAnswer{Proposal: proposal}) // a lost answer is asked for again
}

// admit proposes what was asked for, unless it is proposed or carried out already. A proposal that another change has
// voided is made again. expired is an error where the invitation has.
func (n *Node) admit(ctx context.Context, body joinBody, expired error) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := n.store.State()
	if state == nil {
		return "", errNotYet
	}
	a := ledger.Agency{
		ID: body.Agency, Name: body.Name, Certificate: body.Keys.Certificate, Generation: state.Governance.NextGeneration(body.Agency),
		Node: ledger.Node{Key: body.Keys.Node, Checkpoint: body.Keys.Checkpoint, Address: body.Address, Peers: body.Peers},
	}
	if proposal, asked, err := invited(state.Governance, a); asked || err != nil {
		return proposal, err
	}
	keys := string(ledger.Marshal(body.Keys))
	if first, used := n.used[body.Invite]; used && first != keys {
		return "", ErrTokenUsed
	}
	if expired != nil {
		return "", expired
	}
	n.used[body.Invite] = keys
	change := ledger.NewChange(&ledger.Admit{Agency: a, Audiences: body.Audiences})
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: change})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(r.Leaf[:]), nil
}

// invited says whether an agency has been proposed or admitted as it asks to be, and by which open proposal. One of that
// id with other keys or addresses is an invitation used twice.
func invited(g *ledger.Governance, a ledger.Agency) (proposal string, asked bool, err error) {
	same := func(o ledger.Agency) bool {
		o.Joined, o.Generation = a.Joined, a.Generation
		return bytes.Equal(ledger.Marshal(o), ledger.Marshal(a))
	}
	for i := range g.Agencies {
		switch o := g.Agencies[i]; {
		case o.ID == a.ID && same(o):
			return "", true, nil
		case o.ID == a.ID:
			return "", false, ErrTokenUsed
		case calledAlike(o, a):
			return "", false, ErrNameTaken
		}
	}
	for _, p := range g.Proposals {
		change, err := p.Change.Open()
		c, ok := change.(*ledger.Admit)
		switch {
		case err != nil || !ok:
		case c.Agency.ID == a.ID && same(c.Agency):
			return hex.EncodeToString(p.ID[:]), true, nil
		case c.Agency.ID == a.ID:
			return "", false, ErrTokenUsed
		case calledAlike(c.Agency, a):
			return "", false, ErrNameTaken
		}
	}
	return "", false, nil
}

// calledAlike says whether people would take the one agency's name for the other's.
func calledAlike(a, b ledger.Agency) bool {
	return a.Name != "" && strings.EqualFold(strings.Join(strings.Fields(a.Name), " "), strings.Join(strings.Fields(b.Name), " "))
}

// Partners implements api.Node.
func (n *Node) Partners() []api.PartnerStatus {
	out := []api.PartnerStatus{}
	state := n.store.State()
	if state == nil {
		return out
	}
	for _, link := range state.Governance.Partners {
		p := state.Partners[link.Card.Origin]
		x := api.PartnerStatus{Origin: string(link.Card.Origin), Suspended: link.Suspended, Mirrored: p.Mirror.Size(), Released: p.Released.Count}
		if g := p.Mirror.Governance; g != nil {
			for i := range g.Agencies {
				x.Agencies = append(x.Agencies, string(g.Agencies[i].ID))
			}
			for _, a := range g.Audiences {
				x.Audiences = append(x.Audiences, string(a.Name))
			}
		}
		of, closed := state.Governance.ClosedAt(link.Card.Origin)
		if n.peer != nil && (!closed || p.Mirror.Size() < of.Size) { // what is mirrored to its end is not followed any more
			s := n.peer.Status(link.Card.Origin)
			x.Known, x.Gateway, x.Error = max(s.Known, x.Mirrored), s.Gateway, s.Error
			if !s.Progress.IsZero() {
				x.Progress = &s.Progress
			}
		}
		out = append(out, x)
	}
	return out
}

// Card implements api.Node.
func (n *Node) Card() (api.Card, error) {
	state := n.store.State()
	if state == nil {
		return api.Card{}, errNotYet
	}
	g := state.Governance
	signed, err := n.store.Latest(n.id.Origin)
	if err != nil {
		return api.Card{}, err
	}
	c := ledger.PartnerCard{Version: 1, Origin: g.Origin, Genesis: g.Genesis, Roster: g.Version, Checkpoint: signed, Quorum: uint64(g.QuorumSize())}
	for i := range g.Agencies {
		if a := &g.Agencies[i]; len(a.Node.Peers) > 0 {
			c.Gateways = append(c.Gateways, ledger.Gateway{Agency: a.ID, Key: a.Node.Key, Peers: a.Node.Peers})
		}
	}
	raw := c.Encode()
	_, err = ledger.DecodePartnerCard(raw)
	if of := n.predecessor(); of != nil {
		raw = ledger.SuccessorCard{Card: c, Of: *of}.Encode()
	}
	if err != nil {
		return api.Card{}, refuse(http.StatusConflict, "no-gateway", "no node of this jurisdiction is a gateway", "set peer.listen in a node's configuration")
	}
	sum := sha256.Sum256(raw)
	return api.Card{Card: raw, Origin: string(g.Origin), Fingerprint: hex.EncodeToString(sum[:])}, nil
}

// Link implements api.Node.
func (n *Node) Link(ctx context.Context, raw []byte) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	card, err := ledger.DecodePartnerCard(raw)
	if next, notNext := ledger.DecodeSuccessorCard(raw); notNext == nil {
		if _, linked := state.Governance.Partner(next.Of.Origin); linked {
			return n.linkSuccessor(ctx, state, next)
		}
		card, err = next.Card, nil
	}
	if err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "card", "not a partner card: "+err.Error(), "a partner makes one with 'vigil partner card'")
	}
	return n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: ledger.NewChange(&ledger.Link{Card: card})})
}

// Policy implements api.Node.
func (n *Node) Policy() (ledger.Policy, uint64) {
	if state := n.store.State(); state != nil {
		return state.Governance.Policy, state.Governance.Version
	}
	return n.policyInForce(), 0
}

// ProposePolicy implements api.Node.
func (n *Node) ProposePolicy(ctx context.Context, p ledger.Policy) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	if err := state.Governance.CheckVoters(p.Voters); err != nil && !slices.Equal(p.Voters, state.Governance.Policy.Voters) {
		return author.Receipt{}, refuse(http.StatusConflict, "voters", fmt.Sprintf("%d voters of %d agencies: %v", len(p.Voters), len(state.Governance.Agencies), err),
			"'vigil agency list' shows the members; \"voters\": [] leaves it to the rule of thumb: the first 1, 2, 3 or 5 in roster order")
	}
	return n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: ledger.NewChange(&ledger.SetPolicy{Policy: p})})
}
