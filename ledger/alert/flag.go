package alert

import (
	"slices"

	"vigil/ledger/noun"
)

// Flag is an event that has no effect, and why; a board shows it as such.
type Flag struct {
	Placed Placed
	Why    Why
}

// Why says why an event has no effect.
type Why uint8

// The reasons. They are derived, never stored.
const (
	Repeated      Why = 1 // the same event again
	Contradicting Why = 2 // another content under an event id already used by its author
	NotTheAuthor  Why = 3 // a retraction by another agency
	ItsOwnAlert   Why = 4 // an agency assessing its own alert
	NoSuchRow     Why = 5 // about rows the alert does not have
	WrongExercise Why = 6 // an exercise event on casework, or the reverse
)

var whyNames = []string{
	"", "the same event again", "its event id was used before with another content", "only the author retracts its alert",
	"an agency does not assess its own alert", "names a row that the alert does not have",
	"an exercise event on casework, or the reverse",
}

// String says it in words for people; "" where the event has effect.
func (w Why) String() string {
	if w == 0 {
		return ""
	}
	return nameOf(whyNames, w)
}

// Flags returns the events that have no effect, in canonical order, as far as is known before the cause arrives.
// Sightings are counted and not kept, so those of the wrong kind are just not counted.
func (o *Object) Flags() []Flag {
	flags := slices.Clone(o.flags)
	for _, m := range o.marks {
		if why := o.ineffective(m); why != 0 {
			flags = append(flags, Flag{m.placed, why})
		}
	}
	for _, p := range o.linked {
		f := p.Fact.(*Linked)
		if why := o.misses(RowSet{f.Target.Row}, f.Exercise); why != 0 {
			flags = append(flags, Flag{p, why})
		}
	}
	slices.SortStableFunc(flags, func(a, b Flag) int { return noun.Compare(o.Key.Home, &a.Placed, &b.Placed) })
	return flags
}

// ineffective judges a mark against the cause: 0 where it has, or may yet have, effect.
func (o *Object) ineffective(m mark) Why { return o.misses(m.rows(), m.exercise) }

func (o *Object) misses(rows RowSet, exercise bool) Why {
	c, ok := o.Cause()
	if !ok {
		return 0
	}
	if exercise != DetailsOf(c).Exercise {
		return WrongExercise
	}
	if !rows.IsAll() && int(rows[len(rows)-1]) >= c.Rows() {
		return NoSuchRow
	}
	return 0
}

func (m mark) rows() RowSet {
	if f, ok := m.placed.Fact.(*Retracted); ok {
		return f.Rows
	}
	return m.placed.Fact.(*Assessed).Rows
}
