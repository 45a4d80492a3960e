package match

import (
	"bytes"
	"encoding/binary"
	"sort"
	"sync/atomic"
)

// rows are the keys of a segment, each once and in ascending order, with their refs.
type rows struct {
	width int
	n     int
	keys  []byte   // n times width
	refs  []uint64 // a word for each key
	lists []uint64 // for a key with several refs: how many, then their words in ascending order
	total int      // refs in all
	gone  atomic.Int64

	memory *slab // of all the columns
}

func (r *rows) key(i int) []byte { return r.keys[i*r.width : (i+1)*r.width : (i+1)*r.width] }

// cells returns the words of a row.
func (r *rows) cells(i int) []uint64 {
	w := load(&r.refs[i])
	if w&several == 0 {
		return r.refs[i : i+1 : i+1]
	}
	at := uint64(w &^ several)
	return r.lists[at+1 : at+1+r.lists[at]]
}

// seek returns where a key is among rows from to to, or where it would be.
func (r *rows) seek(key []byte, from, to int) (int, bool) {
	i := from + sort.Search(to-from, func(i int) bool { return bytes.Compare(r.key(from+i), key) >= 0 })
	return i, i < to && bytes.Equal(r.key(i), key)
}

// cellOf returns the word of a ref among those of a row.
func cellOf(c []uint64, ref Ref) *uint64 {
	i := sort.Search(len(c), func(i int) bool { return load(&c[i]).ref() >= ref })
	if i < len(c) && load(&c[i]).ref() == ref {
		return &c[i]
	}
	return nil
}

// set changes a word of these rows.
func (r *rows) set(cell *uint64, to word) {
	switch was := load(cell); {
	case was.live() && !to.live():
		r.gone.Add(1)
	case !was.live() && to.live():
		r.gone.Add(-1)
	}
	store(cell, to)
}

// prefix is the first 8 bytes of a key, in its order.
func prefix(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

// pairs are keys with one word each; sorted, they become rows. A key or a pair may stand there twice.
type pairs struct {
	width  int
	n      int
	keys   []byte
	words  []uint64
	memory *slab
}

func newPairs(width, capacity int) *pairs {
	s := newSlab(aligned(capacity*width) + aligned(capacity*8))
	return &pairs{width: width, keys: s.bytes(capacity * width), words: s.words(capacity), memory: s}
}

func (p *pairs) full() bool { return p.n == len(p.words) }

func (p *pairs) add(key []byte, w word) {
	copy(p.keys[p.n*p.width:], key)
	p.words[p.n] = uint64(w)
	p.n++
}

func (p *pairs) key(i int) []byte { return p.keys[i*p.width : (i+1)*p.width] }

// next returns where the pairs with the key of pair i end.
func (p *pairs) next(i int) int {
	j := i + 1
	for j < p.n && bytes.Equal(p.key(i), p.key(j)) {
		j++
	}
	return j
}

// grown returns the pairs in twice the memory, and frees the old.
func (p *pairs) grown() *pairs {
	g := newPairs(p.width, min(maxRows, 2*len(p.words)))
	g.n = p.n
	copy(g.keys, p.keys[:p.n*p.width])
	copy(g.words, p.words[:p.n])
	p.memory.free()
	return g
}
