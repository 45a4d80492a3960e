package match

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
)

const (
	maxThreshold = MaxRadius / chunks // of a chunk
	listCost     = 8                  // of looking into a bucket, in entries compared
	checkCost    = 64                 // of comparing a whole hash at a random place
	sweptCost    = 6                  // of comparing a whole hash in order
	unevenness   = 4                  // times the cost on even data, and thresholds are fitted
)

// thresholds are t(i) of the package comment, with t(0) again at the end; -1 leaves a table out.
type thresholds [chunks + 1]int8

// even returns thresholds for a radius that differ by one at most.
func even(radius int) (t thresholds) {
	for i := range chunks {
		t[i] = int8((radius+1)/chunks - 1)
		if i < (radius+1)%chunks {
			t[i]++
		}
	}
	t[chunks] = t[0]
	return t
}

// ball holds the masks of up to maxThreshold bits, by their number; ends says where those of each number end.
type ball struct {
	masks []uint16
	ends  [maxThreshold + 1]int
}

// balls are the balls for buckets of 0 to 16 bits.
var balls = sync.OnceValue(func() *[chunkBits + 1]ball {
	all := new([chunkBits + 1]ball)
	for width := range all {
		b := &all[width]
		for mask := range 1 << width {
			if bits.OnesCount(uint(mask)) <= maxThreshold {
				b.masks = append(b.masks, uint16(mask))
			}
		}
		slices.SortFunc(b.masks, func(x, y uint16) int {
			return cmp.Or(cmp.Compare(bits.OnesCount16(x), bits.OnesCount16(y)), cmp.Compare(x, y))
		})
		for d := range b.ends {
			for _, m := range b.masks {
				if bits.OnesCount16(m) <= d {
					b.ends[d]++
				}
			}
		}
	}
	return all
})

// expected returns what a search costs where the rows are spread evenly.
func (t *tables) expected(n int, th *thresholds) int {
	cost := 0
	for _, x := range th[:chunks] {
		if x >= 0 {
			cost += t.ball.ends[x] * (listCost + n>>(chunkBits-t.shift))
		}
	}
	return cost
}

// fitted returns the thresholds for a radius that cost least for one query by what the buckets hold, and that cost.
func (t *tables) fitted(q *query, radius int) (thresholds, int) {
	const none = 1 << 60
	var best [chunks + 1][MaxRadius + 2]int // cost of the first i chunks whose t+1 add up to s
	var choice [chunks][MaxRadius + 2]int8
	for s := 1; s <= radius+1; s++ {
		best[0][s] = none
	}
	for i := range chunks {
		costs := t.costs(q, i)
		for s := range radius + 2 {
			best[i+1][s] = none
			for x := -1; x <= maxThreshold && x+1 <= s; x++ {
				if c := best[i][s-x-1] + costs[x+1]; c < best[i+1][s] {
					best[i+1][s], choice[i][s] = c, int8(x)
				}
			}
		}
	}
	var th thresholds
	for i, s := chunks-1, radius+1; i >= 0; i-- {
		th[i] = choice[i][s]
		s -= int(th[i]) + 1
	}
	th[chunks] = th[0]
	return th, best[chunks][radius+1]
}

// costs returns what each threshold from -1 on costs in a table.
func (t *tables) costs(q *query, i int) (costs [maxThreshold + 2]int) {
	b, ends, key := t.ball, t.table[i].ends, q.chunk[i]>>t.shift
	sum := 0
	for _, mask := range b.masks {
		bucket := int(key ^ mask)
		sum += listCost + int(ends[bucket+1]-ends[bucket])
		costs[bits.OnesCount16(mask)+1] = sum
	}
	return costs
}
