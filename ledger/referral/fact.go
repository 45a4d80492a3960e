package referral

import (
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Bounds.
const (
	MaxTitleBytes = 256
	MaxTextBytes  = 4096
	MaxAlerts     = 64
	maxAlertBytes = 48
	maxReaders    = 16
)

// Types of events.
const (
	TypeOpened = "referral.opened"
	TypeMoved  = "referral.moved"
	Prefix     = "referral."
)

// IDPrefix begins the ids people use.
const IDPrefix = "rf_"

// Key names a referral by its opening.
type Key = noun.Key

// Fact is what an event says: *Opened or *Moved.
type Fact = noun.Fact

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Codec reads and writes the events.
var Codec = noun.Codec[Fact]{Fresh: map[string]func() Fact{
	TypeOpened: func() Fact { return &Opened{} },
	TypeMoved:  func() Fact { return &Moved{} },
}}

// Opened asks an agency to act.
type Opened struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	To       ledger.AgencyID
	Urgency  string
	Title    string
	Text     string
	Alerts   []string // ids, al_…
	Exercise bool
}

// Moved moves a referral on, or notes something.
type Moved struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64 // how many moves had taken effect when it was decided
	Move   Move
	To     ledger.AgencyID // of a transfer; empty otherwise
	Text   string          // reason, outcome or note
}

// About implements noun.Fact: it founds a referral.
func (o *Opened) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (m *Moved) About() (Key, bool) { return m.Target, true }

// Validate accepts what can be encoded.
func (o *Opened) Validate() error {
	return noun.First(
		noun.At("kind", noun.OneOf(Kinds, o.Kind)),
		noun.At("to", agency(o.To)),
		noun.At("urgency", noun.OneOf(Urgencies, o.Urgency)),
		noun.At("title", noun.First(required(o.Title), noun.Line(o.Title, MaxTitleBytes))),
		noun.At("text", noun.Prose(o.Text, MaxTextBytes)),
		noun.SortedSet("alerts", o.Alerts, MaxAlerts, alertID),
	)
}

func alertID(a string) error {
	if !strings.HasPrefix(a, "al_") || len(a) > maxAlertBytes || strings.Trim(a[3:], "0123456789abcdef.") != "" {
		return noun.ErrID
	}
	return nil
}

func agency(a ledger.AgencyID) error {
	_, err := ledger.ParseAgencyID(string(a))
	return err
}

func required(s string) error {
	if s == "" {
		return noun.ErrRequired
	}
	return nil
}

// Validate accepts what can be encoded.
func (m *Moved) Validate() error {
	return noun.First(
		noun.At("target", m.Target.Validate()),
		noun.At("move", noun.OneOf(Moves, m.Move)),
		noun.At("to", m.validTo()),
		noun.At("text", m.validText()),
	)
}

func (m *Moved) validTo() error {
	switch {
	case m.Move == Transfer:
		return agency(m.To)
	case m.To != "":
		return noun.ErrUnknownValue
	}
	return nil
}

// validText wants words where they are the point: the reason, the outcome or the note.
func (m *Moved) validText() error {
	switch m.Move {
	case Decline, Close, Note, Withdraw:
		return noun.Words(m.Text, MaxTextBytes)
	}
	return noun.Prose(m.Text, MaxTextBytes)
}
