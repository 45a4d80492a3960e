package match

import (
	"runtime"
	"sync"

	"vigil/ledger/alert"
)

// Radius is how near a match must be. The zero value leaves it to each list.
type Radius uint8

// Within returns a radius.
func Within(bits int) (Radius, error) {
	if bits < 0 || bits > MaxRadius {
		return 0, ErrRadius
	}
	return Radius(bits + 1), nil
}

// Query asks for what matches a fingerprint. Its quality plays no part.
type Query struct {
	Signal alert.Signal
	Radius Radius  // of PDQ and frames only
	Lists  ListSet // none stands for all
	Limit  int     // 0 stands for DefaultHits
	Poor   bool    // look among the PDQ of a quality below MinQuality too
}

// Answer is what matches, the nearest first and each pair of ref and value once. More says that there is more.
type Answer struct {
	Hits []Hit
	More bool
}

// scratch is what a search needs and the next can use again.
type scratch struct {
	search search
	query  query
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Find answers a query.
func (x *Index) Find(q Query) (Answer, error) {
	var h hits
	n, err := x.prepare(&q, &h)
	if err != nil {
		return Answer{}, err
	}
	x.find(n, keyOf(&q.Signal), &h)
	if n == spacePDQ && q.Poor {
		x.find(spacePoor, q.Signal.Value, &h)
	}
	if len(h.found) > 0 {
		h.trim()
	}
	return Answer{Hits: h.found, More: h.more}, nil
}

// prepare checks a query and returns where to look, and what to collect in h.
func (x *Index) prepare(q *Query, h *hits) (int, error) {
	n, err := searched(&q.Signal)
	switch {
	case err != nil:
		return 0, err
	case q.Radius > MaxRadius+1:
		return 0, ErrRadius
	case q.Radius > 0 && !kinds[n].near:
		return 0, ErrExact
	case q.Limit < 0 || q.Limit > MaxHits:
		return 0, ErrLimit
	}
	h.radii, h.lists, h.fixed, h.limit = x.radii.Load(), q.Lists, int(q.Radius)-1, q.Limit
	if h.lists == 0 {
		h.lists = AllLists
	}
	if h.limit == 0 {
		h.limit = DefaultHits
	}
	return n, nil
}

// searched returns where a signal is looked for, whatever its quality.
func searched(s *alert.Signal) (int, error) {
	if int(s.Algorithm) >= len(searchedIn) || s.Algorithm == 0 || len(s.Value) != s.Algorithm.Length() {
		return 0, ErrSignal
	}
	return searchedIn[s.Algorithm], nil
}

var searchedIn = [...]int{
	alert.MD5: spaceMD5, alert.SHA1: spaceSHA1, alert.SHA256: spaceSHA256, alert.PDQ: spacePDQ,
	alert.PhotoDNA: spacePDNA, alert.TMK: spaceTMK, alert.VPDQFrame: spaceFrames,
}

// find collects from one space.
func (x *Index) find(n int, key []byte, h *hits) {
	v := x.spaces[n].view.Load()
	defer runtime.KeepAlive(v)
	reach := 0
	if kinds[n].near {
		reach = h.reach()
	}
	if reach == 0 {
		v.equal(key, h)
		return
	}
	s := scratches.Get().(*scratch)
	v.near(s, key, reach, h)
	scratches.Put(s)
}

// reach returns the largest radius of those that count.
func (h *hits) reach() int {
	if h.fixed >= 0 {
		return h.fixed
	}
	r := 0
	for l, radius := range h.radii {
		if h.lists.Has(List(l)) {
			r = max(r, int(radius))
		}
	}
	return r
}

// near collects what is within a radius of a key.
func (v *view) near(s *scratch, key []byte, radius int, h *hits) {
	s.query = newQuery(key)
	for _, g := range v.segments {
		g.near(&s.search, &s.query, radius, func(row, d int) { h.take(g.key(row), g.cells(row), d) })
	}
	keys := v.delta.keys[:v.delta.n.Load()*uint32(v.delta.width)]
	s.query.sweep(keys, radius, func(i, d int) { h.take(v.delta.key(i), v.delta.words[i:i+1], d) })
}

// equal collects what is filed under a key.
func (v *view) equal(key []byte, h *hits) {
	for _, g := range v.segments {
		if row, ok := g.find(key); ok {
			h.take(key, g.cells(row), 0)
		}
	}
	if v.delta.n.Load() > 0 {
		v.delta.find(key, func(i int) { h.take(key, v.delta.words[i:i+1], 0) })
	}
}

// Has says whether a fingerprint is filed on any list, PDQ below MinQuality left out: a look-up that answers nothing
// else.
func (x *Index) Has(s *alert.Signal) (bool, error) {
	n, err := searched(s)
	if err != nil {
		return false, err
	}
	v := x.spaces[n].view.Load()
	defer runtime.KeepAlive(v)
	return v.has(keyOf(s)), nil
}

func (v *view) has(key []byte) bool {
	for _, g := range v.segments {
		if row, ok := g.find(key); ok && anyLive(g.cells(row)) {
			return true
		}
	}
	found := false
	if v.delta.n.Load() > 0 {
		v.delta.find(key, func(row int) { found = found || anyLive(v.delta.words[row:row+1]) })
	}
	return found
}

func anyLive(cells []uint64) bool {
	for i := range cells {
		if load(&cells[i]).live() {
			return true
		}
	}
	return false
}
