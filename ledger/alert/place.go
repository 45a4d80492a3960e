package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Placed is a fact with its place in a ledger, as the board hands it to the fold.
type Placed = noun.Placed[Fact]

// Place decodes an event of a verified entry and notes where it stands. Errors are those of Decode.
func Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed, error) {
	fact, err := Decode(e)
	if err != nil {
		return Placed{}, err
	}
	return noun.Place(origin, pos, author, authoredAt, e, fact), nil
}

// About implements noun.Fact: it founds an alert.
func (r *Raised) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact: it founds alerts.
func (l *Listed) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (a *Assessed) About() (Key, bool) { return a.Target, true }

// About implements noun.Fact.
func (r *Retracted) About() (Key, bool) { return r.Target, true }
