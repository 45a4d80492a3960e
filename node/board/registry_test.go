package board_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/ledger/noun"
	"vigil/ledger/registry"
	"vigil/node/board"
)

func noticed(t testing.TB, name string, change func(*registry.Notice)) ledger.Event {
	t.Helper()
	n := registry.Notice{Marks: []registry.Mark{{1}, {2}}, Tier: "low", Ground: "convicted", Since: "2020-03-02", Authority: "court", Reference: name}
	if change != nil {
		change(&n)
	}
	e, err := n.Decide(ledger.EventIDFor("test", name), then)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func marksOf(numbers ...byte) (out []registry.Mark) {
	for _, n := range numbers {
		out = append(out, registry.Mark{n})
	}
	return out
}

func TestScreeningsGoByWhatHolds(t *testing.T) {
	f, in := alone(t, 2)
	key := func(name string) registry.Key {
		return registry.Key{Home: in.Origin(), Author: "in/a1", Event: ledger.EventIDFor("test", name)}
	}
	in.Seal(t, 1, home, noticed(t, "one", nil), noticed(t, "charged", func(n *registry.Notice) { n.Marks, n.Ground = marksOf(5), "charged" }),
		noticed(t, "drill", func(n *registry.Notice) { n.Marks, n.Exercise = marksOf(6), true }), noticed(t, "wrong", func(n *registry.Notice) { n.Marks, n.Tier = marksOf(7, 8), "habitual" }),
		noticed(t, "lifted", func(n *registry.Notice) { n.Marks = marksOf(9) }))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	ask := func(day string, exercise bool, marks ...byte) bool {
		t.Helper()
		on, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		held, err := b.Screen(t.Context(), marksOf(marks...), on, exercise)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	for _, c := range []struct {
		day      string
		exercise bool
		marks    []byte
		want     bool
	}{
		{"2026-03-02", false, []byte{1}, true},
		{"2026-03-02", false, []byte{2, 3}, true},
		{"2026-03-02", false, []byte{3}, false},
		{"2026-03-02", false, nil, false},
		{"2035-03-01", false, []byte{1}, true},
		{"2035-03-02", false, []byte{1}, false}, // it has run out
		{"2026-03-02", false, []byte{5}, false}, // of a ground that answers nothing
		{"2026-03-02", false, []byte{6}, false},
		{"2026-03-02", true, []byte{6}, true},
		{"2026-03-02", true, []byte{1}, false},
		{"2100-01-01", false, []byte{7}, true},
	} {
		if got := ask(c.day, c.exercise, c.marks...); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	n, err := b.Notice(t.Context(), key("wrong").ID(registry.IDPrefix))
	if err != nil {
		t.Fatal(err)
	}
	right := *n.Object.Notice
	right.Marks = marksOf(10)
	corrected, err := n.Object.Correct(ledger.EventIDFor("test", "c"), "in/a1", right, "another person", then)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.Notice(t.Context(), key("lifted").ID(registry.IDPrefix))
	if err != nil {
		t.Fatal(err)
	}
	lifted, err := l.Object.Lift(ledger.EventIDFor("test", "l"), "in/a1", "acquitted", "court")
	if err != nil {
		t.Fatal(err)
	}
	in.Seal(t, 1, home, corrected, lifted)
	show(f, in)
	catchUp(t, b, f)
	if ask("2026-03-02", false, 7) || !ask("2026-03-02", false, 10) || ask("2026-03-02", false, 9) {
		t.Error("it goes by what was corrected or lifted")
	}
	owed, err := b.OwedNotices(t.Context(), 10)
	if err != nil || len(owed) != 2 {
		t.Fatalf("%d owed, %v", len(owed), err)
	}
	for i := range owed {
		e, err := owed[i].Object.Acknowledge("in/a0", owed[i].Object.Owes("in/a0")[0].Event)
		if err != nil {
			t.Fatal(err)
		}
		in.Seal(t, 0, home, e)
	}
	show(f, in)
	catchUp(t, b, f)
	if owed, err := b.OwedNotices(t.Context(), 10); err != nil || len(owed) != 0 {
		t.Errorf("%d owed, %v", len(owed), err)
	}
	if homes, err := b.NoticeHomes(t.Context()); err != nil || len(homes) != 1 || homes[0] != in.Origin() {
		t.Errorf("%v %v", homes, err)
	}
	for _, c := range []struct {
		q    board.NoticeQuery
		want string
	}{
		{board.NoticeQuery{}, "lifted wrong charged one"},
		{board.NoticeQuery{State: "lifted"}, "lifted"},
		{board.NoticeQuery{State: "stands", Limit: 1}, "wrong charged one"},
		{board.NoticeQuery{Exercise: true}, "drill"},
		{board.NoticeQuery{Author: "in/a0"}, ""},
		{board.NoticeQuery{Challenged: true}, ""},
	} {
		if got := references(t, b, c.q); got != c.want {
			t.Errorf("%+v: %q, not %q", c.q, got, c.want)
		}
	}
	if _, err := b.Notices(t.Context(), board.NoticeQuery{State: "gone"}); err == nil {
		t.Error("an unknown state was answered")
	}
}

func references(t testing.TB, b *board.Board, q board.NoticeQuery) string {
	t.Helper()
	var out []string
	for {
		page, err := b.Notices(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Notices {
			out = append(out, n.Object.Notice.Reference)
		}
		if q.Before = page.Next; page.Next == 0 {
			return strings.Join(out, " ")
		}
	}
}

func TestOnlyOurOwnScreeningsAreRecorded(t *testing.T) {
	f, in := alone(t, 2)
	asked := func(by string, n int) ledger.Event {
		s := registry.Screened{By: by, Role: "screening", Purpose: "care", Authority: "Act 1"}
		e, err := s.Event(ledger.EventIDFor("test", fmt.Sprint(by, n)))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	in.Seal(t, 0, []ledger.AudienceName{"in/a0"}, asked("tk_1", 1), asked("tk_2", 1), asked("tk_1", 2))
	in.Seal(t, 1, home, asked("tk_1", 3)) // another's word on what is ours alone
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	if n, err := b.Asked(t.Context(), "tk_1", time.UnixMilli(0)); err != nil || n != 2 {
		t.Errorf("asked %d times, %v", n, err)
	}
	page, err := b.Screenings(t.Context(), "", false, 0, 2)
	if err != nil || len(page.Screenings) != 2 || page.Next == 0 || page.Screenings[0].Object.By != "tk_1" {
		t.Fatalf("%+v %v", page, err)
	}
	if page, err = b.Screenings(t.Context(), "tk_1", false, page.Next, 2); err != nil || len(page.Screenings) != 1 || page.Next != 0 {
		t.Errorf("%+v %v", page, err)
	}
}

// Whatever came first, a board has the same notices and answers the same.
func TestNoticesAreTheSameInAnyOrderOfArrival(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	in.Seal(t, 1, abroadToo, noticed(t, "one", nil))
	key := registry.Key{Home: in.Origin(), Author: "in/a1", Event: ledger.EventIDFor("test", "one")}
	say := func(j *ledgertest.Jurisdiction, member int, kind, name string, fact registry.Fact) {
		e, err := registry.Codec.Encode(ledger.EventIDFor("test", name), kind, fact)
		if err != nil {
			t.Fatal(err)
		}
		j.Seal(t, member, abroadToo, e)
	}
	say(uk, 0, registry.TypeChallenged, "challenge", &registry.Challenged{Target: key, Reason: "x"})
	right := registry.Notice{Marks: marksOf(3), Tier: "low", Ground: "convicted", Since: "2020-03-02", Authority: "court", Reference: "one"}
	say(in, 1, registry.TypeCorrected, "correction", &registry.Corrected{Target: key, Notice: right, Reason: "x"})
	say(uk, 0, registry.TypeAcknowledged, "ack", &registry.Acknowledged{Target: key, Change: ledger.EventIDFor("test", "correction")})
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{},
	}
	show(f, in)
	show(f, uk)
	full := map[ledger.Origin]uint64{in.Origin(): f.shown[in.Origin()], uk.Origin(): f.shown[uk.Origin()]}
	want := fmt.Sprint("corrected 1 false true ", len(full))
	rapid.Check(t, func(r *rapid.T) {
		f.shown = map[ledger.Origin]uint64{}
		b := open(t, t.TempDir(), f, in.Ring(0), 1)
		defer b.Close()
		for f.shown[f.origins[0]] < full[f.origins[0]] || f.shown[f.origins[1]] < full[f.origins[1]] {
			o := noun.Set(f.origins)[rapid.IntRange(0, 1).Draw(r, "ledger")]
			f.shown[o] = min(full[o], f.shown[o]+uint64(rapid.IntRange(1, 9).Draw(r, "entries")))
			catchUp(t, b, f)
		}
		n, err := b.Notice(t.Context(), key.ID(registry.IDPrefix))
		if err != nil {
			r.Fatal(err)
		}
		before, err1 := b.Screen(t.Context(), marksOf(1, 2), then, false)
		after, err2 := b.Screen(t.Context(), marksOf(3), then, false)
		if got := fmt.Sprint(n.Object.Challenges[0].Answer, " ", len(n.Object.Owes("in/a0")), " ", before, " ", after, " ", len(full)); got != want || err1 != nil || err2 != nil {
			r.Fatalf("%s, not %s", got, want)
		}
	})
}

// BenchmarkScreening looks four marks up among 100,000 notices.
func BenchmarkScreening(b *testing.B) {
	f, in := alone(b, 2)
	for at := 0; at < 100_000; at += perEntry {
		var events []ledger.Event
		for i := at; i < at+perEntry; i++ {
			events = append(events, noticed(b, fmt.Sprint(i), func(n *registry.Notice) {
				n.Marks = []registry.Mark{{byte(i), byte(i >> 8), byte(i >> 16)}, {0xff, byte(i), byte(i >> 8), byte(i >> 16)}}
				if n.Marks[0].String() > n.Marks[1].String() {
					n.Marks[0], n.Marks[1] = n.Marks[1], n.Marks[0]
				}
			}))
		}
		in.Seal(b, 1, home, events...)
	}
	show(f, in)
	x := open(b, b.TempDir(), f, in.Ring(0), 1)
	defer x.Close()
	catchUpWithin(b, x, f, 10*time.Minute)
	b.Run("screen", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Screen(b.Context(), marksOf(1, 2, 3, 4), then, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Notices(b.Context(), board.NoticeQuery{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("no such list", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Notices(b.Context(), board.NoticeQuery{Author: "in/a9"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var abroadToo = []ledger.AudienceName{"in/*", "uk/*"}
