package watch

import (
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// Types of events.
const (
	TypeAdded   = "watch.added"
	TypeListed  = "watch.listed"
	TypeRemoved = "watch.removed"
	TypeHandled = "watch.handled"
	Prefix      = "watch."
)

// IDPrefix begins the ids people use of watched files.
const IDPrefix = "wl_"

// Key names a watch list by its founding event.
type Key = noun.Key

// ID names one watched file: a row of a list.
type ID noun.RowKey

// String returns the form people use.
func (id ID) String() string { return noun.RowKey(id).Text(IDPrefix) }

// Fact is what an event says: *Added, *Listed, *Removed or *Handled.
type Fact interface {
	noun.Fact
	Encode(id ledger.EventID) (ledger.Event, error)
}

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Cause is a fact that founds a list: *Added or *Listed.
type Cause interface {
	Fact
	Rows() int
	// File returns the fingerprints of row i, under Rows.
	File(i int) alert.File
	// Says is what is said of every row.
	Says() Details
}

// Details say why something is watched.
type Details struct {
	_        struct{} `cbor:",toarray"`
	Case     string   // the agency's own reference
	Note     string   // optional
	Exercise bool
}

// Validate accepts details within their bounds.
func (d Details) Validate() error {
	if d.Case == "" {
		return noun.At("case", noun.ErrRequired)
	}
	return noun.First(noun.At("case", noun.Line(d.Case, MaxCaseBytes)), noun.At("note", noun.Prose(d.Note, MaxNoteBytes)))
}

// Added watches one file.
type Added struct {
	Details  Details
	Watching alert.File
}

// Listed watches many files, of which it says the same.
type Listed struct {
	Details Details
	alert.Pack
}

// Removed ends the watch for rows of a list. There is no way back but to add them again.
type Removed struct {
	Target Key
	Rows   alert.RowSet
	Reason string // optional
}

// Handled says what was done about hits.
type Handled struct {
	What Handling
	Note string
	Hits []HitID // ascending
}

// About implements noun.Fact: it founds a list.
func (a *Added) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact: it founds a list.
func (l *Listed) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (r *Removed) About() (Key, bool) { return r.Target, true }

// About implements noun.Fact: it stands by itself, for hits have no event to refer to.
func (h *Handled) About() (Key, bool) { return Key{}, false }

// Rows implements Cause.
func (a *Added) Rows() int { return 1 }

// File implements Cause.
func (a *Added) File(int) alert.File { return a.Watching }

// Says implements Cause.
func (a *Added) Says() Details { return a.Details }

// Says implements Cause.
func (l *Listed) Says() Details { return l.Details }

// Validate accepts what can be encoded.
func (a *Added) Validate() error { return noun.First(a.Details.Validate(), a.Watching.Validate()) }

// Validate accepts what can be encoded.
func (l *Listed) Validate() error { return noun.First(l.Details.Validate(), l.Pack.Validate()) }

// Validate accepts what can be encoded.
func (r *Removed) Validate() error {
	return noun.First(noun.At("target", r.Target.Validate()), r.Rows.Validate(), noun.At("reason", noun.Prose(r.Reason, MaxReasonBytes)))
}

// Validate accepts what can be encoded. What was done must be said in words, but for having seen it.
func (h *Handled) Validate() error {
	if err := h.What.validate(); err != nil {
		return noun.At("what", err)
	}
	text := noun.Words(h.Note, MaxNoteBytes)
	if h.What == Seen || h.What == Reopened {
		text = noun.Prose(h.Note, MaxNoteBytes)
	}
	if text != nil {
		return noun.At("note", text)
	}
	return validHits(h.Hits)
}
