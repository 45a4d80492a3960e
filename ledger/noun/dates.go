package noun

import (
	"time"

	"vigil/ledger"
)

// Dates are the times of events: that of the first checkpoint that covers each, no later than which it existed. Several
// agencies signed it, so it is nobody's word alone.
type Dates map[dated]time.Time

type dated struct {
	origin   ledger.Origin
	position ledger.Position
}

// Set notes when an event existed; the zero time stands for "not known yet".
func (d Dates) Set(o ledger.Origin, p ledger.Position, at time.Time) {
	if !at.IsZero() {
		d[dated{o, p}] = at
	}
}

// Of returns the time of an event, zero where it is not known yet.
func (d Dates) Of(o ledger.Origin, p ledger.Position) time.Time { return d[dated{o, p}] }
