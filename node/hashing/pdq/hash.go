package pdq

import (
	"encoding/hex"
	"errors"
	"math/bits"
	"slices"
)

// Hash is 256 bits, bit 255 first.
type Hash [32]byte

// String returns 64 lower-case hex digits, as the field writes PDQ. It is content: never for logs.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return ErrSyntax
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return ErrSyntax
	}
	return nil
}

// Distance returns in how many bits two hashes differ. Up to 31 is the reference's threshold for a match.
func (h Hash) Distance(other Hash) int {
	n := 0
	for i := range h {
		n += bits.OnesCount8(h[i] ^ other[i])
	}
	return n
}

func (h *Hash) set(bit int) { h[len(h)-1-bit/8] |= 1 << (bit % 8) }

// MinSide is the smallest width or height that has a hash.
const MinSide = 5

// ErrSyntax says that a text is no hash.
var ErrSyntax = errors.New("a PDQ hash is 64 hex digits")

// ErrTooSmall says that an image has fewer than MinSide columns or rows. The reference gives it the hash of all zeros,
// which would match every other such image.
var ErrTooSmall = errors.New("too small for PDQ: it takes 5 pixels each way")

// Form names one of the eight ways to turn and mirror an image.
type Form uint8

// The forms, in the order of the reference. Turns are counterclockwise.
const (
	Original  Form = 0
	Rotate90  Form = 1
	Rotate180 Form = 2
	Rotate270 Form = 3
	FlipX     Form = 4 // top and bottom change places
	FlipY     Form = 5 // left and right change places
	FlipPlus  Form = 6 // lower left and upper right change places
	FlipMinus Form = 7 // upper left and lower right change places
)

// Forms is how many there are.
const Forms = 8

func (f Form) String() string {
	return [Forms]string{"original", "rotate-90", "rotate-180", "rotate-270", "flip-x", "flip-y", "flip-plus", "flip-minus"}[f%Forms]
}

// Sum is what one image comes to.
type Sum struct {
	Quality      int // 0 to 100; the reference advises to discard hashes below 50
	coefficients [side * side]float32
}

const side = 16

// Hash returns the hash of the image as it is.
func (s *Sum) Hash() Hash { return s.Form(Original) }

// Form returns the hash of the image turned and mirrored.
func (s *Sum) Form(f Form) Hash {
	turned := s.turn(f)
	middle := median(turned)
	var h Hash
	for i, c := range turned {
		if c > middle {
			h.set(i)
		}
	}
	return h
}

// turn transposes and changes signs: mirroring an image negates the coefficients of odd frequency along that axis.
// The lowest frequency kept is 1, so these are the even positions.
func (s *Sum) turn(f Form) (out [side * side]float32) {
	transposed := f == Rotate90 || f == Rotate270 || f == FlipPlus || f == FlipMinus
	for i := range side {
		for j := range side {
			c := s.coefficients[i*side+j]
			if f.negates(i, j) {
				c = -c
			}
			if transposed {
				out[j*side+i] = c
			} else {
				out[i*side+j] = c
			}
		}
	}
	return out
}

func (f Form) negates(i, j int) bool {
	switch f {
	case Rotate90, FlipY:
		return j%2 == 0
	case Rotate270, FlipX:
		return i%2 == 0
	case Rotate180, FlipMinus:
		return (i+j)%2 == 1
	}
	return false
}

// median returns the lower one: the 128th smallest of 256.
func median(values [side * side]float32) float32 {
	slices.Sort(values[:])
	return values[len(values)/2-1]
}
