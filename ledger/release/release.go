// Package release is how somebody asks that an entry be released to them which they know only by its hash, and how that is
// declined. The release itself is an entry of its own kind (ledger.KindRelease): it answers whoever asked for it.
//
// # Events, version 1
//
// Each has one row, a CBOR array in the order of the Go fields, and no shared part.
//
//	ask.made      Made      to the jurisdiction whose entry it is
//	ask.declined  Declined  by an agency of that jurisdiction
package release

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// What the types of events and ids begin with.
const (
	Types = "ask."
	IDs   = "ak_"
)

// Types of events.
const (
	TypeMade     = "ask.made"
	TypeDeclined = "ask.declined"
)

const maxReasonBytes = 1024

// Codec reads and writes the events.
var Codec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
	TypeMade: func() noun.Fact { return &Made{} }, TypeDeclined: func() noun.Fact { return &Declined{} },
}}

// Made asks for an entry.
type Made struct {
	_      struct{} `cbor:",toarray"`
	Ledger ledger.Origin
	Index  ledger.Index
	Reason string
}

// Declined says that it is not released, and why.
type Declined struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Reason string
}

// About implements noun.Fact: it founds a request.
func (*Made) About() (noun.Key, bool) { return noun.Key{}, false }

// About implements noun.Fact.
func (f *Declined) About() (noun.Key, bool) { return f.Target, true }

// Validate implements noun.Fact.
func (f *Made) Validate() error {
	if _, err := ledger.ParseOrigin(string(f.Ledger)); err != nil {
		return noun.At("ledger", err)
	}
	return noun.At("reason", noun.Words(f.Reason, maxReasonBytes))
}

// Validate implements noun.Fact.
func (f *Declined) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("reason", noun.Words(f.Reason, maxReasonBytes)))
}

// Ask is one request: the fold of its events.
type Ask struct {
	Key  noun.Key
	Made *Made
	// Declined is the first word against it of an agency of the ledger's jurisdiction; nil where there is none. By is who
	// said it.
	Declined *Declined
	By       ledger.AgencyID
}

// Fold folds the events of one request.
func Fold(k noun.Key, events []noun.Placed[noun.Fact]) *Ask {
	standing, _ := noun.Canonical(k.Home, events)
	a := &Ask{Key: k}
	for i := range standing {
		switch f := standing[i].Fact.(type) {
		case *Made:
			a.Made = f
		case *Declined:
			if a.Made != nil && a.Declined == nil && standing[i].Author.Jurisdiction() == a.Made.Ledger.Jurisdiction() {
				a.Declined, a.By = f, standing[i].Author
			}
		}
	}
	return a
}

// DecideMade returns the event by which an agency asks.
func DecideMade(id ledger.EventID, m Made) (ledger.Event, error) {
	return Codec.Encode(id, TypeMade, &m)
}

// DecideDeclined returns the event by which an agency declines, or the refusal.
func (a *Ask) DecideDeclined(id ledger.EventID, by ledger.AgencyID, reason string) (ledger.Event, error) {
	switch {
	case a.Made == nil || by.Jurisdiction() != a.Made.Ledger.Jurisdiction():
		return ledger.Event{}, noun.Refuse("an agency of the jurisdiction whose entry it is declines")
	case a.Declined != nil:
		return ledger.Event{}, noun.Refuse("%s has declined it already", a.By)
	}
	return Codec.Encode(id, TypeDeclined, &Declined{Target: a.Key, Reason: reason})
}
