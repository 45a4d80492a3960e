package alert

import (
	"fmt"
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Fact is what an event says: *Raised, *Listed, *Assessed, *Retracted, *Sighted or *Linked.
type Fact interface {
	noun.Fact
	Encode(ledger.EventID) (ledger.Event, error)
}

// Cause is a fact that founds an alert: *Raised or *Listed.
type Cause interface {
	Fact
	Rows() int
	shares() Details
}

func (r *Raised) shares() Details { return r.Details }
func (l *Listed) shares() Details { return l.Details }

var decoders = map[string]func(*ledger.Event) (Fact, error){
	TypeRaised:    decodeRaised,
	TypeListed:    decodeListed,
	TypeAssessed:  decodeAssessed,
	TypeRetracted: decodeRetracted,
	TypeSighted:   decodeSighted,
	TypeLinked:    decodeLinked,
}

// Decode reads an event. ErrNotAlert: another noun's. noun.ErrNewer: of a type or version made after this binary; keep it
// and decode it again after an upgrade. noun.ErrMalformed: it has no effect, now or later. What decodes encodes to the
// same event.
func Decode(e *ledger.Event) (Fact, error) {
	if !strings.HasPrefix(e.Type, "alert.") {
		return nil, ErrNotAlert
	}
	decode, known := decoders[e.Type]
	if !known || e.Version > 1 {
		return nil, noun.ErrNewer
	}
	if e.Version != 1 {
		return nil, fmt.Errorf("%w: version 0", noun.ErrMalformed)
	}
	fact, err := decode(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", noun.ErrMalformed, err)
	}
	return fact, nil
}

// DetailsOf returns what an alert says beside its fingerprints.
func DetailsOf(c Cause) Details { return c.shares() }

// FileOf returns the fingerprints of one row, under c.Rows().
func FileOf(c Cause, row uint32) File {
	if l, ok := c.(*Listed); ok {
		return l.File(int(row))
	}
	return c.(*Raised).File
}
