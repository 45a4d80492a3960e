package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

// checkpointEvery is how many entries lie between two checkpoints of the ledger that is caught up with.
const checkpointEvery = 256

// runCatchup measures how fast somebody new has a whole ledger, every signature and the tree verified: a node that gets it as a
// journal and folds it, and a partner that mirrors what is released to it. Opening and folding on the board come after that, and
// are measured by BenchmarkFollow of node/board.
func runCatchup(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("catchup", flag.ContinueOnError)
	entries := f.Int("entries", 50_000, "entries of one event")
	lists := f.Int("lists", 100, "entries that hold a list each")
	rows := f.Int("rows", 10_000, "hashes of a list")
	if err := f.Parse(args); err != nil {
		return err
	}
	t := &table{title: "Somebody new catches up with a ledger, everything verified"}
	t.row("", "entries", "bytes", "took", "entries/s", "hashes/s", "MB/s", "processors busy with it", "processor/entry")
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	for _, x := range []struct {
		what          string
		entries, rows int
	}{{"entries of one event", *entries, 1}, {fmt.Sprintf("lists of %d", *rows), *lists, *rows}} {
		if err := catchUp(ctx, t, x.what, x.entries, x.rows); err != nil {
			return fmt.Errorf("%s: %w", x.what, err)
		}
	}
	if err := noteDisk(t, "after"); err != nil {
		return err
	}
	if err := noteVerification(t); err != nil {
		return err
	}
	t.note("opening and folding are apart: go test -run '^$' -bench Follow ./node/board")
	t.print()
	return nil
}

// home is a jurisdiction with its ledger on disk, and the partner that is to have it.
type home struct {
	in, uk *ledgertest.Jurisdiction
	store  *store.Store
	bytes  int // of leaves and payloads
}

func catchUp(ctx context.Context, t *table, what string, entries, rows int) error {
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := grow(ctx, filepath.Join(dir, "home"), entries, rows)
	if err != nil {
		return err
	}
	defer h.store.Close()
	size := int(h.store.State().Size())
	line := func(who string, receive func() error) error {
		watch, meter := time.Now(), startMeter(processor)
		if err := receive(); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		took, e := time.Since(watch).Seconds(), meter.effort()
		t.row(who+", "+what, size, h.bytes, fmt.Sprintf("%.1f s", took), fmt.Sprintf("%.0f", float64(size)/took), fmt.Sprintf("%.0f", float64(entries*rows)/took),
			fmt.Sprintf("%.1f", float64(h.bytes)/took/1e6), fmt.Sprintf("%.1f", e.own), fmt.Sprintf("%.0f us", e.own*took/float64(size)*1e6))
		return nil
	}
	return errors.Join(
		line("a leader sends", func() error { return h.sends(filepath.Join(dir, "journal")) }),
		line("a node", func() error { return h.node(filepath.Join(dir, "node"), filepath.Join(dir, "journal")) }),
		line("a partner", func() error { return h.partner(ctx, filepath.Join(dir, "partner")) }),
	)
}

// grow founds two linked jurisdictions and writes entries that are released to the partner.
func grow(ctx context.Context, dir string, entries, rows int) (*home, error) {
	in, uk := ledgertest.Found(builder{}, "in", 3), ledgertest.Found(builder{}, "uk", 1)
	ledgertest.Link(builder{}, in, uk)
	s, err := store.Open(dir, store.Identity{Origin: in.Origin(), Node: "home"})
	if err != nil {
		return nil, err
	}
	h := &home{in: in, uk: uk, store: s}
	if err := h.write(ctx, entries, rows); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return h, nil
}

func (h *home) write(ctx context.Context, entries, rows int) error {
	for _, e := range h.in.Entries { // as far as the link goes
		if err := h.commit(e); err != nil {
			return err
		}
	}
	both := []ledger.AudienceName{"in/*", "uk/*"}
	h.in.State = h.store.State()
	sealed, err := h.in.SealAs(1, h.in.Record(1, ledger.KindSealed), both, ledger.Event{
		ID: ledger.EventIDFor("in/a1", "0"), Type: "alert.listed", Version: 1, Shared: make([]byte, 64), Width: 36, Rows: make([]byte, 36*rows),
	})
	if err != nil {
		return err
	}
	rec, _, err := ledger.OpenLeaf(sealed.Leaf)
	if err != nil {
		return err
	}
	for n := 0; n < entries; n++ { // one payload, signed again and again: nobody opens it here
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := ledger.SignEntry(h.in.Members[1].Key, *rec, sealed.Payload)
		if err == nil {
			err = h.commit(e)
		}
		if err != nil {
			return err
		}
		rec.Sequence++
		if n%checkpointEvery == checkpointEvery-1 || n == entries-1 || rows > 1 {
			h.in.State = h.store.State()
			if err := h.store.PutCheckpoint(h.in.Origin(), h.in.Checkpoint(builder{})); err != nil {
				return err
			}
		}
	}
	return h.store.Flush()
}

// commit takes an entry as the voters do; the mirror of the partner comes with the entry that links it.
func (h *home) commit(e ledger.Entry) error {
	index, _ := h.store.Applied()
	state, a, err := store.ApplyOwn(h.store.State(), e, h.in.Earlier)
	if err != nil {
		return err
	}
	h.bytes += len(e.Leaf) + len(e.Payload)
	if err := h.store.Commit(store.Batch{Index: index + 1, Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
		return err
	}
	if p := state.Partners[h.uk.Origin()]; p == nil || p.Mirror.Size() > 0 {
		return nil
	}
	return mirror(h.store, h.uk.Batch(builder{}, &ledgertest.Jurisdiction{State: state, Members: h.in.Members, Entries: h.in.Entries}))
}

// mirror takes a batch of a partner's ledger as the voters do.
func mirror(s *store.Store, b *ledger.MirrorBatch) error {
	state := s.State()
	items := store.PrepareMirror(state, b)
	next, r := state.ApplyMirrorPrepared(b, items)
	if r.Verdict != ledger.MirrorApplied {
		return fmt.Errorf("a mirror batch is not applied: %w", r.Reason)
	}
	index, _ := s.Applied()
	return s.Commit(store.Batch{Index: index + 1, Term: 1, State: next, Mirrors: []store.Mirrored{{Batch: b, Items: items, At: state.Size()}}})
}

// sends writes the journal that a node gets which is too far behind for raft's log: that is another machine's work.
func (h *home) sends(journal string) error {
	j, err := h.store.Journal()
	if err != nil {
		return err
	}
	f, err := os.Create(journal)
	if err != nil {
		return err
	}
	_, err = j.WriteTo(f)
	return errors.Join(err, f.Close())
}

// node has a fresh node of the same jurisdiction receive the journal.
func (h *home) node(dir, journal string) error {
	s, err := store.Open(dir, store.Identity{Origin: h.in.Origin(), Node: "fresh"})
	if err != nil {
		return err
	}
	f, err := os.Open(journal)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	err = s.Receive(f)
	if err == nil && s.State().Line() != h.store.State().Line() {
		err = errors.New("another state came out")
	}
	return errors.Join(err, f.Close(), s.Close())
}

// partner has a fresh partner mirror all that there is.
func (h *home) partner(ctx context.Context, dir string) error {
	s, err := store.Open(dir, store.Identity{Origin: h.uk.Origin(), Node: "partner"})
	if err != nil {
		return err
	}
	take := func() error {
		for _, e := range h.uk.Entries {
			state, a, err := store.ApplyOwn(s.State(), e, h.uk.Earlier)
			if err != nil {
				return err
			}
			index, _ := s.Applied()
			if err := s.Commit(store.Batch{Index: index + 1, Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
				return err
			}
		}
		batches := make(chan sent) // as a gateway sends them: the next is made while one is taken
		stop := make(chan struct{})
		defer close(stop)
		go h.send(s.Size(h.in.Origin()), batches, stop)
		for ctx.Err() == nil {
			x := <-batches
			if x.err != nil {
				return x.err
			}
			if x.raw == nil {
				return s.Flush()
			}
			b, err := ledger.DecodeMirrorBatch(x.raw)
			if err != nil {
				return err
			}
			if err := mirror(s, b); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	err = take()
	if have, want := s.Size(h.in.Origin()), h.store.State().Size(); err == nil && have != want {
		err = fmt.Errorf("the mirror has %d of %d entries", have, want)
	}
	return errors.Join(err, s.Close())
}

// sent is a batch as it comes over the wire; nil behind the last.
type sent struct {
	raw []byte
	err error
}

// send makes batches from an index on until there are no more, or stop is closed.
func (h *home) send(from uint64, to chan<- sent, stop <-chan struct{}) {
	for more := true; more; {
		b, err := h.store.Outgoing("uk", from)
		x := sent{err: err}
		if more = err == nil && b != nil; more {
			x.raw, from = b.Encode(), from+uint64(len(b.Items))
		}
		select {
		case to <- x:
		case <-stop:
			return
		}
	}
}

// noteVerification says what the processor time of an entry cannot go below: that of one signature.
func noteVerification(t *table) error {
	const times = 2000
	j := ledgertest.Found(builder{}, "in", 1)
	rec, leaf, err := ledger.OpenLeaf(j.Entries[0].Leaf)
	if err != nil {
		return err
	}
	c, at := j.Members[0].Key.Certificate(), rec.SignedAt()
	watch, meter := time.Now(), startMeter(processor)
	for range times {
		if err := c.Verify(leaf.Record, leaf.Signature, at); err != nil {
			return err
		}
	}
	t.note("one signature takes %.0f us of a processor", meter.effort().own*time.Since(watch).Seconds()/times*1e6)
	return nil
}
