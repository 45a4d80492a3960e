package registry

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Line is one event of a notice's time line.
type Line struct {
	Placed
	Effect string // empty, or why it has none
}

// Change is a correction or the lifting: what every reader acknowledges.
type Change struct {
	Event    ledger.EventID
	Origin   ledger.Origin
	Position ledger.Position
	Lifting  bool
	Reason   string
}

// Challenge is a word that a notice is wrong.
type Challenge struct {
	EventKey
	Origin   ledger.Origin
	Position ledger.Position
	Seen     uint64 // changes that its author had seen
	Reason   string
	// Answer is how its author answered: corrected, lifted, upheld; empty while it waits.
	Answer         string
	AnswerOrigin   ledger.Origin
	AnswerPosition ledger.Position
}

// Answer is one agency's acknowledgement of a change.
type Answer struct {
	Agency     ledger.AgencyID
	Change     ledger.EventID
	Origin     ledger.Origin
	Position   ledger.Position
	AuthoredAt int64
}

// Record is the fold of all events of a notice.
type Record struct {
	Key
	Notice     *Notice // as it stands after all corrections; nil where its first event cannot be read here
	Lifted     bool
	Changes    []Change    // in order
	Challenges []Challenge // in canonical order
	Answers    []Answer    // in canonical order, of changes that are not here yet too
	Lines      []Line      // in canonical order
}

// Fold returns the notice as its events make it, in any order and with repeats. Only its author's words change it.
func Fold(key Key, events []Placed) *Record {
	r := &Record{Key: key}
	standing, _ := noun.Canonical(key.Home, events) // a second one with an id has no effect
	for i := range standing {
		if f, ok := standing[i].Fact.(*Noticed); ok && r.Notice == nil && standing[i].Key() == key {
			r.Notice = &f.Notice
		}
	}
	// what is answered comes before its answers, whichever ledger has them
	for i := range standing {
		if c, ok := standing[i].Fact.(*Challenged); ok {
			p := &standing[i]
			r.Challenges = append(r.Challenges, Challenge{EventKey: EventKey{Author: p.Author, Event: p.Event}, Origin: p.Origin, Position: p.Position, Seen: c.Seen, Reason: c.Reason})
		}
	}
	for i := range standing {
		effect := ""
		if r.Notice == nil {
			effect = "refers to something that cannot be read here"
		} else if err := r.hear(&standing[i]); err != nil {
			effect = err.Error()
		}
		r.Lines = append(r.Lines, Line{standing[i], effect})
	}
	return r
}

func (r *Record) hear(p *Placed) error {
	switch f := p.Fact.(type) {
	case *Noticed:
		if p.Key() != r.Key {
			return noun.Refuse("it is another notice") // of the same id, in another ledger
		}
	case *Corrected:
		if err := r.permitsChange(p.Author); err != nil {
			return err
		}
		notice := f.Notice
		notice.Exercise = r.Notice.Exercise
		r.Notice = &notice
		r.change(p, Change{Reason: f.Reason}, "corrected")
	case *Lifted:
		if err := r.permitsChange(p.Author); err != nil {
			return err
		}
		r.Lifted = true
		r.change(p, Change{Lifting: true, Reason: f.Reason}, "lifted")
	case *Upheld:
		if err := r.permitsUpholding(p.Author, f.Challenge); err != nil {
			return err
		}
		r.answer(r.challenge(f.Challenge), "upheld", p)
	case *Acknowledged:
		r.Answers = append(r.Answers, Answer{Agency: p.Author, Change: f.Change, Origin: p.Origin, Position: p.Position, AuthoredAt: p.AuthoredAt})
	}
	return nil
}

// change notes a correction or lifting, which answers every challenge whose author had not seen it.
func (r *Record) change(p *Placed, c Change, how string) {
	c.Event, c.Origin, c.Position = p.Event, p.Origin, p.Position
	r.Changes = append(r.Changes, c)
	for i := range r.Challenges {
		if r.Challenges[i].Seen < uint64(len(r.Changes)) {
			r.answer(&r.Challenges[i], how, p)
		}
	}
}

func (r *Record) answer(c *Challenge, how string, p *Placed) {
	if c.Answer == "" {
		c.Answer, c.AnswerOrigin, c.AnswerPosition = how, p.Origin, p.Position
	}
}

func (r *Record) challenge(k EventKey) *Challenge {
	for i := range r.Challenges {
		if r.Challenges[i].EventKey == k {
			return &r.Challenges[i]
		}
	}
	return nil
}

// Owes are the changes that an agency has not acknowledged. Its author owes nothing: it made them.
func (r *Record) Owes(a ledger.AgencyID) []Change {
	if a == r.Author {
		return nil
	}
	var out []Change
	for _, c := range r.Changes {
		if !r.answered(a, c.Event) {
			out = append(out, c)
		}
	}
	return out
}

func (r *Record) answered(a ledger.AgencyID, change ledger.EventID) bool {
	for _, x := range r.Answers {
		if x.Agency == a && x.Change == change {
			return true
		}
	}
	return false
}

// Waiting is how many challenges wait for its author's answer.
func (r *Record) Waiting() (n int) {
	for _, c := range r.Challenges {
		if c.Answer == "" {
			n++
		}
	}
	return n
}

// Holds says whether a notice answers a screening on a day: it stands, rests on a ground that does, and has not run out.
func (r *Record) Holds(p *Policy, today time.Time) bool {
	if r.Notice == nil || r.Lifted || !p.Screens(r.Notice.Ground) {
		return false
	}
	until, ends := p.Until(r.Notice)
	return !ends || today.Before(until)
}

// Founding is the event that made the notice.
func (r *Record) Founding() *Placed {
	for i := range r.Lines {
		if _, ok := r.Lines[i].Fact.(*Noticed); ok && r.Lines[i].Key() == r.Key {
			return &r.Lines[i].Placed
		}
	}
	return nil
}
