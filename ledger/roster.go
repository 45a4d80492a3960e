package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrRoster says that a part of the roster is not well-formed.
var ErrRoster = errors.New("ledger: roster")

// Node is an agency's one node.
type Node struct {
	_          struct{} `cbor:",toarray"`
	Key        crypto.NodePublic
	Checkpoint crypto.NodePublic
	Address    string   // host:port for the jurisdiction's other nodes
	Peers      []string // libp2p multiaddresses for partners; empty: no gateway
}

const (
	maxAddress = 256
	maxPeers   = 8
	maxText    = 128
)

func (n Node) check() error {
	if n.Key == (crypto.NodePublic{}) || n.Checkpoint == (crypto.NodePublic{}) || n.Key == n.Checkpoint {
		return fmt.Errorf("%w: a node has two different keys", ErrRoster)
	}
	if len(n.Address) == 0 || len(n.Address) > maxAddress || len(n.Peers) > maxPeers {
		return fmt.Errorf("%w: a node has one address and at most %d for partners", ErrRoster, maxPeers)
	}
	for _, p := range n.Peers {
		if len(p) == 0 || len(p) > maxAddress {
			return fmt.Errorf("%w: a partner address of %d bytes", ErrRoster, len(p))
		}
	}
	return nil
}

// Agency is one member of the roster.
type Agency struct {
	_           struct{} `cbor:",toarray"`
	ID          AgencyID
	Name        string
	Certificate []byte
	Generation  uint64 // of its key, from 1; the epoch of the audience that is this agency alone
	Node        Node
	Joined      Index
}

// certificate parses the agency's certificate; the roster holds only those that parse.
func (a *Agency) certificate() (*crypto.Certificate, error) {
	return crypto.ParseCertificate(a.Certificate)
}

func (a *Agency) check() error {
	if _, err := ParseAgencyID(string(a.ID)); err != nil {
		return err
	}
	if len(a.Name) > maxText {
		return fmt.Errorf("%w: a name of %d bytes, at most %d", ErrRoster, len(a.Name), maxText)
	}
	if _, err := a.certificate(); err != nil {
		return fmt.Errorf("%w: certificate of %s: %w", ErrRoster, a.ID, err)
	}
	return a.Node.check()
}

// Audience is a named set of agencies and its current epoch.
type Audience struct {
	_           struct{} `cbor:",toarray"`
	Name        AudienceName
	Members     []AgencyID // in roster order
	Epoch       uint64     // 0 before the first key
	Certificate []byte     // of the current epoch
	Stale       bool       // closed to new entries until the next epoch
	Barred      []AgencyID // whose share did not match: may not make the next epoch
	// Due says that a member came or went since the epoch was made.
	Due bool
	// Maker is who made the current epoch; empty for the founding one.
	Maker AgencyID
}

// Policy is what the members agreed on.
type Policy struct {
	_             struct{}   `cbor:",toarray"`
	Threshold     uint64     // k: approvals a change needs, as far as there are so many entitled to vote
	Quorum        uint64     // 1: a majority of agencies; 2: ⌊2n/3⌋+1
	Corroboration uint64     // k independent agencies corroborate an alert
	Voters        []AgencyID // whose nodes vote in raft; empty: by the rule of thumb
	// Sections are what was agreed on for casework, sorted by name. State does not read them: each noun reads its own, and
	// takes its default where there is none or a newer one than it knows.
	Sections []PolicySection
}

// PolicySection is one noun's part of the policy: CBOR that only the noun reads.
type PolicySection struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Body []byte
}

// Section returns a noun's part of the policy; nil where there is none.
func (p Policy) Section(name string) []byte {
	for _, s := range p.Sections {
		if s.Name == name {
			return s.Body
		}
	}
	return nil
}

// WithSection returns the policy with a noun's part replaced.
func (p Policy) WithSection(name string, body []byte) Policy {
	others := slices.DeleteFunc(slices.Clone(p.Sections), func(s PolicySection) bool { return s.Name == name })
	p.Sections = append(others, PolicySection{Name: name, Body: body})
	slices.SortFunc(p.Sections, func(a, b PolicySection) int { return strings.Compare(a.Name, b.Name) })
	return p
}

func (p Policy) checkSections() error {
	if len(p.Sections) > maxPolicySections {
		return fmt.Errorf("%w: %d policy sections, at most %d", ErrRoster, len(p.Sections), maxPolicySections)
	}
	for i, s := range p.Sections {
		if !validName(s.Name) || len(s.Body) == 0 || len(s.Body) > maxSectionBytes || i > 0 && p.Sections[i-1].Name >= s.Name {
			return fmt.Errorf("%w: policy sections are sorted, named once, of 1 to %d bytes", ErrRoster, maxSectionBytes)
		}
	}
	return nil
}

// Rules of Policy.Quorum.
const (
	QuorumMajority  = 1
	QuorumTwoThirds = 2
)

func (p Policy) check() error {
	if p.Threshold < 1 || p.Threshold > MaxAgencies || p.Quorum < QuorumMajority || p.Quorum > QuorumTwoThirds ||
		p.Corroboration < 2 || p.Corroboration > MaxAgencies {
		return fmt.Errorf("%w: policy", ErrRoster)
	}
	return p.checkSections()
}

// PartnerLink is a linked jurisdiction as both sides agreed on it.
type PartnerLink struct {
	_         struct{} `cbor:",toarray"`
	Card      PartnerCard
	Suspended bool
}

// PartnerCard is what two jurisdictions exchange out of band: the origin and genesis that bind everything after, and
// where to begin to ask.
type PartnerCard struct {
	_          struct{} `cbor:",toarray"`
	Version    uint64
	Origin     Origin
	Genesis    tlog.Hash
	Roster     uint64 // roster version when the card was made
	Checkpoint []byte // signed; may be empty
	Quorum     uint64
	Gateways   []Gateway
}

// Gateway is a node that serves partners.
type Gateway struct {
	_      struct{} `cbor:",toarray"`
	Agency AgencyID
	Key    crypto.NodePublic
	Peers  []string
}

const maxCardBytes = 64 << 10

// Encode returns the card's bytes.
func (c PartnerCard) Encode() []byte { return Marshal(c) }

// DecodePartnerCard accepts exactly what Encode writes for a well-formed card.
func DecodePartnerCard(b []byte) (PartnerCard, error) {
	var c PartnerCard
	if err := Unmarshal(b, &c, maxCardBytes); err != nil {
		return c, err
	}
	return c, c.check()
}

func (c PartnerCard) check() error {
	if _, err := ParseOrigin(string(c.Origin)); err != nil || c.Version != 1 {
		return fmt.Errorf("%w: a partner card of version 1", ErrRoster)
	}
	if len(c.Gateways) == 0 || len(c.Gateways) > MaxAgencies {
		return fmt.Errorf("%w: a partner card names at least one gateway", ErrRoster)
	}
	for _, g := range c.Gateways {
		if g.Agency.Jurisdiction() != c.Origin.Jurisdiction() || len(g.Peers) == 0 || len(g.Peers) > maxPeers {
			return fmt.Errorf("%w: gateway %s", ErrRoster, g.Agency)
		}
	}
	return nil
}

// Proposal is an open change. Approvals hold the author's first, where the author votes on it.
type Proposal struct {
	_         struct{}  `cbor:",toarray"`
	ID        tlog.Hash // leaf hash of the entry that made it
	Index     Index
	Author    AgencyID
	Roster    uint64
	Change    Change
	Approvals []AgencyID
}

// Removed remembers a writer that left, so that it never returns.
type Removed struct {
	_      struct{} `cbor:",toarray"`
	Agency AgencyID
	Node   crypto.NodeID
}

// Governance is the public part of a ledger's state: everything that follows from its governance entries, folded by
// members and partners alike. Values are immutable: Fold returns a new one.
type Governance struct {
	_         struct{} `cbor:",toarray"`
	Origin    Origin
	Genesis   tlog.Hash
	Format    uint64
	Version   uint64     // of the roster; raised by every executed change
	Agencies  []Agency   // in order of admission
	Audiences []Audience // sorted by name
	Policy    Policy
	Proposals []Proposal
	Partners  []PartnerLink // sorted by origin
	Removed   []Removed
	Former    []Former
	Grants    []OpenGrant // in the order in which they were decided
	Approved  []Approved  // releases and expungements that members decided, the newest last
	Swaps     []Swap      // the last swap of a voter; none once the members have decided a policy after it
	// Predecessor is the ledger that this one continues; none for a first one. Successions are partners' ledgers that go on
	// in another one.
	Predecessor []Closed
	Successions []Succession

	members map[AgencyID]*member       // by id, made by index
	nodes   map[crypto.NodeID]AgencyID // by node, made by index
	public  tlog.Hash                  // PublicRoot, once settled
}

// member is what is looked up for every entry: the roster's line and its certificate, parsed once.
type member struct {
	agency      *Agency
	certificate *crypto.Certificate
}

// index makes the look-ups anew; it is called wherever Agencies was changed.
func (g *Governance) index() error {
	g.members = make(map[AgencyID]*member, len(g.Agencies))
	g.nodes = make(map[crypto.NodeID]AgencyID, len(g.Agencies))
	for i := range g.Agencies {
		a := &g.Agencies[i]
		c, err := crypto.ParseCertificate(a.Certificate)
		if err != nil {
			return fmt.Errorf("%w: certificate of %s: %w", ErrRoster, a.ID, err)
		}
		g.members[a.ID] = &member{agency: a, certificate: c}
		g.nodes[a.Node.Key.ID()] = a.ID
	}
	return nil
}

// Certificate returns a member's certificate, parsed.
func (g *Governance) Certificate(id AgencyID) (*crypto.Certificate, bool) {
	m := g.members[id]
	if m == nil {
		return nil, false
	}
	return m.certificate, true
}

// Agency returns a member.
func (g *Governance) Agency(id AgencyID) (*Agency, bool) {
	m := g.members[id]
	if m == nil {
		return nil, false
	}
	return m.agency, true
}

// NodeOwner returns whose node it is.
func (g *Governance) NodeOwner(id crypto.NodeID) (AgencyID, bool) {
	owner, ok := g.nodes[id]
	return owner, ok
}

// Audience returns a named set.
func (g *Governance) Audience(name AudienceName) (*Audience, bool) {
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == name })
	if i < 0 {
		return nil, false
	}
	return &g.Audiences[i], true
}

// Partner returns a link by its origin.
func (g *Governance) Partner(o Origin) (*PartnerLink, bool) {
	i := slices.IndexFunc(g.Partners, func(p PartnerLink) bool { return p.Card.Origin == o })
	if i < 0 {
		return nil, false
	}
	return &g.Partners[i], true
}

// PartnerOf returns the link to a jurisdiction: to the ledger that goes on, where it had others before.
func (g *Governance) PartnerOf(j JurisdictionID) (*PartnerLink, bool) {
	i := slices.IndexFunc(g.Partners, func(p PartnerLink) bool {
		_, closed := g.ClosedAt(p.Card.Origin)
		return p.Card.Origin.Jurisdiction() == j && !closed
	})
	if i < 0 {
		return nil, false
	}
	return &g.Partners[i], true
}

// QuorumSize returns q: how many agencies must cosign a checkpoint for it to count.
func (g *Governance) QuorumSize() int {
	if g.Policy.Quorum == QuorumTwoThirds {
		return 2*len(g.Agencies)/3 + 1
	}
	return len(g.Agencies)/2 + 1
}

// CheckpointKeys returns the members' checkpoint keys.
func (g *Governance) CheckpointKeys() map[AgencyID][]crypto.NodePublic {
	keys := make(map[AgencyID][]crypto.NodePublic, len(g.Agencies))
	for i := range g.Agencies {
		keys[g.Agencies[i].ID] = []crypto.NodePublic{g.Agencies[i].Node.Checkpoint}
	}
	return keys
}

// Recipient returns an audience of this ledger at its current epoch, and the certificate to seal to.
func (g *Governance) Recipient(name AudienceName) (AudienceRef, []byte, error) {
	if id, single := name.Agency(); single {
		a, ok := g.Agency(id)
		if !ok {
			return AudienceRef{}, nil, fmt.Errorf("%w: %s", ErrNoAudience, name)
		}
		return AudienceRef{Name: name, Epoch: a.Generation}, a.Certificate, nil
	}
	a, ok := g.Audience(name)
	switch {
	case !ok || a.Epoch == 0:
		return AudienceRef{}, nil, fmt.Errorf("%w: %s", ErrNoAudience, name)
	case a.Stale:
		return AudienceRef{}, nil, fmt.Errorf("%w: %s", ErrStaleEpoch, name)
	}
	return AudienceRef{Name: name, Epoch: a.Epoch}, a.Certificate, nil
}

// audienceMembers returns who can open what is sealed to an audience of this ledger.
func (g *Governance) audienceMembers(name AudienceName) []AgencyID {
	if id, single := name.Agency(); single {
		return []AgencyID{id}
	}
	if a, ok := g.Audience(name); ok {
		return a.Members
	}
	return nil
}

func (g *Governance) clone() *Governance {
	c := *g
	c.Agencies, c.Audiences = slices.Clone(g.Agencies), slices.Clone(g.Audiences)
	c.Proposals, c.Partners, c.Removed, c.Former = slices.Clone(g.Proposals), slices.Clone(g.Partners), slices.Clone(g.Removed), slices.Clone(g.Former)
	c.Grants, c.Approved = slices.Clone(g.Grants), slices.Clone(g.Approved)
	c.Swaps, c.Successions = slices.Clone(g.Swaps), slices.Clone(g.Successions)
	c.public = tlog.Hash{}
	return &c
}
