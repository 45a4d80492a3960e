package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/peer"
)

// beginReplace burns a machine: the agency's next one has nothing but the agency's key, and the roster is told by its first
// entry.
func (w *world) beginReplace() func() {
	n := w.change(w.side())
	if n == nil {
		return nil
	}
	down := w.between(time.Second, 30*time.Second)
	return func() {
		defer w.changed(n)
		if err := n.replace(down); err != nil {
			w.fail("%s is not replaced: %v", n.member.ID, err)
		}
	}
}

// change claims a node that the roster is to do without. Only one of a jurisdiction is lost at a time, while all others are
// there: with two of three disks gone, what they alone held would be, too.
func (w *world) change(s *side) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if p := n.live(); p == nil || !p.inFull() {
			return nil
		}
	}
	if s.changes || len(s.nodes[0].live().store.State().Governance.Voters()) < 3 { // of two, neither can do without the other
		return nil
	}
	n := w.take(s.nodes)
	s.changes = n != nil
	return n
}

// changed is told when what change claimed a node for is done.
func (w *world) changed(n *node) {
	n.side.mu.Lock()
	n.side.changes = false
	n.side.mu.Unlock()
	w.release(n)
}

// inFull says whether a node votes, where its agency is to vote.
func (p *process) inFull() bool {
	state := p.store.State()
	if state == nil {
		return false
	}
	for _, v := range state.Governance.Voters() {
		if v == p.n.member.ID {
			return p.cluster.Voting()
		}
	}
	return true
}

func (n *node) replace(down time.Duration) error {
	n.w.note("%s burns, and is replaced after %s", n.member.ID, down)
	n.host.crash()
	_ = n.live().end() // it is gone
	time.Sleep(down)
	empty := filepath.Join(n.disk.root, "new")
	if err := os.MkdirAll(empty, 0o700); err != nil {
		return err
	}
	if err := n.disk.crash(empty); err != nil {
		return err
	}
	node, err := crypto.GenerateNodeKey()
	if err != nil {
		return err
	}
	checkpoint, err := crypto.GenerateNodeKey()
	if err != nil {
		return err
	}
	m := n.member
	m.Node, m.Checkpoint = node, checkpoint
	record := ledger.Record{
		Version: ledger.RecordVersion, Origin: n.side.origin, Author: m.ID, Writer: node.Public().ID(), Sequence: 1, Kind: ledger.KindGovernance,
		AuthoredAt: time.Now().UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
	entry, err := ledger.SignEntry(m.Key, record, ledger.EncodeAct(&ledger.ReplaceNode{Node: m.Agency().Node}))
	if err != nil {
		return err
	}
	if err := n.side.handIn(entry); err != nil {
		return err
	}
	n.mu.Lock()
	n.own = machine{node, checkpoint}
	n.mu.Unlock()
	n.again()
	return nil
}

// handIn has an entry committed by whoever takes it; that may last until a cut is healed.
func (s *side) handIn(e ledger.Entry) error {
	var last error
	for range 300 {
		for _, n := range s.members() {
			p := n.live()
			if p == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			r, err := p.cluster.Propose(ctx, []ledger.Entry{e})
			cancel()
			switch {
			case err != nil:
				last = err
			case r[0].Verdict == ledger.Accepted || r[0].Verdict == ledger.Repeat:
				return nil
			default:
				return fmt.Errorf("%v: %w", r[0].Verdict, r[0].Reason)
			}
		}
		time.Sleep(time.Second)
	}
	return last
}

// introduce has operators do what they must where every gateway of a side was replaced while the border was closed: neither side
// knows the other's any more, and each is told of those there are, until it has learned of them.
func (w *world) introduce() {
	if !w.linked() {
		return
	}
	a, b := w.sides[0], w.sides[1]
	strangers := !a.knows(b) || !b.knows(a)
	for _, s := range w.sides {
		switch {
		case strangers && s.told.Load() == nil:
			var all []libp2p.AddrInfo
			for _, n := range s.members() {
				key := n.machine().node.Public()
				if info, err := peer.Gateway(key, n.member.Peers); err == nil && len(n.member.Peers) > 0 {
					all = append(all, info)
				}
			}
			s.told.Store(&all)
			w.note("the gateways of %s are told to the others by hand", s.origin)
			w.mu.Lock()
			w.faults["gateways told by hand"]++
			w.mu.Unlock()
		case !strangers:
			s.told.Store(nil)
		}
	}
}

// knows says whether the ledger of another side, as a node here has it, names a gateway that is there.
func (s *side) knows(o *side) bool {
	for _, n := range s.members() {
		p := n.live()
		if p == nil {
			continue
		}
		state := p.store.State()
		if state == nil || state.Partners[o.origin] == nil || state.Partners[o.origin].Mirror.Governance == nil {
			return true // it has the card
		}
		g := state.Partners[o.origin].Mirror.Governance
		for _, gateway := range o.members() {
			if owner, ok := g.NodeOwner(gateway.id()); ok && owner == gateway.member.ID && len(gateway.member.Peers) > 0 {
				return true
			}
		}
		return false
	}
	return true // nobody is there to be told
}
