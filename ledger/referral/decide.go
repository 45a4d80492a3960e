package referral

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Permits says whether an agency may make a move now. Its error is a noun.Refusal that says who may.
func (r *Referral) Permits(by ledger.AgencyID, m *Moved) error {
	if m.Move != Note && (r.State == Closed || r.State == Withdrawn) {
		return noun.Refuse("it is %s", r.State)
	}
	switch m.Move {
	case Acknowledge, Accept, Decline:
		if r.Offered != by {
			return noun.Refuse("it is offered to %s", orNobody(r.Offered))
		}
		if m.Move == Acknowledge && r.State != Open {
			return noun.Refuse("it is %s already", r.State)
		}
	case Transfer:
		if r.Holder != by {
			return noun.Refuse("%s holds it", r.Holder)
		}
		if r.Offered != "" {
			return noun.Refuse("it is offered to %s, whose answer is awaited", r.Offered)
		}
		if m.To == by {
			return noun.Refuse("%s holds it already", by)
		}
	case Close:
		if r.Holder != by {
			return noun.Refuse("%s holds it", r.Holder)
		}
		if r.State != Accepted {
			return noun.Refuse("it is %s, not accepted", r.State)
		}
	case Withdraw:
		if r.Opener != by || r.Holder != by {
			return noun.Refuse("only its opener withdraws it, and only while it holds it; %s holds it", r.Holder)
		}
	case Note:
		if !slices.Contains(r.Parties, by) {
			return noun.Refuse("only those who opened it or were offered it write notes")
		}
	}
	return nil
}

func orNobody(a ledger.AgencyID) string {
	if a == "" {
		return "nobody now"
	}
	return string(a)
}

func (r *Referral) apply(by ledger.AgencyID, m *Moved) {
	switch m.Move {
	case Acknowledge:
		r.State = Acknowledged
	case Accept:
		r.State, r.Holder, r.Offered = Accepted, by, ""
	case Decline:
		r.State, r.Offered = Declined, ""
	case Transfer:
		r.State, r.Offered = Open, m.To
		if !slices.Contains(r.Parties, m.To) {
			r.Parties = append(r.Parties, m.To)
		}
	case Close:
		r.State = Closed
	case Withdraw:
		r.State, r.Offered = Withdrawn, ""
	}
	r.Step++
}

// Command opens a referral.
type Command struct {
	Event  ledger.EventID
	Opened Opened
	// Readers are the audiences it is sealed to.
	Readers []ledger.AudienceName
}

// Reads says whether an agency is in an audience of a name: itself, or everyone of its jurisdiction.
func Reads(names []ledger.AudienceName, a ledger.AgencyID) bool {
	return slices.Contains(names, ledger.AudienceName(a)) || slices.Contains(names, ledger.Everyone(a.Jurisdiction()))
}

// Decide returns the event, or why there is none.
func (c Command) Decide(by ledger.AgencyID) (ledger.Event, error) {
	if len(c.Readers) > maxReaders {
		return ledger.Event{}, noun.Refuse("%d audiences, at most %d", len(c.Readers), maxReaders)
	}
	if c.Opened.To == by {
		return ledger.Event{}, noun.Refuse("a referral is to another agency")
	}
	if !Reads(c.Readers, c.Opened.To) {
		return ledger.Event{}, noun.Refuse("%s could not read it", c.Opened.To)
	}
	c.Opened.Alerts = noun.Set(c.Opened.Alerts)
	return Codec.Encode(c.Event, TypeOpened, &c.Opened)
}

// DecideMove returns the event of a move by an agency on what it sees, or why there is none. step is what the caller
// saw: another one now is a stale view. readers are the audiences the referral is sealed to.
func (r *Referral) DecideMove(event ledger.EventID, by ledger.AgencyID, step uint64, m Moved, readers []ledger.AudienceName) (ledger.Event, error) {
	if r.Opened == nil {
		return ledger.Event{}, noun.Refuse("its opening cannot be read here")
	}
	m.Target, m.Step = r.Key, r.Step
	if err := m.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if m.Move != Note && step != r.Step {
		return ledger.Event{}, noun.Refuse("you saw step %d and it is at step %d: look again", step, r.Step)
	}
	if m.Move == Transfer && !Reads(readers, m.To) {
		return ledger.Event{}, noun.Refuse("%s cannot read it: open a referral to it instead", m.To)
	}
	if err := r.Permits(by, &m); err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeMoved, &m)
}
