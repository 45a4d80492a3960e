package ledger

import (
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

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
	case g.Format < 1:
		return nil, ErrMalformedEntry
	case g.Format > StateFormat:
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
		Proposals: []Proposal{}, Partners: []PartnerLink{}, Removed: []Removed{}, Former: []Former{}, Grants: []OpenGrant{},
		Approved: []Approved{}, Swaps: []Swap{}, Predecessor: []Closed{}, Successions: []Succession{},
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
	case *Genesis, *Successor:
		return nil, ErrGenesisTwice
	case *Propose:
		err = next.propose(rec.Author, a, index, leaf)
	case *Approve:
		err = next.approve(rec.Author, a.Proposal, index)
	case *Withdraw:
		err = next.withdraw(rec.Author, a.Proposal)
	case *NewEpoch:
		err = next.newEpoch(rec.Author, a)
	case *BadShare:
		err = next.badShare(rec.Author, a)
	case *HandOver:
		err = next.handOver(rec.Author, a)
	case *Took:
		err = next.took(rec.Author, a)
	case *ReplaceNode:
		err = next.replaceNode(rec.Author, a.Node)
	case *SwapVoter:
		err = next.swapVoter(rec, a, index)
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
	if _, err := g.execute(change, author, index); err != nil { // a change that cannot be carried out is not proposed
		return err
	}
	approvals := []AgencyID{author}
	if target(change) == author { // an agency may ask to leave, or for another key; others decide
		approvals = []AgencyID{}
	}
	g.Proposals = append(g.Proposals, Proposal{ID: leaf, Index: index, Author: author, Roster: p.Roster, Change: p.Change, Approvals: approvals})
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

// withdraw takes an open proposal back, so that its author can make another.
func (g *Governance) withdraw(author AgencyID, id tlog.Hash) error {
	i := slices.IndexFunc(g.Proposals, func(p Proposal) bool { return p.ID == id })
	if i < 0 {
		return ErrNoProposal
	}
	if g.Proposals[i].Author != author {
		return ErrNotProposer
	}
	g.Proposals = slices.Delete(g.Proposals, i, i+1)
	return nil
}

// decide carries a proposal out once it has enough approvals. That raises the roster version and voids all others.
func (g *Governance) decide(i int, change any, index Index) error {
	if len(g.Proposals[i].Approvals) < g.Needs(change) {
		return nil
	}
	next, err := g.execute(change, g.Proposals[i].Author, index)
	if err != nil {
		return err
	}
	next.Version++
	next.Proposals = []Proposal{}
	*g = *next
	return g.index()
}

// Needs returns how many approvals a change needs now: k, or all who are entitled to vote if they are fewer. A lone
// agency's change of its own key needs none.
func (g *Governance) Needs(change any) int {
	entitled := len(g.Agencies)
	if _, isMember := g.Agency(target(change)); isMember {
		entitled--
	}
	return min(int(g.Policy.Threshold), entitled)
}

// Votes says whether an agency's approval of a change counts now.
func (g *Governance) Votes(id AgencyID, change any) bool {
	_, member := g.Agency(id)
	return member && id != target(change)
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

// execute returns the governance with a change that author proposed carried out.
func (g *Governance) execute(change any, author AgencyID, index Index) (*Governance, error) {
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
	case *Succeed:
		err = next.succeed(c)
	case *Suspend:
		err = next.suspend(c)
	case *SetPolicy:
		err = next.setPolicy(c.Policy)
	case *SetAudience:
		err = next.setAudience(c)
	case *Grant:
		err = next.grant(c)
	case *Release:
		err = next.approveRelease(c, author, index)
	case *Expunge:
		err = next.approveExpungement(c, author, index)
	case *RaiseFormat:
		if c.Format <= next.Format {
			return nil, ErrBounds
		}
		next.Format = c.Format
	}
	return next, err
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
	if !slices.Equal(p.Voters, g.Policy.Voters) && g.CheckVoters(p.Voters) != nil { // what an older format let in may stay
		return ErrVotersPolicy
	}
	if p.check() != nil {
		return ErrMalformedEntry
	}
	if p.Threshold > uint64(len(g.Agencies)) && p.Threshold > g.Policy.Threshold {
		return ErrBounds
	}
	g.Policy, g.Swaps = p, []Swap{} // the members have said who votes
	return nil
}

func (g *Governance) setAudience(c *SetAudience) error {
	_, single := c.Name.Agency()
	if _, err := ParseAudienceName(string(c.Name)); err != nil || single || c.Name.Jurisdiction() != g.Origin.Jurisdiction() {
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
	g.dropGrants(func(o OpenGrant) bool { return o.Audience == c.Name && !slices.Contains(members, o.Agency) })
	return nil
}
