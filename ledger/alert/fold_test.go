package alert

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
)

func TestStanding(t *testing.T) {
	k := target(2)
	confirm := func(index uint64, agency ledger.AgencyID, id byte) Placed {
		return says(t, index, agency, id, k, Confirms, RowSet{0})
	}
	for name, c := range map[string]struct {
		said []Placed
		want Standing
	}{
		"alone":              {nil, Standing{Asserted, 1, 0}},
		"one confirms":       {[]Placed{confirm(1, "uk/nca", 10)}, Standing{Asserted, 2, 0}},
		"two confirm":        {[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11)}, Standing{Corroborated, 3, 0}},
		"one confirms twice": {[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/nca", 11)}, Standing{Asserted, 2, 0}},
		"the author does":    {[]Placed{confirm(6, "in/ncrb", 10)}, Standing{Asserted, 1, 0}},
		"withdrawn": {
			[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11), says(t, 3, "uk/met", 12, k, Withdraws, AllRows())},
			Standing{Asserted, 2, 0},
		},
		"disputed": {
			[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11), says(t, 9, "in/mh", 12, k, Disputes, AllRows())},
			Standing{Disputed, 3, 1},
		},
		"of another row": {[]Placed{says(t, 1, "uk/nca", 10, k, Disputes, RowSet{1})}, Standing{Asserted, 1, 0}},
		"of no row":      {[]Placed{says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0, 3})}, Standing{Asserted, 1, 0}},
		"retracted":      {[]Placed{confirm(1, "uk/nca", 10), takesBack(t, 9, k, 13, AllRows())}, Standing{Withdrawn, 2, 0}},
		"before cause":   {[]Placed{takesBack(t, 1, k, 13, RowSet{0})}, Standing{Withdrawn, 1, 0}},
	} {
		if got := object(t, listed(t, 3), c.said...).Standing(0, 3); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	k := target(2)
	again := place(t, originIN, 8, "in/ncrb", listed(t, 3))
	other := place(t, originIN, 9, "in/ncrb", listed(t, 2))
	exercise, err := (&Assessed{Target: k, Rows: RowSet{0}, Verdict: Disputes, Basis: Examined, Exercise: true}).Encode(eventID(20))
	foreign, err2 := (&Retracted{Target: k, Rows: AllRows()}).Encode(eventID(21))
	o := object(t, listed(t, 3), again, other,
		says(t, 10, "in/ncrb", 22, k, Confirms, AllRows()),
		place(t, originUK, 1, "uk/nca", must(t, exercise, err)),
		place(t, originUK, 2, "uk/nca", must(t, foreign, err2)),
		says(t, 3, "uk/nca", 23, k, Disputes, RowSet{3}))
	var got []Why
	for _, f := range o.Flags() {
		got = append(got, f.Why)
	}
	if want := []Why{Repeated, Contradicting, ItsOwnAlert, WrongExercise, NotTheAuthor, NoSuchRow}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s := o.Standing(0, 2); s != (Standing{Asserted, 1, 0}) || o.Rows() != 3 {
		t.Errorf("they have effect: %+v", s)
	}
}

func TestAIGeneratedNeverLowersStanding(t *testing.T) {
	for _, ai := range []AIGenerated{UnknownAI, NoAI, PartlyAI, FullyAI} {
		d := details()
		d.AIGenerated = ai
		e, err := Raise{Event: eventID(1), Details: d, File: file(1, MD5)}.Decide(View{Agency: "in/ncrb"})
		o := object(t, must(t, e, err), says(t, 1, "uk/nca", 10, target(1), Confirms, AllRows()))
		if s := o.Standing(0, 2); s.State != Corroborated {
			t.Errorf("%s: %+v", ai, s)
		}
	}
}

func TestOrphanKeepsWhatWasSaid(t *testing.T) {
	k := target(1)
	o := NewObject(k)
	if !o.Extend(says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0})) {
		t.Fatal("not folded")
	}
	if _, ok := o.Cause(); ok || o.Standing(0, 2).State != Orphan || len(o.Opinions(0)) != 1 {
		t.Fatal("no orphan")
	}
	cause := place(t, originIN, 5, "in/ncrb", raised(t))
	if o.Extend(cause) {
		t.Fatal("an older event was folded out of order")
	}
	if s := object(t, raised(t), says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0})).Standing(0, 2); s.State != Disputed {
		t.Fatal(s)
	}
}

// naiveBoard is the definition of a board, with no regard to cost: it keeps every event it was given, and answers by
// looking at all of them.
type naiveBoard struct{ events []Placed }

func (b *naiveBoard) of(k Key) []Placed {
	var own []Placed
	for _, e := range b.events {
		if e.Key() == k && !slices.ContainsFunc(own, func(p Placed) bool { return noun.Compare(k.Home, &p, &e) == 0 }) {
			own = append(own, e)
		}
	}
	slices.SortFunc(own, func(a, b Placed) int {
		less := func(a, b Placed) bool {
			if (a.Origin == k.Home) != (b.Origin == k.Home) {
				return a.Origin == k.Home
			}
			if a.Origin != b.Origin {
				return a.Origin < b.Origin
			}
			return a.Position.Index < b.Position.Index
		}
		if less(a, b) {
			return -1
		}
		return 1
	})
	var standing []Placed
	for _, e := range own {
		if !slices.ContainsFunc(standing, func(p Placed) bool { return p.Author == e.Author && p.Event == e.Event }) {
			standing = append(standing, e)
		}
	}
	return standing
}

func (b *naiveBoard) picture(k Key, row uint32, policy int) string {
	events := b.of(k)
	var cause Cause
	for _, e := range events {
		if c, ok := e.Fact.(Cause); ok {
			cause = c
		}
	}
	if cause == nil || int(row) >= cause.Rows() {
		return fmt.Sprint(Standing{})
	}
	fits := func(rows RowSet, exercise bool) bool {
		return rows.Has(row) && exercise == DetailsOf(cause).Exercise && (rows.IsAll() || int(slices.Max(rows)) < cause.Rows())
	}
	latest, retracted := map[ledger.AgencyID]Verdict{}, false
	for _, e := range events {
		switch f := e.Fact.(type) {
		case *Assessed:
			if e.Author != k.Author && fits(f.Rows, f.Exercise) {
				latest[e.Author] = f.Verdict
			}
		case *Retracted:
			retracted = retracted || (e.Author == k.Author && fits(f.Rows, f.Exercise))
		}
	}
	s := Standing{State: Asserted, Agencies: 1}
	for _, v := range latest {
		s.Agencies += map[Verdict]int{Confirms: 1}[v]
		s.Disputes += map[Verdict]int{Disputes: 1}[v]
	}
	if s.Agencies >= policy {
		s.State = Corroborated
	}
	if s.Disputes > 0 {
		s.State = Disputed
	}
	if retracted {
		s.State = Withdrawn
	}
	return fmt.Sprint(s)
}

// incremental is the board as a node keeps it: objects extended in order, folded again when something older comes.
type incremental struct {
	objects map[Key]*Object
	kept    map[Key][]Placed
}

func (b *incremental) add(p Placed) {
	k := p.Key()
	if b.objects[k] == nil {
		b.objects[k] = NewObject(k)
	}
	b.kept[k] = append(b.kept[k], p)
	if !b.objects[k].Extend(p) {
		b.objects[k] = Fold(k, b.kept[k])
	}
}

var worldOrigins = []ledger.Origin{originIN, originUK, originFR}

// drawWorld writes random events into three ledgers, with colliding event ids, causes that stand behind what they
// cause, wrong authors, wrong rows and wrong exercise flags.
func drawWorld(t *rapid.T) []Placed {
	var events []Placed
	for _, o := range worldOrigins {
		for index := range uint64(rapid.IntRange(0, 8).Draw(t, "length")) {
			author := ledger.AgencyID(string(o.Jurisdiction()) + "/" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "author"))
			e, err := drawFact(t).Encode(ledger.EventID{rapid.Byte().Draw(t, "id") % 4})
			if err != nil {
				t.Fatal(err)
			}
			p, err := Place(o, ledger.Position{Index: index}, author, 0, &e)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, p)
		}
	}
	return events
}

func drawFact(t *rapid.T) Fact {
	home := rapid.SampledFrom(worldOrigins).Draw(t, "home")
	k := Key{
		Home: home, Author: ledger.AgencyID(string(home.Jurisdiction()) + "/a"),
		Event: ledger.EventID{rapid.Byte().Draw(t, "target") % 4},
	}
	rows := rapid.SampledFrom([]RowSet{{0}, {1}, {0, 1}, AllRows()}).Draw(t, "rows")
	exercise := rapid.IntRange(0, 5).Draw(t, "exercise") == 0
	d := details()
	d.Exercise = exercise
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		return &Raised{Details: d, File: file(rapid.Byte().Draw(t, "seed")%2, MD5)}
	case 1:
		l, err := NewListed(d, []File{file(1, MD5), file(2, MD5)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	case 2:
		return &Retracted{Target: k, Rows: rows, Exercise: exercise}
	}
	v := rapid.SampledFrom([]Verdict{Confirms, Disputes, Withdraws}).Draw(t, "verdict")
	return &Assessed{Target: k, Rows: rows, Verdict: v, Basis: Examined, Exercise: exercise}
}

// Same facts, same picture: whatever the order in which ledgers arrive, with events delivered twice and causes late,
// live folding, folding at once and the definition agree.
func TestFoldsCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawWorld(t)
		delivered := append(slices.Clone(events), events[:len(events)/2]...)
		delivered = rapid.Permutation(delivered).Draw(t, "order")

		model := &naiveBoard{events: events}
		live := &incremental{objects: map[Key]*Object{}, kept: map[Key][]Placed{}}
		for _, p := range delivered {
			live.add(p)
		}
		for k, o := range live.objects {
			whole := Fold(k, live.kept[k])
			for row := range uint32(3) {
				want := model.picture(k, row, 2)
				if got := fmt.Sprint(o.Standing(row, 2)); got != want {
					t.Fatalf("%v row %d: live %s, defined %s", k, row, got, want)
				}
				if got := fmt.Sprint(whole.Standing(row, 2)); got != want {
					t.Fatalf("%v row %d: refolded %s, defined %s", k, row, got, want)
				}
			}
			if got, want := fmt.Sprint(reasons(o)), fmt.Sprint(reasons(whole)); got != want {
				t.Fatalf("%v: flags live %s, refolded %s", k, got, want)
			}
		}
	})
}

func reasons(o *Object) []string {
	var all []string
	for _, f := range o.Flags() {
		all = append(all, fmt.Sprint(f.Placed.Origin, f.Placed.Position, f.Why))
	}
	return all
}

func BenchmarkDecodeListed(b *testing.B) {
	e := listed(b, 10_000)
	for b.Loop() {
		if _, err := Decode(&e); err != nil {
			b.Fatal(err)
		}
	}
}
