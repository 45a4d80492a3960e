package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeRetracted is the type of the event Retracted.
const TypeRetracted = "alert.retracted"

// Retracted is an author's word that rows of its own alert no longer stand. There is no way back: what turns out
// right after all is raised again. With a replacement it is a correction: what was wrong is raised again as it should
// be, and the retraction names it.
type Retracted struct {
	Target   Key
	Rows     RowSet
	Reason   string // optional
	Exercise bool   // as the target's, or without effect
	// Replacement is the alert that stands in its place, nil where none does. It decides nothing: that alert stands by
	// itself or not at all.
	Replacement *Key
}

type retractedShared struct {
	_           struct{} `cbor:",toarray"`
	Target      Key
	Reason      string
	Exercise    bool
	Replacement *Key // null where there is none
}

// Validate accepts what can be encoded.
func (r *Retracted) Validate() error {
	return noun.First(
		noun.At("target", r.Target.Validate()),
		r.Rows.Validate(),
		noun.At("reason", noun.Prose(r.Reason, MaxReasonBytes)),
		noun.At("replacement", r.validReplacement()),
	)
}

func (r *Retracted) validReplacement() error {
	if r.Replacement == nil {
		return nil
	}
	if *r.Replacement == r.Target {
		return ErrReplacesItself
	}
	return r.Replacement.Validate()
}

// Encode returns the event, or why it has none.
func (r *Retracted) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := r.Validate(); err != nil {
		return ledger.Event{}, err
	}
	return ledger.Event{
		ID: id, Type: TypeRetracted, Version: 1,
		Shared: ledger.Marshal(retractedShared{Target: r.Target, Reason: r.Reason, Exercise: r.Exercise, Replacement: r.Replacement}),
		Width:  RowNumberBytes, Rows: r.Rows.Encode(),
	}, nil
}

func decodeRetracted(e *ledger.Event) (Fact, error) {
	var s retractedShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	rows, err := DecodeRowSet(e.Width, e.Rows)
	if err != nil {
		return nil, err
	}
	r := &Retracted{Target: s.Target, Rows: rows, Reason: s.Reason, Exercise: s.Exercise, Replacement: s.Replacement}
	return r, r.Validate()
}
