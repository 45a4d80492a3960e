package referral

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Clock is one time that runs: from the event that began it until what it waits for.
type Clock struct {
	Stage  Stage
	Step   uint64          // at which it began: with the stage it names the clock
	Owes   ledger.AgencyID // whose move it waits for, or waited for at last
	Since  Mark
	Until  Mark // what ended it; none while it runs
	Met    bool // what it waited for came; an offer taken back is neither met nor missed
	Pauses []Span
	// Escalated is the first event that says it has passed; none where nobody said so.
	Escalated   Mark
	EscalatedBy ledger.AgencyID

	endStep uint64 // at which it had ended; 0 while it runs
}

// Runs says whether it still waits.
func (c *Clock) Runs() bool { return c.endStep == 0 }

// Span is a pause: who asked for it, why, and from which event to which.
type Span struct {
	By     ledger.AgencyID
	Step   uint64
	Reason string
	From   Mark
	To     Mark // none while it lasts
}

func (r *Referral) begin(s Stage, owes ledger.AgencyID) {
	r.Clocks = append(r.Clocks, Clock{Stage: s, Step: r.Step, Owes: owes, Since: r.By})
}

// beginAnswer begins what an offer waits for.
func (r *Referral) beginAnswer() {
	r.begin(ToAcknowledge, r.Offered)
	r.begin(ToAccept, r.Offered)
}

// running returns the clock of a stage that runs; there is one at most.
func (r *Referral) running(s Stage) *Clock {
	for i := range slices.Backward(r.Clocks) {
		if c := &r.Clocks[i]; c.Stage == s && c.Runs() {
			return c
		}
	}
	return nil
}

func (r *Referral) end(s Stage, met bool) {
	if c := r.running(s); c != nil {
		c.Until, c.Met, c.endStep = r.By, met, r.Step
	}
}

func (r *Referral) endAnswer(met bool) {
	r.end(ToAcknowledge, met)
	r.end(ToAccept, met)
}

func (r *Referral) owes(s Stage, a ledger.AgencyID) {
	if c := r.running(s); c != nil {
		c.Owes = a
	}
}

// owed are the stages in which an agency's move was awaited at a moment: whom it is offered to owes an answer, who has
// accepted it an outcome.
func (m moment) owed(by ledger.AgencyID) []Stage {
	var out []Stage
	if m.Offered == by && m.State == Open {
		out = append(out, ToAcknowledge)
	}
	if m.Offered == by && (m.State == Open || m.State == Acknowledged) {
		out = append(out, ToAccept)
	}
	if m.Holder == by && m.Taken && !m.ended() {
		out = append(out, ToOutcome)
	}
	return out
}

// hearPause begins or ends a pause of the clocks an agency owed at the step it saw. Only one agency can pause a clock, in
// one ledger, so that pauses have one order.
func (r *Referral) hearPause(p *Placed, m *Moved) error {
	if len(r.moments[m.Step].owed(p.Author)) == 0 {
		return noun.Refuse("no deadline ran that %s owed", p.Author)
	}
	i := r.pauseOf(p.Author, m.Step)
	switch {
	case m.Move == Pause && i >= 0:
		return noun.Refuse("it is paused already")
	case m.Move == Resume && i < 0:
		return noun.Refuse("it is not paused")
	case m.Move == Pause:
		r.Pauses = append(r.Pauses, Span{By: p.Author, Step: m.Step, Reason: m.Text, From: markOf(p)})
	default:
		r.Pauses[i].To = markOf(p)
	}
	return nil
}

// pauseOf returns which pause of an agency lasts at a step, -1 where none does.
func (r *Referral) pauseOf(by ledger.AgencyID, step uint64) int {
	return slices.IndexFunc(r.Pauses, func(s Span) bool { return s.By == by && s.Step == step && s.To.Origin == "" })
}

// endPauses ends those that a later step ended, and gives each to the clocks it stops.
func (r *Referral) endPauses() {
	for i := range r.Pauses {
		s := &r.Pauses[i]
		if s.To.Origin == "" && s.Step < r.Step {
			s.To = r.moments[s.Step+1].By
		}
		for _, stage := range r.moments[s.Step].owed(s.By) {
			if c := r.clockAt(stage, s.Step); c != nil {
				c.Pauses = append(c.Pauses, *s)
			}
		}
	}
}

// clockAt returns the clock of a stage that ran at a step.
func (r *Referral) clockAt(s Stage, step uint64) *Clock {
	i := slices.IndexFunc(r.Clocks, func(c Clock) bool { return c.Stage == s && c.Step <= step && (c.Runs() || step < c.endStep) })
	if i < 0 {
		return nil
	}
	return &r.Clocks[i]
}

// Paused says whether the agency that owes the next move has stopped the clock.
func (r *Referral) Paused() bool {
	return slices.ContainsFunc(r.Pauses, func(s Span) bool { return s.To.Origin == "" })
}

// hearEscalation lets the first word that a deadline has passed stand; the others, which other nodes wrote at the same
// time, say the same.
func (r *Referral) hearEscalation(p *Placed, e *Escalated) error {
	i := slices.IndexFunc(r.Clocks, func(c Clock) bool { return c.Stage == e.Stage && c.Step == e.Began })
	switch {
	case !r.reads(p.Author):
		return noun.Refuse("it is none of theirs")
	case i < 0:
		return noun.Refuse("no such deadline ran")
	case r.Clocks[i].Escalated.Origin != "":
		return noun.Refuse("it was escalated before")
	}
	r.Clocks[i].Escalated, r.Clocks[i].EscalatedBy = markOf(p), p.Author
	return nil
}

// Rank is an agency's place among those who say that a deadline has passed, from 0: the opener, the holder, the other
// readers, and last who owes what has not come.
func (r *Referral) Rank(a ledger.AgencyID, d *Deadline) int {
	order := []ledger.AgencyID{r.Opener, r.Holder}
	for _, name := range r.Opened.Readers(r.Opener) {
		order = append(order, ledger.AgencyID(name))
	}
	order = append(slices.DeleteFunc(order, func(x ledger.AgencyID) bool { return x == d.Owes }), d.Owes)
	rank := 0
	for i, x := range order {
		switch {
		case x == a:
			return rank
		case !slices.Contains(order[:i], x):
			rank++
		}
	}
	return rank
}
