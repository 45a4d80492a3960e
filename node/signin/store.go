package signin

import (
	"sync"
	"time"
)

// store keeps sessions in memory. It sweeps when it is written to; the library's own keeps a goroutine for that, which
// cannot be ended without a race.
type store struct {
	mu    sync.Mutex
	items map[string]item // guarded by mu; by the hash of the session's secret
	swept time.Time       // guarded by mu
}

type item struct {
	b      []byte
	expiry time.Time
}

func newStore() *store { return &store{items: map[string]item{}} }

// Find implements scs.Store.
func (s *store) Find(token string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.items[token]
	return x.b, ok && time.Now().Before(x.expiry), nil
}

// Commit implements scs.Store.
func (s *store) Commit(token string, b []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.swept) > sweepEvery {
		s.swept = now
		for t, x := range s.items {
			if now.After(x.expiry) {
				delete(s.items, t)
			}
		}
	}
	if _, known := s.items[token]; !known && len(s.items) >= maxSessions {
		return ErrBusy
	}
	s.items[token] = item{b, expiry}
	return nil
}

// Delete implements scs.Store.
func (s *store) Delete(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, token)
	return nil
}
