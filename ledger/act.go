package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrAct says that an act of governance is not well-formed, or of a version or kind this binary does not know.
var ErrAct = errors.New("ledger: act of governance")

// actVersion is the version of acts this binary writes and the highest it accepts.
const actVersion = 1

// The acts. Each is the payload of one governance entry, in clear: CBOR [version, name, body], body being the CBOR
// array of the struct.
type (
	// Genesis founds a ledger: entry 0.
	Genesis struct {
		_           struct{} `cbor:",toarray"`
		Random      [16]byte // of the origin
		Founder     Agency
		Policy      Policy
		Epoch       Epoch // of "<jurisdiction>/*", with the founder's share
		Format      uint64
		Predecessor []byte // empty: a ledger that continues another is founded by Successor
	}
	// Propose proposes a change against a roster version. It is its author's approval too.
	Propose struct {
		_      struct{} `cbor:",toarray"`
		Roster uint64
		Change Change
	}
	// Approve approves an open proposal.
	Approve struct {
		_        struct{} `cbor:",toarray"`
		Proposal tlog.Hash
	}
	// Withdraw takes its author's own open proposal back.
	Withdraw struct {
		_        struct{} `cbor:",toarray"`
		Proposal tlog.Hash
	}
	// NewEpoch gives an audience its next key. Any member may author it.
	NewEpoch struct {
		_      struct{} `cbor:",toarray"`
		Roster uint64
		Epoch  Epoch
	}
	// BadShare says that its author's share of an epoch does not match: the audience is stale again.
	BadShare struct {
		_        struct{} `cbor:",toarray"`
		Audience AudienceName
		Epoch    uint64
	}
	// HandOver gives an agency the earlier keys of an audience that it was granted: each sealed to its certificate, from
	// epoch First on. Any other member of the audience may author it.
	HandOver struct {
		_        struct{} `cbor:",toarray"`
		Agency   AgencyID
		Audience AudienceName
		First    uint64
		Shares   [][]byte
	}
	// Took says that its author holds what was handed over to it, or that it does not match: another member tries then.
	Took struct {
		_        struct{} `cbor:",toarray"`
		Audience AudienceName
		OK       bool
	}
	// ReplaceNode puts another node, or other addresses, in place of its author's. It needs no approvals. It is
	// signed with the agency key and, for another key, is sequence 1 of the new writer.
	ReplaceNode struct {
		_    struct{} `cbor:",toarray"`
		Node Node
	}
	// SwapVoter takes the vote of an agency whose node has not been heard for a day and gives it to the next in roster order
	// that does not vote. It needs no approvals and has its bounds instead: see swapVoter. From FormatVoters on.
	SwapVoter struct {
		_       struct{} `cbor:",toarray"`
		Out, In AgencyID
	}
)

// Epoch is one generation of an audience's key: the public half, and one share sealed to each member.
type Epoch struct {
	_           struct{} `cbor:",toarray"`
	Audience    AudienceName
	Number      uint64
	Certificate []byte
	Shares      []Share // in roster order
}

// Share is an audience's secret key sealed to one member's certificate.
type Share struct {
	_      struct{} `cbor:",toarray"`
	Agency AgencyID
	Sealed []byte
}

// Change is what a proposal proposes: CBOR [name, body].
type Change struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Body []byte
}

// The changes.
type (
	// Admit admits an agency to named audiences, perhaps none.
	Admit struct {
		_         struct{} `cbor:",toarray"`
		Agency    Agency
		Audiences []AudienceName
	}
	// Remove removes an agency. It may propose that itself, but does not vote on it.
	Remove struct {
		_      struct{} `cbor:",toarray"`
		Agency AgencyID
	}
	// Rekey gives an agency another key. It may propose that itself, but does not vote on it. Proof is the new key's
	// signature, for second 0, over RekeyStatement: who asks for it holds it.
	Rekey struct {
		_           struct{} `cbor:",toarray"`
		Agency      AgencyID
		Certificate []byte
		Proof       []byte
	}
	// Link links the jurisdiction of a card.
	Link struct {
		_    struct{} `cbor:",toarray"`
		Card PartnerCard
	}
	// Suspend closes a link to new entries, or opens it again.
	Suspend struct {
		_       struct{} `cbor:",toarray"`
		Origin  Origin
		Suspend bool
	}
	// Succeed links the ledger that continues a partner's, in the place of that one. From FormatVoters on.
	Succeed struct {
		_    struct{} `cbor:",toarray"`
		Card PartnerCard
		Of   Closed
	}
	// SetPolicy replaces the policy.
	SetPolicy struct {
		_      struct{} `cbor:",toarray"`
		Policy Policy
	}
	// SetAudience makes or changes a further named audience.
	SetAudience struct {
		_       struct{} `cbor:",toarray"`
		Name    AudienceName
		Members []AgencyID
	}
	// Grant opens an audience's past to one of its members: the keys of the epochs First to Last.
	Grant struct {
		_           struct{} `cbor:",toarray"`
		Agency      AgencyID
		Audience    AudienceName
		First, Last uint64
	}
	// Release lets its author release rows of an entry to further audiences though another wrote it. Leaf is the entry's leaf
	// hash, Rows are places in its events tree, in order; none stands for all.
	Release struct {
		_         struct{} `cbor:",toarray"`
		Target    Index
		Leaf      tlog.Hash
		Rows      []uint64
		Audiences []AudienceName
	}
	// Expunge lets its author expunge rows of an entry though another wrote it. Order is the SHA-256 of the order that it
	// follows.
	Expunge struct {
		_      struct{} `cbor:",toarray"`
		Target Index
		Leaf   tlog.Hash
		Rows   []uint64
		Order  [32]byte
	}
	// RaiseFormat raises the format of the state; older binaries stop there.
	RaiseFormat struct {
		_      struct{} `cbor:",toarray"`
		Format uint64
	}
)

type actWire struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Name    string
	Body    []byte
}

// actNames and changeNames are the stored names; they never change their meaning.
var actNames = map[string]func() any{
	"genesis":      func() any { return &Genesis{} },
	"propose":      func() any { return &Propose{} },
	"approve":      func() any { return &Approve{} },
	"withdraw":     func() any { return &Withdraw{} },
	"new-epoch":    func() any { return &NewEpoch{} },
	"bad-share":    func() any { return &BadShare{} },
	"hand-over":    func() any { return &HandOver{} },
	"took":         func() any { return &Took{} },
	"replace-node": func() any { return &ReplaceNode{} },
	"swap-voter":   func() any { return &SwapVoter{} },
	"successor":    func() any { return &Successor{} },
}

var changeNames = map[string]func() any{
	"admit":        func() any { return &Admit{} },
	"remove":       func() any { return &Remove{} },
	"rekey":        func() any { return &Rekey{} },
	"link":         func() any { return &Link{} },
	"succeed":      func() any { return &Succeed{} },
	"suspend":      func() any { return &Suspend{} },
	"policy":       func() any { return &SetPolicy{} },
	"audience":     func() any { return &SetAudience{} },
	"grant":        func() any { return &Grant{} },
	"release":      func() any { return &Release{} },
	"expunge":      func() any { return &Expunge{} },
	"raise-format": func() any { return &RaiseFormat{} },
}

func actName(act any) string {
	switch act.(type) {
	case *Genesis:
		return "genesis"
	case *Propose:
		return "propose"
	case *Approve:
		return "approve"
	case *Withdraw:
		return "withdraw"
	case *NewEpoch:
		return "new-epoch"
	case *BadShare:
		return "bad-share"
	case *HandOver:
		return "hand-over"
	case *Took:
		return "took"
	case *ReplaceNode:
		return "replace-node"
	case *SwapVoter:
		return "swap-voter"
	case *Successor:
		return "successor"
	}
	panic(fmt.Sprintf("ledger: %T is no act", act))
}

func changeName(change any) string {
	switch change.(type) {
	case *Admit:
		return "admit"
	case *Remove:
		return "remove"
	case *Rekey:
		return "rekey"
	case *Link:
		return "link"
	case *Succeed:
		return "succeed"
	case *Suspend:
		return "suspend"
	case *SetPolicy:
		return "policy"
	case *SetAudience:
		return "audience"
	case *Grant:
		return "grant"
	case *Release:
		return "release"
	case *Expunge:
		return "expunge"
	case *RaiseFormat:
		return "raise-format"
	}
	panic(fmt.Sprintf("ledger: %T is no change", change))
}

// EncodeAct returns the payload of a governance entry. act is a pointer to one of the acts.
func EncodeAct(act any) []byte {
	return Marshal(actWire{Version: actVersion, Name: actName(act), Body: Marshal(act)})
}

// DecodeAct accepts exactly what EncodeAct writes and returns a pointer to one of the acts.
func DecodeAct(b []byte) (any, error) {
	var w actWire
	if err := Unmarshal(b, &w, MaxPayloadBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAct, err)
	}
	if w.Version != actVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d; upgrade", ErrAct, w.Version, actVersion)
	}
	return decodeNamed(actNames, w.Name, w.Body)
}

// NewChange wraps a change for a proposal. change is a pointer to one of the changes.
func NewChange(change any) Change { return Change{Name: changeName(change), Body: Marshal(change)} }

// Open returns a pointer to one of the changes.
func (c Change) Open() (any, error) { return decodeNamed(changeNames, c.Name, c.Body) }

func decodeNamed(names map[string]func() any, name string, body []byte) (any, error) {
	fresh, known := names[name]
	if !known {
		return nil, fmt.Errorf("%w: %.40q is not known; upgrade", ErrAct, name)
	}
	v := fresh()
	if err := Unmarshal(body, v, MaxPayloadBytes); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrAct, name, err)
	}
	return v, nil
}
