package match

import "math/bits"

// segment is rows with what finds them: tables or a directory.
type segment struct {
	*rows
	tables    *tables    // nil for small segments, and for values that match exactly
	directory *directory // nil for PDQ
}

// extra returns what finds n rows takes of a slab.
func (k kind) extra(n int) int {
	switch {
	case !k.near:
		return directoryBytes(n)
	case n > sweptRows:
		return tableBytes(n)
	}
	return 0
}

// build makes a segment of sorted pairs, and frees them. It returns nil where pace ends it.
func (k kind) build(p *pairs, workers int, pace *pacer) *segment {
	r := rowsOf(p, k.extra, pace)
	if r == nil {
		return nil
	}
	return k.indexed(r, workers, pace)
}

// indexed makes a segment of rows in whose memory there is room for what finds them. It returns nil where pace ends it.
func (k kind) indexed(r *rows, workers int, pace *pacer) *segment {
	s := &segment{rows: r}
	switch {
	case !k.near:
		s.directory = newDirectory(r)
	case r.n > sweptRows:
		if s.tables = newTables(r, workers, pace); s.tables == nil {
			r.memory.free()
			return nil
		}
	}
	return s
}

// find returns the row of a key.
func (s *segment) find(key []byte) (int, bool) {
	switch {
	case s.directory != nil:
		return s.directory.find(s.rows, key)
	case s.tables != nil:
		c, _ := chunkPair(key, 0)
		ends, bucket := s.tables.table[0].ends, int(c>>s.tables.shift)
		return s.seek(key, int(ends[bucket]), int(ends[bucket+1]))
	}
	return s.seek(key, 0, s.n)
}

// near calls found once for every row within a radius. It goes by even thresholds, and where the data is not even by
// fitted ones, and where no thresholds help by comparing all.
func (s *segment) near(x *search, q *query, radius int, found func(row, distance int)) {
	if s.tables == nil || !s.searched(x, q, radius) {
		q.sweep(s.keys, radius, found)
		return
	}
	for _, f := range x.found {
		found(f.row, f.distance)
	}
}

func (s *segment) searched(x *search, q *query, radius int) bool {
	x.rows, x.tables, x.q, x.radius = s.rows, s.tables, q, radius
	swept := s.n * sweptCost
	t := even(radius)
	if s.tables.expected(s.n, &t) < swept && x.run(&t, min(swept, s.budget(&t))) {
		return true
	}
	fitted, cost := s.tables.fitted(q, radius)
	return cost < swept && x.run(&fitted, swept)
}

// budget is what a search may cost before thresholds are fitted: some times what it costs on even data, and some hits.
func (s *segment) budget(t *thresholds) int {
	return unevenness*s.tables.expected(s.n, t) + checkCost*bits.Len(uint(s.n))
}
