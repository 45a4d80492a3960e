package alert

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"

	"vigil/ledger"
)

// Placed is a fact with its place in a ledger, as the board hands it to the fold.
type Placed struct {
	Origin     ledger.Origin
	Position   ledger.Position // of the event's first row
	Author     ledger.AgencyID // of the entry, as verified
	AuthoredAt int64           // ms; the author's word, shown, decides nothing
	Event      ledger.EventID
	Fact       Fact
	digest     [32]byte // of the event's whole content
}

// Place decodes an event of a verified entry and notes where it stands. Errors are those of Decode.
func Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed, error) {
	fact, err := Decode(e)
	if err != nil {
		return Placed{}, err
	}
	shared, rows := sha256.Sum256(e.SharedPart()), sha256.Sum256(e.Rows)
	return Placed{
		Origin: origin, Position: pos, Author: author, AuthoredAt: authoredAt, Event: e.ID, Fact: fact,
		digest: sha256.Sum256(append(shared[:], rows[:]...)),
	}, nil
}

// Key returns the object that the event founds or refers to.
func (p *Placed) Key() Key {
	switch f := p.Fact.(type) {
	case *Assessed:
		return f.Target
	case *Retracted:
		return f.Target
	case *Raised, *Listed:
		return Key{Home: p.Origin, Author: p.Author, Event: p.Event}
	}
	panic(fmt.Sprintf("alert: %T is no fact", p.Fact))
}

// Compare is the canonical order of the events of one object: the home ledger first, then origin, index, position.
// It compares no clocks, so it is the same on every node.
func Compare(home ledger.Origin, a, b *Placed) int {
	if a.Origin != b.Origin {
		if a.Origin == home {
			return -1
		}
		if b.Origin == home {
			return 1
		}
		return strings.Compare(string(a.Origin), string(b.Origin))
	}
	return cmp.Or(cmp.Compare(a.Position.Index, b.Position.Index), cmp.Compare(a.Position.Leaf, b.Position.Leaf))
}
