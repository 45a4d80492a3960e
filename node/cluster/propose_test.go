package cluster

import (
	"errors"
	"strings"
	"testing"

	"vigil/ledger"
)

// TestAProposalOverTheBound: a member proposes more than a raft entry may hold. The leader does not write what the others would refuse
// and name it for, and everybody writes on; who has such an entry here is told so, once.
func TestAProposalOverTheBound(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.until("the leader", func() bool { return w.leader() >= 0 })
	at := w.leader()
	member := (at + 1) % 3
	to := w.members[at].Node.Public().ID()
	large := make([]byte, maxLogBytes)
	entry := ledger.Entry{Leaf: []byte("leaf"), Payload: large}
	for name, proposal := range map[string]command{
		"an entry":       {Kind: commandEntries, Entries: []ledger.Entry{entry}},
		"a mirror batch": {Kind: commandMirror, Mirror: large},
		"both":           {Kind: commandMirror, Mirror: large[:maxLogBytes/2], Entries: []ledger.Entry{{Leaf: large[:maxLogBytes/2]}}},
	} {
		if _, err := w.nodes[member].Post(t.Context(), to, "/cluster/propose", ledger.Marshal(proposal)); !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, i := range []int{at, member} {
		results, err := w.nodes[i].Propose(t.Context(), []ledger.Entry{entry})
		if err != nil || results[0].Verdict != ledger.Refused || !errors.Is(results[0].Reason, ledger.ErrMalformedEntry) {
			t.Errorf("node %d, an entry: %v, %v", i, results, err)
		}
		if r := w.nodes[i].route(t.Context(), &proposal{mirror: large, bytes: len(large), done: make(chan answer, 1)}); r.err != nil || r.mirror.Verdict != ledger.MirrorRefused {
			t.Errorf("node %d, a mirror batch: %+v", i, r)
		}
	}
	w.goesOn(member)
	for i, n := range w.nodes {
		if len(n.alarms) > 0 {
			t.Errorf("node %d: %s", i, <-n.alarms)
		}
	}
}

// TestTheLargestProposalFits: what is within the bound is within that of a raft entry, with its framing.
func TestTheLargestProposalFits(t *testing.T) {
	for name, p := range map[string]*proposal{
		"a mirror batch": {mirror: make([]byte, maxProposalBytes)},
		"an entry":       {entries: []ledger.Entry{{Payload: make([]byte, maxProposalBytes-16)}}},
		"many entries":   {entries: make([]ledger.Entry, groupEntries)},
	} {
		for i := range p.entries {
			if len(p.entries) > 1 {
				p.entries[i] = ledger.Entry{Leaf: make([]byte, 256), Payload: make([]byte, maxProposalBytes/groupEntries-16-256)}
			}
		}
		if n := len(encodeGroup([]*proposal{p})); n > maxLogBytes {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
