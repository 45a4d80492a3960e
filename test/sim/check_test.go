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
		for _, n := range s.members() {
			entries, err := w.checkNode(n)
			if err != nil {
				w.fail("%s: %v", n.member.ID, err)
			}
			histories[n] = entries
		}
		if err := s.checkEqual(histories); err != nil {
			w.fail("%s: %v", s.origin, err)
		}
	}
	r, err := w.readers()
	if err != nil {
		w.fail("%v", err)
		return
	}
	if err := w.checkBoards(r); err != nil {
		w.fail("boards: %v", err)
	}
	if err := w.checkSecrets(r); err != nil {
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

// noticed is nil once what a liar acknowledged and dropped has been missed: who was told so a moment ago may still wait for it.
func (s *side) noticed(p *process) error {
	w := p.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.writes {
		if !x.acknowledged || x.by.side != s || w.excused(x) {
			continue
		}
		if e, _, _, err := p.store.Entry(s.origin, x.receipt.Index); err != nil || ledger.LeafHash(e.Leaf) != x.receipt.Leaf {
			return fmt.Errorf("%w: %s may still miss event %s, acknowledged at %d", errNotYet, x.by.member.ID, x.event.ID, x.receipt.Index)
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
	members := s.members()
	first := histories[members[0]]
	for _, n := range members[1:] {
		same := func(a, b ledger.Entry) bool { return bytes.Equal(a.Leaf, b.Leaf) && bytes.Equal(a.Payload, b.Payload) }
		if !slices.EqualFunc(first, histories[n], same) {
			return fmt.Errorf("%s: %s and %s", divergence, members[0].member.ID, n.member.ID)
		}
	}
	return nil
}

// readers are who may open what, as the ledgers themselves say it: who was given the key of an epoch, and which are named.
type readers struct {
	given map[ledger.AudienceRef][]ledger.AgencyID
	named map[place][]ledger.AudienceRef
}

// place is where an entry stands.
type place struct {
	origin ledger.Origin
	index  uint64
}

func (w *world) readers() (*readers, error) {
	r := &readers{map[ledger.AudienceRef][]ledger.AgencyID{}, map[place][]ledger.AudienceRef{}}
	for _, s := range w.sides {
		p := s.members()[0].live()
		for i := range p.store.Size(s.origin) {
			e, _, _, err := p.store.Entry(s.origin, i)
			if err != nil {
				return nil, err
			}
			rec, err := e.Open()
			if err != nil {
				return nil, err
			}
			r.named[place{s.origin, i}] = rec.Audience
			if rec.Kind != ledger.KindGovernance {
				continue
			}
			epoch, err := epochOf(e)
			if err != nil {
				return nil, err
			}
			for _, share := range epoch.Shares {
				ref := ledger.AudienceRef{Name: epoch.Audience, Epoch: epoch.Number}
				r.given[ref] = append(r.given[ref], share.Agency)
			}
		}
	}
	return r, nil
}

// epochOf returns the epoch that an act of governance begins; one without shares where it begins none.
func epochOf(e ledger.Entry) (ledger.Epoch, error) {
	act, err := ledger.DecodeAct(e.Payload)
	switch a := act.(type) {
	case *ledger.Genesis:
		return a.Epoch, err
	case *ledger.NewEpoch:
		return a.Epoch, err
	}
	return ledger.Epoch{}, err
}

// may says whether an agency can open what stands somewhere: it is named, or was given the key of an epoch that is.
func (r *readers) may(by ledger.AgencyID, at place) bool {
	return slices.ContainsFunc(r.named[at], func(ref ledger.AudienceRef) bool {
		return ref.Name == ledger.AudienceName(by) || slices.Contains(r.given[ref], by)
	})
}

// alike says whether an agency shows of an alert what whoever has it from its first place shows. Where it was written twice, as its author
// did not know of the first, who was admitted between has the second only.
func (r *readers) alike(by ledger.AgencyID, seen, first shown) bool {
	return seen.text == first.text && (seen.at == first.at || !r.may(by, first.at))
}

// checkBoards compares every board with what was written: what was acknowledged to its audience stands there, nothing else
// does but what was at least asked for, and what two agencies both see looks the same to both. Who was admitted later sees what
// was sealed since.
func (w *world) checkBoards(r *readers) error {
	all := map[*node]map[alert.Key]shown{}
	for _, n := range w.nodes() {
		picture, err := picture(n.live().board)
		if err != nil {
			return fmt.Errorf("%s: %w", n.member.ID, err)
		}
		all[n] = picture
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	first := map[alert.Key]shown{}
	for _, picture := range all {
		for key, seen := range picture {
			if before, known := first[key]; !known || seen.at.index < before.at.index {
				first[key] = seen
			}
		}
	}
	for n, picture := range all {
		left := maps.Clone(picture)
		for _, x := range w.writes {
			if !x.raised {
				continue
			}
			seen, there := picture[x.key()]
			if before := first[x.key()]; there && !r.alike(n.member.ID, seen, before) {
				return fmt.Errorf("%s: %s shows %v of %s, another %v", differs, n.member.ID, seen, x.event.ID, before)
			}
			switch {
			case x.acknowledged && x.sees(n) && r.may(n.member.ID, place{x.by.side.origin, x.receipt.Index}) && !there && !w.excused(x):
				return fmt.Errorf("%s: %s does not see %s of %s", lost, n.member.ID, x.event.ID, x.by.member.ID)
			case there && (!x.sees(n) || !r.may(n.member.ID, seen.at)):
				return fmt.Errorf("%s: %s sees %s, which is for %s", leaked, n.member.ID, x.event.ID, x.audience)
			}
			delete(left, x.key())
		}
		for key := range left {
			return fmt.Errorf("%s sees %s, which nobody wrote", n.member.ID, key.Event)
		}
	}
	return nil
}

const (
	leaked  = "leaked"
	differs = "differs"
)

// checkSecrets looks at who opened what, and that what was not released is not even across the border.
func (w *world) checkSecrets(r *readers) error {
	at := map[openedBy]place{}
	for _, s := range w.sides {
		p := s.members()[0].live()
		for i := range p.store.Size(s.origin) {
			e, _, _, err := p.store.Entry(s.origin, i)
			if err != nil {
				return err
			}
			rec, err := e.Open()
			if err != nil {
				return err
			}
			at[openedBy{"", s.origin, rec.Writer, rec.Sequence}] = place{s.origin, i}
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
		where, known := at[o]
		if !known {
			return fmt.Errorf("%s: %s opened an entry that is in no ledger", divergence, by)
		}
		if !r.may(by, where) {
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
		for _, n := range other.members() {
			if e, bare, _, err := n.live().store.Entry(s.origin, i); err != nil || !bare || len(e.Leaf)+len(e.Payload) > 0 {
				return fmt.Errorf("%s: %s has entry %d of %s in full: %w", leaked, n.member.ID, i, s.origin, err)
			}
		}
	}
	return nil
}
