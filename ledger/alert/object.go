package alert

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Object is the fold of all events of one alert event, a single alert or a list, in canonical order. It has one
// writer. Before its cause has arrived it is an orphan: "refers to something you cannot read".
type Object struct {
	Key     Key
	cause   *Placed
	marks   []mark
	everyOf []int            // marks about all rows, ascending
	rowOf   map[uint32][]int // marks about single rows, ascending
	seen    map[identity]*Placed
	sights  map[sightKey]tally
	links   map[linkKey]map[ledger.AgencyID]Verdict
	linked  []Placed // events of links, in order
	flags   []Flag
	last    *Placed
}

// mark is an assessment or a retraction that may have effect; row numbers and exercise flag are judged when read,
// because the cause may come later.
type mark struct {
	placed   Placed
	retracts bool
	verdict  Verdict
	exercise bool
}

// identity names an event: of an author's events with one id the first by order stands. Sightings are apart, so that
// whoever does not ask for them need not read them.
type identity struct {
	author   ledger.AgencyID
	event    ledger.EventID
	sighting bool
}

// NewObject returns the fold of no events.
func NewObject(k Key) *Object {
	return &Object{
		Key: k, rowOf: map[uint32][]int{}, seen: map[identity]*Placed{},
		sights: map[sightKey]tally{}, links: map[linkKey]map[ledger.AgencyID]Verdict{},
	}
}

// Fold folds all events of one object, given in any order and perhaps several times.
func Fold(k Key, events []Placed) *Object {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Placed) int { return noun.Compare(k.Home, &a, &b) })
	o := NewObject(k)
	for i := range sorted {
		o.Extend(sorted[i])
	}
	return o
}

// Extend folds one more event, and says false where the event is older than one already folded: nothing has changed
// then, and the caller folds all events of the object again. An event at the place of the last one is that one.
// It panics on an event of another object.
func (o *Object) Extend(p Placed) bool {
	if p.Key() != o.Key {
		panic("alert: event folded into another object")
	}
	if o.last != nil {
		switch c := noun.Compare(o.Key.Home, &p, o.last); {
		case c < 0:
			return false
		case c == 0:
			return true
		}
	}
	o.last = &p
	o.fold(p)
	return true
}

func (o *Object) fold(p Placed) {
	_, sighting := p.Fact.(*Sighted)
	id := identity{p.Author, p.Event, sighting}
	if earlier, ok := o.seen[id]; ok {
		why := Repeated
		if !earlier.Same(&p) {
			why = Contradicting
		}
		o.flags = append(o.flags, Flag{p, why})
		return
	}
	o.seen[id] = &p

	switch f := p.Fact.(type) {
	case *Raised, *Listed:
		o.cause = &p
	case *Assessed:
		o.assess(p, f)
	case *Retracted:
		o.retract(p, f)
	case *Sighted:
		o.sight(p, f)
	case *Linked:
		o.link(p, f)
	}
}

func (o *Object) assess(p Placed, f *Assessed) {
	if p.Author == o.Key.Author {
		o.flags = append(o.flags, Flag{p, ItsOwnAlert})
		return
	}
	o.mark(mark{placed: p, verdict: f.Verdict, exercise: f.Exercise}, f.Rows)
}

func (o *Object) retract(p Placed, f *Retracted) {
	if p.Author != o.Key.Author {
		o.flags = append(o.flags, Flag{p, NotTheAuthor})
		return
	}
	o.mark(mark{placed: p, retracts: true, exercise: f.Exercise}, f.Rows)
}

func (o *Object) mark(m mark, rows RowSet) {
	n := len(o.marks)
	o.marks = append(o.marks, m)
	if rows.IsAll() {
		o.everyOf = append(o.everyOf, n)
		return
	}
	for _, row := range rows {
		o.rowOf[row] = append(o.rowOf[row], n)
	}
}

// Cause returns what founded the alert, false for an orphan.
func (o *Object) Cause() (Cause, bool) {
	if o.cause == nil {
		return nil, false
	}
	return o.cause.Fact.(Cause), true
}

// Founded returns the founding event with its place, nil for an orphan.
func (o *Object) Founded() *Placed { return o.cause }

// Rows returns the number of alerts, 0 for an orphan.
func (o *Object) Rows() int {
	if c, ok := o.Cause(); ok {
		return c.Rows()
	}
	return 0
}

// Spoken says that somebody assessed or retracted any of its rows.
func (o *Object) Spoken() bool { return len(o.marks) > 0 }
