package noun

import (
	"errors"
	"fmt"

	"vigil/ledger"
)

// Why an event cannot be read.
var (
	// ErrNewer marks an event of a type or version made after this binary: keep it, show it so, fold it after an upgrade.
	ErrNewer = errors.New("newer than this node")
	// ErrMalformed marks an event that claims to be of a known version and is not: it never has effect.
	ErrMalformed = errors.New("malformed event")
)

// maxRowBytes bounds an event of one row.
const maxRowBytes = 64 << 10

// Codec reads and writes events of one row: CBOR of the fact, version 1, no shared part.
type Codec[F Fact] struct {
	// Fresh makes an empty fact for each event type that this binary knows.
	Fresh map[string]func() F
}

// Encode returns the event of a type, or why it has none.
func (c Codec[F]) Encode(id ledger.EventID, kind string, fact F) (ledger.Event, error) {
	if err := fact.Validate(); err != nil {
		return ledger.Event{}, err
	}
	row := ledger.Marshal(fact)
	if len(row) > maxRowBytes {
		return ledger.Event{}, ErrTooLong
	}
	return ledger.Event{ID: id, Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}, nil
}

// Decode reads an event. Its errors are ErrNewer and ErrMalformed. What decodes encodes to the same event.
func (c Codec[F]) Decode(e *ledger.Event) (F, error) {
	var none F
	fresh, known := c.Fresh[e.Type]
	if !known || e.Version > 1 {
		return none, ErrNewer
	}
	if e.Version != 1 || len(e.Shared) > 0 || e.Count() != 1 {
		return none, fmt.Errorf("%w: not one row of version 1", ErrMalformed)
	}
	fact := fresh()
	if err := ledger.Unmarshal(e.Rows, fact, maxRowBytes); err != nil {
		return none, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := fact.Validate(); err != nil {
		return none, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return fact, nil
}

// Place decodes an event of a verified entry and notes where it stands.
func (c Codec[F]) Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed[F], error) {
	fact, err := c.Decode(e)
	if err != nil {
		return Placed[F]{}, err
	}
	return Place(origin, pos, author, authoredAt, e, fact), nil
}
