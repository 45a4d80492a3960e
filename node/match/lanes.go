package match

import "math/bits"

// lane has 1 in each of four lanes of 16 bits, top the highest bit of each.
const (
	lane = 0x0001_0001_0001_0001
	top  = 0x8000_8000_8000_8000
)

// near returns the index of the first word with a lane that may be within d bits of q's (which is the same in all
// four), or -1. It may name a word without one, and never leaves one out.
//
// x-1 &^ x has the highest bit of a lane if, and but for lanes above it only if, that lane is 0; x & (x-1) takes the
// lowest bit of every lane. So a lane that is 0 after at most d takings has at most d bits. Lanes above one that was 0
// are spoilt by its borrow, but then the word is named already.
func near(words []uint64, q uint64, d int) int {
	switch {
	case d <= 2:
		return near2(words, q)
	case d == 3:
		return near3(words, q)
	}
	return nearWide(words, q, d)
}

func near2(words []uint64, q uint64) int {
	for i, w := range words {
		x := w ^ q
		y := x - lane
		z := y &^ x
		x &= y
		y = x - lane
		z |= y &^ x
		x &= y
		y = x - lane
		z |= y &^ x
		if z&top != 0 {
			return i
		}
	}
	return -1
}

func near3(words []uint64, q uint64) int {
	for i, w := range words {
		x := w ^ q
		y := x - lane
		z := y &^ x
		x &= y
		y = x - lane
		z |= y &^ x
		x &= y
		y = x - lane
		z |= y &^ x
		x &= y
		y = x - lane
		z |= y &^ x
		if z&top != 0 {
			return i
		}
	}
	return -1
}

func nearWide(words []uint64, q uint64, d int) int {
	for i, w := range words {
		x := w ^ q
		if bits.OnesCount16(uint16(x)) <= d || bits.OnesCount16(uint16(x>>16)) <= d || bits.OnesCount16(uint16(x>>32)) <= d || bits.OnesCount16(uint16(x>>48)) <= d {
			return i
		}
	}
	return -1
}
