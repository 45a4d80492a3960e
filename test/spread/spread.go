// Package spread runs an experiment's cases and says how long they took.
package spread

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// Cases runs a case n times, some at once, and returns how long each says that it took. The test ends where one fails.
func Cases(t *testing.T, n, atOnce int, run func(t *testing.T, i int) time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	for at := 0; at < n; at += atOnce {
		t.Run(fmt.Sprintf("from %d", at), func(t *testing.T) {
			for i := at; i < min(at+atOnce, n); i++ {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					d := run(t, i)
					mu.Lock()
					defer mu.Unlock()
					took = append(took, d)
				})
			}
		})
	}
	if len(took) != n {
		t.Fatalf("%d of %d cases", len(took), n)
	}
	return took
}

// Of returns the median, the 99th percentile and the longest of at least one duration, and how many were longer than most.
func Of(took []time.Duration, most time.Duration) string {
	sorted := slices.Sorted(slices.Values(took))
	late := 0
	for _, d := range sorted {
		if d > most {
			late++
		}
	}
	n := len(sorted)
	return fmt.Sprintf("median %s, p99 %s, at most %s; %d after more than %s", sorted[n/2], sorted[n*99/100], sorted[n-1], late, most)
}
