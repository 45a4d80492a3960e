package ledger

import (
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Earlier returns the leaf of an entry of the ledger that a state is of, at an index below its size. Entries that name an
// earlier one are judged by it; every replica has every leaf, so that all judge alike. An error is that of a damaged disk.
type Earlier func(Index) ([]byte, error)

// Approved is what the members decided in an author's place: By may write this one release or expungement. It stays until
// MaxApproved newer ones have come.
type Approved struct {
	_         struct{} `cbor:",toarray"`
	Kind      Kind     // KindRelease or KindExpungement
	Target    Index
	Leaf      tlog.Hash      // of the target
	Rows      []uint64       // places in its events tree, in order; none: all
	Audiences []AudienceName // of a release, sorted
	Order     [32]byte       // of an expungement: SHA-256 of the order
	By        AgencyID
	At        Index // the deciding entry
}

func (g *Governance) approveRelease(c *Release, by AgencyID, at Index) error {
	if len(c.Audiences) == 0 || len(c.Audiences) >= MaxAudiences {
		return ErrBounds
	}
	for i, name := range c.Audiences {
		if _, err := ParseAudienceName(string(name)); err != nil || i > 0 && c.Audiences[i-1] >= name {
			return ErrMalformedEntry
		}
	}
	return g.approved(Approved{Kind: KindRelease, Target: c.Target, Leaf: c.Leaf, Rows: c.Rows, Audiences: c.Audiences, By: by, At: at})
}

func (g *Governance) approveExpungement(c *Expunge, by AgencyID, at Index) error {
	if c.Order == ([32]byte{}) {
		return ErrMalformedEntry
	}
	return g.approved(Approved{Kind: KindExpungement, Target: c.Target, Leaf: c.Leaf, Rows: c.Rows, Audiences: []AudienceName{}, Order: c.Order, By: by, At: at})
}

func (g *Governance) approved(a Approved) error {
	if len(a.Rows) > MaxEntryLeaves {
		return ErrBounds
	}
	for i, row := range a.Rows {
		if row >= MaxEntryLeaves || i > 0 && a.Rows[i-1] >= row {
			return ErrMalformedEntry
		}
	}
	g.Approved = append(g.Approved, a)
	if n := len(g.Approved) - MaxApproved; n > 0 {
		g.Approved = slices.Clone(g.Approved[n:])
	}
	return nil
}

// Decided returns what the members decided about an entry, the newest first of those by which an agency may write.
func (g *Governance) Decided(kind Kind, target Index, leaf tlog.Hash, by AgencyID) []Approved {
	var out []Approved
	for _, a := range slices.Backward(g.Approved) {
		if a.Kind == kind && a.Target == target && a.Leaf == leaf && a.By == by {
			out = append(out, a)
		}
	}
	return out
}

// checkNaming checks that a release or an expungement names a sealed entry and comes from that entry's author, or from whom
// the members let write it. What is carried inside is sealed: readers judge it.
func (s *State) checkNaming(rec *Record, earlier Earlier) error {
	if earlier == nil || rec.Target >= s.Size() {
		return ErrNoTarget
	}
	leaf, err := earlier(rec.Target)
	if err != nil {
		return ErrNoTarget
	}
	target, _, err := OpenLeaf(leaf)
	if err != nil || target.Kind != KindSealed {
		return ErrNoTarget
	}
	if target.Author == rec.Author {
		return nil
	}
	for _, a := range s.Governance.Decided(rec.Kind, rec.Target, LeafHash(leaf), rec.Author) {
		if a.Kind == KindExpungement || a.covers(rec) {
			return nil
		}
	}
	return ErrNotAuthor
}

// covers says whether a release goes to nobody but those it was decided for, and its author.
func (a *Approved) covers(rec *Record) bool {
	return !slices.ContainsFunc(rec.Audience, func(r AudienceRef) bool {
		id, single := r.Name.Agency()
		return !slices.Contains(a.Audiences, r.Name) && (!single || id != rec.Author)
	})
}
