package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// packed is an event of n harmless rows.
func packed(name string, n int) ledger.Event {
	e := ledgertest.Event(name)
	e.Width, e.Rows = 4, nil
	for i := range n {
		e.Rows = append(e.Rows, byte(i+1), byte(i+1), byte(i+1), byte(i+1))
	}
	return e
}

// TestNamingRefusals: three agencies; in/a1 wrote entry "target", in/a2 is the third party.
func TestNamingRefusals(t *testing.T) {
	far := []ledger.AudienceName{"in/*", "uk/*"}
	decided := func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index, to ...ledger.AudienceName) {
		id := j.Propose(t, 2, &ledger.Release{Target: target, Leaf: ledger.LeafHash(j.Entries[target].Leaf), Rows: []uint64{}, Audiences: to})
		j.Govern(t, 0, &ledger.Approve{Proposal: id})
	}
	tests := []struct {
		name   string
		entry  func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry
		reason *ledger.Reason
	}{
		{"release by its author", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			return j.Named(t, 1, ledger.KindRelease, target, j.Opened(t, 1, target), []int{0}, far)
		}, nil},
		{"release by another", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			return j.Named(t, 2, ledger.KindRelease, target, j.Opened(t, 2, target), []int{0}, far)
		}, ledger.ErrNotAuthor},
		{"release by another whom the members let", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "in/*", "uk/*")
			return j.Named(t, 2, ledger.KindRelease, target, j.Opened(t, 2, target), []int{0}, far)
		}, nil},
		{"release to itself and those decided", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "uk/*")
			return j.Named(t, 2, ledger.KindRelease, target, j.Opened(t, 2, target), []int{0}, []ledger.AudienceName{"in/a2", "uk/*"})
		}, nil},
		{"release to more than was decided", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "uk/*")
			return j.Named(t, 2, ledger.KindRelease, target, j.Opened(t, 2, target), []int{0}, far)
		}, ledger.ErrNotAuthor},
		{"release of another entry than was decided", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "in/*", "uk/*")
			j.Seal(t, 0, home, ledgertest.Event("other"))
			return j.Named(t, 2, ledger.KindRelease, j.State.Size()-1, j.Opened(t, 2, target), []int{0}, far)
		}, ledger.ErrNotAuthor},
		{"release by a third, decided for a second", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "in/*", "uk/*")
			return j.Named(t, 0, ledger.KindRelease, target, j.Opened(t, 0, target), []int{0}, far)
		}, ledger.ErrNotAuthor},
		{"expungement by what was decided about a release", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			decided(t, j, target, "in/*", "uk/*")
			return j.Named(t, 2, ledger.KindExpungement, target, j.Opened(t, 2, target), []int{0}, home)
		}, ledger.ErrNotAuthor},
		{"release to an audience that is not there", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			r := j.Record(1, ledger.KindRelease)
			r.Target, r.Audience = target, []ledger.AudienceRef{{Name: "in/@nobody", Epoch: 1}}
			return must(j.SealRecord(1, r, ledgertest.Event("x")))
		}, ledger.ErrNoAudience},
		{"release to a jurisdiction that is not linked", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			r := j.Record(1, ledger.KindRelease)
			r.Target, r.Audience = target, []ledger.AudienceRef{{Name: "us/*", Epoch: 1}}
			return must(j.SealRecord(1, r, ledgertest.Event("x")))
		}, ledger.ErrNotLinked},
		{"release that its author cannot open", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			return j.Named(t, 1, ledger.KindRelease, target, j.Opened(t, 1, target), []int{0}, []ledger.AudienceName{"uk/*"})
		}, ledger.ErrAuthorOutside},
		{"release of what is not there", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			r := j.Record(1, ledger.KindRelease)
			r.Target = j.State.Size()
			return must(j.SealAs(1, r, far, ledgertest.Event("x")))
		}, ledger.ErrNoTarget},
		{"release of an act of governance", func(t *testing.T, j *ledgertest.Jurisdiction, _ ledger.Index) ledger.Entry {
			return must(j.SealAs(0, j.Record(0, ledger.KindRelease), far, ledgertest.Event("x"))) // target 0: the genesis
		}, ledger.ErrNoTarget},
		{"release of a release", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			j.Naming(t, 1, ledger.KindRelease, target, j.Opened(t, 1, target), []int{0}, far)
			r := j.Record(1, ledger.KindRelease)
			r.Target = j.State.Size() - 1
			return must(j.SealAs(1, r, far, ledgertest.Event("x")))
		}, ledger.ErrNoTarget},
		{"expungement by a third party", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			return j.Named(t, 2, ledger.KindExpungement, target, j.Opened(t, 2, target), []int{0}, home)
		}, ledger.ErrNotAuthor},
		{"expungement that the members decided", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			id := j.Propose(t, 2, &ledger.Expunge{Target: target, Leaf: ledger.LeafHash(j.Entries[target].Leaf), Rows: []uint64{1}, Order: [32]byte{1}})
			j.Govern(t, 0, &ledger.Approve{Proposal: id})
			return j.Named(t, 2, ledger.KindExpungement, target, j.Opened(t, 2, target), []int{0}, home)
		}, nil},
		{"expungement with one approval of two", func(t *testing.T, j *ledgertest.Jurisdiction, target ledger.Index) ledger.Entry {
			j.Propose(t, 2, &ledger.Expunge{Target: target, Leaf: ledger.LeafHash(j.Entries[target].Leaf), Rows: []uint64{1}, Order: [32]byte{1}})
			return j.Named(t, 2, ledger.KindExpungement, target, j.Opened(t, 2, target), []int{0}, home)
		}, ledger.ErrNotAuthor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
			ledgertest.Link(t, j, uk)
			j.Seal(t, 1, home, packed("target", 3), ledgertest.Event("beside"))
			e := tt.entry(t, j, j.State.Size()-1)
			_, r := j.State.Apply(e, j.Earlier)
			if r.Reason != tt.reason || (r.Verdict == ledger.Accepted) != (tt.reason == nil) {
				t.Fatalf("%v %v, want %v", r.Verdict, r.Reason, tt.reason)
			}
			if tt.reason == nil { // without the ledger nobody can judge it
				if _, r := j.State.Apply(e, nil); r.Reason != ledger.ErrNoTarget {
					t.Fatalf("judged without the entry it names: %v", r.Reason)
				}
			}
		})
	}
}

var home = []ledger.AudienceName{"in/*"}

// TestDecidedProposalsAreBounded: the newest stay.
func TestDecidedProposalsAreBounded(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	for i := range ledger.MaxApproved + 3 {
		j.Change(t, &ledger.Expunge{Target: uint64(i), Rows: []uint64{}, Order: [32]byte{1}})
	}
	g := j.State.Governance
	if len(g.Approved) != ledger.MaxApproved || g.Approved[0].Target != 3 || g.Approved[0].By != "in/a0" {
		t.Fatalf("%d, the first of %d", len(g.Approved), g.Approved[0].Target)
	}
	if again, err := ledger.DecodeState(j.State.EncodeRosters(), j.State.EncodeMoving()); err != nil || again.Line() != j.State.Line() {
		t.Fatal(err)
	}
	for name, change := range map[string]any{
		"rows out of order": &ledger.Expunge{Rows: []uint64{2, 1}, Order: [32]byte{1}}, "no order": &ledger.Expunge{Rows: []uint64{}},
		"to nobody": &ledger.Release{Rows: []uint64{}, Audiences: []ledger.AudienceName{}}, "to no name": &ledger.Release{Rows: []uint64{}, Audiences: []ledger.AudienceName{"?"}},
		"a row too far": &ledger.Release{Rows: []uint64{ledger.MaxEntryLeaves}, Audiences: []ledger.AudienceName{"uk/*"}},
	} {
		e := j.Act(t, 1, &ledger.Propose{Roster: g.Version, Change: ledger.NewChange(change)})
		if _, r := j.State.Apply(e, nil); r.Verdict != ledger.Refused {
			t.Errorf("%s: %v", name, r.Verdict)
		}
	}
}

// TestCarriedRowsAreThoseThatWereSigned: what is shown comes back with its places, and nothing else can be made of it.
func TestCarriedRowsAreThoseThatWereSigned(t *testing.T) {
	j := ledgertest.Found(t, "in", 1)
	j.Seal(t, 0, home, ledgertest.Event("first"), packed("list", 5), ledgertest.Event("last"))
	target := j.State.Size() - 1
	p := j.Opened(t, 0, target)
	carry := func(show ...int) ledger.Event {
		e, err := ledger.CarryEvent(j.Origin(), target, j.Entries[target].Leaf, p, show)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := carry(2, 3, 5)
	c, rec, events, err := ledger.OpenCarried(&e)
	if err != nil || c.Index != target || rec.Author != "in/a0" || len(events) != 1 {
		t.Fatalf("%+v %v", events, err)
	}
	got, want := events[0], packed("list", 5)
	copy(want.Rows, make([]byte, 4))
	copy(want.Rows[12:16], make([]byte, 4))
	if got.First != 1 || !slices.Equal(got.Holes, []uint32{0, 3}) || got.Event.ID != want.ID || !bytes.Equal(got.Event.Rows, want.Rows) {
		t.Fatalf("%+v", got)
	}
	if bytes.Contains(e.Shared, []byte("first")) || bytes.Contains(e.Shared, []byte{1, 1, 1, 1}) {
		t.Fatal("more is carried than is shown")
	}
	all := carry(0, 1, 2, 3, 4, 5, 6)
	if _, _, events, err = ledger.OpenCarried(&all); err != nil || len(events) != 3 || events[2].First != 6 || len(events[1].Holes) != 0 {
		t.Fatalf("%+v %v", events, err)
	}
	for i := range e.Shared { // every byte counts
		bad := e
		bad.Shared = bytes.Clone(e.Shared)
		bad.Shared[i] ^= 1
		c, _, events, err := ledger.OpenCarried(&bad)
		if err != nil {
			continue
		}
		// the span's numbers, the index and the path are the carrier's word; the leaf is the ledger's to check
		if c.Index == target && ledger.LeafHash(c.Leaf) == ledger.LeafHash(j.Entries[target].Leaf) && len(events) == 1 &&
			!bytes.Equal(events[0].Event.Rows, want.Rows) && len(events[0].Event.Rows) == len(want.Rows) {
			t.Fatalf("byte %d changed, and other rows are shown", i)
		}
	}
	for name, show := range map[string]int{"a row that is not there": 7, "a row before the first": -1} {
		if _, err := ledger.CarryEvent(j.Origin(), target, j.Entries[target].Leaf, p, []int{show}); !errors.Is(err, ledger.ErrCarried) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsCarriedIsCarriedInPart: less is the same as if it had been carried so at once, and leads to the signed root.
func TestWhatIsCarriedIsCarriedInPart(t *testing.T) {
	j := ledgertest.Found(t, "in", 1)
	j.Seal(t, 0, home, ledgertest.Event("first"), packed("list", 5), ledgertest.Event("last"))
	target := j.State.Size() - 1
	carry := func(show ...int) ledger.Event {
		e, err := ledger.CarryEvent(j.Origin(), target, j.Entries[target].Leaf, j.Opened(t, 0, target), show)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	all := carry(0, 1, 2, 3, 4, 5, 6)
	less, ok, err := ledger.CarryLess(&all, []int{0, 2, 6})
	if want := carry(1, 3, 4, 5); err != nil || !ok || !bytes.Equal(less.Shared, want.Shared) {
		t.Fatalf("%v %v", ok, err)
	}
	if _, ok, err = ledger.CarryLess(&less, []int{1, 2, 3, 4, 5}); err != nil || ok {
		t.Fatalf("something is left of nothing: %v", err)
	}
	if _, _, err := ledger.CarryLess(&all, []int{7}); !errors.Is(err, ledger.ErrCarried) {
		t.Errorf("a row that is not there: %v", err)
	}
}

// TestAnExpungedEntryIsFoldedWithoutItsPayload: everything else is checked as before, and an act of governance is never gone.
func TestAnExpungedEntryIsFoldedWithoutItsPayload(t *testing.T) {
	j := ledgertest.Found(t, "in", 1)
	before := j.State
	e := j.Seal(t, 0, home, ledgertest.Event("x"))
	next, r := before.ApplyGone(e.Leaf, nil)
	if r.Verdict != ledger.Accepted || next.Line() != j.State.Line() || next.Root() != j.State.Root() {
		t.Fatalf("%v %v", r.Verdict, r.Reason)
	}
	if _, r := before.Apply(ledger.Entry{Leaf: e.Leaf}, nil); r.Reason != ledger.ErrPayloadHash {
		t.Errorf("%v", r.Reason)
	}
	act := j.Act(t, 0, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.SetPolicy{Policy: ledger.DefaultPolicy(1)})})
	if _, r := j.State.ApplyGone(act.Leaf, nil); r.Reason != ledger.ErrPayloadHash {
		t.Errorf("governance without its act: %v", r.Reason)
	}
	forged := j.Act(t, 0, &ledger.Withdraw{})
	if _, r := before.ApplyGone(forged.Leaf, nil); r.Verdict == ledger.Accepted {
		t.Error("another sequence")
	}
}

// FuzzOpenCarried: whatever comes, rows that are shown hash to the root that was signed.
func FuzzOpenCarried(f *testing.F) {
	j := ledgertest.Found(f, "in", 1)
	j.Seal(f, 0, home, packed("list", 4), ledgertest.Event("last"))
	target := j.State.Size() - 1
	for _, show := range [][]int{{0}, {1, 2}, {4}, {0, 1, 2, 3, 4}} {
		e, err := ledger.CarryEvent(j.Origin(), target, j.Entries[target].Leaf, j.Opened(f, 0, target), show)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Shared)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, rec, events, err := ledger.OpenCarried(&ledger.Event{Type: ledger.TypeCarried, Version: 1, Shared: b, Width: 1, Rows: []byte{0}})
		if err != nil {
			return
		}
		if root, err := c.EventsRoot(); err != nil || root != rec.EventsRoot {
			t.Fatal("another root")
		}
		hashes := make([]tlog.Hash, len(c.Rows))
		for _, e := range events {
			for r := range e.Event.Count() {
				if !slices.Contains(e.Holes, uint32(r)) {
					row := c.Rows[int(e.First)+r]
					hashes[int(e.First)+r] = ledger.EventLeafHash([16]byte(row.Salt), e.Event.SharedPart(), e.Event.Row(r))
				}
			}
		}
		for i, row := range c.Rows {
			if len(row.Hash) > 0 {
				hashes[i] = tlog.Hash(row.Hash)
			}
		}
		if ledger.RootOf(hashes) != rec.EventsRoot {
			t.Fatal("the events are not those that were signed")
		}
	})
}

// TestWhatABatchExpungesIsNotMissing: payloads that nothing in a batch expunges are counted, whoever named them.
func TestWhatABatchExpungesIsNotMissing(t *testing.T) {
	j, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, j, uk)
	both := []ledger.AudienceName{"in/*", "uk/*"}
	j.Seal(t, 1, both, ledgertest.Event("one"))
	target := j.State.Size() - 1
	j.Seal(t, 1, both, ledgertest.Event("two"))
	j.Naming(t, 1, ledger.KindRelease, target, j.Opened(t, 1, target), []int{0}, both)
	j.Naming(t, 1, ledger.KindExpungement, target, j.Opened(t, 1, target), []int{0}, both)
	for _, tt := range []struct {
		items    int
		without  []int
		stripped int
	}{{4, nil, 0}, {4, []int{0, 2}, 0}, {4, []int{1}, 1}, {4, []int{0, 1, 2}, 1}, {4, []int{3}, 1}, {3, []int{0, 2}, 2}} {
		b := j.Batch(t, uk)
		b.Items = b.Items[:tt.items]
		for _, i := range tt.without {
			b.Items[i].Payload = nil
		}
		if got := b.Stripped(); got != tt.stripped {
			t.Errorf("%d items without the payloads of %v: %d", tt.items, tt.without, got)
		}
	}
}
