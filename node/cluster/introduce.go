package cluster

import (
	"context"
	"io"
	"net/http"
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

// shownRoster is a roster that was shown, and the entry up to which it counts.
type shownRoster struct {
	roster *ledger.Governance
	last   uint64
}

// introduce shows a node that says we are no member how we became one: it may have slept through that. Without it, a node
// that was away while all others were replaced would refuse everybody for ever.
func (c *Cluster) introduce(ctx context.Context, to crypto.NodeID) {
	state := c.cfg.Store.State()
	if state == nil || !c.dueIntroduction(to) {
		return
	}
	origin := state.Governance.Origin
	indexes, err := c.cfg.Store.Governance(origin, 1)
	if err != nil {
		return
	}
	var all introduction
	for _, i := range indexes {
		e, _, _, err := c.cfg.Store.Entry(origin, i)
		if err != nil {
			return
		}
		if act, err := ledger.DecodeAct(e.Payload); err == nil && ledger.IsMembership(act) {
			all.Acts = append(all.Acts, actAt{Index: i, Entry: e})
		}
	}
	if _, err := c.Post(ctx, to, "/cluster/introduce", ledger.Marshal(all)); err != nil {
		c.cfg.Log.Debug("a node that does not know this one did not take its introduction", "node", to.Short(), "error", err)
	}
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
// them, this node listens to the roster they lead to until its own has come as far.
func (c *Cluster) serveIntroduce(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var shown introduction
	if err == nil {
		err = ledger.Unmarshal(raw, &shown, maxRequestBytes)
	}
	peer, known := PeerFromContext(r.Context())
	state := c.cfg.Store.State()
	if err != nil || !known || state == nil {
		http.Error(w, "malformed introduction", http.StatusBadRequest)
		return
	}
	g, last := state.Governance, uint64(0)
	for _, a := range shown.Acts {
		if a.Index < state.Size() {
			continue
		}
		last = a.Index
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
		c.ahead.Store(&shownRoster{roster: g, last: last})
	}
}

// roster is what decides who belongs: the own one, or a newer one that was shown and that it has not come to yet.
func (c *Cluster) roster() *ledger.Governance {
	state := c.cfg.Store.State()
	if state == nil {
		return nil
	}
	if shown := c.ahead.Load(); shown != nil && state.Size() <= shown.last {
		return shown.roster
	}
	return state.Governance
}
