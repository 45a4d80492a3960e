package board_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/expunge"
	"vigil/ledger/ledgertest"
	"vigil/ledger/registry"
	"vigil/node/board"
	"vigil/test/nodetest"
)

func ordering(t testing.TB, name string, target ledger.Index, rows ...uint64) ledger.Event {
	t.Helper()
	e, err := expunge.Codec.Encode(ledger.EventIDFor("test", name), expunge.TypeOrdered, &expunge.Ordered{Target: target, Rows: rows, Order: [32]byte{1}, Authority: "High Court", Reason: "by order"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// still is the dump of a board without what was told of.
func still(t testing.TB, b *board.Board) string {
	t.Helper()
	dump, err := b.Dump()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(dump, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		kind, _, _ := strings.Cut(l, "\t")
		return strings.Contains(kind, ".") || kind == "policy"
	}), "\n")
}

// TestWhatIsExpungedIsOffTheBoard: in whole, in part and again, with everything that hung on it; no page of the file holds it
// any more, what is left stands as before, and a board built anew is the same.
func TestWhatIsExpungedIsOffTheBoard(t *testing.T) {
	f, in := alone(t, 3)
	in.Seal(t, 1, home, listed(t, "the-list", 0, 5), raised(t, "zebra", "zebrawood marker"))
	target := in.State.Size() - 1
	p := in.Opened(t, 1, target)
	list, single := alertID(in, "in/a1", "the-list", 2), alertID(in, "in/a1", "zebra", 0)
	in.Seal(t, 0, []ledger.AudienceName{"in/a0"}, watching(t, "ours", false, 3, 99))
	in.Seal(t, 2, home, assessed(t, single.Key, alert.Confirms, alert.RowSet{0}, "confirmed"), assessed(t, list.Key, alert.Disputes, alert.RowSet{3}, "disputed"))
	in.Seal(t, 1, home, listed(t, "another", 50, 3))
	show(f, in)
	dir := t.TempDir()
	b := open(t, dir, f, in.Ring(0), 1)
	catchUp(t, b, f)
	gone := numbered(2).Value
	found := func(b *board.Board, n int) int {
		t.Helper()
		r, err := b.LookUp(t.Context(), []alert.Signal{numbered(n)})
		if err != nil {
			t.Fatal(err)
		}
		return len(r[0])
	}
	words := func(b *board.Board) int {
		t.Helper()
		n, err := b.Count(t.Context(), board.Query{Text: "zebrawood"})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	pages := func(b *board.Board) []byte {
		t.Helper()
		clear, err := b.Clear()
		if err != nil {
			t.Fatal(err)
		}
		return clear
	}
	if found(b, 2) != 1 || words(b) != 1 || !bytes.Contains(pages(b), gone) || !bytes.Contains(pages(b), []byte("zebrawood")) {
		t.Fatal("the search finds nothing before")
	}
	left, err := b.One(t.Context(), alertID(in, "in/a1", "the-list", 3).String())
	if err != nil {
		t.Fatal(err)
	}

	// Row 2 of the list and the single alert go: rows 2 and 5 of the entry.
	in.Naming(t, 1, ledger.KindExpungement, target, p, []int{0, 1, 3, 4}, home, ordering(t, "order", target, 2, 5))
	show(f, in)
	catchUp(t, b, f)
	if found(b, 2) != 0 || found(b, 3) != 1 || found(b, 0) != 1 || words(b) != 0 {
		t.Errorf("row 2 %d, row 3 %d, row 0 %d, words %d", found(b, 2), found(b, 3), found(b, 0), words(b))
	}
	for _, id := range []alert.ID{list, single} {
		if _, err := b.One(t.Context(), id.String()); err == nil {
			t.Errorf("%s is still shown", id)
		}
	}
	again, err := b.One(t.Context(), alertID(in, "in/a1", "the-list", 3).String())
	if err != nil || again.Standing != left.Standing || again.Position != left.Position || again.Standing != alert.Disputed {
		t.Errorf("what is left stands otherwise: %+v, was %+v: %v", again.Standing, left.Standing, err)
	}
	hits, err := b.Hits(t.Context(), board.HitQuery{})
	if err != nil || len(hits.Hits) != 1 || hits.Hits[0].Alert.ID.Row != 3 {
		t.Errorf("%+v %v", hits, err)
	}
	rows, err := b.Tally(t.Context(), board.FigureQuery{Of: "alerts", By: []string{"standing"}})
	if err != nil {
		t.Fatal(err)
	}
	counted := uint64(0)
	for _, r := range rows {
		counted += r.Count
	}
	page, listErr := b.List(t.Context(), board.Query{})
	total, err := b.Count(t.Context(), board.Query{})
	if err != nil || listErr != nil || int(counted) != len(page.Alerts) || total != len(page.Alerts) {
		t.Errorf("%d are listed, %d counted, and %d in the figures: %v %v", len(page.Alerts), total, counted, err, listErr)
	}
	clear := pages(b)
	if bytes.Contains(clear, []byte("zebrawood")) {
		t.Error("its words are still in a page")
	}
	if bytes.Contains(clear, gone) {
		t.Error("the fingerprint is still in a page")
	}
	x, _, err := b.Expungements(t.Context(), 0, 0)
	if err != nil || len(x) != 1 || x[0].Ledger != in.Origin() || x[0].Object.Ordered.Target != target || x[0].Object.Ordered.Authority != "High Court" {
		t.Errorf("%+v %v", x, err)
	}
	same := func(what string) {
		t.Helper()
		anew := open(t, t.TempDir(), f, in.Ring(0), 1)
		defer anew.Close()
		catchUp(t, anew, f)
		if got, want := still(t, b), still(t, anew); got != want {
			t.Errorf("%s: a board built anew is another:\n%s\nwanted\n%s", what, got, want)
		}
	}
	same("in part")

	// Another row, of what the first expungement carried; then all.
	first := in.State.Size() - 1
	carries := func(index ledger.Index) []ledger.Event {
		return slices.DeleteFunc(in.Opened(t, 1, index).Events, func(e ledger.Event) bool { return e.Type != ledger.TypeCarried })
	}
	orderOf := func(index ledger.Index) ledger.Event {
		e, err := ledger.CarryEvent(in.Origin(), index, in.Entries[index].Leaf, in.Opened(t, 1, index), []int{0})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	less, ok, err := ledger.CarryLess(&carries(first)[0], []int{4})
	if err != nil || !ok {
		t.Fatal(err)
	}
	in.Naming(t, 1, ledger.KindExpungement, target, nil, nil, home, ordering(t, "second", target, 4), less, orderOf(first))
	second := in.State.Size() - 1
	show(f, in)
	catchUp(t, b, f)
	if found(b, 4) != 0 || found(b, 3) != 1 {
		t.Error("the second expungement")
	}
	same("again")
	in.Naming(t, 1, ledger.KindExpungement, target, nil, nil, home, ordering(t, "third", target, 0, 1, 3), carries(second)[1], orderOf(second))
	show(f, in)
	catchUp(t, b, f)
	if found(b, 0)+found(b, 1)+found(b, 3) != 0 || found(b, 50) != 1 {
		t.Error("the third expungement")
	}
	same("in whole")

	// An order that stands in an entry that expunges nothing is none.
	in.Seal(t, 1, home, ordering(t, "no expungement", target, 0))
	show(f, in)
	catchUp(t, b, f)
	if x, _, err := b.Expungements(t.Context(), 0, 0); err != nil || len(x) != 3 {
		t.Errorf("%d expungements: %v", len(x), err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAReaderKeepsTheLog: pages as they were before an expungement stand in the write-ahead log as long as somebody reads. The board says
// so, and empties it then.
func TestAReaderKeepsTheLog(t *testing.T) {
	f, in, uk := world(t)
	show(f, in)
	show(f, uk)
	dir := t.TempDir()
	b := open(t, dir, f, in.Ring(0), 1)
	catchUp(t, b, f)
	target := slices.IndexFunc(in.Entries, func(e ledger.Entry) bool {
		rec, _, err := ledger.OpenLeaf(e.Leaf)
		return err == nil && rec.Kind == ledger.KindSealed
	})
	next, stop := iter.Pull2(b.Export(t.Context(), 0))
	if _, err, ok := next(); err != nil || !ok {
		t.Fatal(err)
	}
	expungeSome(t, in, ledger.Index(target))
	show(f, in)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	nodetest.Until(t, "it is expunged", func() bool {
		x, _, err := b.Expungements(ctx, 0, 0)
		return err == nil && len(x) == 1
	})
	if b.Emptied() {
		t.Error("emptied, as soon as it is expunged")
	}
	if err := waitOr(ctx, done, func() error { return b.WaitFor(ctx, in.Origin(), f.shown[in.Origin()]) }); err != nil {
		t.Fatal(err)
	}
	log := func() int64 {
		i, err := os.Stat(filepath.Join(dir, "board.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return i.Size()
	}
	if b.Emptied() || log() == 0 {
		t.Errorf("emptied %v, with %d bytes, while somebody reads", b.Emptied(), log())
	}
	stop()
	nodetest.Until(t, "it is emptied, however often something comes", func() bool {
		b.NoteAlike(nil)
		return b.Emptied()
	})
	if n := log(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
	cancel()
	if err := errors.Join(<-done, b.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestWhateverIsExpungedTheBoardIsAsIfBuiltAnew: entry after entry of worlds with every noun in them, in whole or in part, as
// they came and folded into others; the board that saw it all is the one that never did.
func TestWhateverIsExpungedTheBoardIsAsIfBuiltAnew(t *testing.T) {
	for name, make := range map[string]func(testing.TB) (*fakeLedgers, *ledgertest.Jurisdiction){
		"alerts": func(t testing.TB) (*fakeLedgers, *ledgertest.Jurisdiction) {
			f, in, _ := world(t)
			return f, in
		},
		"reports": reportWorld,
		"registry and referrals": func(t testing.TB) (*fakeLedgers, *ledgertest.Jurisdiction) {
			in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 2)
			ledgertest.Link(t, in, uk)
			recalledWorld(t, in, uk)
			in.Seal(t, 1, abroadToo, noticed(t, "one", nil), noticed(t, "two", nil))
			in.Seal(t, 0, []ledger.AudienceName{"in/a0", "uk/a0"}, opening(t, "in/a0", "uk/a0", "three", nil))
			key := registry.Key{Home: in.Origin(), Author: "in/a1", Event: ledger.EventIDFor("test", "one")}
			lifted, err := registry.Codec.Encode(ledger.EventIDFor("test", "lifted"), registry.TypeLifted, &registry.Lifted{Target: key, Reason: "x", Authority: "court"})
			if err != nil {
				t.Fatal(err)
			}
			in.Seal(t, 1, abroadToo, lifted)
			f := &fakeLedgers{
				origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{},
				entries: map[ledger.Origin][]ledger.Entry{in.Origin(): in.Entries, uk.Origin(): uk.Entries},
			}
			return f, in
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, in := make(t)
			for o, e := range f.entries {
				f.shown[o] = uint64(len(e))
			}
			b := open(t, t.TempDir(), f, in.Ring(0), 1)
			defer b.Close()
			catchUp(t, b, f)
			same := func(what string) {
				t.Helper()
				anew := open(t, t.TempDir(), f, in.Ring(0), 1)
				defer anew.Close()
				catchUp(t, anew, f)
				if got, want := still(t, b), still(t, anew); got != want {
					t.Fatalf("%s: a board built anew is another:\n%s\nwanted\n%s", what, got, want)
				}
			}
			same("before")
			for i := range in.Entries {
				expungeSome(t, in, ledger.Index(i))
				show(f, in)
				catchUp(t, b, f)
				same(fmt.Sprintf("entry %d", i))
			}
		})
	}
}

// expungeSome expunges a sealed entry: every third in whole, of the others every second row.
func expungeSome(t *testing.T, in *ledgertest.Jurisdiction, target ledger.Index) {
	t.Helper()
	rec, _, err := ledger.OpenLeaf(in.Entries[target].Leaf)
	if err != nil || rec.Kind != ledger.KindSealed {
		return
	}
	member := slices.IndexFunc(in.Members, func(m ledgertest.Member) bool { return m.ID == rec.Author })
	p := in.Opened(t, member, target)
	var show []int
	var gone []uint64
	for row := range p.Leaves() {
		if target%3 == 0 || row%2 == 0 {
			gone = append(gone, uint64(row))
		} else {
			show = append(show, row)
		}
	}
	var to []ledger.AudienceName
	for _, a := range rec.Audience {
		to = append(to, a.Name)
	}
	o := ordering(t, fmt.Sprint("order ", target), target, gone...)
	if len(show) == 0 {
		p = nil
	}
	in.Naming(t, member, ledger.KindExpungement, target, p, show, to, o)
}
