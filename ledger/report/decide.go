package report

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// clockSlack is how far a platform's clock may be ahead of ours.
const clockSlack = 10 * time.Minute

// Submission asks to take a report in.
type Submission struct {
	Event     ledger.EventID
	Source    Source
	Desk      []ledger.AudienceName
	Statement Statement
	Exercise  bool
}

// Decide returns the event, or why there is none.
func (c Submission) Decide(now time.Time) (ledger.Event, error) {
	r := &Received{Source: c.Source, Desk: noun.Set(c.Desk), Statement: c.Statement.Normal(), Exercise: c.Exercise}
	if err := noun.First(r.Validate(), r.Statement.sound(now)); err != nil {
		return ledger.Event{}, err
	}
	return encode(c.Event, TypeReceived, r)
}

// encode names what is too much where the fields are within their bounds each.
func encode(id ledger.EventID, kind string, fact Fact) (ledger.Event, error) {
	e, err := Codec.Encode(id, kind, fact)
	if err == noun.ErrTooLong {
		err = noun.At("files", err)
	}
	return e, err
}

// sound refuses a statement that says nothing, or what cannot be true yet.
func (s *Statement) sound(now time.Time) error {
	if len(s.Files) == 0 && len(s.About) == 0 {
		return noun.At("files", ErrNothing)
	}
	latest := now.Add(clockSlack).UnixMilli()
	if s.Occurred.At > latest {
		return noun.At("occurred", ErrFuture)
	}
	for i, p := range s.About {
		if p.Seen.At > latest {
			return noun.At(noun.Item("about", i)+".seen", ErrFuture)
		}
	}
	for i, f := range s.Files {
		if f.Uploaded.At > latest {
			return noun.At(noun.Item("files", i)+".uploaded", ErrFuture)
		}
	}
	return nil
}

// DecideAmend returns the event by which a platform puts another statement in place of the one before. revision is what
// the platform saw: another one now is a stale view.
func (r *Report) DecideAmend(event ledger.EventID, by ledger.AgencyID, a Amended, now time.Time) (ledger.Event, error) {
	if err := r.changeable(by, a.Source, a.Revision); err != nil {
		return ledger.Event{}, err
	}
	a.Target, a.Statement = r.Key, a.Statement.Normal()
	if err := noun.First(a.Validate(), a.Statement.sound(now)); err != nil {
		return ledger.Event{}, err
	}
	return encode(event, TypeAmended, &a)
}

// DecideWithdraw returns the event by which a platform takes its report back.
func (r *Report) DecideWithdraw(event ledger.EventID, by ledger.AgencyID, w Withdrawn) (ledger.Event, error) {
	if err := r.changeable(by, w.Source, w.Revision); err != nil {
		return ledger.Event{}, err
	}
	w.Target = r.Key
	return encode(event, TypeWithdrawn, &w)
}

func (r *Report) changeable(by ledger.AgencyID, s Source, revision uint64) error {
	if r.Received == nil {
		return noun.Refuse("it cannot be read here")
	}
	if err := r.permitsSource(by, s); err != nil {
		return err
	}
	if revision != r.Revision {
		return noun.Refuse("you saw revision %d and it is at revision %d: look again", revision, r.Revision)
	}
	return nil
}

// DecideMove returns the event of a move of the desk, or why there is none. Step and Revision are what the caller saw:
// another step now, or for a conclusion another revision, is a stale view.
func (r *Report) DecideMove(event ledger.EventID, by ledger.AgencyID, m Triaged) (ledger.Event, error) {
	if r.Received == nil {
		return ledger.Event{}, noun.Refuse("it cannot be read here")
	}
	m.Target, m.Alerts, m.Referrals = r.Key, noun.Set(m.Alerts), noun.Set(m.Referrals)
	if err := m.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if err := r.Permits(by, &m); err != nil {
		return ledger.Event{}, err
	}
	if m.Step != r.Step {
		return ledger.Event{}, noun.Refuse("you saw step %d and it is at step %d: look again", m.Step, r.Step)
	}
	if m.Move == Conclude && m.Revision != r.Revision {
		return ledger.Event{}, noun.Refuse("you saw revision %d and the platform has amended it to revision %d: look again", m.Revision, r.Revision)
	}
	return encode(event, TypeTriaged, &m)
}

// EffectOf returns why the event of an author with an id has no effect; empty where it has one, and found says whether
// there is such an event.
func (r *Report) EffectOf(by ledger.AgencyID, id ledger.EventID) (effect string, found bool) {
	for i := range r.Lines {
		if r.Lines[i].Author == by && r.Lines[i].Event == id {
			return r.Lines[i].Effect, true
		}
	}
	return "", false
}
