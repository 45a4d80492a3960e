package registry

import (
	"errors"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Types of events.
const (
	TypeNoticed      = "registry.noticed"
	TypeCorrected    = "registry.corrected"
	TypeLifted       = "registry.lifted"
	TypeChallenged   = "registry.challenged"
	TypeUpheld       = "registry.upheld"
	TypeAcknowledged = "registry.acknowledged"
	Prefix           = "registry."
)

// IDPrefix begins the ids people use.
const IDPrefix = "rn_"

// Key names a notice by its event.
type Key = noun.Key

// Fact is what an event says.
type Fact = noun.Fact

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Codec reads and writes the events of notices.
var Codec = noun.Codec[Fact]{Fresh: map[string]func() Fact{
	TypeNoticed:      func() Fact { return &Noticed{} },
	TypeCorrected:    func() Fact { return &Corrected{} },
	TypeLifted:       func() Fact { return &Lifted{} },
	TypeChallenged:   func() Fact { return &Challenged{} },
	TypeUpheld:       func() Fact { return &Upheld{} },
	TypeAcknowledged: func() Fact { return &Acknowledged{} },
}}

// Tiers say how long a notice holds, by the policy's terms; the names are those of the registry of India.
var Tiers = []string{"low", "moderate", "habitual"}

// Grounds say what a notice rests on.
var Grounds = []string{"convicted", "charged", "arrested", "order"}

// Notice is what a notice says.
type Notice struct {
	_     struct{} `cbor:",toarray"`
	Marks []Mark   // sorted
	Tier  string
	// Ground is what it rests on; which grounds answer a screening, the reader's policy says.
	Ground string
	// Since is the day from which its term runs, YYYY-MM-DD: of the judgment, or of the release.
	Since     string
	Authority string // court or authority
	Reference string // under which the registry is asked
	Exercise  bool
}

// Noticed makes a notice.
type Noticed struct {
	_      struct{} `cbor:",toarray"`
	Notice Notice
}

// Corrected puts another notice in its place.
type Corrected struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Notice Notice
	Reason string
}

// Lifted ends a notice for good.
type Lifted struct {
	_         struct{} `cbor:",toarray"`
	Target    Key
	Reason    string
	Authority string
}

// Challenged says that a notice is wrong.
type Challenged struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Seen   uint64 // changes that its author had seen: one after these answers it
	Reason string
}

// EventKey names an event on a notice.
type EventKey struct {
	_      struct{} `cbor:",toarray"`
	Author ledger.AgencyID
	Event  ledger.EventID
}

// Upheld answers a challenge: the notice stands.
type Upheld struct {
	_         struct{} `cbor:",toarray"`
	Target    Key
	Challenge EventKey
	Reason    string
}

// Acknowledged says that an agency no longer goes by what a correction or lifting changed.
type Acknowledged struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Change ledger.EventID // of the correction or lifting, by the notice's author
}

// About implements noun.Fact: it founds a notice.
func (n *Noticed) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (c *Corrected) About() (Key, bool) { return c.Target, true }

// About implements noun.Fact.
func (l *Lifted) About() (Key, bool) { return l.Target, true }

// About implements noun.Fact.
func (c *Challenged) About() (Key, bool) { return c.Target, true }

// About implements noun.Fact.
func (u *Upheld) About() (Key, bool) { return u.Target, true }

// About implements noun.Fact.
func (a *Acknowledged) About() (Key, bool) { return a.Target, true }

// ErrMarks refuses a notice of nobody.
var ErrMarks = errors.New("1 to 64 marks, sorted, none twice")

func (n *Notice) validate() error {
	if len(n.Marks) == 0 || len(n.Marks) > maxMarks || !slices.IsSortedFunc(n.Marks, compareMarks) || len(slices.Compact(slices.Clone(n.Marks))) != len(n.Marks) {
		return noun.At("marks", ErrMarks)
	}
	return noun.First(
		noun.At("tier", noun.OneOf(Tiers, n.Tier)),
		noun.At("ground", noun.OneOf(Grounds, n.Ground)),
		noun.At("since", day(n.Since)),
		noun.At("authority", line(n.Authority)),
		noun.At("reference", line(n.Reference)),
	)
}

func day(text string) error {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return errDay
	}
	return nil
}

func line(text string) error {
	if text == "" {
		return noun.ErrRequired
	}
	return noun.Line(text, maxLineBytes)
}

func reason(text string) error { return noun.At("reason", noun.Words(text, maxTextBytes)) }

// Validate accepts what can be encoded.
func (n *Noticed) Validate() error { return n.Notice.validate() }

// Validate accepts what can be encoded.
func (c *Corrected) Validate() error {
	return noun.First(noun.At("target", c.Target.Validate()), reason(c.Reason), c.Notice.validate())
}

// Validate accepts what can be encoded.
func (l *Lifted) Validate() error {
	return noun.First(noun.At("target", l.Target.Validate()), reason(l.Reason), noun.At("authority", line(l.Authority)))
}

// Validate accepts what can be encoded.
func (c *Challenged) Validate() error {
	return noun.First(noun.At("target", c.Target.Validate()), reason(c.Reason))
}

// Validate accepts what can be encoded.
func (u *Upheld) Validate() error {
	_, err := ledger.ParseAgencyID(string(u.Challenge.Author))
	return noun.First(noun.At("target", u.Target.Validate()), noun.At("challenge", err), reason(u.Reason))
}

// Validate accepts what can be encoded.
func (a *Acknowledged) Validate() error { return noun.At("target", a.Target.Validate()) }

// Equal says whether two notices say the same; an exercise stays one.
func (n *Notice) Equal(o *Notice) bool {
	return slices.Equal(n.Marks, o.Marks) && n.Tier == o.Tier && n.Ground == o.Ground && n.Since == o.Since && n.Authority == o.Authority && n.Reference == o.Reference
}
