package match

import (
	"encoding/binary"
	"math/bits"
)

// query is a hash of 32 bytes in the forms that a search needs.
type query struct {
	words [4]uint64
	chunk [chunks + 1]uint16 // the first again at the end
}

func newQuery(key []byte) (q query) {
	for i := range q.words {
		q.words[i] = binary.LittleEndian.Uint64(key[8*i:])
	}
	for i := range chunks {
		q.chunk[i] = binary.BigEndian.Uint16(key[2*i:])
	}
	q.chunk[chunks] = q.chunk[0]
	return q
}

// distance returns in how many bits a key differs.
func (q *query) distance(key []byte) int {
	k := key[:32]
	return bits.OnesCount64(q.words[0]^binary.LittleEndian.Uint64(k)) +
		bits.OnesCount64(q.words[1]^binary.LittleEndian.Uint64(k[8:])) +
		bits.OnesCount64(q.words[2]^binary.LittleEndian.Uint64(k[16:])) +
		bits.OnesCount64(q.words[3]^binary.LittleEndian.Uint64(k[24:]))
}

// sweep compares keys one by one and calls found for those within a radius. Half of a hash nearly always tells.
func (q *query) sweep(keys []byte, radius int, found func(row, distance int)) {
	for row := 0; len(keys) >= 32; row++ {
		k := keys[:32]
		keys = keys[32:]
		half := bits.OnesCount64(q.words[0]^binary.LittleEndian.Uint64(k)) + bits.OnesCount64(q.words[1]^binary.LittleEndian.Uint64(k[8:]))
		if half > radius {
			continue
		}
		if d := q.distance(k); d <= radius {
			found(row, d)
		}
	}
}
