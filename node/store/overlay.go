package store

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// overlay is what has been committed and is not on disk yet. Readers look here first.
type overlay struct {
	ledgers    map[ledger.Origin]*ledgerOverlay
	sequences  map[sequence]uint64
	boundaries map[uint64]boundary
	journal    []journalMirror
	state      *ledger.State
	applied    position
	counts     counts // as they are once it is on disk; set when it begins to be written
	purge      uint64 // raft index of the last expungement in it; 0 where there is none
	total      uint64 // bytes of our ledger from genesis on; 0 until the first own entry
	bytes      int
	looked     int // bytes when flushLoop looked last
	looks      int // how often it found more
}

type sequence struct {
	writer crypto.NodeID
	number uint64
}

// compare orders sequences as their keys on disk are.
func (s sequence) compare(o sequence) int {
	return cmp.Or(slices.Compare(s.writer[:], o.writer[:]), cmp.Compare(s.number, o.number))
}

type ledgerOverlay struct {
	leaves      map[uint64][]byte
	payloads    map[uint64][]byte
	hashes      map[int64]tlog.Hash
	checkpoints map[uint64][]byte
	governance  []uint64
	expunged    map[uint64]uint64   // by which entry each payload is gone
	naming      map[naming]struct{} // which entries name an earlier one
}

type naming struct{ target, index uint64 }

func newOverlay() *overlay {
	return &overlay{ledgers: map[ledger.Origin]*ledgerOverlay{}, sequences: map[sequence]uint64{}, boundaries: map[uint64]boundary{}}
}

func (o *overlay) empty() bool { return o.state == nil && len(o.ledgers) == 0 }

func (o *overlay) ledger(origin ledger.Origin) *ledgerOverlay {
	l := o.ledgers[origin]
	if l == nil {
		l = &ledgerOverlay{leaves: map[uint64][]byte{}, payloads: map[uint64][]byte{}, hashes: map[int64]tlog.Hash{}, checkpoints: map[uint64][]byte{}, expunged: map[uint64]uint64{}, naming: map[naming]struct{}{}}
		o.ledgers[origin] = l
	}
	return l
}

// each calls f with the overlays of a ledger, newest first, until f says that it found what it looks for.
func (s *Store) each(origin ledger.Origin, f func(*ledgerOverlay) bool) bool {
	for _, o := range []*overlay{s.pending, s.flushing} {
		if o != nil && o.ledgers[origin] != nil && f(o.ledgers[origin]) {
			return true
		}
	}
	return false
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// onFault turns a memory fault in the mapped file (an I/O error on a page, or an end that is missing) into an error, as it does
// whatever bbolt makes of a damaged page. It works for the goroutine that defers what it returns.
func onFault(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			*err = fmt.Errorf("%w: ledger.db: %v", ErrDamaged, r)
		}
	}
}
