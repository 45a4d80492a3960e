package report

import (
	"fmt"
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Line is one event of a report's time line.
type Line struct {
	Placed
	Effect string // empty, or why it has none
}

// Report is the fold of all its events.
type Report struct {
	Key
	Received  *Received // nil where it cannot be read here, or has not arrived
	Statement *Statement
	Revision  uint64 // amendments, and the withdrawal, that have taken effect
	Withdrawn bool

	State     State
	Step      uint64          // moves of the desk that have taken effect
	Holder    ledger.AgencyID // of whoever claimed it
	Person    string          // who claimed it
	Outcome   Outcome         // the latest
	Seen      uint64          // revision that the latest conclusion looked at
	Again     bool            // it was concluded, and waits again because it was amended
	Alerts    []string        // that came of it or carry its files, as concluded
	Referrals []string        // that came of it
	Lines     []Line          // in canonical order
}

// Fold returns the report as its events make it, in any order and with repeats. Without the receipt of it events are kept
// as lines without effect.
func Fold(key Key, events []Placed) *Report {
	r := &Report{Key: key}
	standing, _ := noun.Canonical(key.Home, events) // a second one with an id has no effect
	effect := make([]string, len(standing))
	for i := range standing {
		if got, ok := standing[i].Fact.(*Received); ok {
			r.found(got)
		}
	}
	if r.Received != nil {
		r.amend(standing, effect)
		r.triage(standing, effect)
	}
	for i, p := range standing {
		if _, founds := p.Fact.(*Received); r.Received == nil && !founds {
			effect[i] = "refers to something that cannot be read here"
		}
		r.Lines = append(r.Lines, Line{Placed: p, Effect: effect[i]})
	}
	return r
}

func (r *Report) found(got *Received) {
	if r.Received == nil {
		r.Received, r.Statement, r.State = got, &got.Statement, Waiting
	}
}

// amend lets, revision by revision, the first amendment or withdrawal that is permitted take effect.
func (r *Report) amend(standing []Placed, effect []string) {
	chain(standing, effect, func(p *Placed) (uint64, uint64, error, bool) {
		switch f := p.Fact.(type) {
		case *Amended:
			return f.Revision, r.Revision, r.permitsSource(p.Author, f.Source), true
		case *Withdrawn:
			return f.Revision, r.Revision, r.permitsSource(p.Author, f.Source), true
		}
		return 0, 0, nil, false
	}, func(p *Placed) {
		r.Revision++
		switch f := p.Fact.(type) {
		case *Amended:
			r.Statement = &f.Statement
		case *Withdrawn:
			r.Withdrawn = true
		}
	})
}

// triage does the same for the desk's moves. It comes after amend: a conclusion is judged against the last revision.
func (r *Report) triage(standing []Placed, effect []string) {
	chain(standing, effect, func(p *Placed) (uint64, uint64, error, bool) {
		m, ok := p.Fact.(*Triaged)
		if !ok {
			return 0, 0, nil, false
		}
		return m.Step, r.Step, r.Permits(p.Author, m), true
	}, func(p *Placed) { r.apply(p.Author, p.Fact.(*Triaged)) })
}

// chain lets take effect, place by place, the first event that names the place reached and is permitted there, and notes
// why the others do not. look says what place an event names, what place is reached, and whether it is permitted now.
func chain(standing []Placed, effect []string, look func(*Placed) (named, reached uint64, refusal error, ok bool), apply func(*Placed)) {
	done := make([]bool, len(standing))
	for moved := true; moved; {
		moved = false
		for i := range standing {
			named, reached, refusal, ok := look(&standing[i])
			if ok && !done[i] && named == reached && refusal == nil {
				apply(&standing[i])
				done[i], moved = true, true
				break
			}
		}
	}
	for i := range standing {
		named, reached, refusal, ok := look(&standing[i])
		switch {
		case !ok || done[i]:
		case named < reached:
			effect[i] = "made from a stale view, after another one"
		case named > reached:
			effect[i] = "follows one that has not arrived"
		default:
			effect[i] = fmt.Sprint(refusal)
		}
	}
}

func (r *Report) permitsSource(by ledger.AgencyID, s Source) error {
	if by != r.Author || s.Platform != r.Received.Source.Platform {
		return noun.Refuse("only the platform that reported it changes it, through %s", r.Author)
	}
	if r.Withdrawn {
		return noun.Refuse("it was withdrawn")
	}
	return nil
}

// AtDesk says whether an agency triages this report. A named audience stands for its jurisdiction: who has never read the
// report does not know its name.
func (r *Report) AtDesk(a ledger.AgencyID) bool {
	return a == r.Author || slices.ContainsFunc(r.Received.Desk, func(n ledger.AudienceName) bool {
		if one, ok := n.Agency(); ok {
			return one == a
		}
		return n.Jurisdiction() == a.Jurisdiction()
	})
}

// Permits says whether an agency may make a move now. Its error is a noun.Refusal that says why not.
func (r *Report) Permits(by ledger.AgencyID, m *Triaged) error {
	if !r.AtDesk(by) {
		return noun.Refuse("%s is not at the desk for it", by)
	}
	switch m.Move {
	case Claim:
		if r.State != Waiting {
			return r.taken()
		}
	case Assign, Release:
		if r.State == Concluded || m.Move == Release && r.State == Waiting {
			return noun.Refuse("it is %s", r.State)
		}
		if r.State == Claimed && by != r.Holder && by != r.Author {
			return r.taken()
		}
	case Conclude:
		if r.State == Concluded || r.State == Claimed && (by != r.Holder || m.By != r.Person) {
			return r.taken()
		}
	case Tell, Reopen:
		if r.State != Concluded {
			return noun.Refuse("it is %s, not concluded", r.State)
		}
	}
	return nil
}

func (r *Report) taken() error {
	if r.State == Claimed {
		return noun.Refuse("%s of %s works on it", r.Person, r.Holder)
	}
	return noun.Refuse("it is concluded as %s", r.Outcome)
}

func (r *Report) apply(by ledger.AgencyID, m *Triaged) {
	switch m.Move {
	case Claim:
		r.State, r.Holder, r.Person = Claimed, by, m.By
	case Assign:
		r.State, r.Holder, r.Person = Claimed, by, m.To
	case Release, Reopen:
		r.State, r.Holder, r.Person = Waiting, "", ""
	case Conclude:
		r.State, r.Holder, r.Person, r.Seen, r.Outcome = Concluded, "", "", m.Revision, m.Outcome
		if r.Again = m.Revision < r.Revision && !r.Withdrawn; r.Again {
			r.State = Waiting
		}
	case Tell:
		r.Outcome = m.Outcome
	}
	r.Alerts, r.Referrals = noun.Set(append(r.Alerts, m.Alerts...)), noun.Set(append(r.Referrals, m.Referrals...))
	r.Step++
}

// At returns the event that made a revision: 0 is the receipt, n the amendment or withdrawal of that number.
func (r *Report) At(revision uint64) (Line, bool) {
	for _, l := range r.Lines {
		n := uint64(0)
		switch f := l.Fact.(type) {
		case *Received:
			if f != r.Received {
				continue
			}
		case *Amended:
			n = f.Revision + 1
		case *Withdrawn:
			n = f.Revision + 1
		default:
			continue
		}
		if n == revision && l.Effect == "" {
			return l, true
		}
	}
	return Line{}, false
}
