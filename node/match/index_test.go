package match

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger/alert"
)

// naive is the index as a list of pairs, by value and ref.
type naive struct {
	filed [spaces]map[string]filed
	radii radii
}

func newNaive() *naive {
	n := &naive{radii: *New().radii.Load()}
	for i := range n.filed {
		n.filed[i] = map[string]filed{}
	}
	return n
}

func (n *naive) change(space int, c Change) {
	pair := fmt.Sprintf("%s %d", keyOf(&c.Signal), c.Ref)
	if c.Gone {
		delete(n.filed[space], pair)
		return
	}
	n.filed[space][pair] = filed{keyOf(&c.Signal), c.Ref, c.List}
}

func (n *naive) find(q Query) Answer {
	space, _ := searched(&q.Signal)
	all := slices.Collect(maps.Values(n.filed[space]))
	if q.Poor && space == spacePDQ {
		all = slices.AppendSeq(all, maps.Values(n.filed[spacePoor]))
	}
	all = slices.DeleteFunc(all, func(f filed) bool { return q.Lists != 0 && !q.Lists.Has(f.list) })
	hits := within(all, keyOf(&q.Signal), func(l List) int {
		switch {
		case !kinds[space].near:
			return 0
		case q.Radius > 0:
			return int(q.Radius) - 1
		}
		return int(n.radii[l])
	})
	hits = slices.Compact(hits)
	limit := cmp.Or(q.Limit, DefaultHits)
	if len(hits) > limit {
		return Answer{Hits: hits[:limit], More: true}
	}
	return Answer{Hits: hits}
}

// drawnSignals returns signals of every algorithm that meet each other often.
func drawnSignals(s source) func() alert.Signal {
	next := map[alert.Algorithm]func() []byte{}
	for _, a := range alert.Algorithms() {
		stock := make([][]byte, 30)
		for i := range stock {
			stock[i] = s.value(a.Length())
		}
		next[a] = func() []byte {
			v := stock[s.IntN(len(stock))]
			if a.MeasuresQuality() {
				return s.flip(v, s.IntN(30))
			}
			return slices.Clone(v)
		}
	}
	return func() alert.Signal {
		a := alert.PDQ // mostly, so that deltas fill up
		if s.IntN(10) == 0 {
			a = alert.Algorithms()[s.IntN(len(alert.Algorithms()))]
		}
		x := alert.Signal{Algorithm: a, Value: next[a]()}
		if a.MeasuresQuality() && s.IntN(2) == 0 {
			x.Quality, _ = alert.QualityOf(s.IntN(101))
		}
		return x
	}
}

// The index and a list of pairs agree whatever is done to them: changes one by one and many at once, segments sealed,
// merged, saved and loaded.
func TestIndexAgreesWithAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSource(rapid.Uint64().Draw(t, "seed"))
		signal := drawnSignals(s)
		x, n := New(), newNaive()
		draw := func(gone bool) Change {
			return Change{Signal: signal(), Ref: Ref(s.IntN(40)), List: List(s.IntN(4)), Gone: gone && s.IntN(3) == 0}
		}
		several := func(t *rapid.T, gone bool) []Change {
			out := make([]Change, rapid.IntRange(1, deltaRows).Draw(t, "changes"))
			for i := range out {
				out[i] = draw(gone)
			}
			return out
		}
		note := func(changes []Change) {
			for _, c := range changes {
				if space, _ := spaceOf(&c.Signal); space != unfiled {
					n.change(space, c)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				changes := several(t, true)
				if err := x.Apply(changes...); err != nil {
					t.Fatal(err)
				}
				note(changes)
			},
			"load": func(t *rapid.T) {
				changes := several(t, false)
				for i := range changes { // a pair loaded twice is on either list
					changes[i].List = List(changes[i].Ref % 4)
				}
				if err := x.Load(sequence(changes, nil)); err != nil {
					t.Fatal(err)
				}
				note(changes)
			},
			"merge": func(*rapid.T) {
				for _, s := range x.spaces {
					s.tidy(context.Background())
				}
			},
			"drop": func(*rapid.T) {
				a, b := Ref(s.IntN(40)), Ref(s.IntN(40))
				x.Drop(a, b)
				for _, all := range n.filed {
					maps.DeleteFunc(all, func(_ string, f filed) bool { return f.ref == a || f.ref == b })
				}
			},
			"purge": func(*rapid.T) {
				x.Purge()
			},
			"save and open": func(t *rapid.T) {
				x = reopened(t, x)
			},
			"radius": func(t *rapid.T) {
				l, r := List(s.IntN(4)), s.IntN(MaxRadius+1)
				if err := x.SetRadius(l, r); err != nil {
					t.Fatal(err)
				}
				n.radii[l] = uint8(r)
			},
			"": func(t *rapid.T) {
				refs := 0
				for _, f := range n.filed {
					refs += len(f)
				}
				if z := x.Size(); z.Refs != refs {
					t.Fatalf("%d refs, want %d", z.Refs, refs)
				}
				for range 3 {
					ask(t, s, x, n, signal())
				}
			},
		})
	})
}

func ask(t *rapid.T, s source, x *Index, n *naive, signal alert.Signal) {
	q := Query{Signal: signal, Limit: s.IntN(40), Poor: s.IntN(2) == 0}
	if s.IntN(2) == 0 {
		q.Lists = ListSet(s.IntN(16))
	}
	if s.IntN(2) == 0 && signal.Algorithm.MeasuresQuality() {
		q.Radius = Radius(1 + s.IntN(MaxRadius+1))
	}
	got, err := x.Find(q)
	want := n.find(q)
	if err != nil || got.More != want.More || !slices.Equal(got.Hits, want.Hits) {
		t.Fatalf("%s, radius %d, limit %d: %d hits %v, want %d %v (%v)", signal.Algorithm, q.Radius, q.Limit, len(got.Hits), got.More, len(want.Hits), want.More, err)
	}
}

func sequence(changes []Change, err error) func(yield func(Change, error) bool) {
	return func(yield func(Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
		if err != nil {
			yield(Change{}, err)
		}
	}
}

// fataler is a test of the library or of rapid.
type fataler interface{ Fatal(...any) }

var testKey = sha256.Sum256([]byte("a key"))

func reopened(t fataler, x *Index) *Index {
	var saved bytes.Buffer
	if err := x.Save(&saved, testKey, []byte("place")); err != nil {
		t.Fatal(err)
	}
	y, cursor, err := Open(&saved, testKey)
	if err != nil || string(cursor) != "place" {
		t.Fatal(string(cursor), err)
	}
	y.radii.Store(x.radii.Load())
	return y
}

// As an index grows by small steps, there are few segments at any time, and every row is in one place only.
func TestSegmentsStayFew(t *testing.T) {
	s, x := newSource(5), New()
	for step := range 60 {
		changes := make([]Change, deltaRows)
		for i := range changes {
			changes[i] = Change{Signal: pdq(s.value(32)), Ref: Ref(step*deltaRows + i)}
		}
		if err := x.Apply(changes...); err != nil {
			t.Fatal(err)
		}
		x.spaces[spacePDQ].tidy(t.Context())
		if z := x.Size(); z.Refs != (step+1)*deltaRows || z.Segments > 5 {
			t.Fatalf("after %d: %+v", step+1, z)
		}
	}
}

// Without Run too the segments are bounded, and so is what a search costs.
func TestWritersMergeWhereNobodyElseDoes(t *testing.T) {
	s, x := newSource(6), New()
	for i := range 100 * deltaRows {
		if err := x.Apply(Change{Signal: alert.Signal{Algorithm: alert.MD5, Value: s.value(16)}, Ref: Ref(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if z := x.Size(); z.Segments > maxWaiting+1 || z.Refs != 100*deltaRows {
		t.Errorf("%+v", z)
	}
}

// What is gone gives its memory back.
func TestGoneRowsAreTidiedAway(t *testing.T) {
	s, x := newSource(7), New()
	changes := make([]Change, 20_000)
	for i := range changes {
		changes[i] = Change{Signal: pdq(s.value(32)), Ref: Ref(i)}
	}
	if err := x.Load(sequence(changes, nil)); err != nil {
		t.Fatal(err)
	}
	for i := range changes {
		changes[i].Gone = true
	}
	if err := x.Apply(changes[:6_000]...); err != nil {
		t.Fatal(err)
	}
	x.spaces[spacePDQ].tidy(t.Context())
	if g := x.spaces[spacePDQ].view.Load().segments[0]; g.n != 14_000 || g.gone.Load() != 0 {
		t.Errorf("%d rows, %d gone", g.n, g.gone.Load())
	}
	if err := x.Apply(changes...); err != nil {
		t.Fatal(err)
	}
	x.spaces[spacePDQ].tidy(t.Context())
	if z := x.Size(); z.Refs != 0 || z.Segments != 0 {
		t.Errorf("%+v", z)
	}
}

// Purge has what is gone out of memory, however little it is: of a segment, of a list in one, of the delta, while a segment is
// built; and nothing else.
func TestPurgedKeysAreNotInMemory(t *testing.T) {
	x, s := New(), newSource(18)
	var changes []Change
	for i := range 3_000 {
		changes = append(changes, Change{Signal: pdq(s.value(32)), Ref: Ref(i)})
	}
	changes[21].Signal = changes[20].Signal
	retracted := changes[30]
	retracted.Gone = true
	if err := errors.Join(x.Load(sequence(changes[:2_500], nil)), x.Apply(changes[2_500:]...), x.Apply(retracted)); err != nil {
		t.Fatal(err)
	}
	pdqs := x.spaces[spacePDQ]
	kept := func(i int) bool {
		v, key := pdqs.view.Load(), changes[i].Signal.Value
		return bytes.Contains(v.delta.keys, key) || slices.ContainsFunc(v.segments, func(g *segment) bool { return bytes.Contains(g.keys, key) })
	}
	pdqs.mu.Lock()
	begun := pdqs.begin()
	pdqs.mu.Unlock()
	due := pdqs.view.Load().segments
	built, _ := pdqs.merged(due, nil)
	gone := []int{7, 30, 2_600}
	for _, i := range gone {
		if !kept(i) {
			t.Fatalf("the search does not find %d", i)
		}
	}
	x.Drop(7, 20, 30, 2_600)
	x.Purge()
	pdqs.mu.Lock()
	pdqs.publish(built, due, begun)
	pdqs.mu.Unlock()
	pdqs.tidy(t.Context())
	for _, i := range gone {
		if kept(i) {
			t.Errorf("%d is in memory", i)
		}
	}
	if !kept(20) || !kept(2_601) || x.Size().Refs != 2_996 || pdqs.purge {
		t.Errorf("%+v, purge %v", x.Size(), pdqs.purge)
	}
}

// A merge that is ended half-way changes nothing.
func TestEndedMergeChangesNothing(t *testing.T) {
	s, x := newSource(8), New()
	for range 3 {
		changes := make([]Change, 2*paceRows)
		for i := range changes {
			changes[i] = Change{Signal: alert.Signal{Algorithm: alert.SHA1, Value: s.value(20)}, Ref: Ref(i)}
		}
		if err := x.Load(sequence(changes, nil)); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	sha := x.spaces[spaceSHA1]
	if sha.merge(newPacer(ended)) || sha.builds != 0 || sha.merging || x.Size().Segments != 3 {
		t.Errorf("%+v", x.Size())
	}
	if !sha.merge(nil) || x.Size().Segments != 1 {
		t.Errorf("%+v", x.Size())
	}
}

// An error in the middle of Load leaves the index as it was, and writers go on.
func TestLoadThatFails(t *testing.T) {
	x := New()
	good := Change{Signal: pdq(newSource(9).value(32)), Ref: 1}
	for _, all := range [][]Change{{good, {Signal: pdq([]byte("short"))}}, {good, {Signal: good.Signal, Gone: true}}} {
		if err := x.Load(sequence(all, nil)); err == nil {
			t.Error("no error")
		}
	}
	if err := x.Load(sequence([]Change{good}, context.Canceled)); err == nil {
		t.Error("no error")
	}
	if x.Size().Refs != 0 || x.spaces[spacePDQ].builds != 0 {
		t.Errorf("%+v", x.Size())
	}
	if err := x.Apply(good); err != nil || x.Size().Refs != 1 {
		t.Error(err)
	}
}

// A change whose algorithm cannot be filed is refused with all that came with it.
func TestRefusedChanges(t *testing.T) {
	x, good := New(), pdq(newSource(10).value(32))
	for name, c := range map[string]Change{
		"ref over the bound":   {Signal: good, Ref: MaxRef + 1},
		"list over the bound":  {Signal: good, List: MaxLists},
		"wrong length":         {Signal: pdq(make([]byte, 31))},
		"no value":             {Signal: pdq(nil)},
		"no algorithm":         {Signal: alert.Signal{Value: good.Value}},
		"unknown algorithm":    {Signal: alert.Signal{Algorithm: 99, Value: good.Value}},
		"quality of an MD5":    {Signal: alert.Signal{Algorithm: alert.MD5, Value: make([]byte, 16), Quality: 3}},
		"quality over 100":     {Signal: alert.Signal{Algorithm: alert.PDQ, Value: good.Value, Quality: 102}},
		"gone, ref over bound": {Signal: good, Ref: MaxRef + 1, Gone: true},
	} {
		if err := x.Apply(Change{Signal: good, Ref: 1}, c); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if x.Size().Refs != 0 {
		t.Error("something was filed")
	}
}
