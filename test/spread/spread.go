// Package spread says how long an experiment's cases took.
package spread

import (
	"fmt"
	"slices"
	"time"
)

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
