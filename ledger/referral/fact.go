package referral

import (
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Types of events.
const (
	TypeOpened    = "referral.opened"
	TypeMoved     = "referral.moved"
	TypeLinked    = "referral.linked"
	TypeTasked    = "referral.tasked"
	TypeFinished  = "referral.finished"
	TypeWished    = "referral.wished"
	TypeEscalated = "referral.escalated"
	Prefix        = "referral."
)

// IDPrefix begins the ids people use.
const IDPrefix = "rf_"

// Key names a referral by its opening.
type Key = noun.Key

// Fact is what an event says: *Opened, or a later word on what was opened.
type Fact = noun.Fact

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Codec reads and writes the events.
var Codec = noun.Codec[Fact]{Fresh: map[string]func() Fact{
	TypeOpened:    func() Fact { return &Opened{} },
	TypeMoved:     func() Fact { return &Moved{} },
	TypeLinked:    func() Fact { return &Linked{} },
	TypeTasked:    func() Fact { return &Tasked{} },
	TypeFinished:  func() Fact { return &Finished{} },
	TypeWished:    func() Fact { return &Wished{} },
	TypeEscalated: func() Fact { return &Escalated{} },
}}

// later is a word on a referral that was opened before.
type later interface {
	Fact
	// seen is the step of the referral as its author saw it.
	seen() uint64
}

// Opened asks an agency to act.
type Opened struct {
	_    struct{} `cbor:",toarray"`
	Kind Kind
	To   ledger.AgencyID
	// Also are further agencies that can read it, and to which it can be transferred. With the opener and To they are
	// everyone it is sealed to.
	Also     []ledger.AgencyID
	Urgency  string
	Due      int64 // ms; the opener's own deadline for all of it; 0 where there is none beside the policy's
	Title    string
	Text     string
	Alerts   []string // ids, al_…
	Reports  []string // ids, rp_…
	Support  *Support // of victim support, and only there
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

// Linked names alerts and reports that a referral turned out to be about too.
type Linked struct {
	_       struct{} `cbor:",toarray"`
	Target  Key
	Step    uint64
	Alerts  []string
	Reports []string
}

// Escalated says that a deadline has passed. An agency's node writes it by itself, under an id that follows from the
// referral and the deadline.
type Escalated struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64
	Stage  Stage
	Began  uint64 // the step at which the deadline began to run: with the stage it names the deadline
	Due    int64  // ms; by the author's policy
}

// About implements noun.Fact: it founds a referral.
func (o *Opened) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (m *Moved) About() (Key, bool) { return m.Target, true }
func (m *Moved) seen() uint64       { return m.Step }

// About implements noun.Fact.
func (l *Linked) About() (Key, bool) { return l.Target, true }
func (l *Linked) seen() uint64       { return l.Step }

// About implements noun.Fact.
func (e *Escalated) About() (Key, bool) { return e.Target, true }
func (e *Escalated) seen() uint64       { return e.Step }

// Validate accepts what can be encoded. Victim support carries the minimum: of what others have it may name only what is
// said here.
func (o *Opened) Validate() error {
	err := noun.First(
		noun.At("kind", noun.OneOf(Kinds, o.Kind)),
		noun.At("to", agency(o.To)),
		noun.SortedSet("also", o.Also, MaxAlso, agency),
		noun.At("urgency", noun.OneOf(Urgencies, o.Urgency)),
		noun.At("due", date(o.Due)),
	)
	if err != nil {
		return err
	}
	if o.Kind == VictimSupport {
		return o.validSupport()
	}
	if o.Support != nil {
		return noun.At("support", ErrOnlySupport)
	}
	return noun.First(
		noun.At("title", noun.First(required(o.Title), noun.Line(o.Title, MaxTitleBytes))),
		noun.At("text", noun.Prose(o.Text, MaxTextBytes)),
		links(o.Alerts, o.Reports),
	)
}

func links(alerts, reports []string) error {
	return noun.First(
		noun.SortedSet("alerts", alerts, MaxLinks, idWith("al_")),
		noun.SortedSet("reports", reports, MaxLinks, idWith("rp_")),
	)
}

func idWith(prefix string) func(string) error {
	return func(id string) error {
		rest, ok := strings.CutPrefix(id, prefix)
		if !ok || rest == "" || len(id) > maxIDBytes || strings.Trim(rest, "0123456789abcdef.") != "" {
			return noun.ErrID
		}
		return nil
	}
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

// date checks a time in ms, 0 where there is none.
func date(ms int64) error {
	if ms < 0 || ms > maxDate {
		return noun.ErrUnknownValue
	}
	return nil
}

// Readers are all who can read what was opened by an agency: sealed to exactly these.
func (o *Opened) Readers(opener ledger.AgencyID) []ledger.AudienceName {
	names := []ledger.AudienceName{ledger.AudienceName(opener), ledger.AudienceName(o.To)}
	for _, a := range o.Also {
		names = append(names, ledger.AudienceName(a))
	}
	return noun.Set(names)
}

// reads says whether an agency is one of those it was sealed to.
func (r *Referral) reads(a ledger.AgencyID) bool {
	return a == r.Opener || a == r.Opened.To || slices.Contains(r.Opened.Also, a)
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
	case Decline, Close, Note, Withdraw, Revoke, Pause:
		return noun.Words(m.Text, MaxTextBytes)
	}
	return noun.Prose(m.Text, MaxTextBytes)
}

// Validate accepts what can be encoded.
func (l *Linked) Validate() error {
	if len(l.Alerts)+len(l.Reports) == 0 {
		return noun.At("alerts", noun.ErrRequired)
	}
	return noun.First(noun.At("target", l.Target.Validate()), links(l.Alerts, l.Reports))
}

// Validate accepts what can be encoded.
func (e *Escalated) Validate() error {
	err := date(e.Due)
	if e.Due == 0 {
		err = noun.ErrRequired
	}
	return noun.First(noun.At("target", e.Target.Validate()), noun.At("stage", noun.OneOf(Stages, e.Stage)), noun.At("due", err))
}
