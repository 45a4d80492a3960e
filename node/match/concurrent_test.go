package match

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"vigil/ledger/alert"
)

// While writers add and take away, segments are sealed and merged, and the index is saved: a search finds all that was
// there before it began and is still there when it has ended, and nothing that was gone before it began.
func TestSearchesAmongWriters(t *testing.T) {
	const (
		writers, readers = 2, 2
		each             = 6 * deltaRows
	)
	x, s := New(), newSource(11)
	ctx, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	background.Go(func() { _ = x.Run(ctx) })
	background.Go(func() {
		for ctx.Err() == nil {
			reopenedSize(t, x)
		}
	})

	// Pair i of a writer is there from added > i until going > i, and gone from gone > i on.
	var added, going, gone [writers]atomic.Int64
	values := [writers][][]byte{}
	for w := range values {
		for range each {
			values[w] = append(values[w], s.value(32))
		}
	}
	signal := func(w, i int) alert.Signal {
		if i%2 == 0 {
			return pdq(values[w][i])
		}
		return alert.Signal{Algorithm: alert.SHA256, Value: values[w][i]}
	}
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if err := x.Apply(Change{Signal: signal(w, i), Ref: Ref(w*each + i)}); err != nil {
					t.Error(err)
				}
				added[w].Store(int64(i + 1))
				if j := i - each/2; j >= 0 {
					going[w].Store(int64(j + 1))
					if err := x.Apply(Change{Signal: signal(w, j), Ref: Ref(w*each + j), Gone: true}); err != nil {
						t.Error(err)
					}
					gone[w].Store(int64(j + 1))
				}
			}
		})
	}
	done := make(chan struct{})
	for r := range readers {
		s := newSource(uint64(100 + r))
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w := s.IntN(writers)
				i := s.IntN(int(added[w].Load()) + 1)
				if i == each {
					continue
				}
				there, over := int(added[w].Load()) > i, int(gone[w].Load()) > i
				q := Query{Signal: signal(w, i)}
				if i%2 == 0 {
					q.Signal.Value = s.flip(q.Signal.Value, s.IntN(DefaultRadius+1))
				}
				a, err := x.Find(q)
				if err != nil {
					t.Error(err)
				}
				there = there && int(going[w].Load()) <= i
				found := len(a.Hits) == 1 && a.Hits[0].Ref == Ref(w*each+i)
				if there && !found || over && len(a.Hits) > 0 {
					t.Errorf("pair %d of %d: there %v, gone %v, found %v", i, w, there, over, a.Hits)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	stop()
	background.Wait()
	if z := x.Size(); z.Refs != writers*each/2 {
		t.Errorf("%+v, want %d refs", z, writers*each/2)
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
