package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"vigil/crypto"
	"vigil/ledger"
)

const (
	// noticeEvery is how often an act that is not in the ledger yet is told again; withheldAfter is when that is an alarm.
	noticeEvery    = 2 * time.Second
	withheldAfter  = 10 * time.Second
	noticeWait     = 5 * time.Second
	maxNoticeBytes = 64 << 10
	// noticePatience is how long an approval waits for a proposal that is known from its author and not yet in the ledger.
	noticePatience = time.Minute
)

// notices tells every node of this node's proposals and approvals, beside proposing them, and takes the others'. A node
// that holds enough approvals for an agency's removal stops speaking raft with it at once: so a leader that withholds its
// own removal is cut, and the others commit it.
type notices struct {
	n *Node

	mu        sync.Mutex
	held      ledger.Notices                // guarded by mu
	condemned map[crypto.NodeID]bool        // guarded by mu
	since     map[ledger.AgencyID]time.Time // guarded by mu; when each author's oldest act that is not in the ledger came, or the leader's term began
	term      uint64                        // guarded by mu; of whoever leads, as it was seen last
	wake      chan struct{}
}

func newNotices(n *Node) *notices {
	return &notices{n: n, condemned: map[crypto.NodeID]bool{}, since: map[ledger.AgencyID]time.Time{}, wake: make(chan struct{}, 1)}
}

// condemns implements cluster.Config.Condemned.
func (x *notices) condemns(id crypto.NodeID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.condemned[id]
}

// proposals returns what is not in the ledger.
func (x *notices) proposals(g *ledger.Governance) []ledger.Proposal {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.held.Proposals(g)
}

// tell takes an act that this node has just signed.
func (x *notices) tell(e ledger.Entry) {
	if state := x.n.store.State(); state != nil {
		_, _ = x.take(state.Governance, e) // most acts are no notices
	}
}

// take keeps an entry that counts and says whether it is news.
func (x *notices) take(g *ledger.Governance, e ledger.Entry) (news bool, err error) {
	x.mu.Lock()
	news, err = x.held.Add(g, e)
	x.mu.Unlock()
	if news {
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
	return news, err
}

// serve takes another node's act.
func (x *notices) serve(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxNoticeBytes))
	var e ledger.Entry
	if err == nil {
		err = ledger.Unmarshal(raw, &e, maxNoticeBytes)
	}
	state := x.n.store.State()
	if err != nil || state == nil {
		http.Error(w, "malformed notice", http.StatusBadRequest)
		return
	}
	if _, err := x.take(state.Governance, e); err != nil {
		http.Error(w, err.Error(), http.StatusConflict) // this node may be ahead, or behind: it is told again
	}
}

// run judges what is held whenever that or the roster changes, and tells the others of our own acts until the ledger has
// them.
func (x *notices) run(ctx context.Context) error {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	for {
		changed := x.n.store.Changed()
		tell := false
		if state := x.n.store.State(); state != nil {
			x.judge(state.Governance)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-x.wake:
			tell = true
		case <-tick.C:
			tell = true
		}
		if state := x.n.store.State(); state != nil && tell {
			x.judge(state.Governance)
			x.send(ctx, state.Governance)
			x.watch()
		}
	}
}

// judge drops what counts no more and finds out whom raft must not speak with.
func (x *notices) judge(g *ledger.Governance) {
	condemned := map[crypto.NodeID]bool{}
	x.mu.Lock()
	x.held.Trim(g)
	if id, ok := x.held.Condemned(g); ok {
		a, _ := g.Agency(id)
		condemned[a.Node.Key.ID()] = true
	}
	for i := range g.Agencies {
		id := g.Agencies[i].ID
		switch _, waits := x.since[id]; {
		case len(x.held.Entries(id)) == 0:
			delete(x.since, id)
		case !waits:
			x.since[id] = time.Now()
		}
	}
	same := len(condemned) == len(x.condemned)
	for id := range condemned {
		same = same && x.condemned[id]
	}
	x.condemned = condemned
	x.mu.Unlock()
	if !same {
		for id := range condemned {
			x.n.log.Warn("enough members have approved its removal: raft does not speak with it any more", "node", id.Short(), "agency", x.n.nameOf(id))
		}
		x.n.cluster.Recheck()
	}
}

// send tells every other node what this agency gave and the ledger does not have.
func (x *notices) send(ctx context.Context, g *ledger.Governance) {
	x.mu.Lock()
	entries := slices.Clone(x.held.Entries(x.n.id.Agency))
	x.mu.Unlock()
	self := x.n.keys.Node.Public().ID()
	for i := range g.Agencies {
		to := g.Agencies[i].Node.Key.ID()
		if to == self || len(entries) == 0 {
			continue
		}
		go func() {
			ctx, cancel := context.WithTimeout(ctx, noticeWait)
			defer cancel()
			for _, e := range entries {
				if _, err := x.n.cluster.Post(ctx, to, "/notice", ledger.Marshal(e)); err != nil {
					x.n.log.Debug("a notice was not taken; it is told again", "node", to.Short(), "error", err)
				}
			}
		}()
	}
}

// watch raises the alarm, once for each, over acts that do not get into the ledger.
func (x *notices) watch() {
	leader, led := x.n.cluster.Leader()
	term, heard := x.n.cluster.Heard()
	for _, id := range x.overdue(term, led && heard, time.Now()) {
		x.n.alarm(x.n.nameOf(leader), fmt.Sprintf("it leads, and an act of governance of %s has not come into the ledger for %s", id, withheldAfter))
	}
}

// overdue returns, once for each, whose acts one leader has had time enough for, and which did not come: while nobody leads, or whoever
// does has not told this node of its log, it may be there, or be late by nobody's fault.
func (x *notices) overdue(term uint64, heard bool, now time.Time) (authors []ledger.AgencyID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	same := heard && term == x.term
	x.term = term
	for id, since := range x.since {
		switch {
		case since.IsZero():
		case !same:
			x.since[id] = now
		case now.Sub(since) > withheldAfter:
			authors = append(authors, id)
			x.since[id] = time.Time{}
		}
	}
	return authors
}
