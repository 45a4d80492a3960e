package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/store"
)

// witness compares what every node has with what any had at the same size before: no two ever differ.
func (w *world) witness() {
	for _, n := range w.nodes() {
		p := n.live()
		if p == nil {
			continue
		}
		state := p.store.State()
		if state == nil {
			continue
		}
		w.saw(n, string(n.side.origin), state.Size(), fmt.Sprintf("%s %s", state.Root(), state.Line()))
		for origin, partner := range state.Partners {
			if size := partner.Mirror.Size(); size > 0 {
				w.saw(n, "mirror of "+string(origin), size, partner.Mirror.Tree.Root().String())
			}
		}
	}
}

func (w *world) saw(n *node, ledger string, size uint64, what string) {
	key := fmt.Sprintf("%s %d", ledger, size)
	w.mu.Lock()
	before, known := w.lines[key]
	if !known {
		w.lines[key] = what
	}
	w.mu.Unlock()
	if known && before != what {
		w.fail("%s: %s has another history of %s at %d entries", divergence, n.member.ID, ledger, size)
	}
}

const divergence = "divergence"

// opened notes who could open what.
func (w *world) opened(by ledger.AgencyID, rec *ledger.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opens[openedBy{by, rec.Origin, rec.Writer, rec.Sequence}] = true
}

// check reads everything back and looks at the books, once the world is at rest.
func (w *world) check() {
	for _, n := range w.nodes() {
		found := 0
		err := n.live().store.Verify(context.Background(), func(ledger.Origin, uint64, uint64) {}, func(f store.Finding) {
			if found++; found < 4 {
				w.fail("%s: %s %d: %s", n.member.ID, f.Origin, f.Index, f.What)
			}
		})
		if err != nil {
			w.fail("%s: verify: %v", n.member.ID, err)
		}
	}
	w.checkBooks()
}

// checkBooks compares what the nodes have with what was acknowledged, with each other, and with who may see it.
func (w *world) checkBooks() {
	for _, s := range w.sides {
		histories := map[*node][]ledger.Entry{}
		for _, n := range s.nodes {
			entries, err := w.checkNode(n)
			if err != nil {
				w.fail("%s: %v", n.member.ID, err)
			}
			histories[n] = entries
		}
		if err := s.checkEqual(histories); err != nil {
			w.fail("%s: %v", s.origin, err)
		}
		if err := w.checkBoards(s); err != nil {
			w.fail("boards: %v", err)
		}
	}
	if err := w.checkSecrets(); err != nil {
		w.fail("%v", err)
	}
}

// checkNode looks for every acknowledged write, and proves entries and checkpoints.
func (w *world) checkNode(n *node) ([]ledger.Entry, error) {
	p := n.live()
	size := p.store.Size(n.side.origin)
	var entries []ledger.Entry
	for i := range size {
		e, _, _, err := p.store.Entry(n.side.origin, i)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		entries = append(entries, e)
	}
	return entries, errors.Join(contiguous(entries), w.checkReceipts(n, entries), checkProofs(p.store, n.side.origin, entries))
}

// contiguous checks that every writer's sequences follow each other from 1.
func contiguous(entries []ledger.Entry) error {
	last := map[crypto.NodeID]uint64{}
	for i, e := range entries {
		rec, err := e.Open()
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if rec.Sequence != last[rec.Writer]+1 {
			return fmt.Errorf("entry %d is number %d of its writer after number %d", i, rec.Sequence, last[rec.Writer])
		}
		last[rec.Writer] = rec.Sequence
	}
	return nil
}

const lost = "lost"

// checkReceipts looks for what was acknowledged at the place that was named.
func (w *world) checkReceipts(n *node, entries []ledger.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.writes {
		if !x.acknowledged || x.by.side != n.side || w.excused(x) {
			continue
		}
		if i := x.receipt.Index; i >= uint64(len(entries)) || ledger.LeafHash(entries[i].Leaf) != x.receipt.Leaf {
			return fmt.Errorf("%s: event %s, acknowledged to %s at %d, is not there", lost, x.event.ID, x.by.member.ID, i)
		}
	}
	return nil
}

// checkProofs proves some entries under every checkpoint that counts, and each of those from the one before.
func checkProofs(s *store.Store, origin ledger.Origin, entries []ledger.Entry) error {
	before, root := uint64(0), tlog.Hash{}
	for size := uint64(1); size <= uint64(len(entries)); size++ {
		signed, err := s.Checkpoint(origin, size)
		if err != nil {
			return err
		}
		if signed == nil {
			continue
		}
		cp, _, err := ledger.ParseSigned(signed)
		if err != nil {
			return err
		}
		for _, i := range []uint64{before, size / 2, size - 1} {
			proof, err := tlog.ProveRecord(int64(size), int64(i), s.HashReader(origin))
			if err == nil {
				err = tlog.CheckRecord(proof, int64(size), cp.Root, int64(i), ledger.LeafHash(entries[i].Leaf))
			}
			if err != nil {
				return fmt.Errorf("inclusion of %d in %d: %w", i, size, err)
			}
		}
		if before > 0 {
			proof, err := tlog.ProveTree(int64(size), int64(before), s.HashReader(origin))
			if err == nil {
				err = tlog.CheckTree(proof, int64(size), cp.Root, int64(before), root)
			}
			if err != nil {
				return fmt.Errorf("consistency of %d with %d: %w", size, before, err)
			}
		}
		before, root = size, cp.Root
	}
	if before != uint64(len(entries)) {
		return fmt.Errorf("%d of %d entries are sealed", before, len(entries))
	}
	return nil
}

func (s *side) checkEqual(histories map[*node][]ledger.Entry) error {
	first := histories[s.nodes[0]]
	for _, n := range s.nodes[1:] {
		same := func(a, b ledger.Entry) bool { return bytes.Equal(a.Leaf, b.Leaf) && bytes.Equal(a.Payload, b.Payload) }
		if !slices.EqualFunc(first, histories[n], same) {
			return fmt.Errorf("%s: %s and %s", divergence, s.nodes[0].member.ID, n.member.ID)
		}
	}
	return nil
}

// checkBoards compares every board with what was written: what was acknowledged to its audience stands there, nothing else
// does but what was at least asked for, and what two agencies both see looks the same to both.
func (w *world) checkBoards(s *side) error {
	all := map[*node]map[alert.Key]string{}
	for _, n := range w.nodes() {
		shown, err := picture(n.live().board)
		if err != nil {
			return fmt.Errorf("%s: %w", n.member.ID, err)
		}
		all[n] = shown
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, shown := range all {
		left := maps.Clone(shown)
		for _, x := range w.writes {
			if !x.raised {
				continue
			}
			_, there := shown[x.key()]
			switch {
			case x.acknowledged && x.sees(n) && !there && !w.excused(x):
				return fmt.Errorf("%s: %s does not see %s of %s", lost, n.member.ID, x.event.ID, x.by.member.ID)
			case there && !x.sees(n):
				return fmt.Errorf("%s: %s sees %s, which is for %s", leaked, n.member.ID, x.event.ID, x.audience)
			case there && x.by.live() != nil && all[x.by][x.key()] != shown[x.key()]:
				return fmt.Errorf("%s shows %q of %s, its author %q", n.member.ID, shown[x.key()], x.event.ID, all[x.by][x.key()])
			}
			delete(left, x.key())
		}
		for key := range left {
			return fmt.Errorf("%s sees %s, which nobody wrote", n.member.ID, key.Event)
		}
	}
	return nil
}

const leaked = "leaked"

// checkSecrets looks at who opened what, and that what was not released is not even across the border.
func (w *world) checkSecrets() error {
	audiences := map[openedBy][]ledger.AudienceRef{}
	for _, s := range w.sides {
		p := s.nodes[0].live()
		for i := range p.store.Size(s.origin) {
			e, _, _, err := p.store.Entry(s.origin, i)
			if err != nil {
				return err
			}
			rec, err := e.Open()
			if err != nil {
				return err
			}
			audiences[openedBy{"", s.origin, rec.Writer, rec.Sequence}] = rec.Audience
			if err := w.checkAbroad(s, i, rec); err != nil {
				return err
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for o := range w.opens {
		by := o.agency
		o.agency = ""
		refs, known := audiences[o]
		if !known {
			return fmt.Errorf("%s: %s opened an entry that is in no ledger", divergence, by)
		}
		if !slices.ContainsFunc(refs, func(r ledger.AudienceRef) bool {
			return r.Name == ledger.AudienceName(by) || r.Name == ledger.Everyone(by.Jurisdiction())
		}) {
			return fmt.Errorf("%s: %s opened number %d of %s", leaked, by, o.sequence, o.writer.Short())
		}
	}
	return nil
}

func (w *world) checkAbroad(s *side, i uint64, rec *ledger.Record) error {
	if rec.Kind == ledger.KindGovernance {
		return nil
	}
	for _, other := range w.sides {
		if other == s || ledger.ReleasedTo(rec, other.origin.Jurisdiction()) {
			continue
		}
		for _, n := range other.nodes {
			if e, bare, _, err := n.live().store.Entry(s.origin, i); err != nil || !bare || len(e.Leaf)+len(e.Payload) > 0 {
				return fmt.Errorf("%s: %s has entry %d of %s in full: %w", leaked, n.member.ID, i, s.origin, err)
			}
		}
	}
	return nil
}
