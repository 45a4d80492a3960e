package board_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/export"
	"vigil/ledger/ledgertest"
	"vigil/ledger/noun"
	"vigil/ledger/recall"
	"vigil/node/board"
)

var both = []ledger.AudienceName{"in/*", "uk/*"}

func retracted(t testing.TB, name string, of alert.ID, rows alert.RowSet) ledger.Event {
	t.Helper()
	e, err := (&alert.Retracted{Target: of.Key, Rows: rows, Reason: "wrong"}).Encode(ledger.EventIDFor("test", name))
	return must(t, e, err)
}

func answered(t testing.TB, name string, of alert.ID, hits uint32, retractions ...string) ledger.Event {
	t.Helper()
	a := &recall.Answered{Home: of.Home, Author: of.Author}
	for _, r := range retractions {
		a.Answers = append(a.Answers, recall.Answer{Recall: recall.Recall{Alert: of.Event, Retraction: ledger.EventIDFor("test", r)}, Derived: recall.Derived{Hits: hits}})
	}
	e, err := a.Normal().Encode(ledger.EventIDFor("test", name))
	return must(t, e, err)
}

func exportKey(in *ledgertest.Jurisdiction, name string) export.Key {
	return export.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", name)}
}

func begun(t testing.TB, name string, since *export.Key) ledger.Event {
	t.Helper()
	e, err := (&export.Begun{Format: "csv", Since: since, Case: "c"}).Encode(ledger.EventIDFor("test", name))
	return must(t, e, err)
}

func carried(t testing.TB, name string, to export.Key, said ...export.Said) ledger.Event {
	t.Helper()
	e, err := export.Pack(to, said)[0].Encode(ledger.EventIDFor("test", name))
	return must(t, e, err)
}

// recalledWorld lets a list be recalled row by row and as a whole, answered before and after that, at home and abroad, and
// exported in between.
func recalledWorld(t testing.TB, in, uk *ledgertest.Jurisdiction) {
	t.Helper()
	one := func(row uint32) alert.ID { return alertID(uk, "uk/a1", "recalled", row) }
	x1, x2 := exportKey(in, "x1"), exportKey(in, "x2")
	in.Seal(t, 1, both, answered(t, "early", one(0), 4, "rr1", "rr2"))
	in.Seal(t, 0, self, carried(t, "c1", x1, export.Said{Alert: one(0), What: export.Included}, export.Said{Alert: one(1), What: export.Included}))
	uk.Seal(t, 1, both, listed(t, "recalled", 700, 3))
	uk.Seal(t, 1, both, retracted(t, "rr1", one(0), alert.RowSet{1}), retracted(t, "rr3", one(0), alert.RowSet{5}))
	in.Seal(t, 0, self, begun(t, "x1", nil), begun(t, "x2", &x1), carried(t, "c2", x2, export.Said{Alert: one(1), What: export.Withdrawn}))
	in.Seal(t, 0, home, answered(t, "ours", one(0), 1, "rr1"))
	uk.Seal(t, 0, both, answered(t, "theirs", one(0), 2, "rr1"), answered(t, "again", one(0), 3, "rr1", "rr2"))
	uk.Seal(t, 1, both, retracted(t, "rr2", one(0), alert.AllRows()))
}

func recalled(t *testing.T, b *board.Board, id string) board.Recall {
	t.Helper()
	r, err := b.Recall(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lines(r board.Recall, due, now time.Time) string {
	var holders []recall.Holder
	for _, h := range r.Holders {
		holders = append(holders, recall.Holder{Agency: h.Agency, By: h.By})
	}
	var out []string
	for _, l := range recall.Judge(r.Alert.ID.Home, holders, r.Answers, due, now) {
		text := fmt.Sprintf("%s %s", l.Agency, l.State)
		if l.Given != nil {
			text += fmt.Sprint(" ", l.Given.Derived.Hits)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestWhoMustAnswerIsWhoCouldOpenIt(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	in.Seal(t, 1, both, listed(t, "list", 0, 3))
	one := alertID(in, "in/a1", "list", 1)
	in.Seal(t, 0, []ledger.AudienceName{"in/a0", "in/a2", "uk/a1"}, raised(t, "few", "few"))
	in.Admit(t, ledgertest.NewMember(t, "in/new")) // after the alert: it cannot open it
	in.Seal(t, 1, both, retracted(t, "r", one, alert.RowSet{1}))
	in.Seal(t, 2, both, answered(t, "a", one, 7, "r"))
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{},
		entries: map[ledger.Origin][]ledger.Entry{},
	}
	show(f, in)
	show(f, uk)
	// The alert is released to a jurisdiction that is linked, and to one that nobody here knows.
	release := in.Record(1, ledger.KindRelease)
	release.Target, release.Audience = entryOf(t, in, "list"), []ledger.AudienceRef{{Name: "uk/a9", Epoch: 1}, {Name: "us/*", Epoch: 3}}
	e, err := in.SealRecord(1, release, ledgertest.Event("released"))
	if err != nil {
		t.Fatal(err)
	}
	f.entries[in.Origin()] = append(slices.Clone(in.Entries), e)
	f.shown[in.Origin()]++
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)

	r := recalled(t, b, one.String())
	if got, want := lines(r, time.Time{}, time.Now()), "in/a0 not-yet-heard, in/a1 not-yet-heard, in/a2 done 7, uk/a0 not-yet-heard, uk/a1 not-yet-heard, uk/a9 not-yet-heard"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if !slices.Equal(r.Unknown, []ledger.AudienceName{"us/*"}) || r.Reason != "wrong" || r.Retraction != ledger.EventIDFor("test", "r") || !r.NoLaterThan.IsZero() {
		t.Errorf("%+v", r)
	}
	at := time.Unix(1_800_000_000, 0)
	if err := b.SetSealed(t.Context(), in.Origin(), board.Seal{Size: r.Index + 1, At: at}); err != nil {
		t.Fatal(err)
	}
	if r := recalled(t, b, one.String()); !r.NoLaterThan.Equal(at) {
		t.Errorf("dated %s", r.NoLaterThan)
	}
	var refusal *noun.Refusal
	if _, err := b.Recall(t.Context(), alertID(in, "in/a1", "list", 0).String()); !errors.As(err, &refusal) {
		t.Errorf("a row that stands: %v", err)
	}
	holders, _, err := b.Holders(t.Context(), in.Origin(), entryOf(t, in, "few"))
	if err != nil || len(holders) != 3 || holders[0].Agency != "in/a0" || holders[2].Agency != "uk/a1" {
		t.Errorf("%+v %v", holders, err)
	}
	page, err := b.Recalls(t.Context(), board.RecallQuery{Author: "in/a1"})
	if err != nil || len(page.Recalls) != 1 || page.Recalls[0].Alert.ID != one || page.Next != 0 {
		t.Errorf("%+v %v", page, err)
	}
	for _, q := range []board.RecallQuery{{Author: "in/a2"}, {Exercise: true}} {
		if page, err := b.Recalls(t.Context(), q); err != nil || len(page.Recalls) != 0 {
			t.Errorf("%+v: %+v %v", q, page, err)
		}
	}
}

// entryOf returns the index of the entry that holds our event of a name.
func entryOf(t *testing.T, in *ledgertest.Jurisdiction, name string) uint64 {
	t.Helper()
	for i, e := range in.Entries {
		rec, err := e.Open()
		if err != nil || rec.Kind != ledger.KindSealed {
			continue
		}
		p, err := ledger.OpenPayload(e.Payload, rec, in.Ring(0))
		if err == nil && p.Events[0].ID == ledger.EventIDFor("test", name) {
			return uint64(i)
		}
	}
	t.Fatal("no such event")
	return 0
}

func TestAnAnswerIsOwedToEveryAudienceOnce(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	one := alertID(in, "in/a1", "list", 0)
	f := &fakeLedgers{origins: []ledger.Origin{in.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{}}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	owed := func() string {
		t.Helper()
		show(f, in)
		catchUp(t, b, f)
		found, err := b.OwedRecalls(t.Context(), both, 10)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, x := range found {
			name := map[ledger.EventID]string{ledger.EventIDFor("test", "r"): "r", ledger.EventIDFor("test", "s"): "s", ledger.EventIDFor("test", "q"): "q"}[x.Retraction]
			out = append(out, fmt.Sprint(name, x.Rows, x.To))
		}
		return strings.Join(out, " ")
	}
	check := func(step, want string) {
		t.Helper()
		if got := owed(); got != want {
			t.Errorf("%s: owed %q, want %q", step, got, want)
		}
	}
	in.Seal(t, 1, both, retracted(t, "r", one, alert.RowSet{0}))
	check("before the alert", "")
	in.Seal(t, 1, both, listed(t, "list", 0, 3))
	check("with the alert", "r[0] [in/* uk/*]")
	in.Seal(t, 1, both, retracted(t, "s", one, alert.RowSet{2}), retracted(t, "nothing", one, alert.RowSet{9}))
	in.Seal(t, 1, both, answered(t, "other", one, 0, "r", "s"))
	check("another answers", "r[0] [in/* uk/*] s[2] [in/* uk/*]")
	in.Seal(t, 0, home, answered(t, "mine", one, 0, "r", "s", "q"))
	check("answered at home", "r[0] [uk/*] s[2] [uk/*]")
	in.Seal(t, 0, []ledger.AudienceName{"in/a0", "uk/*"}, answered(t, "abroad", one, 0, "s", "r"))
	check("answered abroad", "")
	in.Seal(t, 1, both, retracted(t, "q", one, alert.AllRows()))
	check("answered before it came, at home", "q[4294967295] [uk/*]")
	if names, err := b.OwedAudiences(t.Context()); err != nil || !slices.Equal(names, []ledger.AudienceName{"uk/*"}) {
		t.Errorf("%v %v", names, err)
	}
	if found, err := b.OwedRecalls(t.Context(), nil, 10); err != nil || len(found) != 0 {
		t.Errorf("%+v %v", found, err)
	}
}

func TestWhatWasMadeOfAnAlertIsCounted(t *testing.T) {
	f, in := alone(t, 2)
	list := func(row uint32) alert.ID { return alertID(in, "in/a1", "list", row) }
	in.Seal(t, 1, home, listed(t, "list", 0, 5))
	in.Seal(t, 0, self, watching(t, "w", false, 1, 2, 3), begun(t, "x1", nil), begun(t, "x2", nil))
	in.Seal(t, 0, self, carried(t, "c1", exportKey(in, "x1"), export.Said{Alert: list(1), What: export.Included}, export.Said{Alert: list(2), What: export.Included}),
		carried(t, "c2", exportKey(in, "x1"), export.Said{Alert: list(4), What: export.Included}), carried(t, "c3", exportKey(in, "x2"), export.Said{Alert: list(2), What: export.Included}, export.Said{Alert: list(0), What: export.Withdrawn}))
	in.Seal(t, 1, home, carried(t, "forged", exportKey(in, "x1"), export.Said{Alert: list(0), What: export.Included}))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	for _, c := range []struct {
		rows alert.RowSet
		want recall.Derived
	}{
		{alert.RowSet{0}, recall.Derived{}},
		{alert.RowSet{1}, recall.Derived{Hits: 1, Exports: 1}},
		{alert.RowSet{2, 3}, recall.Derived{Hits: 2, Exports: 2}},
		{alert.RowSet{0, 4}, recall.Derived{Exports: 1}},
		{alert.AllRows(), recall.Derived{Hits: 3, Exports: 2}},
	} {
		if got, err := b.Derived(t.Context(), list(0).Key, c.rows); err != nil || got != c.want {
			t.Errorf("%v: %+v, want %+v, %v", c.rows, got, c.want, err)
		}
	}
	if got, err := b.Derived(t.Context(), alert.Key{}, alert.AllRows()); err != nil || got != (recall.Derived{}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAnExportGoesOnFromAnother(t *testing.T) {
	f, in := alone(t, 2)
	list := func(row uint32) alert.ID { return alertID(in, "in/a1", "list", row) }
	x1, x2 := exportKey(in, "x1"), exportKey(in, "x2")
	in.Seal(t, 1, home, listed(t, "list", 0, 4), drill(t, "drill", 9))
	in.Seal(t, 0, self, begun(t, "x1", nil), carried(t, "c1", x1, export.Said{Alert: list(0), What: export.Included}, export.Said{Alert: list(1), What: export.Included}))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	ids := func(found []alert.ID) string {
		var out []string
		for _, id := range found {
			out = append(out, fmt.Sprint(id.Row))
		}
		return strings.Join(out, " ")
	}
	check := func(step, of, leaving, withdrawn string) {
		t.Helper()
		show(f, in)
		catchUp(t, b, f)
		chain := board.Chain{}
		since := &chain
		if of == "" {
			since = nil
		} else {
			x, err := b.Exported(t.Context(), exportKey(in, of).ID(export.IDPrefix)[:12])
			if err == nil {
				chain, err = b.ChainOf(t.Context(), x)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var out, back []alert.ID
		for after := int64(0); ; {
			found, err := b.Leaving(t.Context(), since, "", false, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			for _, a := range found {
				out, after = append(out, a.ID), a.Row
			}
		}
		found, err := b.Withdrawals(t.Context(), chain, false, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range found {
			back = append(back, a.ID)
		}
		if ids(out) != leaving || ids(back) != withdrawn {
			t.Errorf("%s: leaving %q, withdrawn %q; want %q and %q", step, ids(out), ids(back), leaving, withdrawn)
		}
	}
	check("a whole one", "", "0 1 2 3", "")
	check("after the first", "x1", "2 3", "")
	in.Seal(t, 1, home, retracted(t, "r", list(0), alert.RowSet{1}))
	check("with a retraction", "x1", "2 3", "1")
	in.Seal(t, 0, self, begun(t, "x2", &x1), carried(t, "c2", x2, export.Said{Alert: list(2), What: export.Included}, export.Said{Alert: list(1), What: export.Withdrawn}))
	check("after the second", "x2", "3", "")
	check("the first again", "x1", "2 3", "1")
	check("a whole one again", "", "0 2 3", "")
	in.Seal(t, 0, home, assessed(t, list(0).Key, alert.Disputes, alert.RowSet{2}, "d"))
	check("disputed", "x2", "3", "2")
	in.Seal(t, 0, home, assessed(t, list(0).Key, alert.Withdraws, alert.RowSet{2}, "w"))
	check("no longer", "x2", "3", "")
	page, err := b.Exports(t.Context(), false, 0, 1)
	if err != nil || len(page.Exports) != 1 || page.Exports[0].Key != x2 || page.Exports[0].Carried != 1 || page.Exports[0].Withdrawn != 1 || page.Exports[0].Begun.Case != "c" || page.Next == 0 {
		t.Errorf("%+v %v", page, err)
	}
	barred, err := b.Barred(t.Context(), []int64{1, 2, 1 << 40})
	if err != nil || len(barred) != 2 || !barred[2] {
		t.Errorf("%v %v", barred, err)
	}
	for name, ask := range map[string]func() error{
		"standing":  func() error { _, err := b.Leaving(t.Context(), nil, "odd", false, 0, 1); return err },
		"no export": func() error { _, err := b.Exported(t.Context(), "ex_00000000"); return err },
		"an alert":  func() error { _, err := b.Exported(t.Context(), list(0).String()); return err },
	} {
		if ask() == nil {
			t.Errorf("%s: answered", name)
		}
	}
}

func TestWhoWasNotToldIsToldAgain(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	one := alertID(in, "in/a0", "list", 0)
	f := &fakeLedgers{origins: []ledger.Origin{in.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{}}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	all := []ledger.AudienceName{"in/*", "uk/*", "us/*"}
	check := func(step string, want ...string) {
		t.Helper()
		catchUp(t, b, f)
		names, err := b.UntoldAudiences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := b.Untold(t.Context(), all, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range found {
			fact, err := alert.Decode(&found[i].Event)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(fact.(*alert.Retracted).Rows))
		}
		got = append(got, fmt.Sprint(names))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
	}
	in.Seal(t, 0, both, listed(t, "list", 0, 3))
	in.Seal(t, 1, both, listed(t, "theirs", 50, 3))
	in.Seal(t, 0, home, retracted(t, "r0", one, alert.RowSet{0}), retracted(t, "r1", one, alert.RowSet{1}))
	in.Seal(t, 1, home, retracted(t, "other", alertID(in, "in/a1", "theirs", 0), alert.AllRows())) // the other's to tell
	show(f, in)
	check("its link was suspended", "[0]", "[1]", "[uk/*]")
	in.Seal(t, 0, both, retracted(t, "again", one, alert.RowSet{0}))
	show(f, in)
	check("one was said again", "[1]", "[uk/*]")
	in.Seal(t, 0, both, retracted(t, "everything", one, alert.AllRows()))
	show(f, in)
	check("all was said", "[]")
	release := in.Record(1, ledger.KindRelease)
	release.Target, release.Audience = entryOf(t, in, "list"), []ledger.AudienceRef{{Name: "us/*", Epoch: 3}}
	e, err := in.SealRecord(1, release, ledgertest.Event("released"))
	if err != nil {
		t.Fatal(err)
	}
	f.entries[in.Origin()] = append(slices.Clone(in.Entries), e)
	f.shown[in.Origin()]++
	check("it was released meanwhile", "[0]", "[1]", "[0]", "[4294967295]", "[us/*]")
}

func TestAnExerciseIsRecalledByItself(t *testing.T) {
	f, in := alone(t, 2)
	one := alertID(in, "in/a1", "drill", 0)
	in.Seal(t, 1, home, drill(t, "drill", 1))
	e, err := (&alert.Retracted{Target: one.Key, Rows: alert.RowSet{0}, Exercise: true}).Encode(ledger.EventIDFor("test", "r"))
	in.Seal(t, 1, home, must(t, e, err))
	say := func(name string, member int, exercise bool) {
		t.Helper()
		a := &recall.Answered{Home: one.Home, Author: one.Author, Exercise: exercise, Answers: []recall.Answer{{Recall: recall.Recall{Alert: one.Event, Retraction: ledger.EventIDFor("test", "r")}}}}
		e, err := a.Encode(ledger.EventIDFor("test", name))
		in.Seal(t, member, home, must(t, e, err))
	}
	say("of casework", 1, false)
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	if got := lines(recalled(t, b, one.String()), time.Time{}, time.Now()); got != "in/a0 not-yet-heard, in/a1 not-yet-heard" {
		t.Error(got)
	}
	owed, err := b.OwedRecalls(t.Context(), home, 10)
	if err != nil || len(owed) != 1 || !owed[0].Exercise {
		t.Errorf("%+v %v", owed, err)
	}
	say("of the exercise", 0, true)
	show(f, in)
	catchUp(t, b, f)
	if got := lines(recalled(t, b, one.String()), time.Time{}, time.Now()); got != "in/a0 done 0, in/a1 not-yet-heard" {
		t.Error(got)
	}
	for exercise, want := range map[bool]int{true: 1, false: 0} {
		if page, err := b.Recalls(t.Context(), board.RecallQuery{Exercise: exercise}); err != nil || len(page.Recalls) != want {
			t.Errorf("%v: %d, %v", exercise, len(page.Recalls), err)
		}
	}
	changes, err := b.Changes(t.Context(), 0, 100)
	if err != nil || !slices.ContainsFunc(changes, func(c board.Change) bool { return c.Kind == recall.TypeAnswered && c.Exercise }) {
		t.Errorf("%+v %v", changes, err)
	}
}
