package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// reconcileLoop makes raft's configuration follow the roster, while this node leads: one change at a time.
func (c *Cluster) reconcileLoop(ctx context.Context) error {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-c.reconcile:
		}
		c.Recheck() // a configuration that changed may do without a node that left
		if state := c.cfg.Store.State(); state != nil && c.Leads() {
			if err := c.step(ctx, state.Governance); err != nil && ctx.Err() == nil {
				c.cfg.Log.Info("raft's configuration does not follow the roster yet", "error", err)
			}
		}
	}
}

// step makes the first change that is due.
func (c *Cluster) step(ctx context.Context, g *ledger.Governance) error {
	f := c.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return err
	}
	change, id := due(f.Configuration().Servers, g, c.caughtUp, c.alive)
	server, address := raft.ServerID(id.String()), raft.ServerAddress(id.String())
	switch change {
	case addNonvoter:
		return c.raft.AddNonvoter(server, address, f.Index(), rpcWait).Error()
	case promote:
		return c.raft.AddVoter(server, address, f.Index(), rpcWait).Error()
	case demote:
		if id == c.self {
			c.StepDown(ctx)
			return nil
		}
		return c.raft.DemoteVoter(server, f.Index(), rpcWait).Error()
	case removeServer:
		if id == c.self {
			c.StepDown(ctx)
			return nil
		}
		return c.raft.RemoveServer(server, f.Index(), rpcWait).Error()
	}
	return nil
}

type change int

const (
	nothing change = iota
	addNonvoter
	promote
	demote
	removeServer
)

// due decides the next change: who left goes first, then who came joins, then voters are made and unmade. A voter is
// made only of a node that has nearly caught up, and one that left goes only where those that remain can decide without it:
// otherwise another is made first.
func due(servers []raft.Server, g *ledger.Governance, caughtUp, alive func(crypto.NodeID) bool) (change, crypto.NodeID) {
	suffrage := map[crypto.NodeID]raft.ServerSuffrage{}
	var left []crypto.NodeID
	all, remain := 0, 0 // voters, and those of them that belong and are heard
	for _, s := range servers {
		id, err := crypto.ParseNodeID(string(s.ID))
		if err != nil {
			continue // the guard lets no such server in
		}
		suffrage[id] = s.Suffrage
		_, member := g.NodeOwner(id)
		if !member {
			left = append(left, id)
		}
		if s.Suffrage == raft.Voter {
			all++
			if member && alive(id) {
				remain++
			}
		}
	}
	for _, id := range left {
		if suffrage[id] != raft.Voter || remain >= (all-1)/2+1 {
			return removeServer, id
		}
	}
	voters := g.Voters()
	for i := range g.Agencies {
		a := &g.Agencies[i]
		id := a.Node.Key.ID()
		have, known := suffrage[id]
		wanted := slices.Contains(voters, a.ID)
		switch {
		case !known:
			return addNonvoter, id
		case wanted && have != raft.Voter && caughtUp(id):
			return promote, id
		case !wanted && have == raft.Voter:
			return demote, id
		}
	}
	return nothing, crypto.NodeID{}
}

func (c *Cluster) caughtUp(id crypto.NodeID) bool {
	h, ok := c.Heights()[id]
	_, last, _ := c.Progress()
	return ok && time.Since(h.Heard) < heardWithin && h.Applied+caughtUpWithin >= last
}

// successor returns the voter heard of last that has the most.
func (c *Cluster) successor() (crypto.NodeID, bool) {
	f := c.raft.GetConfiguration()
	if f.Error() != nil {
		return crypto.NodeID{}, false
	}
	heights := c.Heights()
	var best crypto.NodeID
	var most uint64
	for _, s := range f.Configuration().Servers {
		id, err := crypto.ParseNodeID(string(s.ID))
		h, heard := heights[id]
		if err == nil && id != c.self && s.Suffrage == raft.Voter && heard && time.Since(h.Heard) < heardWithin && h.Last+1 > most {
			best, most = id, h.Last+1
		}
	}
	return best, most > 0
}

func (c *Cluster) announceTransfer(ctx context.Context, to crypto.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	state := c.cfg.Store.State()
	if state == nil {
		return
	}
	c.guard.announce(to) // this node votes, too
	done := make(chan struct{}, len(state.Governance.Agencies))
	asked := 0
	for i := range state.Governance.Agencies {
		id := state.Governance.Agencies[i].Node.Key.ID()
		if id == c.self {
			continue
		}
		asked++
		go func() {
			_, _ = c.Post(ctx, id, "/cluster/transfer", to[:]) // who does not hear of it does not vote for it
			done <- struct{}{}
		}()
	}
	for range asked {
		<-done
	}
}

func (c *Cluster) serveTransfer(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64))
	peer, _ := PeerFromContext(r.Context())
	leader, ok := c.Leader()
	if err != nil || len(b) != len(crypto.NodeID{}) || !ok || leader != peer {
		http.Error(w, "only the leader announces a transfer", http.StatusForbidden)
		return
	}
	c.guard.announce(crypto.NodeID(b))
}

// Height is how far a node is, as it says itself once a second.
type Height struct {
	Term, Last, Applied uint64 // raft
	Size                uint64
	Root                tlog.Hash
	Clock               time.Duration // how far its clock is ahead of ours
	Heard               time.Time
	Follows             []string // origins of partners it has an open stream to
}

type heightWire struct {
	_                   struct{} `cbor:",toarray"`
	Term, Last, Applied uint64
	Size                uint64
	Root                tlog.Hash
	Now                 int64 // ms
	Follows             []string
	Standing            []byte // signedStanding of who sends it
	Remembered          []byte // and the furthest that is remembered of whoever gets it
	Leaves              bool   // it stops
}

// Heights returns what the other nodes said last.
func (c *Cluster) Heights() map[crypto.NodeID]Height {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[crypto.NodeID]Height, len(c.heights))
	for id, h := range c.heights {
		out[id] = h
	}
	return out
}

// height is how far this node is, for another.
func (c *Cluster) height(to crypto.NodeID) heightWire {
	w := heightWire{Now: c.cfg.Clock().UnixMilli(), Root: ledger.EmptyRoot, Follows: c.cfg.Follows(), Standing: c.signed()}
	if r, ok := c.memory.of(to); ok {
		w.Remembered = r.raw
	}
	w.Term, w.Last, w.Applied = c.Progress()
	if state := c.cfg.Store.State(); state != nil {
		w.Size, w.Root = state.Size(), state.Root()
	}
	return w
}

// heightLoop tells every other node how far we are and takes their answers.
func (c *Cluster) heightLoop(ctx context.Context) error {
	tick := time.NewTicker(heightEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.memory.save(c.Member); err != nil {
			c.cfg.Fatal(err)
		}
		state := c.cfg.Store.State()
		if state == nil {
			continue
		}
		for i := range state.Governance.Agencies {
			if id := state.Governance.Agencies[i].Node.Key.ID(); id != c.self {
				go c.exchange(ctx, id)
			}
		}
	}
}

func (c *Cluster) exchange(ctx context.Context, id crypto.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, heightEvery)
	defer cancel()
	raw, err := c.Post(ctx, id, "/cluster/height", ledger.Marshal(c.height(id)))
	if err == nil {
		c.hear(id, raw)
	}
	stranger := errors.Is(err, ErrRemote) && strings.Contains(err.Error(), notMember)
	c.mu.Lock()
	c.disowned[id] = stranger
	c.mu.Unlock()
	if stranger {
		c.tellBack(ctx, id)
		c.introduce(ctx, id)
	}
}

// Disowned returns how many nodes answer that this one is not a member: it was removed or replaced, and may not have
// heard.
func (c *Cluster) Disowned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, d := range c.disowned {
		if d {
			n++
		}
	}
	return n
}

func (c *Cluster) serveHeight(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxHeightBytes))
	peer, _ := PeerFromContext(r.Context())
	own := c.height(peer) // with what was remembered before this
	if err != nil || !c.hear(peer, raw) {
		http.Error(w, "malformed height", http.StatusBadRequest)
		return
	}
	_, _ = w.Write(ledger.Marshal(own)) // a lost answer comes again in a second
}

// hear notes what a node says and compares its root with ours at the same size.
func (c *Cluster) hear(id crypto.NodeID, raw []byte) bool {
	var w heightWire
	if err := ledger.Unmarshal(raw, &w, maxHeightBytes); err != nil {
		return false
	}
	now := time.Now()
	h := Height{
		Term: w.Term, Last: w.Last, Applied: w.Applied, Size: w.Size, Root: w.Root, Heard: now, Follows: w.Follows,
		Clock: time.Duration(w.Now-c.cfg.Clock().UnixMilli()) * time.Millisecond,
	}
	c.mu.Lock()
	c.heights[id] = h
	c.mu.Unlock()
	if c.memory.note(id, w.Standing, w.Leaves) {
		c.cfg.Alarm(id, "it is behind what it has signed: its disk was rolled back")
	}
	if len(w.Remembered) > 0 {
		c.reflect(id, w.Remembered)
	}
	if state := c.cfg.Store.State(); state != nil && state.Size() == w.Size && state.Root() != w.Root {
		c.cfg.Alarm(id, "it has another root at the same size")
	}
	return true
}
