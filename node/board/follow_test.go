package board_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
	"vigil/test/nodetest"
)

// alone is one jurisdiction of a few agencies, shown whole.
func alone(t testing.TB, members int) (*fakeLedgers, *ledgertest.Jurisdiction) {
	t.Helper()
	in := ledgertest.Found(t, "in", members)
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{},
	}
	show(f, in)
	return f, in
}

func show(f *fakeLedgers, j *ledgertest.Jurisdiction) {
	f.entries[j.Origin()], f.shown[j.Origin()] = j.Entries, uint64(len(j.Entries))
}

var home = []ledger.AudienceName{"in/*"}

// listed is a list of n files with one SHA-256 each, of numbers from start.
func listed(t testing.TB, name string, start, n int) ledger.Event {
	t.Helper()
	files := make([]alert.File, n)
	for i := range files {
		files[i] = alert.File{Signals: []alert.Signal{numbered(start + i)}}
	}
	l, err := alert.NewListed(alert.Details{Title: name, Handling: alert.Handling{TLP: alert.Amber}}, files)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.Encode(ledger.EventIDFor("test", name))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func numbered(i int) alert.Signal {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return alert.Signal{Algorithm: alert.SHA256, Value: sum[:]}
}

func assessed(t testing.TB, k alert.Key, v alert.Verdict, rows alert.RowSet, id string) ledger.Event {
	t.Helper()
	e, err := (&alert.Assessed{Target: k, Rows: rows, Verdict: v}).Encode(ledger.EventIDFor("test", id))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAListIsLookedUpRowByRow(t *testing.T) {
	f, in := alone(t, 3)
	in.Seal(t, 0, home, listed(t, "list", 0, 300))
	key := alert.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", "list")}
	in.Seal(t, 1, home, assessed(t, key, alert.Confirms, alert.RowSet{7, 299}, "c"))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)

	found, err := b.LookUp(t.Context(), []alert.Signal{numbered(7), numbered(8), numbered(300)})
	if err != nil || len(found) != 3 || len(found[0]) != 1 || len(found[1]) != 1 || len(found[2]) != 0 {
		t.Fatalf("%d %v", len(found), err)
	}
	a := found[0][0]
	if a.ID != (alert.ID{Key: key, Row: 7}) || a.Standing != alert.Corroborated || a.Agencies != 2 || a.Position.Leaf != 7 || !bytes.Equal(a.File.Signals[0].Value, numbered(7).Value) {
		t.Fatalf("%s %s", a.ID, a.Standing)
	}
	if found[1][0].Standing != alert.Asserted {
		t.Fatal("a row nobody confirmed is corroborated")
	}
	again, err := b.Rows(t.Context(), []int64{a.Row, 1 << 40})
	if err != nil || len(again) != 1 || again[0].ID != a.ID {
		t.Fatalf("%d %v", len(again), err)
	}
	for _, x := range []struct {
		q    board.Query
		want int
	}{{board.Query{}, 300}, {board.Query{Standing: "corroborated"}, 2}, {board.Query{Standing: "asserted"}, 298}, {board.Query{Author: "in/a1"}, 0}, {board.Query{Exercise: true}, 0}} {
		if n, err := b.Count(t.Context(), x.q); err != nil || n != x.want {
			t.Errorf("%+v: %d, %v", x.q, n, err)
		}
	}
	n := uint32(0)
	for x, err := range b.Export(t.Context(), 0) {
		if err != nil || x.ID.Row != n {
			t.Fatal(err)
		}
		n++
	}
	if n != 300 {
		t.Fatalf("%d exported", n)
	}
}

func TestAnAlertIsFoundByTheBeginningOfItsID(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, home, raised(t, "one", "one"))
	in.Seal(t, 0, home, listed(t, "list", 0, 3))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	one, list := ledger.EventIDFor("test", "one").String(), ledger.EventIDFor("test", "list").String()
	for _, text := range []string{one, "al_" + one, one[:8], one[:9], strings.ToUpper(one[:31])} {
		if a, events, err := b.Get(t.Context(), text); err != nil || a.ID.Event.String() != one || len(events) != 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
	if a, _, err := b.Get(t.Context(), list[:8]+".2"); err != nil || a.ID.Row != 2 {
		t.Errorf("row: %v", err)
	}
	for text, want := range map[string]error{"al_" + strings.Repeat("0", 32): board.ErrNotFound, list + ".3": board.ErrNotFound, "x": board.ErrQuery} {
		if _, _, err := b.Get(t.Context(), text); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWordsAreFoundInAnyScript(t *testing.T) {
	f, in := alone(t, 1)
	for i, title := range []string{"सुरक्षा बच्चों मुंबई", "दिल्ली चौकी", "Café Straße"} {
		in.Seal(t, 0, home, raised(t, fmt.Sprint(i), title))
	}
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	for text, want := range map[string]int{
		"सुरक्षा": 1, "बच्चों": 1, "मुंबई सुरक्षा": 1, "दिल": 1, "च्चों": 0, "café": 1, "cafe": 0, "STRASSE": 0, "straß": 1, `"`: 0, "a AND": 0, "-": 0, " ": 0, "title: café": 0, "\x00": 0,
	} {
		if page, err := b.List(t.Context(), board.Query{Text: text}); err != nil || len(page.Alerts) != want {
			t.Errorf("%q: %d, %v", text, len(page.Alerts), err)
		}
	}
	if _, err := b.List(t.Context(), board.Query{Text: strings.Repeat("a ", 100)}); !errors.Is(err, board.ErrQuery) {
		t.Error(err)
	}
}

func TestStandingsFollowThePolicy(t *testing.T) {
	f, in := alone(t, 3)
	in.Seal(t, 0, home, raised(t, "one", "one"))
	key := alert.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", "one")}
	in.Seal(t, 1, home, assessed(t, key, alert.Confirms, alert.RowSet{0}, "c"))
	show(f, in)
	k := 2
	b := openWith(t, t.TempDir(), f, in.Ring(0), func(c *board.Config) {
		c.Policy = func() ledger.Policy { return ledger.Policy{Corroboration: uint64(k)} }
	})
	defer b.Close()
	for _, x := range []struct {
		k    int
		want alert.State
	}{{2, alert.Corroborated}, {3, alert.Asserted}, {0, alert.Corroborated}} {
		k = x.k
		in.Seal(t, 2, home, raised(t, fmt.Sprint(x.k), "another"))
		show(f, in)
		catchUp(t, b, f)
		if a, _, err := b.Get(t.Context(), key.Event.String()); err != nil || a.Standing != x.want {
			t.Errorf("k %d: %s, %v", x.k, a.Standing, err)
		}
	}
}

func TestWhatCannotBeReadIsKept(t *testing.T) {
	f, in := alone(t, 2)
	future := ledgertest.Event("row")
	future.Type, future.Version = "newer.noun", 1
	next := raised(t, "next", "next")
	next.Version = 2
	broken := raised(t, "broken", "broken")
	broken.Shared = []byte{0xff}
	missing := alert.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", "missing")}
	own := ledgertest.Event("mine")
	own.Type = "setting.made"
	in.Seal(t, 1, home, future, next, broken, assessed(t, missing, alert.Disputes, alert.RowSet{0}, "d"))
	in.Seal(t, 0, []ledger.AudienceName{"in/a0"}, own)
	in.Seal(t, 1, []ledger.AudienceName{"in/a1"}, raised(t, "hers", "hers"))
	show(f, in)
	var governance int
	dir := t.TempDir()
	b := openWith(t, dir, f, in.Ring(0), func(c *board.Config) {
		c.OnGovernance = func(*ledger.Record, uint64, []byte) { governance++ }
	})
	catchUp(t, b, f)
	if governance == 0 {
		t.Error("governance was not told")
	}
	if found, err := b.Newer(t.Context()); err != nil || len(found) != 2 {
		t.Errorf("%d newer, %v", len(found), err)
	}
	if found, err := b.Private(t.Context(), "setting."); err != nil || len(found) != 1 || found[0].Type != "setting.made" {
		t.Errorf("%d private, %v", len(found), err)
	}
	if found, err := b.Orphans(t.Context()); err != nil || len(found) != 1 || found[0] != missing {
		t.Errorf("%d orphans, %v", len(found), err)
	}
	if n, err := b.Count(t.Context(), board.Query{}); err != nil || n != 0 {
		t.Errorf("%d alerts, %v", n, err)
	}
	if o, err := b.Object(t.Context(), missing); err != nil || o == nil || o.Rows() != 0 {
		t.Errorf("orphan: %v", err)
	}

	// Keys granted later open what did not open.
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, f, in.Ring(0).With(in.Members[1].Key), 1)
	defer b.Close()
	b.Rewind(in.Origin(), 0)
	if err := runUntil(t, b, func() bool {
		n, err := b.Count(t.Context(), board.Query{})
		return err == nil && n == 1
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventIsFoldedAfterAnUpgrade(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, home, raised(t, "one", "one"))
	show(f, in)
	fresh := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer fresh.Close()
	catchUp(t, fresh, f)
	want := picture(t, fresh)

	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	for _, undo := range []string{ // as a binary would have left it that did not know the type
		"UPDATE events SET fate = 1, object = NULL", "DELETE FROM objects", "DELETE FROM causes", "DELETE FROM words", "DELETE FROM alerts", "DELETE FROM tallies", "DELETE FROM signals", "DELETE FROM shares", "DELETE FROM changes",
	} {
		if err := b.Exec(undo); err != nil {
			t.Fatal(err)
		}
	}
	if err := runUntil(t, b, func() bool {
		n, err := b.Count(t.Context(), board.Query{})
		return err == nil && n == 1
	}); err != nil {
		t.Fatal(err)
	}
	if got := picture(t, b); got != want {
		t.Fatalf("another picture:\n%s\nwanted\n%s", got, want)
	}
}

func TestTheFirstCoveringCheckpointDatesAnAlert(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, home, raised(t, "one", "one"))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	size := f.shown[in.Origin()]
	for _, x := range []struct {
		size uint64
		at   int64
		want int64
	}{{size - 1, 100, 0}, {size + 5, 300, 300}, {size, 200, 200}, {size, 250, 200}, {size + 9, 150, 200}} {
		if err := b.SetSealed(t.Context(), in.Origin(), board.Seal{Size: x.size, At: time.Unix(x.at, 0)}); err != nil {
			t.Fatal(err)
		}
		a, _, err := b.Get(t.Context(), ledger.EventIDFor("test", "one").String())
		if err != nil || x.want == 0 && !a.NoLaterThan.IsZero() || x.want != 0 && a.NoLaterThan.Unix() != x.want {
			t.Errorf("size %d: %s, %v", x.size, a.NoLaterThan, err)
		}
	}
}

func TestADamagedPageIsNoticedAndTheBoardBuiltAnew(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, home, listed(t, "list", 0, 2000))
	show(f, in)
	dir := t.TempDir()
	b := open(t, dir, f, in.Ring(0), 1)
	catchUp(t, b, f)
	want := picture(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "board.db")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1 // of a page of rows, which SQLite alone would believe
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, f, in.Ring(0), 1)
	defer b.Close()
	if b.Position(in.Origin()) != 0 {
		t.Fatal("the damage was not noticed")
	}
	catchUp(t, b, f)
	if picture(t, b) != want {
		t.Fatal("another picture after the rebuild")
	}
}

func TestNoListIsSortedByHand(t *testing.T) {
	f, in := alone(t, 1)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	for _, q := range []board.Query{
		{},
		{Sort: "oldest"},
		{Sort: "urgency"},
		{Standing: "disputed"},
		{Standing: "asserted"},
		{Actionable: "yes"},
		{Actionable: "no"},
		{Actionable: "no", Sort: "oldest"},
		{Author: "in/a0"},
		{Urgency: "routine"},
		{Author: "in/a0", Sort: "oldest"},
		{Text: "word"},
		{Text: "word", Sort: "oldest"},
		{Text: "two words", Author: "in/a0", Urgency: "routine"},
	} {
		plan, err := b.Plan(q)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%+v:\n%s", q, plan)
		}
	}
}

// runUntil runs the board until something holds, which is asked after every change of the board.
func runUntil(t testing.TB, b *board.Board, ok func() bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	for ctx.Err() == nil {
		last := b.LastChange()
		if ok() {
			break
		}
		_ = b.WaitChange(ctx, last)
	}
	expired := ctx.Err()
	cancel()
	return errors.Join(expired, <-done)
}

// TestWhatCannotBeReadIsWaitedFor: an entry that the disk does not give, ours or a partner's, is not passed over as one whose payload is
// not here; what comes before it, and the other ledger, is shown meanwhile.
func TestWhatCannotBeReadIsWaitedFor(t *testing.T) {
	for n := range 2 {
		f, in, uk := world(t)
		show(f, in)
		show(f, uk)
		at := place{f.origins[n], f.shown[f.origins[n]] / 2}
		f.unread.Store(&at)
		b := open(t, t.TempDir(), f, in.Ring(0), 1)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		other := f.origins[1-n]
		err := errors.Join(waitOr(ctx, done, func() error { return b.WaitFor(ctx, at.origin, at.index) }), waitOr(ctx, done, func() error { return b.WaitFor(ctx, other, f.shown[other]) }))
		if err != nil {
			t.Fatal(err)
		}
		nodetest.Until(t, "it says so", func() bool { return errors.Is(b.Unread()[at.origin], errRead) })
		if p := b.Position(at.origin); p != at.index {
			t.Errorf("it is at %d, behind what cannot be read at %d", p, at.index)
		}
		f.unread.Store(nil)
		if err := waitOr(ctx, done, func() error { return b.WaitFor(ctx, at.origin, f.shown[at.origin]) }); err != nil {
			t.Fatal(err)
		}
		got, untold := picture(t, b), len(b.Unread())
		cancel()
		if err := errors.Join(<-done, b.Close()); err != nil || untold > 0 {
			t.Fatal(err, untold)
		}
		whole := open(t, t.TempDir(), f, in.Ring(0), 1)
		catchUp(t, whole, f)
		if want := picture(t, whole); got != want {
			t.Errorf("it shows\n%s\ninstead of\n%s", got, want)
		}
		if err := whole.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
