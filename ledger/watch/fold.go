package watch

import (
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// List is the fold of all events of one watch list. Before its founding event has arrived it has no cause.
type List struct {
	Key
	Cause   Cause
	Founded *Placed
	gone    []bool // by row
}

// Fold returns the list as its events make it, in any order and with repeats.
func Fold(key Key, events []Placed) *List {
	l := &List{Key: key}
	standing, _ := noun.Canonical(key.Home, events)
	for i := range standing {
		p := &standing[i]
		if c, ok := p.Fact.(Cause); ok && l.Cause == nil && p.Key() == key {
			l.Cause, l.Founded, l.gone = c, p, make([]bool, c.Rows())
		}
	}
	for i := range standing {
		r, ok := standing[i].Fact.(*Removed)
		if ok && l.Cause != nil && l.has(r.Rows) {
			l.remove(r.Rows)
		}
	}
	return l
}

// has says whether the list has all rows of a set; an event that names another has no effect.
func (l *List) has(rows alert.RowSet) bool {
	return rows.IsAll() || int(rows[len(rows)-1]) < l.Rows()
}

// Rows returns the number of files that were put on the list.
func (l *List) Rows() int {
	if l.Cause == nil {
		return 0
	}
	return l.Cause.Rows()
}

func (l *List) remove(rows alert.RowSet) {
	for row := range l.gone {
		l.gone[row] = l.gone[row] || rows.Has(uint32(row))
	}
}

// Watched says whether a row is watched still.
func (l *List) Watched(row uint32) bool { return int(row) < l.Rows() && !l.gone[row] }
