package watch

import (
	"errors"
	"fmt"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

type listedShared struct {
	_        struct{} `cbor:",toarray"`
	Case     string
	Note     string
	Exercise bool
	Columns  []alert.Column
	Sizes    bool
}

type removedShared struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Reason string
}

type handledShared struct {
	_    struct{} `cbor:",toarray"`
	What Handling
	Note string
}

func encode(f Fact, id ledger.EventID, kind string, shared any, width int, rows []byte) (ledger.Event, error) {
	if err := f.Validate(); err != nil {
		return ledger.Event{}, err
	}
	return ledger.Event{ID: id, Type: kind, Version: 1, Shared: ledger.Marshal(shared), Width: uint32(width), Rows: rows}, nil
}

// Encode returns the event, or why it has none.
func (a *Added) Encode(id ledger.EventID) (ledger.Event, error) {
	row := ledger.Marshal(a.Watching)
	return encode(a, id, TypeAdded, a.Details, len(row), row)
}

// Encode returns the event, or why it has none.
func (l *Listed) Encode(id ledger.EventID) (ledger.Event, error) {
	d := l.Details
	shared := listedShared{Case: d.Case, Note: d.Note, Exercise: d.Exercise, Columns: l.Columns, Sizes: l.Sizes}
	return encode(l, id, TypeListed, shared, l.Width(), l.Packed())
}

// Encode returns the event, or why it has none.
func (r *Removed) Encode(id ledger.EventID) (ledger.Event, error) {
	return encode(r, id, TypeRemoved, removedShared{Target: r.Target, Reason: r.Reason}, alert.RowNumberBytes, r.Rows.Encode())
}

// Encode returns the event, or why it has none.
func (h *Handled) Encode(id ledger.EventID) (ledger.Event, error) {
	rows := make([]byte, 0, len(h.Hits)*len(HitID{}))
	for _, hit := range h.Hits {
		rows = append(rows, hit[:]...)
	}
	return encode(h, id, TypeHandled, handledShared{What: h.What, Note: h.Note}, len(HitID{}), rows)
}

var decoders = map[string]func(*ledger.Event) (Fact, error){
	TypeAdded: decodeAdded, TypeListed: decodeListed, TypeRemoved: decodeRemoved, TypeHandled: decodeHandled,
}

// Decode reads an event. Its errors are noun.ErrNewer and noun.ErrMalformed. What decodes encodes to the same event.
func Decode(e *ledger.Event) (Fact, error) {
	decode, known := decoders[e.Type]
	if !known || e.Version > 1 {
		return nil, noun.ErrNewer
	}
	if e.Version != 1 {
		return nil, fmt.Errorf("%w: version 0", noun.ErrMalformed)
	}
	fact, err := decode(e)
	if err == nil {
		err = fact.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", noun.ErrMalformed, err)
	}
	return fact, nil
}

// Place decodes an event of a verified entry and notes where it stands.
func Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed, error) {
	fact, err := Decode(e)
	if err != nil {
		return Placed{}, err
	}
	return noun.Place(origin, pos, author, authoredAt, e, fact), nil
}

var errRows = errors.New("rows are not of the type's width")

func decodeAdded(e *ledger.Event) (Fact, error) {
	a := &Added{}
	if int(e.Width) != len(e.Rows) {
		return nil, errRows
	}
	if err := ledger.Unmarshal(e.Shared, &a.Details, maxSharedBytes); err != nil {
		return nil, err
	}
	return a, ledger.Unmarshal(e.Rows, &a.Watching, maxFileBytes)
}

func decodeListed(e *ledger.Event) (Fact, error) {
	var s listedShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, err
	}
	p, err := alert.Unpack(s.Columns, s.Sizes, e.Width, e.Rows)
	return &Listed{Details: Details{Case: s.Case, Note: s.Note, Exercise: s.Exercise}, Pack: p}, err
}

func decodeRemoved(e *ledger.Event) (Fact, error) {
	var s removedShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, err
	}
	rows, err := alert.DecodeRowSet(e.Width, e.Rows)
	return &Removed{Target: s.Target, Rows: rows, Reason: s.Reason}, err
}

func decodeHandled(e *ledger.Event) (Fact, error) {
	var s handledShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, err
	}
	const width = len(HitID{})
	if e.Width != uint32(width) || len(e.Rows)%width != 0 {
		return nil, errRows
	}
	h := &Handled{What: s.What, Note: s.Note, Hits: make([]HitID, 0, len(e.Rows)/width)}
	for rows := e.Rows; len(rows) > 0; rows = rows[width:] {
		h.Hits = append(h.Hits, HitID(rows[:width]))
	}
	return h, nil
}
