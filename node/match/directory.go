package match

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	lineWords = lineBytes / 8
	// perLine is how many rows there are to a line; rarely more than fit.
	perLine = 18
	// perWord is how many rows there are to a word of the filter.
	perWord = 8
	// maxTags is how many rows a line tells apart; the rows of a fuller one are searched by halves.
	maxTags = (lineWords - 1) * lanes
)

// directory finds rows of keys that match exactly. Rows lie in the order of their keys and are dealt to lines by the
// first 8 bytes. A line is one cache line: its first row in the upper half of word 0, their number in the lower, then a
// tag of 16 further bits for each, four to a word. What is there costs that line, its key and its ref. Of what is not
// there, a filter tells all but a few in a hundred before: a word for every 8 rows, in which each sets four bits. It is
// small enough for the caches where lines are not.
type directory struct {
	lines  []uint64
	filter []uint64

	memory *slab // of the lines
}

func linesOf(n int) int { return n/perLine + 1 }

func directoryBytes(n int) int { return aligned(linesOf(n)*lineBytes) + aligned((n/perWord+1)*8) }

// share returns which of n parts a key falls into: keys in order have parts in order.
func share(key []byte, n int) int {
	part, _ := bits.Mul64(prefix(key), uint64(n))
	return int(part)
}

// mask returns the bits that a key sets in its word of the filter.
func mask(key []byte) uint64 {
	b := binary.BigEndian.Uint32(key[10:])
	return 1<<(b&63) | 1<<(b>>6&63) | 1<<(b>>12&63) | 1<<(b>>18&63)
}

// tag is taken from bytes that share and mask do not see.
func tag(key []byte) uint64 { return uint64(binary.BigEndian.Uint16(key[8:])) }

func newDirectory(r *rows) *directory {
	d := &directory{lines: r.memory.words(linesOf(r.n) * lineWords), filter: r.memory.words(r.n/perWord + 1), memory: r.memory}
	row := 0
	for i := range linesOf(r.n) {
		line := d.lines[i*lineWords:][:lineWords]
		first := row
		for ; row < r.n && share(r.key(row), linesOf(r.n)) == i; row++ {
			key := r.key(row)
			if n := row - first; n < maxTags {
				line[1+n/lanes] |= tag(key) << (n % lanes * chunkBits)
			}
			d.filter[share(key, len(d.filter))] |= mask(key)
		}
		line[0] = uint64(first)<<32 | uint64(row-first)
	}
	return d
}

// line returns the line of a key.
func (d *directory) line(key []byte) []uint64 {
	return d.lines[share(key, len(d.lines)/lineWords)*lineWords:][:lineWords:lineWords]
}

// word returns the word of a key in the filter.
func (d *directory) word(key []byte) *uint64 { return &d.filter[share(key, len(d.filter))] }

// absent says that a key is not there. Where it does not, the key may still not be there.
func (d *directory) absent(key []byte) bool { return mask(key)&^*d.word(key) != 0 }

// find returns the row of a key.
func (d *directory) find(r *rows, key []byte) (int, bool) {
	if d.absent(key) {
		return 0, false
	}
	line := d.line(key)
	first, n := int(line[0]>>32), int(uint32(line[0]))
	if n > maxTags {
		return r.seek(key, first, first+n)
	}
	for at := tagged(line, n, tag(key), 0); at < n; at = tagged(line, n, tag(key), at+1) {
		if bytes.Equal(r.key(first+at), key) {
			return first + at, true
		}
	}
	return 0, false
}

// guess returns the row that the line names first, without looking at its key.
func (d *directory) guess(key []byte) (int, bool) {
	line := d.line(key)
	first, n := int(line[0]>>32), int(uint32(line[0]))
	at := 0
	if n <= maxTags {
		at = tagged(line, n, tag(key), 0)
	}
	return first + at, at < n
}

// tagged returns the place of a tag among the first n of a line, at or after a place; n where there is none.
func tagged(line []uint64, n int, tag uint64, at int) int {
	for ; at < n; at = at/lanes*lanes + lanes {
		x := line[1+at/lanes] ^ tag*lane
		x |= 1<<(at%lanes*chunkBits) - 1 // what is before at does not count
		if z := (x - lane) &^ x & top; z != 0 {
			return min(n, at/lanes*lanes+bits.TrailingZeros64(z)/chunkBits)
		}
	}
	return n
}
