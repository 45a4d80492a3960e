package registry

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Names of what is recorded of screenings.
const (
	TypeScreened    = "screening.answered"
	ScreeningPrefix = "screening."
	ScreeningIDs    = "sc_"
)

// Purposes are what a screening may be for.
var Purposes = []string{"adoption", "appointment", "care", "licence", "volunteering"}

// Screened records that somebody asked. It says nothing of whom they asked about.
type Screened struct {
	_         struct{} `cbor:",toarray"`
	By        string   // user or token
	Role      string
	Purpose   string
	Authority string // law or consent
	Reference string // of who asks; empty where there is none
	Referred  bool
	Exercise  bool
}

// ScreeningCodec reads and writes the records of screenings.
var ScreeningCodec = noun.Codec[Fact]{Fresh: map[string]func() Fact{TypeScreened: func() Fact { return &Screened{} }}}

// About implements noun.Fact: it founds a record of its own.
func (s *Screened) About() (Key, bool) { return Key{}, false }

// Validate accepts what can be encoded.
func (s *Screened) Validate() error {
	return noun.First(
		noun.At("by", line(s.By)),
		noun.At("role", noun.Line(s.Role, maxLineBytes)),
		noun.At("purpose", noun.OneOf(Purposes, s.Purpose)),
		noun.At("authority", line(s.Authority)),
		noun.At("reference", noun.Line(s.Reference, maxCaseBytes)),
	)
}

// FoldScreening returns the record of one screening, nil where it is not here.
func FoldScreening(key Key, events []Placed) *Screened {
	standing, _ := noun.Canonical(key.Home, events)
	for i := range standing {
		if s, ok := standing[i].Fact.(*Screened); ok {
			return s
		}
	}
	return nil
}

// Event returns the record's event, to be sealed to the agency itself.
func (s *Screened) Event(id ledger.EventID) (ledger.Event, error) {
	return ScreeningCodec.Encode(id, TypeScreened, s)
}
