package alert

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeLinked is the type of the event Linked.
const TypeLinked = "alert.linked"

// Relation is how two alerts belong together.
type Relation uint8

// The relations.
const (
	NearDuplicate Relation = 1 // copies of one file, changed in size, format or detail
	SameSeries    Relation = 2 // of one victim, place or production
)

var relationNames = []string{"", "near-duplicate", "same-series"}

// Linked is one agency's word on two alerts belonging together. Both are equal: the lesser of them is the target, so that
// everything said of a pair is said of one object. An agency's latest word on a pair and a relation stands.
type Linked struct {
	Target   ID
	Other    ID
	Relation Relation
	Verdict  Verdict // Confirms: they are linked; Disputes: they are not; Withdraws: nothing any more
	Reason   string  // optional
	Exercise bool    // as both alerts', or without effect
}

type linkedShared struct {
	_        struct{} `cbor:",toarray"`
	Target   Key
	Other    Key
	OtherRow uint32
	Relation Relation
	Verdict  Verdict
	Reason   string
	Exercise bool
}

// CompareIDs orders alerts: by home, author, event, row.
func CompareIDs(a, b ID) int {
	return cmp.Or(
		strings.Compare(string(a.Home), string(b.Home)), strings.Compare(string(a.Author), string(b.Author)),
		bytes.Compare(a.Event[:], b.Event[:]), cmp.Compare(a.Row, b.Row),
	)
}

// Validate accepts what can be encoded.
func (l *Linked) Validate() error {
	return noun.First(
		noun.At("target", l.Target.Validate()),
		noun.At("other", l.Other.Validate()),
		RowSet{l.Target.Row}.Validate(),
		noun.At("other", RowSet{l.Other.Row}.Validate()),
		noun.At("other", l.validPair()),
		noun.At("relation", defined(relationNames, l.Relation)),
		noun.At("verdict", defined(verdictNames, l.Verdict)),
		noun.At("reason", noun.Prose(l.Reason, MaxReasonBytes)),
	)
}

func (l *Linked) validPair() error {
	switch c := CompareIDs(l.Target, l.Other); {
	case c == 0:
		return ErrSameAlert
	case c > 0:
		return noun.ErrNotSorted
	}
	return nil
}

// Encode returns the event, or why it has none.
func (l *Linked) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := l.Validate(); err != nil {
		return ledger.Event{}, err
	}
	shared := linkedShared{
		Target: l.Target.Key, Other: l.Other.Key, OtherRow: l.Other.Row, Relation: l.Relation, Verdict: l.Verdict,
		Reason: l.Reason, Exercise: l.Exercise,
	}
	return ledger.Event{
		ID: id, Type: TypeLinked, Version: 1,
		Shared: ledger.Marshal(shared), Width: RowNumberBytes, Rows: RowSet{l.Target.Row}.Encode(),
	}, nil
}

func decodeLinked(e *ledger.Event) (Fact, error) {
	var x linkedShared
	if err := ledger.Unmarshal(e.Shared, &x, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	row, err := decodeRow(e)
	if err != nil {
		return nil, err
	}
	l := &Linked{
		Target: ID{Key: x.Target, Row: row}, Other: ID{Key: x.Other, Row: x.OtherRow}, Relation: x.Relation, Verdict: x.Verdict,
		Reason: x.Reason, Exercise: x.Exercise,
	}
	return l, l.Validate()
}

// About implements noun.Fact.
func (l *Linked) About() (Key, bool) { return l.Target.Key, true }

// Link is what agencies say of one pair of alerts now.
type Link struct {
	Row      uint32 // of the target
	Other    ID
	Relation Relation
	Linked   []ledger.AgencyID // say that they are, sorted
	Denied   []ledger.AgencyID // say that they are not, sorted
}

// Stands says that somebody says so and nobody denies it.
func (l Link) Stands() bool { return len(l.Linked) > 0 && len(l.Denied) == 0 }

// linkKey is what words on links are kept by.
type linkKey struct {
	row      uint32
	other    ID
	relation Relation
	exercise bool
}

func (o *Object) link(p Placed, f *Linked) {
	k := linkKey{f.Target.Row, f.Other, f.Relation, f.Exercise}
	if o.links[k] == nil {
		o.links[k] = map[ledger.AgencyID]Verdict{}
	}
	o.links[k][p.Author] = f.Verdict
	o.linked = append(o.linked, p)
}

// Link returns what is said now of the pair that an event is about; false where it has no effect on this object.
func (o *Object) Link(f *Linked) (Link, bool) {
	k := linkKey{f.Target.Row, f.Other, f.Relation, f.Exercise}
	return o.linkOf(k), o.hasLink(k)
}

// Links yields what is said now of all pairs of which an alert of this object is the lesser, in no order.
func (o *Object) Links(yield func(Link) bool) {
	for k := range o.links {
		if o.hasLink(k) && !yield(o.linkOf(k)) {
			return
		}
	}
}

func (o *Object) hasLink(k linkKey) bool {
	return o.cause != nil && o.links[k] != nil && o.misses(RowSet{k.row}, k.exercise) == 0
}

func (o *Object) linkOf(k linkKey) Link {
	l := Link{Row: k.row, Other: k.other, Relation: k.relation}
	for agency, v := range o.links[k] {
		switch v {
		case Confirms:
			l.Linked = append(l.Linked, agency)
		case Disputes:
			l.Denied = append(l.Denied, agency)
		}
	}
	slices.Sort(l.Linked)
	slices.Sort(l.Denied)
	return l
}

// Connect asks to say of two alerts whether they belong together.
type Connect struct {
	Event    ledger.EventID
	A, B     ID
	Relation Relation
	Verdict  Verdict
	Reason   string
}

// Ordered returns the two alerts with the target first.
func (c Connect) Ordered() (target, other ID) {
	if CompareIDs(c.A, c.B) > 0 {
		return c.B, c.A
	}
	return c.A, c.B
}

// Decide returns the link, or the refusal. The view's object is the target's, its other the other's.
func (c Connect) Decide(v View) (ledger.Event, error) {
	target, other := c.Ordered()
	cause, _, err := v.target(target.Key, RowSet{target.Row})
	if err != nil {
		return ledger.Event{}, err
	}
	far, _, err := View{Agency: v.Agency, Object: v.Other}.target(other.Key, RowSet{other.Row})
	if err != nil {
		return ledger.Event{}, err
	}
	l := &Linked{Target: target, Other: other, Relation: c.Relation, Verdict: c.Verdict, Reason: c.Reason, Exercise: DetailsOf(cause).Exercise}
	if err := l.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if DetailsOf(far).Exercise != l.Exercise {
		return ledger.Event{}, ErrExerciseLink
	}
	return c.changing(v, l)
}

// changing refuses what would change nothing, and links to what is retracted.
func (c Connect) changing(v View, l *Linked) (ledger.Event, error) {
	said := v.Object.links[linkKey{l.Target.Row, l.Other, l.Relation, l.Exercise}][v.Agency]
	switch {
	case c.Verdict == Confirms && (v.Object.Retraction(l.Target.Row) != nil || v.Other.Retraction(l.Other.Row) != nil):
		return ledger.Event{}, ErrRetracted
	case c.Verdict == Withdraws && (said == 0 || said == Withdraws):
		return ledger.Event{}, ErrNothingToWithdraw
	case said == c.Verdict:
		return ledger.Event{}, ErrAlreadyAssessed
	}
	return l.Encode(c.Event)
}
