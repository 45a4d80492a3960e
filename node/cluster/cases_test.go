package cluster

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"vigil/ledger"
	"vigil/test/spread"
)

// The experiment of one lying voter, with the times that nodes have:
//
//	go test ./node/cluster -count 1 -v -timeout 0 -parallel 8 -run ALyingVoter -cases 1000
var cases = flag.Int("cases", 2, "how many voters lie")

const (
	casesAtOnce = 8
	resumeMost  = 10 * time.Second // until writes resume once the liar is cut: what is promised
)

// TestALyingVoterIsCut: the leader withholds what is proposed, or a follower claims ever newer terms; from a moment that is drawn on
// every other node has it cut off. How long until something asked for after that is committed; and nothing that was is lost.
func TestALyingVoterIsCut(t *testing.T) {
	took := spread.Cases(t, *cases, casesAtOnce, func(t *testing.T, i int) time.Duration { return lyingVoter(t, i%2 == 0) })
	t.Logf("%d liars cut, writes resumed after each; %s", len(took), spread.Of(took, resumeMost))
}

func lyingVoter(t *testing.T, leads bool) time.Duration {
	w := newNetwork(t, 3)
	w.heartbeat = 1200 * time.Millisecond
	w.found()
	w.until("the leader", func() bool { return w.leader() >= 0 })
	liar := w.leader()
	if !leads {
		liar = (liar + 1) % 3
	}
	id := w.members[liar].Node.Public().ID()
	kept := w.seal(liar)
	w.propose(liar, kept)
	rec, err := kept.Open()
	if err != nil {
		t.Fatal(err)
	}
	if leads {
		w.mute.Store(id)
	} else {
		w.pesters(liar)
	}
	moment, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Second))
	<-moment.Done()
	cancel()
	w.condemned.Store(id)
	began, at := time.Now(), (liar+1)%3
	e := w.seal(at)
	for deadline := began.Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		r, err := w.nodes[at].Propose(ctx, []ledger.Entry{e})
		cancel()
		if err == nil && (r[0].Verdict == ledger.Accepted || r[0].Verdict == ledger.Repeat) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("writes do not resume: %v", err)
		}
	}
	took := time.Since(began)
	for i, n := range w.nodes {
		if i != liar {
			w.until("what was acknowledged is there", func() bool { return n.store.State().Size() == w.j.State.Size() })
			if _, _, ok, err := n.store.BySequence(id, rec.Sequence); err != nil || !ok {
				t.Errorf("node %d lost what was acknowledged: %v", i, err)
			}
		}
	}
	return took
}

// pesters makes a member ask for votes of newer terms without end, over connections of its own.
func (w *network) pesters(member int) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	id := w.members[member].Node.Public().ID()
	go func() {
		defer close(done)
		tr := w.nodes[member].transport
		for term := uint64(100); ctx.Err() == nil; term++ {
			for i := range w.nodes {
				to := w.members[i].Node.Public().ID().String()
				req := &raft.RequestVoteRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(id.String()), Addr: []byte(id.String())}, Term: term, LastLogIndex: 1 << 20, LastLogTerm: term}
				if i != member {
					_ = tr.RequestVote(raft.ServerID(to), raft.ServerAddress(to), req, &raft.RequestVoteResponse{}) // what comes of it is the test's subject
				}
			}
		}
	}()
}
