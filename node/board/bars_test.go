package board_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
)

// standings reads how every alert stands that changed after a revision, by small pages, and the last revision.
func standings(t testing.TB, b *board.Board, after int64) (map[int64]board.Standing, int64) {
	t.Helper()
	out, place := map[int64]board.Standing{}, board.EndOf(after)
	for {
		page, err := b.Standings(t.Context(), place, 2)
		if err != nil || len(page) > 2 {
			t.Fatal(len(page), err)
		}
		if len(page) == 0 {
			return out, place.Revision
		}
		for _, s := range page {
			if s.Revision <= after {
				t.Fatalf("revision %d after %d", s.Revision, after)
			}
			out[s.Row], place = s, s.Place()
		}
	}
}

// policy is a jurisdiction's policy with a section for alerts.
func policy(t testing.TB, k uint64, change func(*alert.Policy)) ledger.Policy {
	t.Helper()
	section := alert.Section.Default()
	change(section)
	body, err := alert.Section.Encode(section)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Policy{Corroboration: k}.WithSection(alert.Section.Name, body)
}

func TestAnIndexFollowsHowAlertsStand(t *testing.T) {
	f, in := alone(t, 3)
	in.Seal(t, 0, home, raised(t, "one", "one"))
	in.Seal(t, 0, home, listed(t, "list", 0, 3))
	show(f, in)
	inForce := policy(t, 2, func(*alert.Policy) {})
	b := openWith(t, t.TempDir(), f, in.Ring(0), func(c *board.Config) { c.Policy = func() ledger.Policy { return inForce } })
	defer b.Close()
	catchUp(t, b, f)
	mirror, last := standings(t, b, 0)
	if len(mirror) != 4 {
		t.Fatalf("%d of 4", len(mirror))
	}
	if again, _ := standings(t, b, last); len(again) != 0 {
		t.Fatalf("%d changed of themselves", len(again))
	}

	list := alert.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", "list")}
	follow := func(name string, want int, change func()) {
		t.Helper()
		change()
		show(f, in)
		catchUp(t, b, f)
		changed, now := standings(t, b, last)
		if last = now; len(changed) != want {
			t.Errorf("%s: %d changed, want %d", name, len(changed), want)
		}
		maps.Copy(mirror, changed)
		whole, _ := standings(t, b, 0)
		for row, s := range whole {
			if mirror[row] != s {
				t.Errorf("%s: %+v, and the index has %+v", name, s, mirror[row])
			}
		}
		for a, err := range b.Export(t.Context(), 0) {
			if err != nil || mirror[a.Row].Bar != a.Bar || mirror[a.Row].State != a.Standing {
				t.Errorf("%s: %s is %s %s, and the index has %+v: %v", name, a.ID, a.Standing, a.Bar, mirror[a.Row], err)
			}
		}
	}
	follow("a dispute", 1, func() { in.Seal(t, 1, home, assessed(t, list, alert.Disputes, alert.RowSet{1}, "d")) })
	follow("a confirmation", 1, func() { in.Seal(t, 1, home, assessed(t, list, alert.Confirms, alert.RowSet{2}, "c")) })
	follow("corroborated only", 2, func() { // a transaction reads the policy
		inForce = policy(t, 2, func(p *alert.Policy) { p.Actionable = "corroborated" })
		in.Seal(t, 2, home, ledgertest.Event(fmt.Sprint(last)))
	})
	follow("of two jurisdictions", 1, func() {
		inForce = policy(t, 2, func(p *alert.Policy) { p.Actionable, p.Jurisdictions = "corroborated", 2 })
		in.Seal(t, 2, home, ledgertest.Event(fmt.Sprint(last)))
	})
	follow("asserted again", 3, func() {
		inForce = policy(t, 2, func(p *alert.Policy) { p.Jurisdictions = 2 })
		in.Seal(t, 2, home, ledgertest.Event(fmt.Sprint(last)))
	})
	var barred []alert.Bar
	for a, err := range b.Export(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		barred = append(barred, a.Bar)
	}
	if !slices.Equal(barred, []alert.Bar{alert.Open, alert.Open, alert.BarDisputed, alert.Open}) {
		t.Error(barred)
	}
	for q, want := range map[board.Query]int{{Actionable: "yes"}: 3, {Actionable: "no"}: 1, {Actionable: "no", Standing: "disputed"}: 1, {Actionable: "yes", Standing: "disputed"}: 0, {Actionable: "no", Author: "in/a1"}: 0} {
		n, err := b.Count(t.Context(), q)
		page, err2 := b.List(t.Context(), q)
		if err != nil || err2 != nil || n != want || len(page.Alerts) != want {
			t.Errorf("%+v: %d and %d, want %d: %v %v", q, n, len(page.Alerts), want, err, err2)
		}
	}
	if _, err := b.List(t.Context(), board.Query{Actionable: "perhaps"}); err == nil {
		t.Error("a query that means nothing was answered")
	}
}

// A board says which making of it this is: the same after a start, another one when it was built anew.
func TestABoardSaysWhichItIs(t *testing.T) {
	f, in := alone(t, 3)
	dir := t.TempDir()
	var made [3][16]byte
	for i := range made {
		b := openWith(t, dir, f, in.Ring(0), func(*board.Config) {})
		made[i] = b.Made()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if made[0] != made[1] || made[1] == made[2] || made[0] == [16]byte{} {
		t.Errorf("%x", made)
	}
}
