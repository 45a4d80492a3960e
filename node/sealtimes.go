package node

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/ledger"
)

const maxWaitForSeal = 4096 // entries that are measured at one time

// sealTimes measures how long what this node wrote waits for a checkpoint that counts, from the leader's answer on.
type sealTimes struct {
	took prometheus.Histogram

	mu    sync.Mutex
	size  uint64        // guarded by mu; of the newest checkpoint
	waits []waitForSeal // guarded by mu
}

type waitForSeal struct {
	index ledger.Index
	since time.Time
}

// committed takes the leader's answers.
func (s *sealTimes) committed(results []ledger.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		switch {
		case r.Verdict != ledger.Accepted || len(s.waits) >= maxWaitForSeal:
		case r.Index < s.size: // the checkpoint was here before the answer
			s.took.Observe(0)
		default:
			s.waits = append(s.waits, waitForSeal{r.Index, time.Now()})
		}
	}
}

// sealed takes a checkpoint of our ledger that counts.
func (s *sealTimes) sealed(size uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(s.size, size)
	s.waits = slices.DeleteFunc(s.waits, func(w waitForSeal) bool {
		if w.index >= s.size {
			return false
		}
		s.took.Observe(time.Since(w.since).Seconds())
		return true
	})
}
