package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeRaised is the type of the event Raised.
const TypeRaised = "alert.raised"

// Raised is one alert about one file.
type Raised struct {
	Details Details
	File    File
}

// Rows returns 1.
func (r *Raised) Rows() int { return 1 }

// Validate accepts what can be encoded.
func (r *Raised) Validate() error { return noun.First(r.Details.Validate(), r.File.Validate()) }

// Encode returns the event, or why it has none.
func (r *Raised) Encode(id ledger.EventID) (ledger.Event, error) {
	r = &Raised{Details: r.Details.Normal(), File: r.File}
	if err := r.Validate(); err != nil {
		return ledger.Event{}, err
	}
	row := ledger.Marshal(r.File)
	return ledger.Event{
		ID: id, Type: TypeRaised, Version: 1,
		Shared: ledger.Marshal(r.Details), Width: uint32(len(row)), Rows: row,
	}, nil
}

func decodeRaised(e *ledger.Event) (Fact, error) {
	r := new(Raised)
	if int(e.Width) != len(e.Rows) {
		return nil, noun.At("rows", noun.ErrCount)
	}
	if err := ledger.Unmarshal(e.Shared, &r.Details, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	if err := ledger.Unmarshal(e.Rows, &r.File, maxRaisedRow); err != nil {
		return nil, noun.At("rows", err)
	}
	return r, r.Validate()
}
