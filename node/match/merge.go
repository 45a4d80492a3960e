package match

import (
	"bytes"
	"context"
	"runtime"
	"slices"
)

// freed is how much memory of replaced segments makes it worth to collect at once: nothing else would for a while.
const freed = 64 << 20

// due returns the segments to make one of: from the first on that is not growth times as large as all after it, and
// that together do not exceed what a segment may hold; or one with too much that is gone, with purge one with anything.
func (v *view) due(purge bool) []*segment {
	after := 0
	first := len(v.segments)
	for i, g := range slices.Backward(v.segments) {
		size := g.total
		if size+after > maxRows {
			break
		}
		if after > 0 && size < growth*after {
			first = i
		}
		after += size
	}
	if first < len(v.segments) {
		return v.segments[first:]
	}
	for i, g := range v.segments {
		if gone := int(g.gone.Load()); gone*deadShare > g.total || purge && gone > 0 {
			return v.segments[i : i+1]
		}
	}
	return nil
}

// merge makes one segment of those that are due. It returns false where none are, or pace ended it, or another merge is
// under way.
func (s *space) merge(pace *pacer) bool {
	s.mu.Lock()
	due := s.view.Load().due(s.purge)
	if len(due) == 0 || s.merging {
		s.purge = s.purge && (len(due) > 0 || s.builds > 0)
		s.mu.Unlock()
		return false
	}
	s.merging = true
	begun := s.begin()
	s.mu.Unlock()

	built, whole := s.merged(due, pace)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.merging = false
	if !whole {
		s.end()
		return false
	}
	s.publish(built, due, begun)
	return true
}

// merged builds the segment, nil where nothing in it is live. It returns false where pace ended it.
func (s *space) merged(due []*segment, pace *pacer) (built *segment, whole bool) {
	defer runtime.KeepAlive(due)
	p := s.live(due, pace)
	if p == nil {
		return nil, false
	}
	if p.n == 0 {
		p.memory.free()
		return nil, true
	}
	built = s.build(p, 1, pace)
	return built, built != nil
}

// live returns the pairs of some segments that are live, in order.
func (s *space) live(segments []*segment, pace *pacer) *pairs {
	total := 0
	for _, g := range segments {
		total += g.total
	}
	out, at := newPairs(s.width, total), make([]int, len(segments))
	var words []word
	for {
		key := s.least(segments, at)
		if key == nil {
			return out
		}
		words = words[:0]
		for i, g := range segments {
			if at[i] < g.n && bytes.Equal(g.key(at[i]), key) {
				words = g.appendLive(words, at[i])
				at[i]++
			}
		}
		slices.SortFunc(words, func(a, b word) int { return int(a.ref()) - int(b.ref()) })
		for _, w := range words {
			out.add(key, w)
		}
		if !pace.worked(1 + len(words)) {
			out.memory.free()
			return nil
		}
	}
}

// least returns the least key that the segments have from at on, nil at the end.
func (s *space) least(segments []*segment, at []int) (key []byte) {
	for i, g := range segments {
		if at[i] < g.n {
			if k := g.key(at[i]); key == nil || bytes.Compare(k, key) < 0 {
				key = k
			}
		}
	}
	return key
}

func (r *rows) appendLive(words []word, row int) []word {
	cells := r.cells(row)
	for i := range cells {
		if w := load(&cells[i]); w.live() {
			words = append(words, w)
		}
	}
	return words
}

// tidy merges until nothing is due.
func (s *space) tidy(ctx context.Context) {
	before := 0
	for _, g := range s.view.Load().segments {
		before += g.memory.size
	}
	merged := false
	for ctx.Err() == nil && s.merge(newPacer(ctx)) {
		merged = true
	}
	if merged && before >= freed {
		runtime.GC()
	}
}
