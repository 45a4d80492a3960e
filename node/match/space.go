package match

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// kind is what values a space holds.
type kind struct {
	width int
	near  bool // near values match
}

// space holds the values of one algorithm. Readers load the view and take no lock.
type space struct {
	kind
	view atomic.Pointer[view]
	wake chan<- struct{} // Run looks for work

	mu      sync.Mutex // of writers
	builds  int        // guarded by mu; segments being built beside the writers
	merging bool       // guarded by mu; one of the builds is a merge
	purge   bool       // guarded by mu; nothing that is gone is to stay in memory
	since   []change   // guarded by mu; since the oldest build began
}

// view is what readers see: segments, the oldest first, and the delta.
type view struct {
	segments []*segment
	delta    *delta
}

// change gives a pair of a key and a ref a word: live to add it, dead to take it away.
type change struct {
	key  [maxWidth]byte
	word word
}

const maxWidth = 32

func newSpace(k kind, wake chan<- struct{}) *space {
	s := &space{kind: k, wake: wake}
	s.view.Store(&view{delta: newDelta(k.width)})
	return s
}

// apply makes changes, each visible when it is made.
func (s *space) apply(changes []change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	for i := range changes {
		if s.builds > 0 {
			s.since = append(s.since, changes[i])
		}
		if next := s.change(v, &changes[i]); next != v {
			s.view.Store(next)
			v = next
			s.awake()
		}
	}
}

// change sets the words of a pair wherever it is, or adds it where it is not. It returns the view to go on with: another
// one where the delta was full. The caller holds mu.
func (s *space) change(v *view, c *change) *view {
	defer runtime.KeepAlive(v)
	key, found := c.key[:s.width], false
	for _, g := range v.segments {
		if row, ok := g.find(key); ok {
			if cell := cellOf(g.cells(row), c.word.ref()); cell != nil {
				g.set(cell, c.word)
				found = true
			}
		}
	}
	v.delta.find(key, func(row int) {
		if cell := &v.delta.words[row]; load(cell).ref() == c.word.ref() {
			store(cell, c.word)
			found = true
		}
	})
	if found || !c.word.live() {
		return v
	}
	if v.delta.n.Load() == deltaRows {
		v = s.sealed(v)
	}
	v.delta.add(key, c.word)
	return v
}

// filed says whether a pair is there, live or gone.
func (v *view) filed(key []byte, ref Ref) (found bool) {
	defer runtime.KeepAlive(v)
	for _, g := range v.segments {
		if row, ok := g.find(key); ok && cellOf(g.cells(row), ref) != nil {
			return true
		}
	}
	if v.delta.n.Load() > 0 {
		v.delta.find(key, func(row int) { found = found || load(&v.delta.words[row]).ref() == ref })
	}
	return found
}

// sealed returns a view whose delta has become a segment.
func (s *space) sealed(v *view) *view {
	next := &view{segments: slices.Clone(v.segments), delta: newDelta(s.width)}
	if p := v.delta.pairs().sort(1); p.n > 0 {
		next.segments = append(next.segments, s.build(p, 1, nil))
	}
	return next
}

func (s *space) awake() {
	select {
	case s.wake <- struct{}{}:
	default: // Run is awake, or will be
	}
}

// begin notes that a segment is being built beside the writers. It returns how many changes it will find made. The
// caller holds mu.
func (s *space) begin() int {
	s.builds++
	return len(s.since)
}

// publish shows readers a segment in the place of others, all of a row, or at the end; nil for none. What was changed
// since it was begun is changed in it first. The caller holds mu.
func (s *space) publish(built *segment, instead []*segment, begun int) {
	v := s.view.Load()
	next := &view{segments: slices.Clone(v.segments), delta: v.delta}
	at := len(next.segments)
	if len(instead) > 0 {
		at = slices.Index(next.segments, instead[0])
		next.segments = slices.Delete(next.segments, at, at+len(instead))
	}
	if built != nil {
		next.segments = slices.Insert(next.segments, at, built)
	}
	for _, c := range last(s.since[begun:]) {
		next = s.change(next, &c)
	}
	s.view.Store(next)
	s.end()
	s.awake()
}

// last returns the last change of every pair. Readers see what is shared by the view before; an earlier change would
// take them back.
func last(changes []change) []change {
	type pair struct {
		key [maxWidth]byte
		ref Ref
	}
	seen := make(map[pair]bool, len(changes))
	var out []change
	for _, c := range slices.Backward(changes) {
		if p := (pair{c.key, c.word.ref()}); !seen[p] {
			seen[p] = true
			out = append(out, c)
		}
	}
	return out
}

// end notes that a build has ended. The caller holds mu.
func (s *space) end() {
	if s.builds--; s.builds == 0 {
		s.since = nil
	}
}
