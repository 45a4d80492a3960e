package noun

import (
	"cmp"
	"slices"
	"strings"

	"vigil/ledger"
)

// Fact is what an event says.
type Fact interface {
	// Validate accepts what can be encoded.
	Validate() error
	// About returns the object the fact refers to; false where it founds one.
	About() (Key, bool)
}

// Placed is a fact with its place in a ledger, as the board hands it to a fold.
type Placed[F Fact] struct {
	Origin     ledger.Origin
	Position   ledger.Position // of the event's first row
	Author     ledger.AgencyID // of the entry, as verified
	AuthoredAt int64           // ms; the author's word, shown, decides nothing
	Event      ledger.EventID
	Fact       F
	digest     [32]byte // of the event's whole content
}

// Place notes where a decoded event of a verified entry stands.
func Place[F Fact](origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event, fact F) Placed[F] {
	return Placed[F]{Origin: origin, Position: pos, Author: author, AuthoredAt: authoredAt, Event: e.ID, Fact: fact, digest: e.Digest()}
}

// Key returns the object that the event founds or refers to.
func (p *Placed[F]) Key() Key {
	if k, refers := p.Fact.About(); refers {
		return k
	}
	return Key{Home: p.Origin, Author: p.Author, Event: p.Event}
}

// Same says that two events have the same content.
func (p *Placed[F]) Same(o *Placed[F]) bool { return p.digest == o.digest }

// Compare is the canonical order of the events of one object: the home ledger first, then origin, index, position. It
// compares no clocks, so it is the same on every node.
func Compare[F Fact](home ledger.Origin, a, b *Placed[F]) int {
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

// Canonical returns the events of one object in canonical order, and apart from them those that have no effect because
// their author used the event id before. An event given twice counts once.
func Canonical[F Fact](home ledger.Origin, events []Placed[F]) (standing, repeated []Placed[F]) {
	type identity struct {
		author ledger.AgencyID
		event  ledger.EventID
	}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Placed[F]) int { return Compare(home, &a, &b) })
	seen := map[identity]bool{}
	for i := range sorted {
		p := &sorted[i]
		if i > 0 && Compare(home, &sorted[i-1], p) == 0 {
			continue
		}
		id := identity{p.Author, p.Event}
		if seen[id] {
			repeated = append(repeated, *p)
			continue
		}
		seen[id] = true
		standing = append(standing, *p)
	}
	return standing, repeated
}
