package pointer

import (
	"vigil/ledger/noun"
)

// Pointer is the fold of what this agency holds.
type Pointer struct {
	Key     noun.Key
	Held    *Held // nil where it has not arrived
	Dropped bool
	Tags    map[Set]Tag
}

// FoldHeld returns the pointer as its events make it, in any order.
func FoldHeld(k noun.Key, events []noun.Placed[noun.Fact]) *Pointer {
	p := &Pointer{Key: k, Tags: map[Set]Tag{}}
	standing, _ := noun.Canonical(k.Home, events)
	for _, e := range standing {
		switch f := e.Fact.(type) {
		case *Held:
			p.Held = f
		case *Dropped:
			p.Dropped = true
		case *Blinded:
			if _, known := p.Tags[f.Set]; !known {
				p.Tags[f.Set] = f.Tag
			}
		}
	}
	return p
}

// Shown is the fold of one mark.
type Shown struct {
	Key    noun.Key
	Marked *Marked // nil where it has not arrived
	Lifted bool
}

// FoldMark returns the mark as its events make it, in any order. Only who set it lifts it.
func FoldMark(k noun.Key, events []noun.Placed[noun.Fact]) *Shown {
	s := &Shown{Key: k}
	for _, e := range events {
		switch f := e.Fact.(type) {
		case *Marked:
			s.Marked = f
		case *Unmarked:
			s.Lifted = s.Lifted || e.Author == k.Author
		}
	}
	return s
}
