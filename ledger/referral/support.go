package referral

import (
	"errors"
	"time"

	"vigil/ledger/noun"
)

// Why victim support is refused.
var (
	// ErrMinimum refuses what victim support does not need.
	ErrMinimum = errors.New("victim support carries the minimum: it has no such field")
	// ErrOnlySupport refuses victim support's fields elsewhere.
	ErrOnlySupport = errors.New("only victim support has it")
)

// Needs are what a victim may need.
var Needs = []string{"compensation", "counselling", "interpreter", "legal-aid", "medical", "protection", "schooling", "shelter", "support-person"}

// Ages are bands; nobody's age is told more exactly.
var Ages = []string{"unknown", "0-5", "6-11", "12-15", "16-17", "adult"}

// Support is all that a support body is told: enough to find the right people and to ask the opener about "reference". It
// has no name, no address and nothing that was seen.
type Support struct {
	_         struct{} `cbor:",toarray"`
	Reference string   // the opener's own, under which it can be asked
	Needs     []string
	Age       string
	Language  string // BCP 47, such as hi or en-IN; empty: not known
	District  string // where support is needed; empty: not known
	Wish      Wish
}

// Choices of a victim on being told of further sightings.
var Choices = []string{"not-asked", "never", "through-body", "ask-later"}

// Wish is what a victim, or who speaks for them, wants to hear about further sightings, and when to ask again: at 18 the
// choice is their own.
type Wish struct {
	_      struct{} `cbor:",toarray"`
	Choice string   `json:"choice"`
	Ask    string   `json:"ask,omitempty"` // YYYY-MM-DD; must be there for ask-later
}

// Wished records a victim's wish as it is now. Only the support body says so.
type Wished struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64
	Wish   Wish
}

// About implements noun.Fact.
func (w *Wished) About() (Key, bool) { return w.Target, true }
func (w *Wished) seen() uint64       { return w.Step }

// Validate accepts what can be encoded.
func (w *Wished) Validate() error {
	return noun.First(noun.At("target", w.Target.Validate()), noun.At("wish", w.Wish.validate()))
}

func (w Wish) validate() error {
	if err := noun.OneOf(Choices, w.Choice); err != nil {
		return noun.At("choice", err)
	}
	if w.Ask == "" && w.Choice != "ask-later" {
		return nil
	}
	_, err := time.Parse(time.DateOnly, w.Ask)
	if err != nil {
		err = errDay
	}
	return noun.At("ask", err)
}

var errDay = errors.New("not a day: YYYY-MM-DD")

// validSupport is the whitelist of what victim support may say.
func (o *Opened) validSupport() error {
	for field, there := range map[string]bool{
		"title": o.Title != "", "text": o.Text != "", "alerts": len(o.Alerts) > 0, "reports": len(o.Reports) > 0, "also": len(o.Also) > 0,
	} {
		if there {
			return noun.At(field, ErrMinimum)
		}
	}
	if o.Support == nil {
		return noun.At("support", noun.ErrRequired)
	}
	return noun.At("support", o.Support.validate())
}

func (s *Support) validate() error {
	return noun.First(
		noun.At("reference", noun.First(required(s.Reference), noun.Line(s.Reference, maxNameBytes))),
		noun.SortedSet("needs", s.Needs, maxNeeds, func(n string) error { return noun.OneOf(Needs, n) }),
		noun.At("age", noun.OneOf(Ages, s.Age)),
		noun.At("language", noun.Line(s.Language, maxNameBytes)),
		noun.At("district", noun.Line(s.District, maxNameBytes)),
		noun.At("wish", s.Wish.validate()),
	)
}
