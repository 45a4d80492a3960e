package report

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Types of events.
const (
	TypeReceived  = "report.received"
	TypeAmended   = "report.amended"
	TypeWithdrawn = "report.withdrawn"
	TypeTriaged   = "report.triaged"
	Prefix        = "report."
)

// IDPrefix begins the ids people use.
const IDPrefix = "rp_"

// Key names a report by its receipt.
type Key = noun.Key

// Fact is what an event says: *Received, *Amended, *Withdrawn or *Triaged.
type Fact = noun.Fact

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Codec reads and writes the events.
var Codec = noun.Codec[Fact]{Fresh: map[string]func() Fact{
	TypeReceived:  func() Fact { return &Received{} },
	TypeAmended:   func() Fact { return &Amended{} },
	TypeWithdrawn: func() Fact { return &Withdrawn{} },
	TypeTriaged:   func() Fact { return &Triaged{} },
}}

// Source says which platform spoke, and under which token.
type Source struct {
	_        struct{} `cbor:",toarray"`
	Platform string
	Token    string // its id
}

// Received is a report as it was taken in.
type Received struct {
	_         struct{} `cbor:",toarray"`
	Source    Source
	Desk      []ledger.AudienceName // who works on it beside its author; sorted
	Statement Statement
	Exercise  bool
}

// Amended is another statement by the platform, in place of what it said before.
type Amended struct {
	_         struct{} `cbor:",toarray"`
	Target    Key
	Revision  uint64 // how many amendments had taken effect
	Source    Source
	Statement Statement
	Reason    string // optional
}

// Withdrawn takes a report back.
type Withdrawn struct {
	_        struct{} `cbor:",toarray"`
	Target   Key
	Revision uint64
	Source   Source
	Reason   string
}

// Triaged is a move of the desk.
type Triaged struct {
	_         struct{} `cbor:",toarray"`
	Target    Key
	Step      uint64 // how many of the desk's moves had taken effect
	Revision  uint64 // of the report, as it was looked at
	Move      Move
	By        string  // the person or program, in its agency's words
	To        string  // of an assignment: the person
	Outcome   Outcome // of a conclusion, or learnt later
	Text      string
	Alerts    []string // that came of it or carry its files; sorted
	Referrals []string // that came of it; sorted
}

// About implements noun.Fact: it founds a report.
func (r *Received) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (a *Amended) About() (Key, bool) { return a.Target, true }

// About implements noun.Fact.
func (w *Withdrawn) About() (Key, bool) { return w.Target, true }

// About implements noun.Fact.
func (m *Triaged) About() (Key, bool) { return m.Target, true }

func (s Source) validate() error {
	return noun.First(
		noun.At("platform", PlatformName(s.Platform)),
		noun.At("token", noun.First(required(s.Token), noun.Line(s.Token, maxTokenBytes))),
	)
}

// Validate accepts what can be encoded.
func (r *Received) Validate() error {
	return noun.First(r.Source.validate(), noun.SortedSet("desk", r.Desk, maxDesk, audience), r.Statement.Validate())
}

func audience(n ledger.AudienceName) error {
	_, err := ledger.ParseAudienceName(string(n))
	return err
}

// Validate accepts what can be encoded.
func (a *Amended) Validate() error {
	return noun.First(noun.At("target", a.Target.Validate()), a.Source.validate(), a.Statement.Validate(), noun.At("reason", noun.Prose(a.Reason, MaxReasonBytes)))
}

// Validate accepts what can be encoded.
func (w *Withdrawn) Validate() error {
	return noun.First(noun.At("target", w.Target.Validate()), w.Source.validate(), noun.At("reason", noun.Words(w.Reason, MaxReasonBytes)))
}

// Validate accepts what can be encoded.
func (m *Triaged) Validate() error {
	return noun.First(
		noun.At("target", m.Target.Validate()),
		noun.At("move", noun.OneOf(Moves, m.Move)),
		noun.At("by", person(m.By)),
		noun.At("to", m.validTo()),
		noun.At("outcome", m.validOutcome()),
		noun.At("text", m.validText()),
		noun.SortedSet("alerts", m.Alerts, MaxLinks, idOf("al_")),
		noun.SortedSet("referrals", m.Referrals, MaxLinks, idOf("rf_")),
	)
}

func person(name string) error { return noun.First(required(name), noun.Line(name, MaxPersonBytes)) }

func (m *Triaged) validTo() error {
	switch {
	case m.Move == Assign:
		return person(m.To)
	case m.To != "":
		return noun.ErrUnknownValue
	}
	return nil
}

func (m *Triaged) validOutcome() error {
	switch {
	case m.Move == Conclude || m.Move == Tell:
		return noun.OneOf(Outcomes, m.Outcome)
	case m.Outcome != "":
		return noun.ErrUnknownValue
	}
	return nil
}

// validText wants words where something is undone.
func (m *Triaged) validText() error {
	if m.Move == Reopen {
		return noun.Words(m.Text, MaxReasonBytes)
	}
	return noun.Prose(m.Text, MaxReasonBytes)
}
