package match

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawn is data of some shape with what finds it.
func drawn(t *rapid.T, most int) (source, *rows, *tables, [][]byte) {
	s := newSource(rapid.Uint64().Draw(t, "seed"))
	shape := rapid.SampledFrom(slices.Sorted(maps.Keys(shapes))).Draw(t, "shape")
	next := shapes[shape](s)
	values := make([][]byte, rapid.IntRange(1, most).Draw(t, "rows"))
	for i := range values {
		values[i] = next()
	}
	r := rowsFor(values)
	return s, r, newTables(r, 2, nil), values
}

// Whatever the thresholds, as long as they add up: every row within the radius is found, once, and no other.
func TestEveryThresholdFindsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, r, tables, values := drawn(t, 600)
		radius := rapid.IntRange(1, MaxRadius).Draw(t, "radius")
		var th thresholds
		for i := range chunks {
			th[i] = -1
		}
		for range radius + 1 {
			i := s.IntN(chunks)
			for th[i] == maxThreshold {
				i = (i + 1) % chunks
			}
			th[i]++
		}
		th[chunks] = th[0]
		q := newQuery(s.query(values, radius))
		x := search{rows: r, tables: tables, q: &q, radius: radius}
		if !x.run(&th, math.MaxInt) {
			t.Fatal("an endless budget did not suffice")
		}
		if got, want := inOrder(x.found), naiveRows(r, q.bytes(), radius); !slices.Equal(got, want) {
			t.Fatalf("thresholds %v, radius %d: %d rows, want %d", th, radius, len(got), len(want))
		}
	})
}

// bytes gives a query back as it was asked.
func (q *query) bytes() []byte {
	var b []byte
	for _, w := range q.words {
		for range 8 {
			b, w = append(b, byte(w)), w>>8
		}
	}
	return b
}

// The way a segment searches, thresholds fitted or swept where the data wants it, finds what comparing all finds.
func TestSegmentsFindAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, r, tables, values := drawn(t, 3_000)
		g := segment{rows: r, tables: tables}
		for range 10 {
			radius := rapid.IntRange(1, MaxRadius).Draw(t, "radius")
			q := newQuery(s.query(values, radius))
			var got []nearRow
			g.near(&search{}, &q, radius, func(row, d int) { got = append(got, nearRow{row, d}) })
			if want := naiveRows(r, q.bytes(), radius); !slices.Equal(inOrder(got), want) {
				t.Fatalf("radius %d: %d rows, want %d", radius, len(got), len(want))
			}
		}
	})
}

// Even thresholds add up to what the proof asks, and fitted ones too, for every radius and query.
func TestThresholdsAddUp(t *testing.T) {
	sum := func(th thresholds) int {
		n := 0
		for _, x := range th[:chunks] {
			if x < -1 || x > maxThreshold {
				t.Fatalf("threshold %d", x)
			}
			n += int(x) + 1
		}
		return n
	}
	s := newSource(1)
	values := make([][]byte, 5_000)
	for i := range values {
		values[i] = shapes["shared half"](newSource(uint64(i % 7)))()
	}
	r := rowsFor(values)
	tables := newTables(r, 1, nil)
	for radius := 1; radius <= MaxRadius; radius++ {
		q := newQuery(s.query(values, 10))
		fitted, cost := tables.fitted(&q, radius)
		e := even(radius)
		if sum(e) != radius+1 || sum(fitted) != radius+1 || fitted[0] != fitted[chunks] || e[0] != e[chunks] {
			t.Errorf("radius %d: %d and %d", radius, sum(e), sum(fitted))
		}
		evenly := 0
		for i := range chunks {
			evenly += tables.costs(&q, i)[e[i]+1]
		}
		if cost > evenly {
			t.Errorf("radius %d: fitted for %d, evenly it costs %d", radius, cost, evenly)
		}
	}
}

// A word with a near lane is never left out, whatever stands beside it.
func TestNearLeavesNothingOut(t *testing.T) {
	lanesNear := func(w, q uint64, d int) bool {
		for i := range lanes {
			if bits.OnesCount16(uint16((w^q)>>(i*chunkBits))) <= d {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		q := uint64(rapid.Uint16().Draw(t, "query")) * lane
		words := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) uint64 {
			w := uint64(0)
			for range lanes {
				differ := rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{0, 1, 0x8000, 0x8001, 3, 7, 0x8003, 0xffff})).Draw(t, "lane")
				w = w<<chunkBits | uint64(differ)
			}
			return w ^ q
		}), 0, 9).Draw(t, "words")
		d := rapid.IntRange(0, 7).Draw(t, "distance")
		at := near(words, q, d)
		for i, w := range words {
			if at >= 0 && i >= at {
				break
			}
			if lanesNear(w, q, d) {
				t.Fatalf("word %d of %x within %d is left out", i, words, d)
			}
		}
	})
}

// What near lets through for nothing is rare: on even data it discards all but a few in a thousand words.
func TestNearDiscards(t *testing.T) {
	s, words := newSource(3), make([]uint64, 100_000)
	for i := range words {
		words[i] = s.Uint64()
	}
	for d, most := range map[int]int{2: 1_200, 3: 5_500} {
		passed := 0
		for rest := words; ; passed++ {
			n := near(rest, 0x1234*lane, d)
			if n < 0 {
				break
			}
			rest = rest[n+1:]
		}
		if passed > most {
			t.Errorf("distance %d: %d of %d words pass", d, passed, len(words))
		}
	}
}
