package match

import (
	"testing"

	"vigil/ledger/alert"
)

// skewed returns tables over many hashes of a shape.
func skewed(n int, next func() []byte) (*rows, *tables, [][]byte) {
	values := make([][]byte, n)
	for i := range values {
		values[i] = next()
	}
	r := rowsFor(values)
	return r, newTables(r, 2, nil), values
}

// spent runs a search as a segment does and returns its cost in entries compared; a sweep counts as its own cost.
func spent(r *rows, tables *tables, key []byte, radius int) (cost, found int) {
	q, x := newQuery(key), &search{}
	g := segment{rows: r, tables: tables}
	even := even(radius)
	budget := min(r.n*sweptCost, g.budget(&even))
	ok := g.searched(x, &q, radius)
	switch {
	case !ok:
		return budget + 2*r.n*sweptCost, 0
	case x.t == even:
		return budget - x.budget, len(x.found)
	}
	return budget + r.n*sweptCost - x.budget, len(x.found)
}

// Where very many hashes share chunks, thresholds are set by what the buckets hold: a search costs a small part of
// comparing all, and what it finds is all there is.
func TestCrowdedBucketsAreLeftOut(t *testing.T) {
	const n = 200_000
	s := newSource(30)
	half := s.value(16)
	next := func() []byte { return append(append([]byte(nil), half...), s.value(16)...) }
	r, tables, values := skewed(n, next)
	for range 8 {
		key := s.flip(values[s.IntN(n)], s.IntN(DefaultRadius+1))
		cost, found := spent(r, tables, key, DefaultRadius)
		if cost > n*sweptCost/2 {
			t.Errorf("a search costs %d, comparing all %d", cost, n*sweptCost)
		}
		if want := len(naiveRows(r, key, DefaultRadius)); found != want {
			t.Errorf("%d rows, want %d", found, want)
		}
	}
}

// Where no thresholds help, because everything is near everything, all hashes are compared: a search never costs more
// than a few times that.
func TestNothingCostsMoreThanAFewSweeps(t *testing.T) {
	const n = 30_000
	for name, next := range map[string]func(s source) func() []byte{
		"near one another": func(s source) func() []byte {
			centre := s.value(32)
			return func() []byte { return s.flip(centre, 12+s.IntN(6)) }
		},
		"flat":            shapes["flat"],
		"one bucket each": shapes["one bucket each"],
		"long runs":       shapes["long runs"],
	} {
		s := newSource(31)
		r, tables, values := skewed(n, next(s))
		for range 5 {
			for _, radius := range []int{8, DefaultRadius, MaxRadius} {
				key := s.query(values, radius)
				if cost, _ := spent(r, tables, key, radius); cost > 3*max(r.n, sweptRows)*sweptCost+together*r.n {
					t.Errorf("%s: radius %d costs %d, comparing all %d", name, radius, cost, r.n*sweptCost)
				}
			}
		}
	}
}

// A million refs of one hash are one row; the nearest of them are answered, and that there are more.
func TestEqualHashesAreOneRow(t *testing.T) {
	const n = 1_000_000
	x, s := New(), newSource(32)
	v := s.value(32)
	err := x.Load(func(yield func(Change, error) bool) {
		for i := range n {
			if !yield(Change{Signal: pdq(v), Ref: Ref(i)}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	g := x.spaces[spacePDQ].view.Load().segments[0]
	if g.n != 1 || g.total != n {
		t.Fatalf("%d rows with %d refs", g.n, g.total)
	}
	for ref := range 10 {
		if err := x.Apply(Change{Signal: pdq(v), Ref: Ref(ref), Gone: true}); err != nil {
			t.Fatal(err)
		}
	}
	a := must[Answer](t)(x.Find(Query{Signal: pdq(s.flip(v, 5)), Limit: 3}))
	if len(a.Hits) != 3 || a.Hits[0].Ref != 10 || a.Hits[2].Ref != 12 || !a.More {
		t.Errorf("%+v", a)
	}
}

// Very many hits are collected in bounded memory, and the nearest stay.
func TestNearestOfMany(t *testing.T) {
	x, s := New(), newSource(33)
	v := s.value(32)
	var changes []Change
	for i := range 20_000 {
		changes = append(changes, Change{Signal: pdq(s.flip(v, 5+i%20)), Ref: Ref(i)})
	}
	changes = append(changes, Change{Signal: pdq(s.flip(v, 3)), Ref: 900_000}, Change{Signal: pdq(s.flip(v, 4)), Ref: 900_001})
	if err := x.Load(sequence(changes, nil)); err != nil {
		t.Fatal(err)
	}
	a := must[Answer](t)(x.Find(Query{Signal: pdq(v), Limit: 3}))
	if len(a.Hits) != 3 || a.Hits[0].Ref != 900_000 || a.Hits[1].Ref != 900_001 || a.Hits[2].Distance != 5 || !a.More {
		t.Errorf("%+v", a)
	}
	h := &hits{radii: x.radii.Load(), lists: AllLists, fixed: 63, limit: 3}
	x.find(spacePDQ, v, h)
	if cap(h.found) > 16 {
		t.Errorf("room for %d hits was needed", cap(h.found))
	}
}

// Values made to share the beginning are found among very many, by halves.
func TestExactValuesWithACommonBeginning(t *testing.T) {
	x, s := New(), newSource(34)
	var changes []Change
	for i := range 100_000 {
		v := s.value(16)
		copy(v, "common beginning"[:10])
		changes = append(changes, Change{Signal: alert.Signal{Algorithm: alert.MD5, Value: v}, Ref: Ref(i)})
	}
	if err := x.Load(sequence(changes, nil)); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 997 {
		a := must[Answer](t)(x.Find(Query{Signal: changes[i].Signal}))
		if len(a.Hits) == 0 || !must[bool](t)(x.Has(&changes[i].Signal)) {
			t.Errorf("value %d is not found", i)
		}
	}
}
