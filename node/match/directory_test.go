package match

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Every key is found at its row and nothing else is, for keys spread evenly and for keys made to fall into one line.
func TestDirectoryFindsItsKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSource(rapid.Uint64().Draw(t, "seed"))
		width := rapid.SampledFrom([]int{16, 20, 32}).Draw(t, "width")
		same := rapid.IntRange(0, width-2).Draw(t, "bytes in common")
		values := make([][]byte, rapid.IntRange(1, 2_000).Draw(t, "keys"))
		for i := range values {
			values[i] = s.value(width)
			copy(values[i][:same], bytes.Repeat([]byte{7}, same))
		}
		p := newPairs(width, len(values))
		for i, v := range values {
			p.add(v, newWord(Ref(i), 0))
		}
		r := rowsOf(p.sort(1), directoryBytes, nil)
		d := newDirectory(r)
		for _, v := range values {
			if row, ok := d.find(r, v); !ok || !bytes.Equal(r.key(row), v) {
				t.Fatalf("a key is not found")
			}
			other := s.flip(v, 1)
			_, want := r.seek(other, 0, r.n)
			if _, ok := d.find(r, other); ok != want {
				t.Fatalf("a key with one bit changed: found %v, want %v", ok, want)
			}
		}
	})
}

// On even data the filter lets few in a hundred of what is not there through.
func TestFilterDiscards(t *testing.T) {
	const n = 50_000
	s, p := newSource(4), newPairs(32, n)
	for i := range n {
		p.add(s.value(32), newWord(Ref(i), 0))
	}
	d := newDirectory(rowsOf(p.sort(1), directoryBytes, nil))
	passed := 0
	for range n {
		if !d.absent(s.value(32)) {
			passed++
		}
	}
	if passed > n*5/100 {
		t.Errorf("%d of %d pass", passed, n)
	}
}

// An even directory is one line of 64 bytes to 18 keys, and a byte a key of filter.
func TestDirectorySize(t *testing.T) {
	if got := float64(32+8) + float64(directoryBytes(10_000_000))/10_000_000; got > 45 {
		t.Errorf("%.1f bytes for a SHA-256, at most 45", got)
	}
}
