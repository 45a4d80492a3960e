package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
)

// propose proposes a change against the roster as it is.
func (n *Node) propose(ctx context.Context, change any) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	return n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: ledger.NewChange(change)})
}

// Remove implements api.Node: it proposes that an agency leaves.
func (n *Node) Remove(ctx context.Context, agency string) (author.Receipt, error) {
	id, err := ledger.ParseAgencyID(agency)
	if err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "agency-id", err.Error(), "'vigil agency list' shows the members")
	}
	return n.propose(ctx, &ledger.Remove{Agency: id})
}

// RaiseFormat implements api.Node: it proposes that the ledger goes by a higher format, which this binary must know.
func (n *Node) RaiseFormat(ctx context.Context, format uint64) (author.Receipt, error) {
	state := n.store.State()
	switch {
	case state == nil:
		return author.Receipt{}, errNotYet
	case format > ledger.StateFormat:
		return author.Receipt{}, unknownFormat(format)
	case format <= state.Governance.Format:
		return author.Receipt{}, refuse(http.StatusConflict, "format", fmt.Sprintf("the ledger has format %d already", state.Governance.Format), "")
	}
	return n.propose(ctx, &ledger.RaiseFormat{Format: format})
}

func unknownFormat(format uint64) error {
	return refuse(http.StatusConflict, "format", fmt.Sprintf("this node's binary knows formats up to %d, not %d: it would stop there", ledger.StateFormat, format), "upgrade vigil on every node first; 'vigil status --json' says what each knows")
}

// describeProposal says in a sentence what approving does.
func describeProposal(g *ledger.Governance, p ledger.Proposal) api.Proposal {
	x := api.Proposal{ID: hex.EncodeToString(p.ID[:]), Author: string(p.Author), Change: p.Change.Name}
	for _, a := range p.Approvals {
		x.Approvals = append(x.Approvals, string(a))
	}
	change, err := p.Change.Open()
	if err != nil {
		x.Text = "a change that this binary does not know; upgrade before you approve it"
		return x
	}
	x.Needs = g.Needs(change)
	switch c := change.(type) {
	case *ledger.Admit:
		x.Subject = string(c.Agency.ID)
		if certificate, err := crypto.ParseCertificate(c.Agency.Certificate); err == nil {
			x.Fingerprint = certificate.Fingerprint().String()
		}
		x.Text = fmt.Sprintf("admits %s (%s) to %s: from the next epoch on it reads what is sealed to them, here and from partners", c.Agency.ID, c.Agency.Name, joinNames(c.Audiences))
		if len(c.Audiences) == 0 {
			x.Text = fmt.Sprintf("admits %s (%s) to no audience: it reads only what is sealed to it by name", c.Agency.ID, c.Agency.Name)
		}
	case *ledger.Link:
		sum := sha256.Sum256(c.Card.Encode())
		x.Subject, x.Fingerprint = string(c.Card.Origin), hex.EncodeToString(sum[:])
		x.Text = fmt.Sprintf("links %s: its gateways get our governance and whatever is released to it, and everything else as hashes", c.Card.Origin)
	case *ledger.Succeed:
		sum := sha256.Sum256(ledger.SuccessorCard{Card: c.Card, Of: c.Of}.Encode())
		x.Subject, x.Fingerprint = string(c.Card.Origin), hex.EncodeToString(sum[:])
		x.Text = fmt.Sprintf("links %s, which %s founded to continue %s: that one is closed at %d entries and stays readable", c.Card.Origin, c.Of.By, c.Of.Origin, c.Of.Size)
	case *ledger.Remove:
		x.Subject = string(c.Agency)
		x.Text = fmt.Sprintf("removes %s: its entries are refused and its node is cut off from then on; what it could open before, it keeps", c.Agency)
	case *ledger.Rekey:
		x.Subject = string(c.Agency)
		if certificate, err := crypto.ParseCertificate(c.Certificate); err == nil {
			x.Fingerprint = certificate.Fingerprint().String()
		}
		x.Text = fmt.Sprintf("gives %s another key: from then on only that one signs for it, and every audience it is in gets a new epoch", c.Agency)
	case *ledger.Suspend:
		x.Subject = string(c.Origin)
		x.Text = fmt.Sprintf("closes the link to %s to new entries", c.Origin)
		if !c.Suspend {
			x.Text = fmt.Sprintf("opens the link to %s to new entries again", c.Origin)
		}
	case *ledger.SetPolicy:
		x.Subject = "policy"
		x.Text = "changes the policy: " + strings.Join(api.PolicyChanges(g.Policy, c.Policy), "; ")
	case *ledger.SetAudience:
		x.Subject = string(c.Name)
		x.Text = fmt.Sprintf("makes %s the audience %s: they read what is sealed to it from its next epoch on, here and from partners", joinIDs(c.Members), c.Name)
	case *ledger.Grant:
		x.Subject = string(c.Agency)
		x.Text = fmt.Sprintf("opens the past to %s: the keys of epochs %d to %d of %s, with which it reads everything that was sealed to them, of every agency here and of partners", c.Agency, c.First, c.Last, c.Audience)
	case *ledger.Release:
		x.Subject = fmt.Sprintf("entry %d", c.Target)
		x.Text = fmt.Sprintf("lets %s release %s to %s, though another agency wrote it", p.Author, entryRows(c.Target, c.Rows), joinNames(c.Audiences))
	case *ledger.Expunge:
		x.Subject = fmt.Sprintf("entry %d", c.Target)
		x.Text = fmt.Sprintf("lets %s expunge %s, though another agency wrote it, by the order whose SHA-256 is %x: every node deletes it for good", p.Author, entryRows(c.Target, c.Rows), c.Order)
	case *ledger.RaiseFormat:
		x.Text = fmt.Sprintf("raises the format to %d: nodes with an older binary stop until they are upgraded", c.Format)
	default:
		x.Text = "changes the roster: " + p.Change.Name
	}
	return x
}

func entryRows(index ledger.Index, rows []uint64) string {
	switch len(rows) {
	case 0:
		return fmt.Sprintf("entry %d", index)
	case 1:
		return fmt.Sprintf("row %d of entry %d", rows[0], index)
	}
	return fmt.Sprintf("%d rows (%d to %d) of entry %d", len(rows), rows[0], rows[len(rows)-1], index)
}

func joinIDs(ids []ledger.AgencyID) string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	return strings.Join(out, ", ")
}

func joinNames(names []ledger.AudienceName) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	if len(out) == 0 {
		return "no audience"
	}
	return strings.Join(out, ", ")
}

// find returns the one proposal whose id begins with prefix, and whether only a notice tells of it: the ledger lacks it.
func (n *Node) find(prefix string) (p ledger.Proposal, outside bool, err error) {
	state := n.store.State()
	if state == nil {
		return p, false, errNotYet
	}
	inside := state.Governance.Proposals
	all := append(slices.Clone(inside), n.notices.proposals(state.Governance)...)
	found := 0
	for i, x := range all {
		if strings.HasPrefix(hex.EncodeToString(x.ID[:]), strings.ToLower(prefix)) {
			found++
			p, outside = x, i >= len(inside)
		}
	}
	if found != 1 {
		return p, false, refuse(http.StatusNotFound, "no-proposal", fmt.Sprintf("%d open proposals begin with that", found), "'vigil agency list' shows the open ones")
	}
	return p, outside, nil
}

// Approve implements api.Node. A proposal that its author gave and the ledger does not have can be approved, too: the
// others hear of it, and the ledger has both once nobody withholds them.
func (n *Node) Approve(ctx context.Context, prefix string) (author.Receipt, error) {
	p, outside, err := n.find(prefix)
	if err == nil {
		err = understood(p)
	}
	if err != nil {
		return author.Receipt{}, err
	}
	approval := &ledger.Approve{Proposal: p.ID}
	if outside {
		return n.author.GovernAfter(ctx, approval, noticePatience)
	}
	return n.author.Govern(ctx, approval)
}

// understood refuses to approve what this binary cannot follow, however it heard of it.
func understood(p ledger.Proposal) error {
	change, err := p.Change.Open()
	if err != nil {
		return refuse(http.StatusConflict, "newer", "it proposes a change that this node's binary does not know", "upgrade vigil on this node first")
	}
	if raise, ok := change.(*ledger.RaiseFormat); ok && raise.Format > ledger.StateFormat {
		return unknownFormat(raise.Format)
	}
	return nil
}

// Withdraw implements api.Node.
func (n *Node) Withdraw(ctx context.Context, prefix string) (author.Receipt, error) {
	p, _, err := n.find(prefix)
	if err != nil {
		return author.Receipt{}, err
	}
	return n.author.Govern(ctx, &ledger.Withdraw{Proposal: p.ID})
}
