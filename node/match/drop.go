package match

import "runtime"

// Drop takes away everything that is filed under some refs, where the caller does not know any more what that was. It
// looks at every ref there is, once for all that are dropped together: for rare use.
func (x *Index) Drop(refs ...Ref) {
	if len(refs) == 0 {
		return
	}
	gone := make(map[Ref]bool, len(refs))
	for _, r := range refs {
		gone[r] = true
	}
	for _, s := range x.spaces {
		s.mu.Lock()
		s.drop(gone)
		s.mu.Unlock()
	}
}

// drop sets every word of some refs dead. The caller holds mu.
func (s *space) drop(gone map[Ref]bool) {
	v := s.view.Load()
	defer runtime.KeepAlive(v)
	one := func(key []byte, w word) word {
		w |= dead
		if s.builds > 0 {
			c := change{word: w}
			copy(c.key[:], key)
			s.since = append(s.since, c)
		}
		return w
	}
	for _, g := range v.segments {
		for row := range g.n {
			cells := g.cells(row)
			for i := range cells {
				if w := load(&cells[i]); w.live() && gone[w.ref()] {
					g.set(&cells[i], one(g.key(row), w))
				}
			}
		}
	}
	for row := range int(v.delta.n.Load()) {
		if w := load(&v.delta.words[row]); w.live() && gone[w.ref()] {
			store(&v.delta.words[row], one(v.delta.key(row), w))
		}
	}
}

// Purge lets Run write anew every segment in which something is gone, however little: the keys of what was taken away stay
// in memory until then. It costs as much as merging all of them.
func (x *Index) Purge() {
	for _, s := range x.spaces {
		s.mu.Lock()
		s.purge = true
		if v := s.view.Load(); v.delta.gone() {
			s.view.Store(s.sealed(v))
		}
		s.mu.Unlock()
		s.awake()
	}
}
