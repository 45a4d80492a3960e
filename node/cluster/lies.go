package cluster

import (
	"slices"

	"github.com/hashicorp/raft"

	"vigil/crypto"
	"vigil/ledger"
)

// Lies are what a node that lies does where it leads. They are set by tests, with the real keys of a member, and by nothing
// else: no configuration and no command reaches them.
type Lies struct {
	// Withhold says which entries it pretends never to have got.
	Withhold func(ledger.Entry) bool
	// Pretend says which entries it acknowledges and does not write.
	Pretend func(ledger.Entry) bool
	// Stubborn says that it hands what is proposed here to its own raft without asking whether it leads.
	Stubborn func() bool
	// Tail returns the raft command that it shows a follower in place of one.
	Tail func(to crypto.NodeID, command []byte) []byte
}

func (l Lies) withholds(entries []ledger.Entry) bool {
	return l.Withhold != nil && slices.ContainsFunc(entries, l.Withhold)
}

// pretends makes up an answer to entries of which one is to be acknowledged and not written.
func (l Lies) pretends(entries []ledger.Entry, state *ledger.State) (a answer, ok bool) {
	if l.Pretend == nil || !slices.ContainsFunc(entries, l.Pretend) {
		return a, false
	}
	for i, e := range entries {
		a.results = append(a.results, ledger.Result{Verdict: ledger.Accepted, Index: state.Size() + uint64(i), Leaf: ledger.LeafHash(e.Leaf)})
	}
	return a, true
}

func (l Lies) stubborn() bool { return l.Stubborn != nil && l.Stubborn() }

// tail is what a follower is sent.
func (l Lies) tail(to crypto.NodeID, args *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	if l.Tail == nil {
		return args
	}
	other := *args
	other.Entries = nil
	for _, e := range args.Entries {
		shown := *e
		if e.Type == raft.LogCommand {
			shown.Data = l.Tail(to, e.Data)
		}
		other.Entries = append(other.Entries, &shown)
	}
	return &other
}

// EntriesIn returns the entries of a raft command, and CommandOf the command of entries: so that a lie is of one's making.
func EntriesIn(raw []byte) []ledger.Entry {
	var c command
	if ledger.Unmarshal(raw, &c, maxLogBytes) != nil {
		return nil
	}
	return c.Entries
}

// CommandOf returns the raft command of entries.
func CommandOf(entries []ledger.Entry) []byte {
	return ledger.Marshal(command{Kind: commandEntries, Entries: entries})
}
