package ledger

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// StateFormat is the format of State this binary folds, and the highest it applies.
const StateFormat = 1

// defaultCorroboration is how many independent agencies corroborate an alert unless policy says otherwise.
const defaultCorroboration = 2

// DefaultPolicy is what a ledger is founded with.
func DefaultPolicy(threshold int) Policy {
	return Policy{Threshold: uint64(threshold), Quorum: QuorumMajority, Corroboration: defaultCorroboration, Voters: []AgencyID{}, Sections: []PolicySection{}}
}

// found folds a genesis into the first governance.
func found(rec *Record, g *Genesis, leaf tlog.Hash) (*Governance, error) {
	f := g.Founder
	origin := NewOrigin(f.ID.Jurisdiction(), g.Random)
	everyone := Everyone(f.ID.Jurisdiction())
	switch {
	case g.Format != StateFormat:
		return nil, ErrNewerFormat
	case rec.Origin != origin:
		return nil, ErrOtherLedger
	case rec.Author != f.ID || rec.Writer != f.Node.Key.ID() || f.Generation != 1 || f.Joined != 0:
		return nil, ErrOtherWriter
	case g.Epoch.Audience != everyone || g.Epoch.Number != 1 || !sharesFor(g.Epoch, []AgencyID{f.ID}):
		return nil, ErrEpoch
	case f.check() != nil || g.Policy.check() != nil || len(g.Policy.Voters) > 0:
		return nil, ErrMalformedEntry
	}
	if _, err := crypto.ParseCertificate(g.Epoch.Certificate); err != nil {
		return nil, ErrEpoch
	}
	first := &Governance{
		Origin: origin, Genesis: leaf, Format: g.Format, Version: 1, Agencies: []Agency{f}, Policy: g.Policy,
		Audiences: []Audience{{Name: everyone, Members: []AgencyID{f.ID}, Epoch: 1, Certificate: g.Epoch.Certificate, Barred: []AgencyID{}}},
		Proposals: []Proposal{}, Partners: []PartnerLink{}, Removed: []Removed{},
	}
	err := first.index()
	return first.settle(), err
}

// Fold returns the governance after one accepted governance entry. Members and partners fold alike; what the entry's
// author may do is decided here, who it is and whether it signed is decided before.
func (g *Governance) Fold(rec *Record, payload []byte, index Index, leaf tlog.Hash) (*Governance, error) {
	act, err := DecodeAct(payload)
	if err != nil {
		return nil, err
	}
	next := g.clone()
	switch a := act.(type) {
	case *Genesis:
		return nil, ErrGenesisTwice
	case *Propose:
		err = next.propose(rec.Author, a, index, leaf)
	case *Approve:
		err = next.approve(rec.Author, a.Proposal, index)
	case *NewEpoch:
		err = next.newEpoch(rec.Author, a)
	case *BadShare:
		err = next.badShare(rec.Author, a)
	case *ReplaceNode:
		err = next.replaceNode(rec.Author, a.Node)
	}
	if err != nil {
		return nil, err
	}
	return next.settle(), nil
}

func (g *Governance) propose(author AgencyID, p *Propose, index Index, leaf tlog.Hash) error {
	if p.Roster != g.Version {
		return ErrVoided
	}
	if slices.ContainsFunc(g.Proposals, func(o Proposal) bool { return o.Author == author }) {
		return ErrOneProposal
	}
	change, err := p.Change.Open()
	if err != nil {
		return err
	}
	if target(change) == author {
		return ErrTarget
	}
	if _, err := g.execute(change, index); err != nil { // a change that cannot be carried out is not proposed
		return err
	}
	g.Proposals = append(g.Proposals, Proposal{ID: leaf, Index: index, Author: author, Roster: p.Roster, Change: p.Change, Approvals: []AgencyID{author}})
	return g.decide(len(g.Proposals)-1, change, index)
}

func (g *Governance) approve(author AgencyID, id tlog.Hash, index Index) error {
	i := slices.IndexFunc(g.Proposals, func(p Proposal) bool { return p.ID == id })
	if i < 0 {
		return ErrNoProposal
	}
	p := g.Proposals[i]
	change, err := p.Change.Open()
	switch {
	case err != nil:
		return err
	case p.Roster != g.Version:
		return ErrVoided
	case target(change) == author:
		return ErrTarget
	case slices.Contains(p.Approvals, author):
		return ErrTwice
	}
	p.Approvals = append(slices.Clone(p.Approvals), author)
	g.Proposals[i] = p
	return g.decide(i, change, index)
}

// decide carries a proposal out once it has enough approvals. That raises the roster version and voids all others.
func (g *Governance) decide(i int, change any, index Index) error {
	if len(g.Proposals[i].Approvals) < g.Needs(change) {
		return nil
	}
	next, err := g.execute(change, index)
	if err != nil {
		return err
	}
	next.Version++
	next.Proposals = []Proposal{}
	*g = *next
	return g.index()
}

// Needs returns how many approvals a change needs now: k, or all who are entitled to vote if they are fewer.
func (g *Governance) Needs(change any) int {
	entitled := len(g.Agencies)
	if _, isMember := g.Agency(target(change)); isMember {
		entitled--
	}
	return max(1, min(int(g.Policy.Threshold), entitled))
}

// target returns the agency a change is about and that does not vote on it.
func target(change any) AgencyID {
	switch c := change.(type) {
	case *Remove:
		return c.Agency
	case *Rekey:
		return c.Agency
	}
	return ""
}

// execute returns the governance with a change carried out.
func (g *Governance) execute(change any, index Index) (*Governance, error) {
	next := g.clone()
	var err error
	switch c := change.(type) {
	case *Admit:
		err = next.admit(c, index)
	case *Remove:
		err = next.remove(c.Agency)
	case *Rekey:
		err = next.rekey(c)
	case *Link:
		err = next.link(c.Card)
	case *Suspend:
		err = next.suspend(c)
	case *SetPolicy:
		err = next.setPolicy(c.Policy)
	case *SetAudience:
		err = next.setAudience(c)
	case *RaiseFormat:
		if c.Format <= next.Format {
			return nil, ErrBounds
		}
		next.Format = c.Format
	}
	return next, err
}

func (g *Governance) admit(c *Admit, index Index) error {
	a := c.Agency
	if a.check() != nil || a.ID.Jurisdiction() != g.Origin.Jurisdiction() || a.Generation != 1 || len(c.Audiences) > MaxNamedAudiences {
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
	if g.hasLeft(a.Node.Key.ID()) {
		return ErrNodeReturned
	}
	a.Joined = index
	g.Agencies = append(g.Agencies, a)
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

func (g *Governance) hasLeft(id crypto.NodeID) bool {
	return slices.ContainsFunc(g.Removed, func(r Removed) bool { return r.Node == id })
}

func (g *Governance) remove(id AgencyID) error {
	i := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == id })
	if i < 0 {
		return ErrNotThere
	}
	if len(g.Agencies) == 1 {
		return ErrLast
	}
	g.Removed = append(g.Removed, Removed{Agency: id, Node: g.Agencies[i].Node.Key.ID()})
	g.Agencies = slices.Delete(g.Agencies, i, i+1)
	g.Policy.Voters = slices.DeleteFunc(slices.Clone(g.Policy.Voters), func(v AgencyID) bool { return v == id })
	if n := len(g.Policy.Voters); n == 4 {
		g.Policy.Voters = g.Policy.Voters[:3] // an even number of four tolerates no more than three
	}
	for i, a := range g.Audiences {
		if slices.Contains(a.Members, id) {
			a.Members = slices.DeleteFunc(slices.Clone(a.Members), func(m AgencyID) bool { return m == id })
			a.Stale, a.Due = true, true
			g.Audiences[i] = a
		}
	}
	return nil
}

func (g *Governance) rekey(c *Rekey) error {
	i := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == c.Agency })
	if i < 0 {
		return ErrNotThere
	}
	if _, err := crypto.ParseCertificate(c.Certificate); err != nil {
		return ErrMalformedEntry
	}
	if slices.ContainsFunc(g.Agencies, func(a Agency) bool { return bytes.Equal(a.Certificate, c.Certificate) }) {
		return ErrExists
	}
	a := g.Agencies[i]
	a.Certificate, a.Generation = c.Certificate, a.Generation+1
	g.Agencies[i] = a
	for i, x := range g.Audiences { // what was sealed to the old key may be in other hands
		if slices.Contains(x.Members, c.Agency) {
			x.Stale, x.Due = true, true
			g.Audiences[i] = x
		}
	}
	return nil
}

func (g *Governance) link(card PartnerCard) error {
	if card.check() != nil {
		return ErrMalformedEntry
	}
	j := card.Origin.Jurisdiction()
	if _, linked := g.PartnerOf(j); linked || j == g.Origin.Jurisdiction() {
		return ErrExists
	}
	if len(g.Partners) >= MaxPartners {
		return ErrBounds
	}
	g.Partners = append(g.Partners, PartnerLink{Card: card})
	slices.SortFunc(g.Partners, func(a, b PartnerLink) int { return strings.Compare(string(a.Card.Origin), string(b.Card.Origin)) })
	return nil
}

func (g *Governance) suspend(c *Suspend) error {
	i := slices.IndexFunc(g.Partners, func(p PartnerLink) bool { return p.Card.Origin == c.Origin })
	if i < 0 || g.Partners[i].Suspended == c.Suspend {
		return ErrNotThere
	}
	g.Partners[i].Suspended = c.Suspend
	return nil
}

func (g *Governance) setPolicy(p Policy) error {
	if p.check() != nil {
		return ErrMalformedEntry
	}
	for i, v := range p.Voters {
		if _, ok := g.Agency(v); !ok || slices.Contains(p.Voters[:i], v) {
			return ErrVotersPolicy
		}
	}
	if p.Threshold > uint64(len(g.Agencies)) && p.Threshold > g.Policy.Threshold {
		return ErrBounds
	}
	g.Policy = p
	return nil
}

func (g *Governance) setAudience(c *SetAudience) error {
	if _, single := c.Name.Agency(); single || c.Name.Jurisdiction() != g.Origin.Jurisdiction() || c.Name == Everyone(g.Origin.Jurisdiction()) {
		return ErrMalformedEntry
	}
	var members []AgencyID
	for i := range g.Agencies {
		if slices.Contains(c.Members, g.Agencies[i].ID) {
			members = append(members, g.Agencies[i].ID)
		}
	}
	if len(members) == 0 || len(members) != len(c.Members) {
		return ErrNotThere
	}
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == c.Name })
	if i < 0 {
		if len(g.Audiences) >= MaxNamedAudiences {
			return ErrBounds
		}
		g.Audiences = append(g.Audiences, Audience{Name: c.Name, Members: members, Due: true, Barred: []AgencyID{}})
		slices.SortFunc(g.Audiences, func(a, b Audience) int { return strings.Compare(string(a.Name), string(b.Name)) })
		return nil
	}
	a := g.Audiences[i]
	for _, m := range a.Members {
		a.Stale = a.Stale || !slices.Contains(members, m)
	}
	a.Members, a.Due = members, true
	g.Audiences[i] = a
	return nil
}

func (g *Governance) newEpoch(author AgencyID, n *NewEpoch) error {
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == n.Epoch.Audience })
	if i < 0 {
		return ErrNoAudience
	}
	a := g.Audiences[i]
	switch {
	case slices.Contains(a.Barred, author):
		return ErrBarred
	case n.Roster != g.Version || n.Epoch.Number != a.Epoch+1 || !sharesFor(n.Epoch, a.Members) || !slices.Contains(a.Members, author):
		return ErrEpoch
	}
	if _, err := crypto.ParseCertificate(n.Epoch.Certificate); err != nil || bytes.Equal(n.Epoch.Certificate, a.Certificate) {
		return ErrEpoch
	}
	a.Epoch, a.Certificate, a.Stale, a.Due, a.Barred = n.Epoch.Number, n.Epoch.Certificate, false, false, []AgencyID{}
	a.Maker = author
	g.Audiences[i] = a
	return nil
}

func sharesFor(e Epoch, members []AgencyID) bool {
	if len(e.Shares) != len(members) {
		return false
	}
	for i, s := range e.Shares {
		if s.Agency != members[i] || len(s.Sealed) == 0 {
			return false
		}
	}
	return true
}

// badShare makes an audience stale again and bars whoever made the epoch, unless that would bar everyone.
func (g *Governance) badShare(author AgencyID, b *BadShare) error {
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == b.Audience })
	if i < 0 || g.Audiences[i].Epoch != b.Epoch || b.Epoch == 0 {
		return ErrEpoch
	}
	a := g.Audiences[i]
	if !slices.Contains(a.Members, author) || a.Maker == author {
		return ErrEpoch
	}
	a.Stale, a.Due = true, true
	if len(a.Members) > 1 {
		a.Barred = []AgencyID{a.Maker}
	}
	g.Audiences[i] = a
	return nil
}

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
		if g.hasLeft(n.Key.ID()) {
			return ErrNodeReturned
		}
		g.Removed = append(g.Removed, Removed{Agency: author, Node: a.Node.Key.ID()})
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
