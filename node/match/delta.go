package match

import (
	"bytes"
	"sync/atomic"
)

const (
	slotBits = 11 // twice as many slots as rows
	slots    = 1 << slotBits
)

// delta is what came last: pairs in the order of arrival, found through slots or compared one by one. Rows are only ever
// added, by one writer; readers see a row whole once n counts it, or a slot names it.
type delta struct {
	width int
	keys  []byte
	words []uint64
	slots [slots]atomic.Uint32 // row + 1
	n     atomic.Uint32
}

func newDelta(width int) *delta {
	return &delta{width: width, keys: make([]byte, deltaRows*width), words: make([]uint64, deltaRows)}
}

func (d *delta) key(i int) []byte { return d.keys[i*d.width : (i+1)*d.width] }

// slot is where the search for a key begins.
func slot(key []byte) uint32 { return uint32(prefix(key) * 0x9e37_79b9_7f4a_7c15 >> (64 - slotBits)) }

// add adds a pair; there must be room.
func (d *delta) add(key []byte, w word) {
	n := d.n.Load()
	copy(d.key(int(n)), key)
	store(&d.words[n], w)
	d.n.Store(n + 1)
	at := slot(key)
	for d.slots[at].Load() != 0 {
		at = (at + 1) % slots
	}
	d.slots[at].Store(n + 1)
}

// find calls found with the row of every pair of a key.
func (d *delta) find(key []byte, found func(row int)) {
	for at := slot(key); ; at = (at + 1) % slots {
		n := d.slots[at].Load()
		if n == 0 {
			return
		}
		if bytes.Equal(d.key(int(n-1)), key) {
			found(int(n - 1))
		}
	}
}

// pairs returns what is live, unsorted.
func (d *delta) pairs() *pairs {
	n := int(d.n.Load())
	p := newPairs(d.width, n)
	for i := range n {
		if w := load(&d.words[i]); w.live() {
			p.add(d.key(i), w)
		}
	}
	return p
}

// gone says whether anything in it is.
func (d *delta) gone() bool {
	for i := range d.words[:d.n.Load()] {
		if !load(&d.words[i]).live() {
			return true
		}
	}
	return false
}
