package match

import "sync/atomic"

// Ref is the caller's number for what a fingerprint stands for, at most MaxRef.
type Ref uint64

// List says which of the caller's lists a ref is on, below MaxLists. Lists have their own radius, and a query can leave
// lists out.
type List uint8

// ListSet is a set of lists; bit n is list n.
type ListSet uint64

// AllLists holds every list.
const AllLists = ^ListSet(0)

// Of returns the set of some lists.
func Of(lists ...List) ListSet {
	var s ListSet
	for _, l := range lists {
		s |= 1 << l
	}
	return s
}

// Has says whether a list is in the set.
func (s ListSet) Has(l List) bool { return s&(1<<l) != 0 }

// word is a ref in a segment: bits 0-47 the ref, 48-53 the list, 62 where it is gone, 63 where it is no ref but the
// place of several in the segment's lists. Words are read and written atomically.
type word uint64

const (
	listShift      = 48
	dead      word = 1 << 62
	several   word = 1 << 63
	refBits   word = 1<<listShift - 1
	listBits  word = (MaxLists - 1) << listShift
)

func newWord(r Ref, l List) word { return word(r) | word(l)<<listShift }

func (w word) ref() Ref   { return Ref(w & refBits) }
func (w word) list() List { return List(w & listBits >> listShift) }
func (w word) live() bool { return w&dead == 0 }

func load(w *uint64) word         { return word(atomic.LoadUint64(w)) }
func store(w *uint64, value word) { atomic.StoreUint64(w, uint64(value)) }
