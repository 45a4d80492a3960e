package match

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"vigil/ledger/alert"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// source is a repeatable source of test data.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 7))} }

func (s source) value(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4 {
		binary.LittleEndian.PutUint32(b[i:], s.Uint32())
	}
	return b
}

// flip returns a value with n different bits changed.
func (s source) flip(v []byte, n int) []byte {
	v = slices.Clone(v)
	for _, bit := range s.Perm(len(v) * 8)[:n] {
		v[bit/8] ^= 1 << (bit % 8)
	}
	return v
}

// Shapes of data: how hashes of real pictures, and of malice, are not spread evenly.
var shapes = map[string]func(s source) func() []byte{
	"even": func(s source) func() []byte { return func() []byte { return s.value(32) } },
	"flat": func(s source) func() []byte { return func() []byte { return s.flip(make([]byte, 32), s.IntN(40)) } },
	"clusters": func(s source) func() []byte {
		centres := [][]byte{s.value(32), s.value(32), s.value(32)}
		return func() []byte { return s.flip(centres[s.IntN(len(centres))], s.IntN(60)) }
	},
	"shared half": func(s source) func() []byte {
		half := s.value(16)
		return func() []byte { return append(slices.Clone(half), s.value(16)...) }
	},
	"long runs": func(s source) func() []byte {
		return func() []byte {
			v, set := make([]byte, 32), false
			for bit, next := 0, 0; bit < 256; bit++ {
				if bit == next {
					set, next = !set, bit+1+s.IntN(64)
				}
				if set {
					v[bit/8] |= 1 << (bit % 8)
				}
			}
			return v
		}
	},
	"few values": func(s source) func() []byte {
		few := [][]byte{s.value(32), s.value(32), make([]byte, 32), s.value(32)}
		return func() []byte { return few[s.IntN(len(few))] }
	},
	"one bucket each": func(s source) func() []byte { // every chunk is one of two values that differ in one bit
		return func() []byte {
			v := make([]byte, 32)
			for i := 0; i < 32; i += 2 {
				v[i] = byte(s.IntN(2))
			}
			return v
		}
	},
}

// query returns something to ask for: a stored value changed somewhat, or anything.
func (s source) query(stored [][]byte, radius int) []byte {
	if len(stored) == 0 || s.IntN(4) == 0 {
		return s.value(32)
	}
	return s.flip(stored[s.IntN(len(stored))], s.IntN(radius+4))
}

func distance(a, b []byte) int {
	d := 0
	for ; len(a) >= 4; a, b = a[4:], b[4:] { // all values are of whole words
		d += bits.OnesCount32(binary.LittleEndian.Uint32(a) ^ binary.LittleEndian.Uint32(b))
	}
	return d
}

// filed is one pair as the naive model holds it.
type filed struct {
	value []byte
	ref   Ref
	list  List
}

// within is the naive search.
func within(all []filed, value []byte, radius func(List) int) []Hit {
	var out []Hit
	for _, f := range all {
		if d := distance(f.value, value); d <= radius(f.list) {
			h := Hit{Ref: f.ref, List: f.list, Distance: d}
			copy(h.Value[:], f.value)
			out = append(out, h)
		}
	}
	slices.SortFunc(out, compareHits)
	return out
}

func pdq(v []byte) alert.Signal { return alert.Signal{Algorithm: alert.PDQ, Value: v} }

func radiusOf(t testing.TB, bits int) Radius { return must[Radius](t)(Within(bits)) }

// rowsFor returns rows of values with their place as ref.
func rowsFor(values [][]byte) *rows {
	p := newPairs(len(values[0]), len(values))
	for i, v := range values {
		p.add(v, newWord(Ref(i), 0))
	}
	return rowsOf(p.sort(2), tableBytes, nil)
}

// naiveRows returns the rows within a radius and their distances, in order.
func naiveRows(r *rows, key []byte, radius int) []nearRow {
	var out []nearRow
	for row := range r.n {
		if d := distance(r.key(row), key); d <= radius {
			out = append(out, nearRow{row, d})
		}
	}
	return out
}

func inOrder(found []nearRow) []nearRow {
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b nearRow) int { return cmp.Compare(a.row, b.row) })
	return found
}
