package store

import "vigil/ledger"

// SkipPurge lets a flush end before it overwrites what was expunged, as a crash would.
func SkipPurge(f func()) {
	skipPurge = true
	defer func() { skipPurge = false }()
	f()
}

// MayExpunge says whether an expungement in a mirror holds.
func (s *Store) MayExpunge(g *ledger.Governance, origin ledger.Origin, rec *ledger.Record) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mayExpunge(g, origin, rec)
}

// Looks returns how often flushLoop looks before it writes what has just come, where each time as many bytes more come.
func Looks(bytes int) (looks int) {
	s := &Store{pending: newOverlay()}
	for s.pending.bytes = 1; !s.due(); s.pending.bytes += bytes {
		looks++
	}
	return looks
}
