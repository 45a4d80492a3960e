package cluster

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
)

// introduction is what a node shows to one that does not know it: CBOR array of the membership acts from genesis on.
type introduction struct {
	_    struct{} `cbor:",toarray"`
	Acts []actAt
}

type actAt struct {
	_     struct{} `cbor:",toarray"`
	Index uint64
	Entry ledger.Entry
}

// shownRoster is a roster that was shown, and the acts that lead to it.
type shownRoster struct {
	roster *ledger.Governance
	from   uint64  // size of this node's ledger when they were shown
	acts   []actAt // from there on, at least one
}

// last is the entry up to which it counts.
func (s *shownRoster) last() uint64 { return s.acts[len(s.acts)-1].Index }

func (a actAt) same(b actAt) bool {
	return a.Index == b.Index && bytes.Equal(a.Entry.Leaf, b.Entry.Leaf)
}

// introduce shows a node that says we are no member how we became one: it may have slept through that. Without it, a node
// that was away while all others were replaced would refuse everybody for ever.
func (c *Cluster) introduce(ctx context.Context, to crypto.NodeID) {
	state := c.cfg.Store.State()
	if state == nil || !c.dueIntroduction(to) {
		return
	}
	acts, err := c.membership(state, 1)
	if err != nil {
		return
	}
	if _, err := c.Post(ctx, to, "/cluster/introduce", ledger.Marshal(introduction{Acts: acts})); err != nil {
		c.cfg.Log.Debug("a node that does not know this one did not take its introduction", "node", to.Short(), "error", err)
	}
}

// membership returns the membership acts of this node's ledger from an index on, as far as a state goes.
func (c *Cluster) membership(state *ledger.State, from uint64) (acts []actAt, err error) {
	origin := state.Governance.Origin
	indexes, err := c.cfg.Store.Governance(origin, from)
	if err != nil {
		return nil, err
	}
	for _, i := range indexes {
		if i >= state.Size() {
			break
		}
		e, _, _, err := c.cfg.Store.Entry(origin, i)
		if err != nil {
			return nil, err
		}
		if act, err := ledger.DecodeAct(e.Payload); err == nil && ledger.IsMembership(act) {
			acts = append(acts, actAt{Index: i, Entry: e})
		}
	}
	return acts, nil
}

// dueIntroduction bounds how often a node is shown all that.
func (c *Cluster) dueIntroduction(to crypto.NodeID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.introduced[to]) < introduceEvery {
		return false
	}
	c.introduced[to] = time.Now()
	return true
}

// serveIntroduce folds the membership acts that came after what this node has. Where they make a member of whoever shows
// them, this node listens to the roster they lead to until its own has come as far, or another way. Who is a member already has
// nothing to show.
func (c *Cluster) serveIntroduce(w http.ResponseWriter, r *http.Request) {
	peer, known := PeerFromContext(r.Context())
	if known && c.Member(peer) {
		return
	}
	raw, err := io.ReadAll(r.Body)
	var shown introduction
	if err == nil {
		err = ledger.Unmarshal(raw, &shown, maxRequestBytes)
	}
	state := c.cfg.Store.State()
	if err != nil || !known || state == nil || !shown.rises() {
		http.Error(w, "malformed introduction", http.StatusBadRequest)
		return
	}
	later := slices.DeleteFunc(shown.Acts, func(a actAt) bool { return a.Index < state.Size() })
	g := state.Governance
	for _, a := range later {
		if g, err = g.Ahead(a.Entry, a.Index); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	if _, member := g.NodeOwner(peer); !member {
		http.Error(w, notMember, http.StatusForbidden)
		return
	}
	if g != state.Governance {
		c.cfg.Log.Info("this node slept through changes of the roster; it listens to the members there are now", "version", g.Version)
		c.ahead.Store(&shownRoster{roster: g, from: state.Size(), acts: later})
		c.comparesShown()
	}
}

// rises says whether each act stands behind the one before, as in any ledger.
func (i introduction) rises() bool {
	for k := 1; k < len(i.Acts); k++ {
		if i.Acts[k].Index <= i.Acts[k-1].Index {
			return false
		}
	}
	return true
}

// comparesShown drops a roster that was shown once the own one has come as far, or has come by another act than those that led to
// it: a member can sign an act that was never committed, and name any index. The version says nothing, as a node's replacement keeps it.
// Who was dropped and belongs shows itself again.
func (c *Cluster) comparesShown() {
	shown, state := c.ahead.Load(), c.cfg.Store.State()
	if shown == nil || state == nil {
		return
	}
	acts, err := c.membership(state, shown.from)
	if err != nil { // a ledger that cannot be read has its own end
		return
	}
	until := slices.IndexFunc(shown.acts, func(a actAt) bool { return a.Index >= state.Size() })
	if until < 0 || !slices.EqualFunc(acts, shown.acts[:until], actAt.same) {
		c.ahead.CompareAndSwap(shown, nil)
	}
}

// shown is a newer roster that was shown and that the own one has not come to yet; nil for none.
func (c *Cluster) shown() *shownRoster {
	shown, state := c.ahead.Load(), c.cfg.Store.State()
	if shown == nil || state == nil || state.Size() > shown.last() {
		return nil
	}
	return shown
}

// roster is what decides who belongs: the own one, or a newer one that was shown.
func (c *Cluster) roster() *ledger.Governance {
	if shown := c.shown(); shown != nil {
		return shown.roster
	}
	if state := c.cfg.Store.State(); state != nil {
		return state.Governance
	}
	return nil
}
