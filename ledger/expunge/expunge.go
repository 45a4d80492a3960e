// Package expunge is what is said about an expungement: the order it follows, and the answers of those who held what it took,
// that it is gone. The deletion itself is the entry's kind (ledger.KindExpungement) and needs no key; the order stands in that
// entry, sealed to whoever could open what is gone.
//
// # Events, version 1
//
// Each has one row, a CBOR array in the order of the Go fields, and no shared part.
//
//	expunge.ordered   Ordered   only in an entry of that kind, about the entry that it names
//	expunge.answered  Answered  by each agency that could open what is gone: its node has deleted it
package expunge

import (
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// What the types of events and ids begin with.
const (
	Types = "expunge."
	IDs   = "ex_"
)

// Types of events.
const (
	TypeOrdered  = "expunge.ordered"
	TypeAnswered = "expunge.answered"
)

const (
	maxAuthorityBytes = 256
	maxReasonBytes    = 1024
)

// Codec reads and writes the events.
var Codec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
	TypeOrdered: func() noun.Fact { return &Ordered{} }, TypeAnswered: func() noun.Fact { return &Answered{} },
}}

// Ordered says what was expunged, by whose order.
type Ordered struct {
	_      struct{} `cbor:",toarray"`
	Target ledger.Index
	// Rows are the places of the events tree that are gone with this entry, in order; those of an earlier expungement are not
	// named again.
	Rows      []uint64
	Order     [32]byte // SHA-256 of the order as it was received
	Authority string   // who ordered it, with their reference
	Reason    string
}

// Answered says that the author's node holds nothing of it any more.
type Answered struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// About implements noun.Fact: it founds an expungement.
func (*Ordered) About() (noun.Key, bool) { return noun.Key{}, false }

// About implements noun.Fact.
func (f *Answered) About() (noun.Key, bool) { return f.Target, true }

// Validate implements noun.Fact.
func (f *Ordered) Validate() error {
	if len(f.Rows) == 0 || len(f.Rows) > ledger.MaxEntryLeaves {
		return noun.At("rows", noun.ErrCount)
	}
	for i, r := range f.Rows {
		if r >= ledger.MaxEntryLeaves || i > 0 && f.Rows[i-1] >= r {
			return noun.At("rows", noun.ErrNotSorted)
		}
	}
	if f.Order == ([32]byte{}) {
		return noun.At("order", noun.ErrRequired)
	}
	authority := noun.First(noun.Words(f.Authority, maxAuthorityBytes), noun.Line(f.Authority, maxAuthorityBytes))
	return noun.First(noun.At("authority", authority), noun.At("reason", noun.Prose(f.Reason, maxReasonBytes)))
}

// Validate implements noun.Fact.
func (f *Answered) Validate() error { return noun.At("target", f.Target.Validate()) }

// Expungement is the fold of what was said about one.
type Expungement struct {
	Key     noun.Key
	Ordered *Ordered
	Answers []Answer // the first of each agency, in order
}

// Answer is one agency's word that it is gone.
type Answer struct {
	Agency   ledger.AgencyID
	Origin   ledger.Origin
	Position ledger.Position
	Signed   time.Time
}

// Fold folds the events of one expungement.
func Fold(k noun.Key, events []noun.Placed[noun.Fact]) *Expungement {
	standing, _ := noun.Canonical(k.Home, events)
	x := &Expungement{Key: k}
	for i := range standing {
		p := &standing[i]
		switch f := p.Fact.(type) {
		case *Ordered:
			x.Ordered = f
		case *Answered:
			if !slices.ContainsFunc(x.Answers, func(a Answer) bool { return a.Agency == p.Author }) {
				x.Answers = append(x.Answers, Answer{p.Author, p.Origin, p.Position, time.UnixMilli(p.AuthoredAt).UTC()})
			}
		}
	}
	return x
}

// Answered returns an agency's answer.
func (x *Expungement) Answered(by ledger.AgencyID) (Answer, bool) {
	i := slices.IndexFunc(x.Answers, func(a Answer) bool { return a.Agency == by })
	if i < 0 {
		return Answer{}, false
	}
	return x.Answers[i], true
}

// Policy is what a jurisdiction agreed on for expungements.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// AnswerHours is how long after an order has been sealed those who held what it took have to say that it is gone.
	AnswerHours uint64 `json:"answer_hours"`
}

// Section is the policy's part for expungements.
var Section = noun.Section[*Policy]{Name: "expunge", Default: func() *Policy { return &Policy{AnswerHours: 72} }, Fresh: func() *Policy { return &Policy{} }}

// Validate accepts an hour to a year.
func (p *Policy) Validate() error {
	if p.AnswerHours == 0 || p.AnswerHours > 366*24 {
		return noun.At("answer_hours", noun.ErrCount)
	}
	return nil
}

// Standing is how one holder stands to an expungement.
type Standing string

// The standings.
const (
	Gone    Standing = "gone"    // it has said so
	Waiting Standing = "waiting" // it has time
	Overdue Standing = "overdue"
	Left    Standing = "left" // it belongs to its jurisdiction no more: nobody there answers
)

// Judge says how a holder stands. sealed is when the order was sealed, zero where that is not known yet: then nobody is late.
func (p *Policy) Judge(x *Expungement, holder ledger.AgencyID, removed bool, sealed, now time.Time) (Standing, time.Time) {
	var due time.Time
	if !sealed.IsZero() {
		due = sealed.Add(time.Duration(p.AnswerHours) * time.Hour)
	}
	_, answered := x.Answered(holder)
	switch {
	case answered:
		return Gone, due
	case removed:
		return Left, due
	case !due.IsZero() && now.After(due):
		return Overdue, due
	}
	return Waiting, due
}
