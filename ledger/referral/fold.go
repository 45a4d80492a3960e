package referral

import (
	"cmp"
	"fmt"
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Mark is where an event stands.
type Mark struct {
	Origin     ledger.Origin // empty where there is no event
	Position   ledger.Position
	AuthoredAt int64 // ms; the author's word
}

func markOf(p *Placed) Mark { return Mark{p.Origin, p.Position, p.AuthoredAt} }

// Line is one event of a referral's time line.
type Line struct {
	Placed
	Step   uint64 // at which it took effect
	Effect string // empty, or why it has none
}

// moment is how a referral stands between one step and the next.
type moment struct {
	State   State
	Holder  ledger.AgencyID
	Offered ledger.AgencyID // whom it is offered to; empty where nobody
	Taken   bool            // somebody has accepted it at some time
	By      Mark            // of the event that brought it about
}

func (m moment) ended() bool { return m.State == Closed || m.State == Withdrawn }

// Referral is the fold of all its events.
type Referral struct {
	Key
	moment
	Opened  *Opened // nil where its opening cannot be read here, or has not arrived
	Opener  ledger.AgencyID
	Step    uint64            // moves that have taken effect
	Parties []ledger.AgencyID // who opened it and to whom it was ever offered, in that order
	Lines   []Line            // by step, then in canonical order
	Clocks  []Clock           // in the order in which they began
	Pauses  []Span
	Tasks   []Task // in canonical order
	Wish    Wish   // of victim support: the last
	Alerts  []string
	Reports []string

	moments []moment // by step
}

// Fold returns the referral as its events make it, in any order and with repeats. What refers to an opening that is not
// here is kept as lines without effect.
func Fold(key Key, events []Placed) *Referral {
	r := &Referral{Key: key}
	standing, _ := noun.Canonical(key.Home, events) // a second one with an id has no effect
	waiting := map[uint64][]Placed{}
	var words []Placed
	for _, p := range standing {
		switch f := p.Fact.(type) {
		case *Opened:
			if r.Opened == nil && p.Key() == key {
				r.open(p, f)
			}
		case *Moved:
			if f.Move.steps() {
				waiting[f.Step] = append(waiting[f.Step], p)
				continue
			}
			words = append(words, p)
		default:
			words = append(words, p)
		}
	}
	r.advance(waiting)
	r.hearAll(words)
	slices.SortStableFunc(r.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), noun.Compare(key.Home, &a.Placed, &b.Placed))
	})
	return r
}

func (r *Referral) open(p Placed, o *Opened) {
	r.Opened, r.Opener, r.Parties = o, p.Author, []ledger.AgencyID{p.Author, o.To}
	r.moment = moment{State: Open, Holder: p.Author, Offered: o.To, By: markOf(&p)}
	r.moments = []moment{r.moment}
	r.Alerts, r.Reports = noun.Set(o.Alerts), noun.Set(o.Reports)
	if o.Support != nil {
		r.Wish = o.Support.Wish
	}
	r.Lines = append(r.Lines, Line{Placed: p})
	r.beginAnswer()
}

// advance lets, step by step, one of the moves that name that step take effect; the others become lines without effect.
func (r *Referral) advance(waiting map[uint64][]Placed) {
	for r.Opened != nil {
		here := waiting[r.Step]
		i := r.first(here)
		if i < 0 {
			break
		}
		p := here[i]
		waiting[r.Step] = slices.Delete(here, i, i+1)
		r.apply(&p, p.Fact.(*Moved))
		r.Lines = append(r.Lines, Line{Placed: p, Step: r.Step})
	}
	for _, late := range waiting {
		for _, p := range late {
			r.Lines = append(r.Lines, Line{Placed: p, Step: p.Fact.(*Moved).Step, Effect: r.why(&p)})
		}
	}
}

// first returns which of the moves made at this step takes effect, -1 where none may: the first from the holder's
// jurisdiction that is permitted, or else the first of the others. So who holds a referral is never decided behind the
// holder's back: what its own ledger says of it stands, whatever arrives from another later.
func (r *Referral) first(here []Placed) int {
	at := -1
	for i := range here {
		p := &here[i]
		if r.Permits(p.Author, p.Fact.(*Moved)) != nil {
			continue
		}
		if p.Author.Jurisdiction() == r.Holder.Jurisdiction() {
			return i
		}
		if at < 0 {
			at = i
		}
	}
	return at
}

// apply lets a permitted move take effect.
func (r *Referral) apply(p *Placed, m *Moved) {
	r.Step++
	r.By = markOf(p)
	switch m.Move {
	case Acknowledge:
		r.State = Acknowledged
		r.end(ToAcknowledge, true)
	case Accept:
		r.end(ToAcknowledge, true)
		if p.Author.Jurisdiction() != r.Holder.Jurisdiction() {
			r.State = Handover
			r.owes(ToAccept, r.Holder)
			break
		}
		r.take(p.Author)
	case Release:
		r.take(r.Offered)
	case Decline:
		r.endAnswer(true)
		r.back(Declined)
	case Transfer:
		r.endAnswer(false)
		r.State, r.Offered = Open, m.To
		if !r.party(m.To) {
			r.Parties = append(r.Parties, m.To)
		}
		r.beginAnswer()
	case Revoke:
		r.endAnswer(false)
		r.back(Accepted)
	case Close:
		r.State = Closed
		r.end(ToOutcome, true)
	case Withdraw:
		r.endAnswer(false)
		r.end(ToOutcome, false)
		r.State, r.Offered = Withdrawn, ""
	}
	r.moments = append(r.moments, r.moment)
}

// take makes an agency the holder.
func (r *Referral) take(a ledger.AgencyID) {
	r.end(ToAccept, true)
	r.State, r.Holder, r.Offered = Accepted, a, ""
	if !r.Taken {
		r.begin(ToOutcome, a)
	}
	r.Taken = true
	r.owes(ToOutcome, a)
}

// back leaves it with the holder, which goes on where it had accepted it before.
func (r *Referral) back(otherwise State) {
	r.State, r.Offered = otherwise, ""
	if r.Taken {
		r.State = Accepted
	}
}

func (r *Referral) party(a ledger.AgencyID) bool { return slices.Contains(r.Parties, a) }

// hearAll takes what makes no step: tasks before what ends them, all else in canonical order.
func (r *Referral) hearAll(words []Placed) {
	rank := func(p Placed) int {
		switch p.Fact.(type) {
		case *Tasked:
			return 0
		case *Finished:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(words, func(a, b Placed) int { return cmp.Compare(rank(a), rank(b)) })
	for i := range words {
		p := &words[i]
		line := Line{Placed: *p, Step: p.Fact.(later).seen()}
		_, escalates := p.Fact.(*Escalated) // it names its deadline, whatever else its author had seen
		if r.Opened == nil || line.Step > r.Step && !escalates {
			line.Effect = r.why(p)
		} else if err := r.hear(p); err != nil {
			line.Effect = err.Error()
		}
		r.Lines = append(r.Lines, line)
	}
	r.endPauses()
}

// hear takes one word that makes no step. Its error says why it has no effect.
func (r *Referral) hear(p *Placed) error {
	switch f := p.Fact.(type) {
	case *Moved:
		if f.Move == Note {
			return r.Permits(p.Author, f)
		}
		return r.hearPause(p, f)
	case *Linked:
		if err := r.permitsLink(p.Author); err != nil {
			return err
		}
		r.Alerts, r.Reports = noun.Set(append(r.Alerts, f.Alerts...)), noun.Set(append(r.Reports, f.Reports...))
	case *Tasked:
		if err := r.permitsTask(p.Author, f); err != nil {
			return err
		}
		r.Tasks = append(r.Tasks, Task{TaskKey: TaskKey{Author: p.Author, Event: p.Event}, To: f.To, Due: f.Due, Text: f.Text, Given: markOf(p)})
	case *Finished:
		if err := r.permitsFinish(p.Author, f); err != nil {
			return err
		}
		t, _ := r.Task(f.Task)
		t.Ending, t.Outcome, t.Ended = f.Ending, f.Text, markOf(p)
	case *Wished:
		if err := r.permitsWish(p.Author); err != nil {
			return err
		}
		r.Wish = f.Wish
	case *Escalated:
		return r.hearEscalation(p, f)
	}
	return nil
}

// why says why a word has no effect.
func (r *Referral) why(p *Placed) string {
	step := p.Fact.(later).seen()
	switch {
	case r.Opened == nil:
		return "refers to something that cannot be read here"
	case step > r.Step:
		return "follows a move that has not arrived"
	case step < r.Step:
		return "made from a stale view, after another move"
	}
	return fmt.Sprint(r.Permits(p.Author, p.Fact.(*Moved)))
}
