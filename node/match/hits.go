package match

import (
	"bytes"
	"cmp"
	"slices"
)

// Hit is one ref whose fingerprint matches.
type Hit struct {
	Ref      Ref
	List     List
	Distance int
	// Value is the fingerprint that matches, of values up to 32 bytes; of longer ones their SHA-256.
	Value [maxWidth]byte
}

// hits collects the nearest.
type hits struct {
	radii *radii
	lists ListSet
	fixed int // the query's radius, or -1 for each list's
	limit int
	found []Hit
	worst *Hit // of as many as are wanted
	more  bool
}

// radii are the radii of the lists.
type radii [MaxLists]uint8

// radius returns how near a hit on a list must be.
func (h *hits) radius(l List) int {
	if h.fixed >= 0 {
		return h.fixed
	}
	return int(h.radii[l])
}

// take adds what is live of some words of a key, unless there are enough as near. Words come by ascending ref.
func (h *hits) take(key []byte, cells []uint64, distance int) {
	taken := 0
	for i := range cells {
		w := load(&cells[i])
		if !w.live() || !h.lists.Has(w.list()) || distance > h.radius(w.list()) {
			continue
		}
		if taken == h.limit {
			h.more = true
			return
		}
		taken++
		hit := Hit{Ref: w.ref(), List: w.list(), Distance: distance}
		copy(hit.Value[:], key)
		if h.worst != nil && compareHits(hit, *h.worst) > 0 {
			h.more = true
			return // what follows is no better
		}
		h.found = append(h.found, hit)
	}
	if len(h.found) >= 2*h.limit {
		h.trim()
	}
}

// trim keeps the nearest, each once.
func (h *hits) trim() {
	slices.SortFunc(h.found, compareHits)
	h.found = slices.CompactFunc(h.found, func(a, b Hit) bool { return a == b })
	if len(h.found) > h.limit {
		h.found, h.more = h.found[:h.limit], true
	}
	if len(h.found) == h.limit {
		worst := h.found[h.limit-1]
		h.worst = &worst
	}
}

func compareHits(a, b Hit) int {
	return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Ref, b.Ref), bytes.Compare(a.Value[:], b.Value[:]), cmp.Compare(a.List, b.List))
}
