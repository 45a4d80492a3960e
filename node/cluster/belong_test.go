package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// govern commits an act of a member through a node.
func (w *network) govern(at, member int, act any) ledger.Result {
	w.t.Helper()
	e := w.j.Act(w.t, member, act)
	w.j.Append(w.t, e)
	return w.propose(at, e)
}

// remove commits, through node at, the removal of a member's agency by the members given.
func (w *network) remove(at, member int, by ...int) {
	w.t.Helper()
	act := &ledger.Propose{Roster: w.j.State.Governance.Version, Change: ledger.NewChange(&ledger.Remove{Agency: w.members[member].ID})}
	id := w.govern(at, by[0], act).Leaf
	for _, m := range by[1:] {
		w.govern(at, m, &ledger.Approve{Proposal: id})
	}
}

// servers are the nodes in raft's configuration, as node at sees it.
func (w *network) servers(at int) []int {
	f := w.nodes[at].raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	var out []int
	for i, m := range w.members {
		if slices.ContainsFunc(f.Configuration().Servers, func(s raft.Server) bool { return string(s.ID) == m.Node.Public().ID().String() }) {
			out = append(out, i)
		}
	}
	return out
}

// alone waits until one node leads and the configuration holds the nodes given.
func (w *network) are(leads func(int) bool, servers ...int) {
	w.t.Helper()
	w.until("the configuration follows the roster", func() bool {
		l := -1
		for i, n := range w.nodes {
			if n != nil && n.Leads() && leads(i) {
				l = i
			}
		}
		return l >= 0 && slices.Equal(w.servers(l), servers)
	})
}

// cutOff checks that a node hears nothing more and is answered by nobody.
func (w *network) cutOff(member int, others ...int) {
	w.t.Helper()
	m := w.members[member]
	for _, o := range others {
		w.until("the connections are cut", func() bool {
			n := w.nodes[o]
			n.listener.mu.Lock()
			defer n.listener.mu.Unlock()
			for _, id := range n.listener.live {
				if id == m.Node.Public().ID() {
					return false
				}
			}
			return true
		})
		to := w.members[o]
		w.until("it is told that it does not belong", func() bool {
			_, err := PostTo(w.t.Context(), m.Node, to.Node.Public().ID(), to.Address, "/cluster/height", nil)
			if err == nil {
				w.t.Errorf("node %d still answers", o)
			}
			return err == nil || errors.Is(err, ErrRemote) // what it opens by itself may be cut meanwhile, and this with it
		})
		own, err := certificate(m.Node)
		if err != nil {
			w.t.Fatal(err)
		}
		tr := newTransport(m.Node.Public().ID(), own, func(crypto.NodeID) (string, bool) { return to.Address, true }, w.nodes[o].guard, w.nodes[o].Unheard, w.nodes[o].transport.log)
		id := raft.ServerID(to.Node.Public().ID().String())
		term, _, _ := w.nodes[o].Progress()
		if err := tr.RequestVote(id, raft.ServerAddress(id), &raft.RequestVoteRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(m.Node.Public().ID().String())}, Term: term + 1,
		}, &raft.RequestVoteResponse{}); err == nil {
			w.t.Errorf("node %d still answers its vote requests", o)
		}
		if err := tr.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

func TestARemovedNodeIsCutOff(t *testing.T) {
	for name, gone := range map[string]func(w *network) int{
		"a follower": func(w *network) int { return (w.leader() + 1) % 3 },
		"the leader": (*network).leader,
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 3)
			w.found()
			x := gone(w)
			a, b := (x+1)%3, (x+2)%3
			w.remove(a, x, a, b)
			w.are(func(i int) bool { return i != x }, slices.Sorted(slices.Values([]int{a, b}))...)
			w.cutOff(x, a, b)
			w.j.Govern(t, a, w.j.NextEpoch(t, "in/*"))
			w.propose(a, w.j.Entries[len(w.j.Entries)-1])
			w.propose(a, w.seal(b))
			w.stop(x)
			w.until("the others are equal", w.equal)
		})
	}
}

// TestOfTwoVotersEitherMayGo: the configuration of two becomes one of one, whoever leads. Cutting the other at once would
// leave nobody who could decide it.
func TestOfTwoVotersEitherMayGo(t *testing.T) {
	for name, gone := range map[string]func(w *network) int{
		"the follower": func(w *network) int { return 1 - w.leader() },
		"the leader":   (*network).leader,
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.foundVoters(2)
			x := gone(w)
			stays := 1 - x
			w.remove(stays, x, stays)
			w.are(func(i int) bool { return i == stays }, stays)
			w.cutOff(x, stays)
			w.propose(stays, w.j.Act(t, stays, w.j.NextEpoch(t, "in/*")))
		})
	}
}

// foundVoters is found for any number of voters.
func (w *network) foundVoters(n int) {
	w.t.Helper()
	for i := range w.nodes {
		w.start(i)
	}
	if err := w.nodes[0].Found(w.t.Context(), w.j.Entries[0]); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range w.j.Entries[1:] {
		w.propose(0, e)
	}
	w.until("all nodes vote", func() bool { return w.equal() && w.voters() == n })
}

// replace starts a new node for a member's agency and commits, through node at, that it takes the old one's place. It
// returns the new node's number.
func (w *network) replace(at, member int) int {
	w.t.Helper()
	fresh := ledgertest.NewMember(w.t, w.members[member].ID)
	fresh.Key = w.members[member].Key
	fresh.Address = address(w.t)
	x := len(w.members)
	w.members, w.dirs, w.nodes = append(w.members, fresh), append(w.dirs, w.t.TempDir()), append(w.nodes, nil)
	w.j.Members = append(w.j.Members, fresh)
	w.start(x)
	w.govern(at, x, &ledger.ReplaceNode{Node: fresh.Agency().Node})
	return x
}

func TestANodeIsReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		nodes int
		gone  func(w *network) int
	}{
		"a lone node":        {1, (*network).leader},
		"of two, a follower": {2, func(w *network) int { return 1 - w.leader() }},
		"of two, the leader": {2, (*network).leader},
		"a follower":         {3, func(w *network) int { return (w.leader() + 1) % 3 }},
		"the leader":         {3, (*network).leader},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, c.nodes)
			w.foundVoters(c.nodes)
			gone := c.gone(w)
			at := (gone + 1) % c.nodes // where there is one: another than the old node
			x := w.replace(at, gone)
			var want []int
			for i := range w.nodes {
				if i != gone {
					want = append(want, i)
				}
			}
			w.are(func(i int) bool { return i != gone }, want...)
			w.until("the new node votes", func() bool { return w.nodes[x].Voting() })
			w.stop(gone)
			w.propose(x, w.seal(x))
			w.until("all are equal", w.equal)
			if c.nodes == 1 { // it holds everything by itself now
				w.stop(x)
				w.start(x)
				w.until("it is back from its own disk", w.equal)
			}
		})
	}
}

// TestALeaderThatWithholdsItsRemovalIsCut: who holds the approvals stops speaking with it, and the others commit them.
func TestALeaderThatWithholdsItsRemovalIsCut(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	x := w.leader()
	a, b := (x+1)%3, (x+2)%3
	w.liar.Store(w.members[x].Node.Public().ID())
	act := w.j.Act(t, a, &ledger.Propose{Roster: w.j.State.Governance.Version, Change: ledger.NewChange(&ledger.Remove{Agency: w.members[x].ID})})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := w.nodes[a].Propose(ctx, []ledger.Entry{act}); err == nil {
		t.Fatal("the liar committed it")
	}
	w.propose(b, w.seal(b)) // it lies about nothing else

	w.condemned.Store(w.members[x].Node.Public().ID())
	for _, i := range []int{a, b} {
		w.nodes[i].Recheck()
	}
	w.j.Append(t, act)
	w.propose(a, act)
	w.govern(b, b, &ledger.Approve{Proposal: ledger.LeafHash(act.Leaf)})
	w.are(func(i int) bool { return i != x }, slices.Sorted(slices.Values([]int{a, b}))...)
	w.cutOff(x, a, b)
}

// TestANodeSleepsThroughAllReplacements: it wakes among members of whom its roster knows nobody, and listens to them.
func TestANodeSleepsThroughAllReplacements(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	sleeper := (w.leader() + 1) % 3
	w.stop(sleeper)
	w.until("the others notice", func() bool {
		away := w.members[sleeper].Node.Public().ID()
		return !slices.ContainsFunc(w.nodes, func(n *testNode) bool { return n != nil && n.alive(away) })
	})
	for _, i := range []int{0, 1, 2} {
		if i == sleeper {
			continue
		}
		at := -1
		for j, n := range w.nodes {
			if n != nil && j != i {
				at = j
			}
		}
		x := w.replace(at, i)
		w.until("the new node votes, the old one does not", func() bool {
			l := w.leader()
			return w.nodes[x].Voting() && l >= 0 && l != i && !slices.Contains(w.servers(l), i)
		})
		w.stop(i)
	}
	w.propose(4, w.seal(3))
	w.start(sleeper)
	w.until("it has caught up", w.equal)
	w.propose(sleeper, w.seal(sleeper))
}

func TestIntroductionsAreChecked(t *testing.T) {
	w := newNetwork(t, 2)
	w.foundVoters(2)
	stranger := ledgertest.NewMember(t, "in/x")
	admit := w.j.Act(t, 0, &ledger.Propose{Roster: w.j.State.Governance.Version, Change: ledger.NewChange(&ledger.Admit{Agency: stranger.Agency()})})
	forged, err := ledger.SignEntry(stranger.Key, func() ledger.Record {
		r := w.j.Record(0, ledger.KindGovernance)
		r.Author, r.Writer, r.Sequence = "in/a1", stranger.Node.Public().ID(), 1
		return r
	}(), ledger.EncodeAct(&ledger.ReplaceNode{Node: stranger.Agency().Node}))
	if err != nil {
		t.Fatal(err)
	}
	size := w.j.State.Size()
	for name, acts := range map[string][]actAt{
		"nothing":                   nil,
		"garbage":                   {{Index: size, Entry: ledger.Entry{Leaf: []byte{1}}}},
		"a proposal without others": {{Index: size, Entry: admit}},
		"another's signature":       {{Index: size, Entry: forged}},
	} {
		to := w.members[0]
		_, err := PostTo(t.Context(), stranger.Node, to.Node.Public().ID(), to.Address, "/cluster/introduce", ledger.Marshal(introduction{Acts: acts}))
		if !errors.Is(err, ErrRemote) || w.nodes[0].Member(stranger.Node.Public().ID()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnActThatNeverCameFreezesNoRoster: a member signs that it has another node, which shows that as an entry far away. Once the others have
// decided anything else about who belongs, that counts.
func TestAnActThatNeverCameFreezesNoRoster(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	liar, at := 2, 0
	fresh := ledgertest.NewMember(t, w.members[liar].ID)
	forged := func(n ledger.Node, sequence uint64) ledger.Entry {
		t.Helper()
		r := w.j.Record(liar, ledger.KindGovernance)
		r.Writer, r.Sequence = fresh.Node.Public().ID(), sequence
		e, err := ledger.SignEntry(w.members[liar].Key, r, ledger.EncodeAct(&ledger.ReplaceNode{Node: n}))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	shows := func(as *crypto.NodeKey, acts ...actAt) error {
		to := w.members[at]
		_, err := PostTo(t.Context(), as, to.Node.Public().ID(), to.Address, "/cluster/introduce", ledger.Marshal(introduction{Acts: acts}))
		return err
	}
	moved := w.members[liar].Agency().Node
	moved.Address = fresh.Address
	own := forged(moved, 1)
	if err := shows(w.members[liar].Node, actAt{Index: 1 << 60, Entry: own}); err != nil || w.nodes[at].shown() != nil {
		t.Errorf("a member has something to show: %v", err)
	}
	other := forged(fresh.Agency().Node, 2)
	for _, index := range []uint64{1 << 60, 1<<60 - 1} {
		if err := shows(fresh.Node, actAt{Index: 1 << 60, Entry: own}, actAt{Index: index, Entry: other}); !errors.Is(err, ErrRemote) || w.nodes[at].shown() != nil {
			t.Errorf("acts that do not rise: %v", err)
		}
	}
	if err := shows(fresh.Node, actAt{Index: 1 << 60, Entry: other}); err != nil || !w.nodes[at].Member(fresh.Node.Public().ID()) {
		t.Fatalf("nobody can know yet: %v", err)
	}
	w.propose(at, w.seal(1))
	if w.nodes[at].shown() == nil {
		t.Error("nothing was decided yet")
	}
	w.remove(at, liar, 0, 1)
	w.until("the roster is the own one", func() bool {
		n := w.nodes[at]
		return n.roster() == n.store.State().Governance && !n.Member(fresh.Node.Public().ID()) && !n.Member(w.members[liar].Node.Public().ID())
	})
}

// stuckPipeline is the library's where it waits for room that will never be.
type stuckPipeline struct {
	raft.AppendPipeline
	closed chan struct{}
}

func (p stuckPipeline) AppendEntries(*raft.AppendEntriesRequest, *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	<-p.closed
	return nil, raft.ErrPipelineShutdown
}

func (p stuckPipeline) Close() error {
	close(p.closed)
	return nil
}

func TestAStuckPipelineIsGivenUp(t *testing.T) {
	p := pipeline{AppendPipeline: stuckPipeline{closed: make(chan struct{})}, most: 10 * time.Millisecond}
	if _, err := p.AppendEntries(nil, nil); !errors.Is(err, raft.ErrPipelineShutdown) {
		t.Fatal(err)
	}
}
