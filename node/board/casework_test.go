package board_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
)

// whole is the world of the other tests on the board of in/a0.
func whole(t testing.TB) (*board.Board, *ledgertest.Jurisdiction) {
	t.Helper()
	f, in, _ := world(t)
	for o, e := range f.entries {
		f.shown[o] = uint64(len(e))
	}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	t.Cleanup(func() { _ = b.Close() })
	catchUp(t, b, f)
	return b, in
}

func idOf(name string) string { return alert.IDPrefix + ledger.EventIDFor("test", name).String() }

// names lists what a query finds, every page of it, two alerts each.
func names(t testing.TB, b *board.Board, q board.Query) []string {
	t.Helper()
	known := map[string]string{}
	for _, n := range []string{"one", "two", "three", "list", "abroad"} {
		known[ledger.EventIDFor("test", n).String()] = n
	}
	var out []string
	if q.Limit == 0 {
		q.Limit = 2
	}
	for {
		page, err := b.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Alerts {
			out = append(out, fmt.Sprintf("%s.%d", known[a.ID.Event.String()], a.ID.Row))
		}
		if q.Cursor = page.Next; page.Next == "" {
			return out
		}
	}
}

func TestListsAreFilteredInOrder(t *testing.T) {
	b, _ := whole(t)
	for _, c := range []struct {
		q    board.Query
		want string
	}{
		{board.Query{}, "abroad.2 abroad.1 abroad.0 list.2 list.1 list.0 three.0 two.0 one.0"},
		{board.Query{Class: "iwf:a"}, "list.2 list.1 list.0"},                                  // stated of 2, from COPINE 10 of all
		{board.Query{Class: "National/UK:A", Sort: "oldest"}, "list.0 list.1 list.2"},          // nobody said so: the crosswalk
		{board.Query{Class: "copine:10", Sort: "urgency"}, "list.2 list.1 list.0"},             // by another agency
		{board.Query{Class: "copine:10", Urgency: "priority"}, ""},                             //
		{board.Query{Class: "vics/uk:1", Standing: "corroborated"}, "list.2"},                  // examined by uk/a0, not just repeated from it
		{board.Query{Class: "vics/us:1"}, ""},                                                  // the same number in another nation
		{board.Query{Class: "vics/uk:1", Text: "list"}, "list.2 list.1 list.0"},                //
		{board.Query{Class: "vics/uk:1", Text: "title"}, ""},                                   //
		{board.Query{Text: "title", Sort: "oldest"}, "one.0 two.0 three.0"},                    //
		{board.Query{Text: "title", Sort: "newest", Standing: "disputed"}, "two.0"},            //
		{board.Query{Text: "title", Sort: "urgency"}, "three.0 two.0 one.0"},                   //
		{board.Query{Actionable: "no"}, "abroad.2 three.0 two.0"},                              //
		{board.Query{Actionable: "no", Standing: "retracted", Sort: "oldest"}, "three.0"},      //
		{board.Query{Actionable: "yes", Author: "in/a0"}, "list.2 list.1 list.0 one.0"},        //
		{board.Query{Series: idOf("one")}, "list.1 two.0 one.0"},                               // two by series, the list's row through two
		{board.Query{Series: idOf("list") + ".1", Sort: "oldest"}, "one.0 two.0 list.1"},       //
		{board.Query{Series: idOf("list"), Sort: "oldest"}, "list.0"},                          //
		{board.Query{Series: idOf("two"), Actionable: "yes", Sort: "urgency"}, "list.1 one.0"}, //
		{board.Query{Series: "Blue"}, ""},                                                      //
	} {
		if got := strings.Join(names(t, b, c.q), " "); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
		if n, err := b.Count(t.Context(), c.q); err != nil || n != len(strings.Fields(c.want)) {
			t.Errorf("%+v: %d counted, %v", c.q, n, err)
		}
	}
	for _, q := range []board.Query{{Class: "iwf"}, {Class: "vics:1"}, {Class: "iwf:d"}, {Series: alert.IDPrefix + "x"}, {Actionable: "?"}} {
		if _, err := b.List(t.Context(), q); !errors.Is(err, board.ErrQuery) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := b.List(t.Context(), board.Query{Series: alert.IDPrefix + "00000000"}); !errors.Is(err, board.ErrNotFound) {
		t.Error(err)
	}
}

// TestWordsArePagedInTheirOrder reads what has a word page by page, which is all of it, once, in order.
func TestWordsArePagedInTheirOrder(t *testing.T) {
	b, _ := whole(t)
	for _, c := range []struct {
		q    board.Query
		want string
	}{
		{board.Query{Text: "list"}, "list.2 list.1 list.0"},
		{board.Query{Text: "list", Sort: "oldest"}, "list.0 list.1 list.2"},
		{board.Query{Text: "title"}, "three.0 two.0 one.0"},
		{board.Query{Text: "ti", Sort: "oldest", Actionable: "yes"}, "one.0"},
		{board.Query{Text: "title", Actionable: "no"}, "three.0 two.0"},
		{board.Query{Text: "title", Author: "in/a0", Sort: "oldest"}, "one.0"},
	} {
		for c.q.Limit = 1; c.q.Limit <= 4; c.q.Limit++ {
			if got := strings.Join(names(t, b, c.q), " "); got != c.want {
				t.Errorf("%+v: %s, want %s", c.q, got, c.want)
			}
		}
	}
}

func TestDetailShowsWhatWasMetAndWhatBelongs(t *testing.T) {
	b, _ := whole(t)
	d, err := b.Detail(t.Context(), idOf("one"))
	if err != nil {
		t.Fatal(err)
	}
	want := []alert.Sighting{
		{Setting: alert.OnPlatform, Agency: "uk/a0", Count: 7, First: 20_003, Last: 20_004},
		{Setting: alert.OnPlatform, Review: alert.FalsePositive, Agency: "uk/a1", Count: 6, First: 20_006, Last: 20_006},
	}
	if !slices.Equal(d.Sightings, want) || d.Alert.Sighted != 7 {
		t.Errorf("%d: %+v", d.Alert.Sighted, d.Sightings)
	}
	var related []string
	for _, r := range d.Related {
		related = append(related, fmt.Sprint(r.ID.Key.Author, r.ID.Row, r.Relation, r.Hops, r.Known, r.Denied))
	}
	if got := fmt.Sprint(related); got != "[in/a90 near-duplicate 1 false 0 in/a10 same-series 1 true 0 in/a01 near-duplicate 2 true 0]" || d.More {
		t.Error(got)
	}
	var types []string
	for _, e := range d.Events {
		types = append(types, e.Type)
	}
	if slices.Contains(types, alert.TypeSighted) || !slices.Contains(types, alert.TypeAssessed) || !slices.Contains(types, alert.TypeLinked) {
		t.Error(types)
	}
	for row, want := range map[uint32]alert.Standing{
		0: {State: alert.Asserted, Agencies: 2, Independent: 1, Jurisdictions: 2},
		2: {State: alert.Corroborated, Agencies: 3, Independent: 2, Jurisdictions: 2, Seconded: true},
	} {
		rules := alert.RulesOf(ledger.DefaultPolicy(1), "in")
		l, err := b.Detail(t.Context(), fmt.Sprintf("%s.%d", idOf("list"), row))
		if err != nil || l.Object.Standing(row, rules) != want {
			t.Errorf("row %d: %+v, %v", row, l.Object.Standing(row, rules), err)
		}
	}
}

// A chain of links is followed so far and no further, a denied one not at all.
func TestRelatedIsBounded(t *testing.T) {
	f, in := alone(t, 2)
	key := func(i int) alert.ID {
		return alert.ID{Key: alert.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", fmt.Sprint("n", i))}}
	}
	link := func(member, i, j int, v alert.Verdict) {
		l := &alert.Linked{Relation: alert.NearDuplicate, Verdict: v}
		l.Target, l.Other = alert.Connect{A: key(i), B: key(j)}.Ordered()
		e, err := l.Encode(ledger.EventIDFor("test", fmt.Sprint("l", i, j, v)))
		if err != nil {
			t.Fatal(err)
		}
		in.Seal(t, member, home, e)
	}
	for i := range 12 {
		in.Seal(t, 0, home, raised(t, fmt.Sprint("n", i), "chain"))
	}
	for i := range 11 {
		link(0, i, i+1, alert.Confirms)
	}
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	reach := func(i int) (n int, more bool) {
		found, more, err := b.Related(t.Context(), key(i))
		if err != nil {
			t.Fatal(err)
		}
		return len(found), more
	}
	if n, more := reach(0); n != 6 || !more {
		t.Errorf("from one end: %d, %v", n, more)
	}
	if n, more := reach(6); n != 11 || more {
		t.Errorf("from the middle: %d, %v", n, more)
	}
	link(1, 3, 4, alert.Disputes)
	show(f, in)
	catchUp(t, b, f)
	if n, more := reach(0); n != 3 || more {
		t.Errorf("up to the denied: %d, %v", n, more)
	}
	if found, _, err := b.Related(t.Context(), key(3)); err != nil || len(found) != 4 || found[1].Denied != 1 {
		t.Errorf("beside the denied: %+v, %v", found, err)
	}
}
