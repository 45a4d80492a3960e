package node_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/node"
)

func TestTheTimeIsThatOfTheClockInTheMiddle(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ahead []time.Duration
		want  time.Duration
	}{
		{nil, 0},
		{[]time.Duration{time.Hour}, 0},
		{[]time.Duration{-time.Hour}, -time.Hour}, // of two the earlier: what is said too early cannot be taken back
		{[]time.Duration{-time.Hour, -time.Hour}, -time.Hour},
		{[]time.Duration{time.Second, 48 * time.Hour}, time.Second},
		{[]time.Duration{time.Second, -48 * time.Hour}, 0},
	} {
		if got := node.Agreed(now, c.ahead).Sub(now); got != c.want {
			t.Errorf("%v: %s, not %s", c.ahead, got, c.want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		honest := rapid.SliceOfN(rapid.Int64Range(-1000, 1000), 3, 9).Draw(rt, "honest")
		wrong := rapid.SliceOfN(rapid.Int64Range(-1<<40, 1<<40), 0, len(honest)-1).Draw(rt, "wrong")
		clocks := slices.Concat(honest, wrong)
		ours := rapid.IntRange(0, len(clocks)-1).Draw(rt, "ours")
		base := clocks[ours]
		var ahead []time.Duration
		for i, x := range clocks {
			if i != ours {
				ahead = append(ahead, time.Duration(x-base)*time.Millisecond)
			}
		}
		if got := node.Agreed(now, ahead).Sub(now) + time.Duration(base)*time.Millisecond; got < -time.Second || got > time.Second {
			rt.Fatalf("clocks %v and %v, ours %d: off by %s", honest, wrong, base, got)
		}
	})
}
