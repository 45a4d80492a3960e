package registry

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

func (r *Record) permitsChange(by ledger.AgencyID) error {
	switch {
	case by != r.Author:
		return noun.Refuse("%s made the notice: challenge it", r.Author)
	case r.Lifted:
		return noun.Refuse("the notice was lifted")
	}
	return nil
}

func (r *Record) permitsUpholding(by ledger.AgencyID, k EventKey) error {
	c := r.challenge(k)
	switch {
	case by != r.Author:
		return noun.Refuse("%s made the notice, and answers what is said against it", r.Author)
	case c == nil:
		return noun.Refuse("there is no such challenge")
	case c.Answer != "":
		return noun.Refuse("the challenge was answered: %s", c.Answer)
	}
	return nil
}

// Decide returns the event of a new notice, or why there is none.
func (n Notice) Decide(event ledger.EventID, today time.Time) (ledger.Event, error) {
	if err := n.past(today); err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeNoticed, &Noticed{Notice: n})
}

// past refuses a notice whose term would begin in the future.
func (n Notice) past(today time.Time) error {
	if since, err := time.Parse(time.DateOnly, n.Since); err == nil && since.After(today) {
		return noun.Refuse("its day is in the future")
	}
	return nil
}

func (r *Record) ready() error {
	if r.Notice == nil {
		return noun.Refuse("the notice cannot be read here")
	}
	return nil
}

// Correct returns the event that puts another notice in its place.
func (r *Record) Correct(event ledger.EventID, by ledger.AgencyID, n Notice, reason string, today time.Time) (ledger.Event, error) {
	err := noun.First(r.ready(), r.permitsChange(by), n.past(today))
	if err != nil {
		return ledger.Event{}, err
	}
	n.Exercise = r.Notice.Exercise
	return Codec.Encode(event, TypeCorrected, &Corrected{Target: r.Key, Notice: n, Reason: reason})
}

// Lift returns the event that ends the notice.
func (r *Record) Lift(event ledger.EventID, by ledger.AgencyID, reason, authority string) (ledger.Event, error) {
	if err := noun.First(r.ready(), r.permitsChange(by)); err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeLifted, &Lifted{Target: r.Key, Reason: reason, Authority: authority})
}

// Challenge returns the event that says the notice is wrong.
func (r *Record) Challenge(event ledger.EventID, by ledger.AgencyID, reason string) (ledger.Event, error) {
	if err := r.ready(); err != nil {
		return ledger.Event{}, err
	}
	switch {
	case by == r.Author:
		return ledger.Event{}, noun.Refuse("it is your own: correct or lift it")
	case r.Lifted:
		return ledger.Event{}, noun.Refuse("the notice was lifted")
	}
	return Codec.Encode(event, TypeChallenged, &Challenged{Target: r.Key, Seen: uint64(len(r.Changes)), Reason: reason})
}

// Uphold returns the event that answers a challenge: the notice stands.
func (r *Record) Uphold(event ledger.EventID, by ledger.AgencyID, k EventKey, reason string) (ledger.Event, error) {
	if err := noun.First(r.ready(), r.permitsUpholding(by, k)); err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeUpheld, &Upheld{Target: r.Key, Challenge: k, Reason: reason})
}

// Acknowledge returns the event by which an agency acknowledges a change, with an id that follows from it.
func (r *Record) Acknowledge(by ledger.AgencyID, change ledger.EventID) (ledger.Event, error) {
	id := ledger.EventIDFor(by, "acknowledged "+string(r.Home)+" "+string(r.Author)+" "+r.Event.String()+" "+change.String())
	return Codec.Encode(id, TypeAcknowledged, &Acknowledged{Target: r.Key, Change: change})
}
