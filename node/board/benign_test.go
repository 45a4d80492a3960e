package board_test

import (
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/ledger/noun"
	"vigil/node/board"
)

func benignEvent(t testing.TB, id, kind string, f noun.Fact) ledger.Event {
	t.Helper()
	e, err := alert.BenignCodec.Encode(ledger.EventIDFor("test", id), kind, f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func declared(t testing.TB, id string, exercise bool, numbers ...int) ledger.Event {
	t.Helper()
	var signals []alert.Signal
	for _, n := range numbers {
		signals = append(signals, numbered(n))
	}
	return benignEvent(t, id, alert.TypeDeclared, &alert.Declared{Signals: alert.File{Signals: signals}.Normal().Signals, Reason: "a logo", Exercise: exercise})
}

// bars reads why each alert is not acted on, by its id.
func bars(t testing.TB, b *board.Board) map[string]alert.Bar {
	t.Helper()
	out := map[string]alert.Bar{}
	for a, err := range b.Export(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("%s.%d", a.ID.Event, a.ID.Row)] = a.Bar
	}
	return out
}

func TestAnAlertOnABenignSignalConflicts(t *testing.T) {
	w := newPlain(originIn, originUk)
	inForce := policy(t, 2, func(*alert.Policy) {})
	b := w.board(t, t.TempDir(), func() ledger.Policy { return inForce })
	defer b.Close()
	row := func(n int) string { return fmt.Sprintf("%s.%d", ledger.EventIDFor("test", "list"), n) }
	now := func(name string, want ...alert.Bar) {
		t.Helper()
		w.showAll()
		catchUp(t, b, w.fakeLedgers)
		for i, bar := range want {
			if got := bars(t, b)[row(i)]; got != bar {
				t.Errorf("%s: row %d is %q, want %q", name, i, got, bar)
			}
		}
	}
	bn := func(id string) alert.Key {
		return alert.Key{Home: originIn, Author: "in/a1", Event: ledger.EventIDFor("test", id)}
	}
	w.write(t, originIn, "in/a1", false, declared(t, "before", false, 1))
	w.write(t, originIn, "in/a0", false, listed(t, "list", 0, 4))
	now("declared before", alert.Open, alert.BarBenign, alert.Open, alert.Open)
	w.write(t, originIn, "in/a1", false, declared(t, "after", false, 2, 1))
	now("declared after", alert.Open, alert.BarBenign, alert.BarBenign, alert.Open)
	w.write(t, originUk, "uk/a0", false, declared(t, "abroad", false, 3))
	w.write(t, originIn, "in/a1", false, declared(t, "drill", true, 0))
	now("by an agency without the right, and for exercises", alert.Open, alert.BarBenign, alert.BarBenign, alert.Open)
	w.write(t, originUk, "uk/a0", false, benignEvent(t, "l0", alert.TypeLifted, &alert.Lifted{Target: bn("after"), Reason: "no"}))
	now("lifted without the right", alert.Open, alert.BarBenign, alert.BarBenign, alert.Open)
	w.write(t, originIn, "in/a2", false, benignEvent(t, "l1", alert.TypeLifted, &alert.Lifted{Target: bn("after"), Reason: "no"}))
	now("lifted by another with the right", alert.Open, alert.BarBenign, alert.Open, alert.Open)
	w.write(t, originIn, "in/a1", false, benignEvent(t, "l2", alert.TypeLifted, &alert.Lifted{Target: bn("before"), Reason: "no"}))
	now("lifted by its author", alert.Open, alert.Open, alert.Open, alert.Open)

	inForce = policy(t, 2, func(p *alert.Policy) { p.Benign = []ledger.AgencyID{"uk/a0"} })
	w.write(t, originIn, "in/a0", false, ledgertest.Event("x"))
	w.showAll()
	if err := runUntil(t, b, func() bool { return bars(t, b)[row(3)] == alert.BarBenign }); err != nil { // declarations follow soon
		t.Fatal(err)
	}
	now("the policy names who may", alert.Open, alert.Open, alert.Open, alert.BarBenign)
	page, err := b.Benigns(t.Context(), board.BenignQuery{})
	if err != nil || len(page.Benigns) != 3 {
		t.Fatalf("%d, %v", len(page.Benigns), err)
	}
	known, err := b.KnownBenign(t.Context(), []alert.Signal{numbered(3), numbered(0)}, false)
	if err != nil || len(known[0]) != 1 || known[0][0].Key.Author != "uk/a0" || !known[0][0].InForce || len(known[1]) != 0 {
		t.Errorf("%+v %v", known, err)
	}
	d, err := b.Detail(t.Context(), row(3))
	if err != nil || !d.Alert.Benign || d.Alert.Bar != alert.BarBenign || d.Alert.Standing != alert.Asserted || len(d.Benign) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := b.OneBenign(t.Context(), bn("drill").ID(alert.BenignIDs)); err != nil {
		t.Error(err)
	}
}

// Declarations, liftings and alerts in any order give one picture.
func TestBenignSignalsCommute(t *testing.T) {
	inForce := policy(t, 2, func(*alert.Policy) {})
	rapid.Check(t, func(r *rapid.T) {
		w := newPlain(originIn, originUk)
		for n := range rapid.IntRange(1, 16).Draw(r, "entries") {
			o := rapid.SampledFrom(w.origins).Draw(r, "ledger")
			author := ledger.AgencyID(fmt.Sprintf("%s/a%d", o.Jurisdiction(), rapid.IntRange(0, 1).Draw(r, "author")))
			hidden := rapid.IntRange(0, 3).Draw(r, "hidden") == 0
			of := ledger.AgencyID(fmt.Sprintf("%s/a%d", o.Jurisdiction(), rapid.IntRange(0, 1).Draw(r, "of")))
			target := alert.Key{Home: o, Author: of, Event: ledger.EventIDFor("test", fmt.Sprint("d", rapid.IntRange(0, 3).Draw(r, "target")))}
			switch rapid.IntRange(0, 3).Draw(r, "kind") {
			case 0:
				w.write(t, o, author, hidden, declared(t, fmt.Sprint("d", rapid.IntRange(0, 3).Draw(r, "id")), rapid.Bool().Draw(r, "exercise"), rapid.IntRange(0, 4).Draw(r, "one"), rapid.IntRange(5, 8).Draw(r, "two")))
			case 1:
				w.write(t, o, author, hidden, benignEvent(t, fmt.Sprint("l", n), alert.TypeLifted, &alert.Lifted{Target: target, Reason: "no", Exercise: rapid.Bool().Draw(r, "exercise")}))
			default:
				w.write(t, o, author, hidden, listed(t, fmt.Sprint("a", rapid.IntRange(0, 5).Draw(r, "id")), rapid.IntRange(0, 6).Draw(r, "start"), rapid.IntRange(1, 4).Draw(r, "rows")))
			}
		}
		dir, err := os.MkdirTemp("", "benign")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := w.board(t, dir, func() ledger.Policy { return inForce })
		defer b.Close()
		for _, o := range rapid.Permutation(w.origins).Draw(r, "order") {
			w.shown[o] = uint64(len(w.entries[o]))
			catchUp(t, b, w.fakeLedgers)
		}
		w.again(t, b)
		fresh := w.board(t, dir+"/fresh", func() ledger.Policy { return inForce })
		defer fresh.Close()
		catchUp(t, fresh, w.fakeLedgers)
		got, err1 := b.Dump()
		want, err2 := fresh.Dump()
		if err1 != nil || err2 != nil || got != want {
			r.Fatalf("another picture on a board built anew:\n%s\n%s", got, want)
		}
	})
}
