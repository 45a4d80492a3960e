package referral

import (
	"cmp"
	"fmt"
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Line is one event of a referral's time line.
type Line struct {
	Placed
	Step   uint64 // at which it took effect
	Effect string // empty, or why it has none
}

// Referral is the fold of all its events.
type Referral struct {
	Key
	Opened  *Opened // nil where its opening cannot be read here, or has not arrived
	State   State
	Opener  ledger.AgencyID
	Holder  ledger.AgencyID
	Offered ledger.AgencyID   // whom it is offered to; empty where nobody
	Step    uint64            // moves that have taken effect
	Parties []ledger.AgencyID // who opened it and to whom it was ever offered, in that order
	Lines   []Line            // by step, then in canonical order
}

// Fold returns the referral as its events make it, in any order and with repeats. Moves without their opening are kept
// as lines without effect.
func Fold(key Key, events []Placed) *Referral {
	r := &Referral{Key: key}
	standing, _ := noun.Canonical(key.Home, events) // a second one with an id has no effect
	var waiting []Placed
	for _, p := range standing {
		if o, ok := p.Fact.(*Opened); ok {
			if r.Opened == nil && p.Key() == key {
				r.Opened, r.State, r.Opener, r.Holder, r.Offered, r.Parties = o, Open, p.Author, p.Author, o.To, []ledger.AgencyID{p.Author, o.To}
				r.Lines = append(r.Lines, Line{Placed: p})
			}
			continue
		}
		waiting = append(waiting, p)
	}
	if r.Opened != nil {
		waiting = r.advance(waiting)
	}
	for _, p := range waiting {
		r.Lines = append(r.Lines, Line{Placed: p, Step: p.Fact.(*Moved).Step, Effect: r.why(p)})
	}
	slices.SortStableFunc(r.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), noun.Compare(key.Home, &a.Placed, &b.Placed))
	})
	return r
}

// advance lets, step by step, the first permitted move of that step take effect, and returns what never did.
func (r *Referral) advance(waiting []Placed) []Placed {
	for {
		i := slices.IndexFunc(waiting, func(p Placed) bool {
			m := p.Fact.(*Moved)
			return m.Move != Note && m.Step == r.Step && r.Permits(p.Author, m) == nil
		})
		if i < 0 {
			return waiting
		}
		p := waiting[i]
		r.apply(p.Author, p.Fact.(*Moved))
		r.Lines = append(r.Lines, Line{Placed: p, Step: r.Step})
		waiting = slices.Delete(waiting, i, i+1)
	}
}

func (r *Referral) why(p Placed) string {
	m := p.Fact.(*Moved)
	switch {
	case r.Opened == nil:
		return "refers to something that cannot be read here"
	case m.Move == Note:
		if err := r.Permits(p.Author, m); err != nil {
			break
		}
		return ""
	case m.Step < r.Step:
		return "made from a stale view, after another move"
	case m.Step > r.Step:
		return "follows a move that has not arrived"
	}
	return fmt.Sprint(r.Permits(p.Author, m))
}
