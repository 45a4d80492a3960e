package ledger

import (
	"bytes"
	"slices"
	"time"

	"vigil/crypto"
)

// Former is a certificate that left the roster, with its agency or when that got another key. What was signed with it
// keeps its proof, and it never returns.
type Former struct {
	_           struct{} `cbor:",toarray"`
	Agency      AgencyID
	Generation  uint64
	Certificate []byte
}

// NextGeneration returns the generation of an agency's next key: 1 for one that never belonged.
func (g *Governance) NextGeneration(id AgencyID) uint64 {
	last := uint64(0)
	if a, ok := g.Agency(id); ok {
		last = a.Generation
	}
	for _, f := range g.Former {
		if f.Agency == id {
			last = max(last, f.Generation)
		}
	}
	return last + 1
}

func (g *Governance) admit(c *Admit, index Index) error {
	a := c.Agency
	if a.check() != nil || a.ID.Jurisdiction() != g.Origin.Jurisdiction() || len(c.Audiences) > MaxNamedAudiences {
		return ErrMalformedEntry
	}
	if len(g.Agencies) >= MaxAgencies {
		return ErrBounds
	}
	for i := range g.Agencies {
		o := &g.Agencies[i]
		if o.ID == a.ID || bytes.Equal(o.Certificate, a.Certificate) || sharesKey(o.Node, a.Node) {
			return ErrExists
		}
	}
	switch {
	case g.hasLeft(a.Node.Key.ID()):
		return ErrNodeReturned
	case g.hadCertificate(a.Certificate):
		return ErrKeyReturned
	case a.Generation != g.NextGeneration(a.ID):
		return ErrGeneration
	}
	a.Joined = index
	g.Agencies = append(g.Agencies, a)
	g.fillVoters()
	for _, name := range c.Audiences {
		i := slices.IndexFunc(g.Audiences, func(x Audience) bool { return x.Name == name })
		if i < 0 || slices.Contains(g.Audiences[i].Members, a.ID) {
			return ErrNotThere
		}
		x := g.Audiences[i]
		x.Members, x.Due = append(slices.Clone(x.Members), a.ID), true
		g.Audiences[i] = x
	}
	return nil
}

func sharesKey(a, b Node) bool {
	return a.Key == b.Key || a.Key == b.Checkpoint || a.Checkpoint == b.Key || a.Checkpoint == b.Checkpoint
}

// hasLeft says whether a node key belonged to the roster and does not any more.
func (g *Governance) hasLeft(id crypto.NodeID) bool {
	return slices.ContainsFunc(g.Removed, func(r Removed) bool { return r.Node == id })
}

func (g *Governance) hadCertificate(certificate []byte) bool {
	return slices.ContainsFunc(g.Former, func(f Former) bool { return bytes.Equal(f.Certificate, certificate) })
}

func (g *Governance) remove(id AgencyID) error {
	i := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == id })
	if i < 0 {
		return ErrNotThere
	}
	if len(g.Agencies) == 1 {
		return ErrLast
	}
	gone := g.Agencies[i]
	g.Removed = append(g.Removed, Removed{Agency: id, Node: gone.Node.Key.ID()})
	g.Former = append(g.Former, Former{Agency: id, Generation: gone.Generation, Certificate: gone.Certificate})
	g.dropGrants(func(o OpenGrant) bool { return o.Agency == id })
	g.Agencies = slices.Delete(g.Agencies, i, i+1)
	g.Policy.Voters = slices.DeleteFunc(slices.Clone(g.Policy.Voters), func(v AgencyID) bool { return v == id })
	g.fillVoters()
	for i, a := range g.Audiences {
		if slices.Contains(a.Members, id) {
			a.Members = slices.DeleteFunc(slices.Clone(a.Members), func(m AgencyID) bool { return m == id })
			a.Stale, a.Due = true, true
			g.Audiences[i] = a
		}
	}
	return nil
}

// RekeyStatement is what a new key signs to show that who asks for it holds it.
func RekeyStatement(origin Origin, agency AgencyID, generation uint64) []byte {
	return Marshal([]any{"vigil rekey v1", origin, agency, generation})
}

// NewRekey makes the change to a new key, with the proof that it is held.
func NewRekey(g *Governance, agency AgencyID, key *crypto.AgencyKey) (*Rekey, error) {
	proof, err := key.Sign(RekeyStatement(g.Origin, agency, g.NextGeneration(agency)), time.Unix(0, 0))
	return &Rekey{Agency: agency, Certificate: key.Certificate().Bytes(), Proof: proof}, err
}

func (g *Governance) rekey(c *Rekey) error {
	i := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == c.Agency })
	if i < 0 {
		return ErrNotThere
	}
	certificate, err := crypto.ParseCertificate(c.Certificate)
	if err != nil {
		return ErrMalformedEntry
	}
	if slices.ContainsFunc(g.Agencies, func(a Agency) bool { return bytes.Equal(a.Certificate, c.Certificate) }) {
		return ErrExists
	}
	if g.hadCertificate(c.Certificate) {
		return ErrKeyReturned
	}
	a, generation := g.Agencies[i], g.NextGeneration(c.Agency)
	if certificate.Verify(RekeyStatement(g.Origin, c.Agency, generation), c.Proof, time.Unix(0, 0)) != nil {
		return ErrKeyProof
	}
	g.Former = append(g.Former, Former{Agency: a.ID, Generation: a.Generation, Certificate: a.Certificate})
	a.Certificate, a.Generation = c.Certificate, generation
	g.Agencies[i] = a
	for i, x := range g.Audiences { // what was sealed to the old key may be in other hands
		if slices.Contains(x.Members, c.Agency) {
			x.Stale, x.Due = true, true
			g.Audiences[i] = x
		}
	}
	return nil
}

// replaceNode puts another node in an agency's place, or other addresses for the same one. A checkpoint key shares the
// fate of the node key it was made with.
func (g *Governance) replaceNode(author AgencyID, n Node) error {
	i := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == author })
	if i < 0 {
		return ErrUnknownAuthor
	}
	if n.check() != nil {
		return ErrMalformedEntry
	}
	a := g.Agencies[i]
	if n.Key != a.Node.Key {
		if g.hasLeft(n.Key.ID()) || sharesKey(a.Node, n) {
			return ErrNodeReturned
		}
		g.Removed = append(g.Removed, Removed{Agency: author, Node: a.Node.Key.ID()})
	} else if n.Checkpoint != a.Node.Checkpoint {
		return ErrNodeReturned
	}
	for j := range g.Agencies {
		if j != i && sharesKey(g.Agencies[j].Node, n) {
			return ErrExists
		}
	}
	a.Node = n
	g.Agencies[i] = a
	return g.index()
}
