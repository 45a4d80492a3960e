package match

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"vigil/ledger/alert"
)

const eachWriter = 6 * deltaRows

// writing is a writer that adds pairs and takes each away half of its pairs later. Pair i is there from added > i until
// going > i, and gone from gone > i on.
type writing struct {
	x                  *Index
	number             int
	values             [][]byte
	added, going, gone atomic.Int64
}

func (w *writing) signal(i int) alert.Signal {
	if i%2 == 0 {
		return pdq(w.values[i])
	}
	return alert.Signal{Algorithm: alert.SHA256, Value: w.values[i]}
}

func (w *writing) ref(i int) Ref { return Ref(w.number*eachWriter + i) }

func (w *writing) run() error {
	for i := range eachWriter {
		if err := w.x.Apply(Change{Signal: w.signal(i), Ref: w.ref(i)}); err != nil {
			return err
		}
		w.added.Store(int64(i + 1))
		j := i - eachWriter/2
		if j < 0 {
			continue
		}
		w.going.Store(int64(j + 1))
		if err := w.x.Apply(Change{Signal: w.signal(j), Ref: w.ref(j), Gone: true}); err != nil {
			return err
		}
		w.gone.Store(int64(j + 1))
	}
	return nil
}

// read looks for one pair and says what is wrong.
func (w *writing) read(s source) error {
	i := s.IntN(int(w.added.Load()) + 1)
	if i == eachWriter {
		return nil
	}
	there, over := int(w.added.Load()) > i, int(w.gone.Load()) > i
	q := Query{Signal: w.signal(i)}
	if i%2 == 0 {
		q.Signal.Value = s.flip(q.Signal.Value, s.IntN(DefaultRadius+1))
	}
	a, err := w.x.Find(q)
	there = there && int(w.going.Load()) <= i
	found := len(a.Hits) == 1 && a.Hits[0].Ref == w.ref(i)
	if err != nil || there && !found || over && len(a.Hits) > 0 {
		return fmt.Errorf("pair %d of %d: there %v, gone %v, found %v: %w", i, w.number, there, over, a.Hits, err)
	}
	return nil
}

// While writers add and take away, segments are sealed and merged, and the index is saved: a search finds all that was
// there before it began and is still there when it has ended, and nothing that was gone before it began.
func TestSearchesAmongWriters(t *testing.T) {
	x, s := New(), newSource(11)
	ctx, stop := context.WithCancel(t.Context())
	var background, writers, readers sync.WaitGroup
	background.Go(func() { _ = x.Run(ctx) })
	background.Go(func() {
		for ctx.Err() == nil {
			reopenedSize(t, x)
		}
	})
	done := make(chan struct{})
	for n := range 2 {
		w := &writing{x: x, number: n}
		for range eachWriter {
			w.values = append(w.values, s.value(32))
		}
		writers.Go(func() {
			if err := w.run(); err != nil {
				t.Error(err)
			}
		})
		s := newSource(uint64(100 + n))
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := w.read(s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	stop()
	background.Wait()
	if z := x.Size(); z.Refs != eachWriter {
		t.Errorf("%+v, want %d refs", z, eachWriter)
	}
}

// reopenedSize saves the index as it is and opens it again.
func reopenedSize(t *testing.T, x *Index) {
	if z := reopened(t, x).Size(); z.Refs > 12*deltaRows {
		t.Errorf("saved %+v", z)
	}
}

// What is set while a segment is built is set in it: nothing that was taken away comes back, nothing added is lost.
func TestChangesDuringABuild(t *testing.T) {
	x, s := New(), newSource(12)
	keep, take, move, back, new, drop := s.value(32), s.value(32), s.value(32), s.value(32), s.value(32), s.value(32)
	file := func(v []byte, l List, gone bool) Change {
		return Change{Signal: pdq(v), Ref: Ref(v[0]), List: l, Gone: gone}
	}
	apply := func(changes ...Change) {
		if err := x.Apply(changes...); err != nil {
			t.Fatal(err)
		}
	}
	load := func(changes ...Change) {
		if err := x.Load(sequence(changes, nil)); err != nil {
			t.Fatal(err)
		}
	}
	load(file(keep, 0, false), file(take, 0, false), file(drop, 0, false))
	load(file(move, 0, false), file(back, 0, false))
	apply(file(back, 0, true))

	p := x.spaces[spacePDQ]
	due := p.view.Load().segments
	p.mu.Lock()
	begun := p.begin()
	p.mu.Unlock()
	built, _ := p.merged(due, nil)
	x.Drop(Ref(drop[0]))
	apply(file(take, 0, true), file(move, 3, false), file(back, 2, false), file(new, 1, false), file(new, 1, true), file(new, 4, false))
	p.mu.Lock()
	p.publish(built, due, begun)
	p.mu.Unlock()

	for _, c := range []struct {
		value []byte
		list  int
	}{{keep, 0}, {take, -1}, {move, 3}, {back, 2}, {new, 4}, {drop, -1}} {
		a := must[Answer](t)(x.Find(Query{Signal: pdq(c.value)}))
		if len(a.Hits) > 1 || len(a.Hits) == 1 != (c.list >= 0) || c.list >= 0 && a.Hits[0].List != List(c.list) {
			t.Errorf("want list %d: %+v", c.list, a.Hits)
		}
	}
	if z := x.Size(); z.Refs != 4 || z.Segments != 1 || len(p.since) != 0 {
		t.Errorf("%+v", z)
	}
}
