package ledger

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// Successor founds a ledger that continues another one whose voters are gone: its entry 0. It has an origin of its own, so
// that no two halves ever continue one ledger. The roster comes over as it was, and only the founder's node is another:
// the others' nodes come by ReplaceNode. From FormatVoters on.
type Successor struct {
	_       struct{} `cbor:",toarray"`
	Random  [16]byte // of the origin
	Founder AgencyID
	Of      Closed
	Format  uint64
	Version uint64 // of the roster: the next after the predecessor's
	// Agencies, in the predecessor's order; Joined is 0.
	Agencies []Agency
	// Epochs are a fresh key for each audience, numbered on from the predecessor's, with a share for each member.
	Epochs   []Epoch // sorted by audience
	Policy   Policy  // the founder alone votes
	Partners []PartnerLink
	Removed  []Removed
	Former   []Former
}

// Closed says where a ledger ends that another one continues: what Checkpoint names, which is signed by the founder of the
// successor and perhaps by others. A ledger that is closed may be mirrored up to there, and not beyond.
type Closed struct {
	_       struct{} `cbor:",toarray"`
	Origin  Origin
	Genesis tlog.Hash // leaf hash of its entry 0
	Size    uint64
	Root    tlog.Hash
	State   tlog.Hash // the state line
	By      AgencyID  // the successor's founder, whose word counts for what too few had cosigned
}

// Checkpoint returns the checkpoint at which the ledger ends.
func (c Closed) Checkpoint() Checkpoint {
	return Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root, State: c.State}
}

// Succeed makes the founding act of a successor: the governance of the ledger that ends, with the founder's new node. Keys
// of audiences are made by the caller, one Epoch for each of NextEpochs; so are the links, as they are to be asked now.
func (g *Governance) Succeed(random [16]byte, of Closed, node Node, epochs []Epoch, partners []PartnerLink) (*Successor, error) {
	s := &Successor{
		Random: random, Founder: of.By, Of: of, Format: max(g.Format, FormatVoters), Version: g.Version + 1, Agencies: slices.Clone(g.Agencies),
		Epochs: epochs, Policy: g.Policy, Partners: partners, Removed: slices.Clone(g.Removed), Former: slices.Clone(g.Former),
	}
	s.Policy.Voters = []AgencyID{of.By}
	for i := range s.Agencies {
		a := &s.Agencies[i]
		if a.ID == of.By {
			s.Removed = append(s.Removed, Removed{Agency: a.ID, Node: a.Node.Key.ID()})
			a.Node = node
		}
		a.Joined = 0
	}
	_, err := s.governance(tlog.Hash{})
	return s, err
}

// NextEpochs returns the audiences for which a successor needs keys, with the number each has.
func (g *Governance) NextEpochs() []Audience {
	var out []Audience
	for _, a := range g.Audiences {
		if len(a.Members) > 0 {
			a.Epoch++
			out = append(out, a)
		}
	}
	return out
}

// foundSuccessor folds the founding act of a successor into its first governance.
func foundSuccessor(rec *Record, s *Successor, leaf tlog.Hash) (*Governance, error) {
	if s.Format > StateFormat {
		return nil, ErrNewerFormat
	}
	g, err := s.governance(leaf)
	if err != nil {
		return nil, err
	}
	founder, ok := g.Agency(s.Founder)
	switch {
	case rec.Origin != g.Origin:
		return nil, ErrOtherLedger
	case !ok || rec.Author != s.Founder || rec.Writer != founder.Node.Key.ID():
		return nil, ErrOtherWriter
	}
	return g.settle(), nil
}

// governance checks what the act says and returns the governance it founds.
func (s *Successor) governance(leaf tlog.Hash) (*Governance, error) {
	j := s.Founder.Jurisdiction()
	origin := NewOrigin(j, s.Random)
	if _, err := ParseOrigin(string(s.Of.Origin)); err != nil || s.Of.Origin.Jurisdiction() != j || s.Of.Origin == origin || s.Of.Size == 0 || s.Of.By != s.Founder {
		return nil, ErrMalformedEntry
	}
	if s.Format < FormatVoters || s.Version == 0 || s.Policy.check() != nil || len(s.Agencies) > MaxAgencies || len(s.Epochs) > MaxNamedAudiences {
		return nil, ErrMalformedEntry
	}
	g := &Governance{
		Origin: origin, Genesis: leaf, Format: s.Format, Version: s.Version, Agencies: s.Agencies, Policy: s.Policy, Audiences: []Audience{},
		Proposals: []Proposal{}, Partners: s.Partners, Removed: s.Removed, Former: s.Former, Grants: []OpenGrant{}, Approved: []Approved{},
		Swaps: []Swap{}, Predecessor: []Closed{s.Of}, Successions: []Succession{},
	}
	if err := s.checkAgencies(g); err != nil {
		return nil, err
	}
	if err := g.index(); err != nil {
		return nil, ErrMalformedEntry
	}
	if !slices.Equal(s.Policy.Voters, []AgencyID{s.Founder}) || g.CheckVoters(s.Policy.Voters) != nil {
		return nil, ErrVotersPolicy
	}
	for i, p := range s.Partners {
		twice := slices.ContainsFunc(s.Partners[:i], func(o PartnerLink) bool { return o.Card.Origin.Jurisdiction() == p.Card.Origin.Jurisdiction() })
		if p.Card.check() != nil || p.Card.Origin.Jurisdiction() == j || twice || i > 0 && s.Partners[i-1].Card.Origin >= p.Card.Origin || i >= MaxPartners {
			return nil, ErrMalformedEntry
		}
	}
	return g, s.audiences(g)
}

func (s *Successor) checkAgencies(g *Governance) error {
	for i := range s.Agencies {
		a := &s.Agencies[i]
		if a.check() != nil || a.ID.Jurisdiction() != s.Founder.Jurisdiction() || a.Generation < 1 || a.Joined != 0 {
			return ErrMalformedEntry
		}
		if g.hasLeft(a.Node.Key.ID()) {
			return ErrNodeReturned
		}
		if g.hadCertificate(a.Certificate) {
			return ErrKeyReturned
		}
		for j := range s.Agencies[:i] {
			o := &s.Agencies[j]
			if o.ID == a.ID || bytes.Equal(o.Certificate, a.Certificate) || sharesKey(o.Node, a.Node) {
				return ErrExists
			}
		}
	}
	return nil
}

// audiences makes the audiences of the epochs: who has a share is a member.
func (s *Successor) audiences(g *Governance) error {
	for i, e := range s.Epochs {
		var members []AgencyID
		for k := range g.Agencies {
			if id := g.Agencies[k].ID; slices.ContainsFunc(e.Shares, func(s Share) bool { return s.Agency == id }) {
				members = append(members, id)
			}
		}
		_, single := e.Audience.Agency()
		_, err := ParseAudienceName(string(e.Audience))
		if err != nil || single || e.Audience.Jurisdiction() != s.Founder.Jurisdiction() || i > 0 && s.Epochs[i-1].Audience >= e.Audience {
			return ErrMalformedEntry
		}
		if _, err := crypto.ParseCertificate(e.Certificate); err != nil || e.Number < 1 || len(members) == 0 || !sharesFor(e, members) {
			return ErrEpoch
		}
		g.Audiences = append(g.Audiences, Audience{Name: e.Audience, Members: members, Epoch: e.Number, Certificate: e.Certificate, Barred: []AgencyID{}, Maker: s.Founder})
	}
	if _, ok := g.Audience(Everyone(s.Founder.Jurisdiction())); !ok {
		return ErrEpoch
	}
	return nil
}

// Succession says that a partner's ledger goes on in another one.
type Succession struct {
	_      struct{} `cbor:",toarray"`
	Origin Origin   // of the successor
	Of     Closed
}

// ClosedAt says where a ledger ends that another one continues: ours, or a partner's.
func (g *Governance) ClosedAt(o Origin) (Closed, bool) {
	for _, c := range g.Predecessor {
		if c.Origin == o {
			return c, true
		}
	}
	for _, s := range g.Successions {
		if s.Of.Origin == o {
			return s.Of, true
		}
	}
	return Closed{}, false
}

// Continues returns what a partner's ledger continues.
func (g *Governance) Continues(o Origin) (Closed, bool) {
	for _, s := range g.Successions {
		if s.Origin == o {
			return s.Of, true
		}
	}
	return Closed{}, false
}

// succeed links the successor of a partner's ledger in the place of that one, which stays readable and is mirrored to its
// end.
func (g *Governance) succeed(c *Succeed) error {
	if g.Format < FormatVoters {
		return ErrOldFormat
	}
	j := c.Card.Origin.Jurisdiction()
	if c.Card.check() != nil || c.Of.Origin.Jurisdiction() != j || c.Of.Origin == c.Card.Origin || c.Of.Size == 0 || c.Of.By.Jurisdiction() != j {
		return ErrMalformedEntry
	}
	link, linked := g.Partner(c.Of.Origin)
	if !linked || link.Suspended || link.Card.Genesis != c.Of.Genesis {
		return ErrNotThere
	}
	_, closed := g.ClosedAt(c.Of.Origin)
	_, there := g.Partner(c.Card.Origin)
	if closed || there {
		return ErrExists
	}
	if len(g.Partners) >= MaxPartners {
		return ErrBounds
	}
	g.Partners = append(g.Partners, PartnerLink{Card: c.Card})
	slices.SortFunc(g.Partners, func(a, b PartnerLink) int { return strings.Compare(string(a.Card.Origin), string(b.Card.Origin)) })
	g.Successions = append(g.Successions, Succession{Origin: c.Card.Origin, Of: c.Of})
	return nil
}

// SuccessorCard is the partner card of a ledger that continues another: with it a partner of that one links this.
type SuccessorCard struct {
	_    struct{} `cbor:",toarray"`
	Card PartnerCard
	Of   Closed
}

// Encode returns the card's bytes.
func (c SuccessorCard) Encode() []byte { return Marshal(c) }

// DecodeSuccessorCard accepts exactly what Encode writes for a well-formed card.
func DecodeSuccessorCard(b []byte) (SuccessorCard, error) {
	var c SuccessorCard
	if err := Unmarshal(b, &c, maxCardBytes); err != nil {
		return c, err
	}
	return c, c.Card.check()
}
