package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"vigil/cmd/network/ports"
	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

// testNode is one running node.
type testNode struct {
	*Cluster
	store  *store.Store
	stop   func()
	ended  chan error // Run's result
	alarms chan string
}

// network is a jurisdiction whose nodes can be started, stopped and started again on the same disk and port.
type network struct {
	t       *testing.T
	j       *ledgertest.Jurisdiction
	members []ledgertest.Member
	dirs    []string
	nodes   []*testNode

	heartbeat time.Duration // zero is 200 ms
	mute      atomic.Value  // the node that, leading, withholds everything

	condemned atomic.Value // the node id that every node is told to cut off
	liar      atomic.Value // the node that, leading, withholds governance
}

func newNetwork(t *testing.T, n int) *network {
	t.Helper()
	w := &network{t: t, nodes: make([]*testNode, n)}
	for i := range n {
		m := ledgertest.NewMember(t, ledger.AgencyID(fmt.Sprintf("in/a%d", i)))
		m.Address = address(t)
		w.members, w.dirs = append(w.members, m), append(w.dirs, t.TempDir())
	}
	w.j = ledgertest.FoundBy(t, "in", w.members...)
	t.Cleanup(func() {
		for i := range w.nodes {
			w.stop(i)
		}
	})
	return w
}

func (w *network) start(i int) *testNode {
	w.t.Helper()
	m := w.members[i]
	s, err := store.Open(filepath.Join(w.dirs[i], "ledger"), store.Identity{Origin: w.j.Origin(), Node: m.Node.Public().ID().String()})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", m.Address)
	if err != nil {
		w.t.Fatal(err)
	}
	pins := map[crypto.NodeID]string{}
	for _, p := range w.members {
		pins[p.Node.Public().ID()] = p.Address
	}
	n := &testNode{store: s, alarms: make(chan string, 64)}
	n.Cluster, err = Open(Config{
		Dir: filepath.Join(w.dirs[i], "raft"), Agency: m.ID, Key: m.Node, Store: s, Listener: l, Pins: pins,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Heartbeat: cmp.Or(w.heartbeat, 200*time.Millisecond),
		Alarm: func(_ crypto.NodeID, reason string) {
			select {
			case n.alarms <- reason:
			default:
			}
		},
		Fatal:     func(err error) { w.t.Errorf("node %d: fatal: %v", i, err) },
		Condemned: func(id crypto.NodeID) bool { return w.condemned.Load() == id },
		Lies: Lies{Withhold: func(e ledger.Entry) bool {
			rec, err := e.Open()
			return err == nil && rec.Kind == ledger.KindGovernance && w.liar.Load() == m.Node.Public().ID() || w.mute.Load() == m.Node.Public().ID()
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.ended = make(chan error, 1)
	go func() { n.ended <- n.Run(ctx) }()
	n.stop = func() {
		cancel()
		if err := <-n.ended; err != nil {
			w.t.Errorf("node %d: run: %v", i, err)
		}
		if err := errors.Join(n.Close(), s.Close()); err != nil {
			w.t.Errorf("node %d: close: %v", i, err)
		}
	}
	w.nodes[i] = n
	return n
}

func (w *network) stop(i int) {
	if w.nodes[i] != nil {
		w.nodes[i].stop()
		w.nodes[i] = nil
	}
}

// found starts every node, founds at the first and replays the jurisdiction's governance.
func (w *network) found() {
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
	w.until("every node has the ledger", func() bool { return w.equal() })
	w.until("three nodes vote", func() bool { return w.voters() == min(3, len(w.nodes)) })
}

func (w *network) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			for i, n := range w.nodes {
				if n != nil {
					w.t.Logf("node %d: %v alarms %d: %v", i, n.raft.Stats(), len(n.alarms), first(n.alarms))
				}
			}
			w.t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func (w *network) equal() bool {
	for _, n := range w.nodes {
		if n == nil {
			continue
		}
		if s := n.store.State(); s == nil || s.Size() != w.j.State.Size() || s.Line() != w.j.State.Line() {
			return false
		}
	}
	return true
}

// voters returns how many vote as every running node knows. A node that has not heard of a voter gives it no vote, so that
// nothing may be stopped before.
func (w *network) voters() int {
	least := len(w.nodes)
	for _, x := range w.nodes {
		if x == nil {
			continue
		}
		f := x.raft.GetConfiguration()
		if f.Error() != nil {
			return 0
		}
		n := 0
		for _, s := range f.Configuration().Servers {
			if s.Suffrage == raft.Voter {
				n++
			}
		}
		least = min(least, n)
	}
	return least
}

// propose has an entry committed at a node, asking again while the outcome is unknown or nobody leads.
func (w *network) propose(at int, e ledger.Entry) ledger.Result {
	w.t.Helper()
	var r ledger.Result
	w.until("an entry is committed", func() bool {
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		defer cancel()
		results, err := w.nodes[at].Propose(ctx, []ledger.Entry{e})
		if err != nil {
			return false
		}
		r = results[0]
		return true
	})
	if r.Verdict != ledger.Accepted && r.Verdict != ledger.Repeat {
		w.t.Fatalf("entry: %v %v", r.Verdict, r.Reason)
	}
	return r
}

func (w *network) seal(member int) ledger.Entry {
	return w.j.Seal(w.t, member, []ledger.AudienceName{"in/*"}, ledgertest.Event("row"))
}

func (w *network) leader() int {
	for i, n := range w.nodes {
		if n != nil && n.Leads() {
			return i
		}
	}
	return -1
}

func TestWritesSurviveTheLeader(t *testing.T) {
	w := newNetwork(t, 4)
	w.found()
	for i := range 4 {
		w.propose((i+1)%4, w.seal(i)) // any node takes writes, also the non-voter
	}
	old := w.leader()
	w.stop(old)
	author := (old + 1) % 4
	e := w.seal(author)
	first := w.propose(author, e)
	if again := w.propose((old+2)%4, e); again.Verdict != ledger.Repeat || again.Index != first.Index {
		t.Fatalf("a retry: %+v, the first answer was index %d", again, first.Index)
	}
	w.until("the others are equal", w.equal)
	w.start(old)
	w.until("the old leader has caught up", w.equal)
	for i := range w.nodes {
		w.stop(i)
	}
	for i := range w.nodes {
		w.start(i)
	}
	w.until("all are back from their own disks", w.equal)
}

func TestFarBehindFollowerFoldsAJournal(t *testing.T) {
	w := newNetwork(t, 4)
	w.found()
	w.stop(3)
	for range 30 {
		w.propose(0, w.seal(0))
	}
	lead := w.nodes[w.leader()]
	c := lead.raft.ReloadableConfig()
	c.TrailingLogs = 1
	if err := lead.raft.ReloadConfig(c); err != nil {
		t.Fatal(err)
	}
	if err := lead.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	w.start(3)
	w.until("the follower has folded the journal", w.equal)
	w.propose(0, w.seal(0))
	w.until("it follows on", w.equal)
	if err := w.nodes[3].disk.verifyAll(); err != nil { // raft leaves a gap behind a snapshot where it may: issue 697
		t.Errorf("its log after the snapshot: %v", err)
	}
	w.stop(3)
	w.start(3)
	w.until("it is back from its own disk", w.equal)
}

// TestAStaleSuffixBehindASnapshot is the gate for hashicorp/raft issue 697: a node whose log goes further than the snapshot
// it gets, with entries that were never committed, refuses everything after it and gets another one, for ever. It must end,
// and be well when it is started again.
func TestAStaleSuffixBehindASnapshot(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	stale := w.leader()
	for i := range w.nodes {
		if i != stale {
			w.stop(i)
		}
	}
	var waiting []raft.ApplyFuture
	for range 40 { // past the bound of what our own leader has in flight
		waiting = append(waiting, w.nodes[stale].raft.Apply(ledger.Marshal(command{Kind: commandEntries}), time.Second))
	}
	for _, f := range waiting {
		if f.Error() == nil {
			t.Fatal("a minority committed")
		}
	}
	_, last, _ := w.nodes[stale].Progress()
	w.stop(stale)
	for i := range w.nodes {
		if i != stale {
			w.start(i)
		}
	}
	at := (stale + 1) % 3
	for range 5 {
		w.propose(at, w.seal(at))
	}
	w.until("one leads", func() bool { return w.leader() >= 0 })
	lead := w.nodes[w.leader()]
	if _, theirs, _ := lead.Progress(); theirs >= last {
		t.Fatalf("the suffix goes to %d, the others are at %d", last, theirs)
	}
	c := lead.raft.ReloadableConfig()
	c.TrailingLogs = 1
	if err := lead.raft.ReloadConfig(c); err != nil {
		t.Fatal(err)
	}
	if err := lead.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}

	n := w.start(stale)
	select {
	case err := <-n.ended:
		if !errors.Is(err, ErrStuck) {
			t.Fatalf("it ended with %v", err)
		}
		n.ended <- nil
		w.stop(stale)
		w.start(stale)
	case <-time.After(5 * time.Second):
		if w.equal() {
			t.Fatal("raft comes out of it by itself now: neither the watchdog nor this test is needed any more")
		}
		t.Fatal("it neither follows nor ends")
	}
	w.until("it has caught up", w.equal)
	w.propose(stale, w.seal(stale))
	w.until("it goes on", w.equal)
}

// TestAConflictIsRefused: another entry of a sequence that is taken gets no answer that could be mistaken for a yes.
func TestAConflictIsRefused(t *testing.T) {
	w := newNetwork(t, 1)
	w.found()
	home := []ledger.AudienceName{"in/*"}
	rec := w.j.Record(0, ledger.KindSealed)
	var both []ledger.Entry
	for _, row := range []string{"one", "another"} {
		e, err := w.j.SealAs(0, rec, home, ledgertest.Event(row))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, e)
	}
	for _, alone := range []bool{true, false} { // the first is on disk, or in the same raft entry
		first, second := both[:1], both[1:]
		if !alone {
			first, second = nil, both
		}
		if len(first) > 0 {
			w.propose(0, first[0])
		}
		results, err := w.nodes[0].Propose(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if r := results[len(results)-1]; r.Verdict != ledger.Refused || !errors.Is(r.Reason, ledger.ErrConflict) {
			t.Errorf("another entry of a taken sequence: %v %v", r.Verdict, r.Reason)
		}
	}
}

func TestMinorityDoesNotAcknowledge(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	lead := w.leader()
	for i := range w.nodes {
		if i != lead {
			w.stop(i)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := w.nodes[lead].Propose(ctx, []ledger.Entry{w.seal(0)}); err == nil {
		t.Fatal("a minority acknowledged a write")
	}
}

func TestStrangersAreRefused(t *testing.T) {
	w := newNetwork(t, 1)
	w.found()
	stranger, err := crypto.GenerateNodeKey()
	if err != nil {
		t.Fatal(err)
	}
	to := w.members[0]
	if _, err := PostTo(t.Context(), stranger, to.Node.Public().ID(), to.Address, "/cluster/height", nil); !errors.Is(err, ErrRemote) {
		t.Fatalf("a stranger's request: %v", err)
	}
	wrong := stranger.Public().ID()
	if _, err := PostTo(t.Context(), stranger, wrong, to.Address, "/cluster/height", nil); err == nil {
		t.Fatal("a node with another key than the pinned one was believed")
	}
	own, err := certificate(stranger)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTransport(stranger.Public().ID(), own, func(crypto.NodeID) (string, bool) { return to.Address, true }, w.nodes[0].guard, w.nodes[0].Unheard, w.nodes[0].transport.log)
	defer tr.Close()
	id := raft.ServerID(to.Node.Public().ID().String())
	err = tr.RequestVote(id, raft.ServerAddress(id), &raft.RequestVoteRequest{Term: 1 << 30}, &raft.RequestVoteResponse{})
	if err == nil {
		t.Fatal("a stranger's vote request was answered")
	}
	if term, _, _ := w.nodes[0].Progress(); term >= 1<<30 {
		t.Fatal("a stranger raised the term")
	}
}

// address is on a port that a node which was stopped finds free again.
func address(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func first(c chan string) string {
	select {
	case s := <-c:
		return s
	default:
		return ""
	}
}

// TestAnInterruptedFoundingGoesOn: raft keeps its first term before its first entry; a crash between the two leaves nobody stuck.
func TestAnInterruptedFoundingGoesOn(t *testing.T) {
	w := newNetwork(t, 1)
	n := w.start(0)
	if err := n.stable.SetUint64(currentTerm, 1); err != nil {
		t.Fatal(err)
	}
	w.stop(0)
	w.found()
}
