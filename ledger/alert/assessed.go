package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeAssessed is the type of the event Assessed.
const TypeAssessed = "alert.assessed"

// Verdict is what an agency says to another's alert. Its latest one stands.
type Verdict uint8

// The verdicts.
const (
	Confirms  Verdict = 1
	Disputes  Verdict = 2
	Withdraws Verdict = 3 // takes back what this agency said before
)

var verdictNames = []string{"", "confirms", "disputes", "withdraws"}

// Assessed is one agency's judgement of rows of another agency's alert.
type Assessed struct {
	Target          Key
	Rows            RowSet
	Verdict         Verdict
	Basis           Basis
	Source          string           // optional: the source's own reference, beginning with the name of the body
	Classifications []Classification // optional: what this agency holds it to be; as in Details
	Reason          string           // optional
	Exercise        bool             // as the target's, or without effect
}

type assessedShared struct {
	_               struct{} `cbor:",toarray"`
	Target          Key
	Verdict         Verdict
	Basis           Basis
	Source          string
	Classifications []Classification
	Reason          string
	Exercise        bool
}

// Validate accepts what can be encoded.
func (a *Assessed) Validate() error {
	return noun.First(
		noun.At("target", a.Target.Validate()),
		a.Rows.Validate(),
		noun.At("verdict", defined(verdictNames, a.Verdict)),
		noun.At("basis", defined(basisNames, a.Basis)),
		noun.At("source", noun.Line(a.Source, MaxSourceBytes)),
		validClassifications(a.Classifications),
		noun.At("reason", noun.Prose(a.Reason, MaxReasonBytes)),
	)
}

// Encode returns the event, or why it has none.
func (a *Assessed) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := a.Validate(); err != nil {
		return ledger.Event{}, err
	}
	shared := assessedShared{
		Target: a.Target, Verdict: a.Verdict, Basis: a.Basis, Source: a.Source,
		Classifications: sortedSet(a.Classifications, compareClassifications), Reason: a.Reason, Exercise: a.Exercise,
	}
	return ledger.Event{
		ID: id, Type: TypeAssessed, Version: 1,
		Shared: ledger.Marshal(shared), Width: RowNumberBytes, Rows: a.Rows.Encode(),
	}, nil
}

func decodeAssessed(e *ledger.Event) (Fact, error) {
	var s assessedShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	rows, err := DecodeRowSet(e.Width, e.Rows)
	if err != nil {
		return nil, err
	}
	a := &Assessed{
		Target: s.Target, Rows: rows, Verdict: s.Verdict, Basis: s.Basis, Source: s.Source,
		Classifications: s.Classifications, Reason: s.Reason, Exercise: s.Exercise,
	}
	return a, a.Validate()
}
