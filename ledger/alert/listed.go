package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeListed is the type of the event Listed.
const TypeListed = "alert.listed"

// Listed is many alerts that share everything but their fingerprints.
type Listed struct {
	Details Details
	Pack
}

// listShared is the shared part as it is encoded.
type listShared struct {
	_       struct{} `cbor:",toarray"`
	Details Details
	Columns []Column
	Sizes   bool
}

// NewListed packs files as NewPack does.
func NewListed(d Details, files []File) (*Listed, error) {
	p, err := NewPack(files)
	if err != nil {
		return nil, err
	}
	l := &Listed{Details: d.Normal(), Pack: p}
	return l, l.Validate()
}

// Validate accepts what can be encoded.
func (l *Listed) Validate() error { return noun.First(l.Details.Validate(), l.Pack.Validate()) }

// Encode returns the event, or why it has none.
func (l *Listed) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := l.Validate(); err != nil {
		return ledger.Event{}, err
	}
	return ledger.Event{
		ID: id, Type: TypeListed, Version: 1,
		Shared: ledger.Marshal(listShared{Details: l.Details.Normal(), Columns: l.Columns, Sizes: l.Sizes}),
		Width:  uint32(l.Width()), Rows: l.Packed(),
	}, nil
}

func decodeListed(e *ledger.Event) (Fact, error) {
	var shared listShared
	if err := ledger.Unmarshal(e.Shared, &shared, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	p, err := Unpack(shared.Columns, shared.Sizes, e.Width, e.Rows)
	if err != nil {
		return nil, err
	}
	l := &Listed{Details: shared.Details, Pack: p}
	return l, l.Validate()
}
