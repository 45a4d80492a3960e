package board_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/ledger/watch"
	"vigil/node/board"
)

var self = []ledger.AudienceName{"in/a0"}

func must(t testing.TB, e ledger.Event, err error) ledger.Event {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// watching is a list of the files with numbers.
func watching(t testing.TB, name string, exercise bool, numbers ...int) ledger.Event {
	t.Helper()
	files := make([]alert.File, len(numbers))
	for i, n := range numbers {
		files[i] = alert.File{Signals: []alert.Signal{numbered(n)}}
	}
	e, err := watch.AddList{Event: ledger.EventIDFor("test", name), Details: watch.Details{Case: "case " + name, Note: "note", Exercise: exercise}, Files: files}.Decide()
	return must(t, e, err)
}

func watchKey(in *ledgertest.Jurisdiction, name string) watch.Key {
	return watch.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", name)}
}

func unwatch(t testing.TB, in *ledgertest.Jurisdiction, name, of string, rows alert.RowSet) ledger.Event {
	e, err := (&watch.Removed{Target: watchKey(in, of), Rows: rows}).Encode(ledger.EventIDFor("test", name))
	return must(t, e, err)
}

func hitOf(in *ledgertest.Jurisdiction, list string, row uint32, a alert.ID) watch.HitID {
	return watch.HitOf(watch.ID{Key: watchKey(in, list), Row: row}, a)
}

func handled(t testing.TB, name string, what watch.Handling, hits ...watch.HitID) ledger.Event {
	e, err := watch.Handle{Event: ledger.EventIDFor("test", name), What: what, Note: "note of " + name, Hits: hits}.Decide(func(watch.HitID) bool { return true })
	return must(t, e, err)
}

// drill makes an alert of numbered files an exercise.
func drill(t testing.TB, name string, numbers ...int) ledger.Event {
	t.Helper()
	var files []alert.File
	for _, n := range numbers {
		files = append(files, alert.File{Signals: []alert.Signal{numbered(n)}})
	}
	e, err := alert.List{Event: ledger.EventIDFor("test", name), Details: alert.Details{Title: name, Exercise: true, Handling: alert.Handling{TLP: alert.Amber}}, Files: files}.Decide(alert.View{Agency: "in/a1"})
	return must(t, e, err)
}

func alertID(j *ledgertest.Jurisdiction, author ledger.AgencyID, name string, row uint32) alert.ID {
	return alert.ID{Key: alert.Key{Home: j.Origin(), Author: author, Event: ledger.EventIDFor("test", name)}, Row: row}
}

func hits(t testing.TB, b *board.Board, q board.HitQuery) []string {
	t.Helper()
	page, err := b.Hits(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range page.Hits {
		out = append(out, fmt.Sprintf("%s.%d on %s: %s, %s", h.Watched.Details.Case, h.Watched.ID.Row, h.Alert.Details.Title, h.Alert.Standing, h.State))
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwanted\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsWatchedIsHitWhateverComesFirst(t *testing.T) {
	f, in := alone(t, 2)
	follow := func(e ...ledger.Event) {
		in.Seal(t, 1, home, e...)
		show(f, in)
	}
	own := func(e ...ledger.Event) {
		in.Seal(t, 0, self, e...)
		show(f, in)
	}
	follow(listed(t, "before", 10, 5)) // files 10 to 14
	own(watching(t, "one", false, 12, 99, 22))
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	same(t, "an alert that was there", hits(t, b, board.HitQuery{}), "case one.0 on before: asserted, open")

	follow(listed(t, "after", 20, 5), drill(t, "drill", 12, 99, 77))
	own(watching(t, "training", true, 77, 12))
	catchUp(t, b, f)
	same(t, "casework", hits(t, b, board.HitQuery{}), "case one.0 on before: asserted, open", "case one.2 on after: asserted, open")
	same(t, "exercise", hits(t, b, board.HitQuery{Exercise: true}), "case training.0 on drill: asserted, open", "case training.1 on drill: asserted, open")

	told, err := b.Changes(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	drills := 0
	for _, c := range told {
		if c.Kind == "watch.hit" && c.Exercise {
			drills++
		}
	}
	if drills != 2 {
		t.Errorf("%d hits are told of as an exercise's", drills)
	}

	own(handled(t, "done", watch.Done, hitOf(in, "one", 0, alertID(in, "in/a1", "before", 2))))
	catchUp(t, b, f)
	same(t, "done", hits(t, b, board.HitQuery{State: "done"}), "case one.0 on before: asserted, done")
	same(t, "open", hits(t, b, board.HitQuery{State: "open", List: watchKey(in, "one").ID(watch.IDPrefix)}), "case one.2 on after: asserted, open")

	seen := b.LastChange()
	r, err := (&alert.Retracted{Target: alertID(in, "in/a1", "after", 0).Key, Rows: alert.RowSet{2}}).Encode(ledger.EventIDFor("test", "r"))
	follow(must(t, r, err))
	catchUp(t, b, f)
	same(t, "retracted", hits(t, b, board.HitQuery{State: "open"}), "case one.2 on after: retracted, open")
	changes, err := b.Changes(t.Context(), seen, 10)
	if err != nil || !slices.ContainsFunc(changes, func(c board.Change) bool {
		return c.Kind == "watch.hit" && c.Object == hitOf(in, "one", 2, alertID(in, "in/a1", "after", 2)).String()
	}) {
		t.Errorf("nobody is told that the alert of a hit was retracted: %+v, %v", changes, err)
	}

	own(unwatch(t, in, "u", "one", alert.RowSet{2}), handled(t, "again", watch.Reopened, hitOf(in, "one", 0, alertID(in, "in/a1", "before", 2))))
	follow(listed(t, "late", 22, 1))
	catchUp(t, b, f)
	same(t, "removed", hits(t, b, board.HitQuery{}), "case one.0 on before: asserted, open")
	hit, said, err := b.Hit(t.Context(), hitOf(in, "one", 0, alertID(in, "in/a1", "before", 2)).String()[:12])
	if err != nil || hit.State != watch.Open || len(said) != 2 || said[0].What != watch.Done || said[0].Note != "note of done" || said[1].What != watch.Reopened {
		t.Errorf("%+v, %+v, %v", hit.State, said, err)
	}
	lists, err := b.WatchLists(t.Context(), board.WatchQuery{Case: "case one"})
	if err != nil || len(lists.Lists) != 1 || lists.Lists[0].Files != 3 || lists.Lists[0].Watched != 2 || lists.Lists[0].Hits != 1 || lists.Lists[0].Open != 1 || lists.Lists[0].Details.Note != "note" {
		t.Errorf("%+v, %v", lists, err)
	}
	_, files, next, err := b.WatchedFiles(t.Context(), watchKey(in, "one").ID(""), 0, 1)
	if err != nil || len(files) != 1 || next != 1 || files[0].File.Signals[0].String() != numbered(12).String() {
		t.Errorf("%+v, %d, %v", files, next, err)
	}
}

func TestNobodyElseMakesUsWatch(t *testing.T) {
	f, in := alone(t, 2)
	in.Seal(t, 1, home, watching(t, "theirs", false, 10))
	in.Seal(t, 1, []ledger.AudienceName{"in/a0", "in/a1"}, watching(t, "sent", false, 11))
	in.Seal(t, 0, home, watching(t, "told to all", false, 12))
	in.Seal(t, 1, home, listed(t, "alerts", 10, 5))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	same(t, "hits", hits(t, b, board.HitQuery{}))
	if page, err := b.WatchLists(t.Context(), board.WatchQuery{}); err != nil || len(page.Lists) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestAlikeFingerprintsAreHits(t *testing.T) {
	f, in := alone(t, 2)
	in.Seal(t, 0, self, watching(t, "one", false, 1, 2), watching(t, "training", true, 3))
	in.Seal(t, 1, home, listed(t, "alerts", 100, 3))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	rows := map[string]int64{}
	for w, err := range b.Watching(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		rows[fmt.Sprintf("%s.%d", w.Details.Case, w.ID.Row)] = w.Row
	}
	found, err := b.LookUp(t.Context(), []alert.Signal{numbered(101)})
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	a := found[0][0].Row
	b.NoteAlike([]board.Alike{
		{rows["case one.1"], a, alert.PDQ, 30},
		{rows["case one.1"], a, alert.VPDQFrame, 12},
		{rows["case one.1"], a, alert.PDQ, 31},
		{rows["case training.0"], a, alert.PDQ, 1},
		{1 << 40, a, alert.PDQ, 1},
		{rows["case one.0"], 1 << 40, alert.PDQ, 1},
	})
	if err := runUntil(t, b, func() bool { return len(hits(t, b, board.HitQuery{})) > 0 }); err != nil {
		t.Fatal(err)
	}
	page, err := b.Hits(t.Context(), board.HitQuery{})
	if err != nil || len(page.Hits) != 1 || page.Hits[0].Distance != 12 || page.Hits[0].Algorithm != alert.VPDQFrame || page.Hits[0].Watched.ID.Row != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	same(t, "exercise", hits(t, b, board.HitQuery{Exercise: true}))
}

func TestBadQuestionsAboutWatchListsAreRefused(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, self, watching(t, "one", false, 1))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	list := watchKey(in, "one").ID(watch.IDPrefix)
	for name, ask := range map[string]func() error{
		"state":       func() error { _, err := b.Hits(t.Context(), board.HitQuery{State: "gone"}); return err },
		"list":        func() error { _, err := b.Hits(t.Context(), board.HitQuery{List: "x"}); return err },
		"no list":     func() error { _, err := b.Hits(t.Context(), board.HitQuery{List: "wl_00000000"}); return err },
		"no row":      func() error { _, err := b.WatchedID(t.Context(), list+".1"); return err },
		"no hit":      func() error { _, _, err := b.Hit(t.Context(), "wh_00000000"); return err },
		"an alert id": func() error { _, _, err := b.Hit(t.Context(), "al_00000000"); return err },
		"no hits":     func() error { _, err := b.HitIDs(t.Context(), []string{"wh_00000000"}); return err },
		"no such id":  func() error { _, err := b.HitIDs(t.Context(), []string{"?"}); return err },
	} {
		if ask() == nil {
			t.Errorf("%s: answered", name)
		}
	}
	if id, err := b.WatchedID(t.Context(), list); err != nil || id.Key != watchKey(in, "one") {
		t.Errorf("%v %v", id, err)
	}
	if o, err := b.WatchObject(t.Context(), watch.Key{}); o != nil || err != nil {
		t.Errorf("%v %v", o, err)
	}
}

// watched lets in/a0 watch what is on alerts at home and abroad, before and after they come, in casework and exercises.
func watched(t testing.TB, in, uk *ledgertest.Jurisdiction) {
	t.Helper()
	both := []ledger.AudienceName{"in/*", "uk/*"}
	abroad := alertID(uk, "uk/a0", "abroad", 1)
	uk.Seal(t, 0, both, drill(t, "abroad drill", 500, 501))
	in.Seal(t, 0, self, watching(t, "w1", false, 500, 501, 502), unwatch(t, in, "u0", "w2", alert.RowSet{1}))
	in.Seal(t, 0, self, handled(t, "h1", watch.Seen, hitOf(in, "w1", 1, abroad)))
	uk.Seal(t, 0, both, listed(t, "abroad", 500, 3))
	in.Seal(t, 0, self, watching(t, "w2", false, 502, 501), watching(t, "w3", true, 501), handled(t, "h2", watch.Done, hitOf(in, "w1", 1, abroad)))
	uk.Seal(t, 1, both, assessed(t, abroad.Key, alert.Disputes, alert.RowSet{2}, "d9"))
	in.Seal(t, 0, self, unwatch(t, in, "u1", "w1", alert.RowSet{0}), unwatch(t, in, "u2", "w1", alert.RowSet{7}))
}
