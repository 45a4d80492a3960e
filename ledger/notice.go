package ledger

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNotice says that an entry is no notice: not a proposal or approval that counts now.
var ErrNotice = errors.New("ledger: not a proposal or approval that counts now")

// Notices are proposals and approvals that came straight from their authors, whether or not a leader lets them into the
// ledger. Each stands for itself: it is signed, names its ledger, and its proposal names one version of the roster. So a
// node that holds enough of them knows what the members decided before, and even if never, the ledger says so.
//
// A value belongs to one goroutine at a time. It holds at most one proposal and a few approvals of each member.
type Notices struct {
	proposals map[AgencyID]notice
	approvals map[AgencyID][]approval
}

type notice struct {
	entry   Entry
	id      tlog.Hash
	propose *Propose
}

type approval struct {
	entry    Entry
	proposal tlog.Hash
}

// Add takes an entry and says whether it is news.
func (n *Notices) Add(g *Governance, e Entry) (news bool, err error) {
	rec, act, err := g.openNotice(e)
	if err != nil {
		return false, err
	}
	switch a := act.(type) {
	case *Propose:
		change, err := a.Change.Open()
		if err != nil || a.Roster != g.Version {
			return false, ErrNotice
		}
		if _, err := g.execute(change, rec.Author, 0); err != nil || g.hasOther(rec.Author, LeafHash(e.Leaf)) {
			return false, ErrNotice
		}
		have, known := n.proposals[rec.Author]
		if known && bytes.Equal(have.entry.Leaf, e.Leaf) {
			return false, nil
		}
		if n.proposals == nil {
			n.proposals = map[AgencyID]notice{}
		}
		n.proposals[rec.Author] = notice{e, LeafHash(e.Leaf), a}
		return true, nil
	case *Approve:
		return n.addApproval(rec.Author, e, a.Proposal), nil
	}
	return false, ErrNotice
}

// openNotice checks whose entry it is.
func (g *Governance) openNotice(e Entry) (*Record, any, error) {
	rec, l, err := OpenLeaf(e.Leaf)
	if err != nil || rec.Origin != g.Origin || rec.Kind != KindGovernance || rec.CheckPayload(e.Payload) != nil {
		return nil, nil, ErrNotice
	}
	certificate, member := g.Certificate(rec.Author)
	owner, known := g.NodeOwner(rec.Writer)
	if !member || !known || owner != rec.Author || certificate.Verify(l.Record, l.Signature, rec.SignedAt()) != nil {
		return nil, nil, ErrNotice
	}
	act, err := DecodeAct(e.Payload)
	return rec, act, err
}

func (n *Notices) addApproval(author AgencyID, e Entry, proposal tlog.Hash) bool {
	have := n.approvals[author]
	if slices.ContainsFunc(have, func(a approval) bool { return a.proposal == proposal }) {
		return false
	}
	if n.approvals == nil {
		n.approvals = map[AgencyID][]approval{}
	}
	if len(have) == maxApprovals {
		have = have[1:]
	}
	n.approvals[author] = append(slices.Clip(have), approval{e, proposal})
	return true
}

// Trim drops what counts no more: proposals against another roster, or of who left, and what the ledger has.
func (n *Notices) Trim(g *Governance) {
	for author, p := range n.proposals {
		if _, _, err := g.openNotice(p.entry); err != nil || p.propose.Roster != g.Version || g.hasProposal(p.id) || g.hasOther(author, p.id) {
			delete(n.proposals, author)
		}
	}
	for author, list := range n.approvals {
		list = slices.DeleteFunc(slices.Clone(list), func(a approval) bool {
			_, _, err := g.openNotice(a.entry)
			return err != nil || g.hasApproval(a.proposal, author) || !n.open(g, a.proposal)
		})
		n.approvals[author] = list
		if len(list) == 0 {
			delete(n.approvals, author)
		}
	}
}

func (g *Governance) hasProposal(id tlog.Hash) bool {
	return slices.ContainsFunc(g.Proposals, func(p Proposal) bool { return p.ID == id })
}

// hasOther says whether an agency has another open proposal, for which the ledger would refuse this one.
func (g *Governance) hasOther(author AgencyID, id tlog.Hash) bool {
	return slices.ContainsFunc(g.Proposals, func(p Proposal) bool { return p.Author == author && p.ID != id })
}

func (g *Governance) hasApproval(id tlog.Hash, by AgencyID) bool {
	return slices.ContainsFunc(g.Proposals, func(p Proposal) bool { return p.ID == id && slices.Contains(p.Approvals, by) })
}

func (n *Notices) open(g *Governance, id tlog.Hash) bool {
	for _, p := range n.proposals {
		if p.id == id {
			return true
		}
	}
	return g.hasProposal(id)
}

// Proposals returns the proposals that are not in the ledger, with the approvals that came for them.
func (n *Notices) Proposals(g *Governance) []Proposal {
	var out []Proposal
	for author, p := range n.proposals {
		if p.propose.Roster != g.Version || g.hasProposal(p.id) || g.hasOther(author, p.id) {
			continue
		}
		x := Proposal{ID: p.id, Author: author, Roster: p.propose.Roster, Change: p.propose.Change}
		if change, err := x.Change.Open(); err == nil && g.Votes(author, change) {
			x.Approvals = []AgencyID{author}
		}
		out = append(out, n.approved(g, x))
	}
	slices.SortFunc(out, func(a, b Proposal) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out
}

// approved adds the approvals that came for a proposal to those it has.
func (n *Notices) approved(g *Governance, p Proposal) Proposal {
	change, err := p.Change.Open()
	if err != nil {
		return p
	}
	p.Approvals = slices.Clone(p.Approvals)
	for i := range g.Agencies {
		by := g.Agencies[i].ID
		came := slices.ContainsFunc(n.approvals[by], func(a approval) bool { return a.proposal == p.ID })
		if came && g.Votes(by, change) && !slices.Contains(p.Approvals, by) {
			p.Approvals = append(p.Approvals, by)
		}
	}
	return p
}

// Condemned returns the member whose removal enough others have approved, in the ledger and by notices together. Of
// several it is the one whose proposal's hash is the smallest: all who hold the same notices name the same, and the others
// are decided after it.
func (n *Notices) Condemned(g *Governance) (AgencyID, bool) {
	all := n.Proposals(g)
	for _, p := range g.Proposals {
		if p.Roster == g.Version {
			all = append(all, n.approved(g, p))
		}
	}
	slices.SortFunc(all, func(a, b Proposal) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, p := range all {
		change, err := p.Change.Open()
		remove, ok := change.(*Remove)
		if err != nil || !ok || len(p.Approvals) < g.Needs(change) {
			continue
		}
		return remove.Agency, true
	}
	return "", false
}

// Entries returns what an author gave that is not in the ledger yet.
func (n *Notices) Entries(author AgencyID) []Entry {
	var out []Entry
	if p, ok := n.proposals[author]; ok {
		out = append(out, p.entry)
	}
	for _, a := range n.approvals[author] {
		out = append(out, a.entry)
	}
	return out
}
