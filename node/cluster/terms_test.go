package cluster

import (
	"errors"
	"net"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"vigil/crypto"
)

// twoTransports are those of two nodes that speak with each other, with what the first one's guard says.
func twoTransports(t *testing.T) (transports []*transport, alarms *[]string) {
	t.Helper()
	addresses := map[crypto.NodeID]string{}
	for range 2 {
		k := nodeKey(t)
		own, err := certificate(k)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[k.Public().ID()] = l.Addr().String()
		g, said := testGuard(0, raft.NewInmemStore(), "")
		if alarms == nil {
			alarms = said
		}
		tr := newTransport(k.Public().ID(), own, func(id crypto.NodeID) (string, bool) { a, ok := addresses[id]; return a, ok }, g, func() error { return nil }, hclog.NewNullLogger())
		lis := &listener{inner: l, config: serverConfig(own, func(crypto.NodeID) bool { return true }), member: func(crypto.NodeID) bool { return true }, raft: tr.accepted, http: newConnQueue(l.Addr()), live: map[net.Conn]crypto.NodeID{}}
		go func() { _ = lis.run() }()
		t.Cleanup(func() { _ = errors.Join(tr.Close(), lis.close()) })
		transports = append(transports, tr)
	}
	return transports, alarms
}

// TestATermInAnAnswer: raft takes the term that a voter answers as its own. No answer wedges it, and none that an honest voter gives
// accuses it.
func TestATermInAnAnswer(t *testing.T) {
	const asked = 6
	tests := map[string]struct {
		term, want uint64 // 0 is an error
	}{
		"of before":                             {5, 5},
		"the same":                              {asked, asked},
		"after a long sleep":                    {asked + maxTermJump - 1, asked + maxTermJump - 1},
		"of one whom a liar's requests brought": {asked + 20*maxTermJump, asked + 20*maxTermJump},
		"of one whom they brought further":      {asked + 1<<40, asked + maxAnswerJump},
		"to which nobody is brought":            {1 << 62, 0},
		"the last there is":                     {1<<64 - 1, 0},
	}
	transports, alarms := twoTransports(t)
	from, id := transports[0].self.String(), transports[1].self.String()
	header := raft.RPCHeader{ProtocolVersion: 3, ID: []byte(from), Addr: []byte(from)}
	to, at := raft.ServerID(id), raft.ServerAddress(id)
	ask := map[string]func() (uint64, error){
		"a vote": func() (uint64, error) {
			var resp raft.RequestVoteResponse
			err := transports[0].RequestVote(to, at, &raft.RequestVoteRequest{RPCHeader: header, Term: asked}, &resp)
			return resp.Term, err
		},
		"a vote before the vote": func() (uint64, error) {
			var resp raft.RequestPreVoteResponse
			err := transports[0].RequestPreVote(to, at, &raft.RequestPreVoteRequest{RPCHeader: header, Term: asked}, &resp)
			return resp.Term, err
		},
	}
	for name, tt := range tests {
		for what, ask := range ask {
			*alarms = nil
			go func() {
				rpc := <-transports[1].Consumer()
				if _, pre := rpc.Command.(*raft.RequestPreVoteRequest); pre {
					rpc.Respond(&raft.RequestPreVoteResponse{Term: tt.term}, nil)
					return
				}
				rpc.Respond(&raft.RequestVoteResponse{Term: tt.term}, nil)
			}()
			got, err := ask()
			lies := tt.want == 0
			if errors.Is(err, ErrRPC) != lies || !lies && (err != nil || got != tt.want) || lies != (len(*alarms) == 1) {
				t.Errorf("%s, %s: term %d, %v, %d alarms", what, name, got, err, len(*alarms))
			}
		}
	}
}

// TestANodeThatWasBroughtAhead: a liar's requests brought a voter so many terms ahead that none of its own is obeyed. The others catch up
// with it, and nobody is accused.
func TestANodeThatWasBroughtAhead(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.until("the leader", func() bool { return w.leader() >= 0 })
	voter := (w.leader() + 1) % 3
	far := w.nodes[voter].raft.CurrentTerm() + 3*maxTermJump
	if err := w.nodes[voter].stable.SetUint64(currentTerm, far); err != nil {
		t.Fatal(err)
	}
	w.stop(voter)
	w.start(voter)
	w.until("one leads in a later term", func() bool {
		at := w.leader()
		return at >= 0 && w.nodes[at].raft.CurrentTerm() > far
	})
	w.goesOn(voter)
	for i, n := range w.nodes {
		if len(n.alarms) > 0 {
			t.Errorf("node %d: %s", i, <-n.alarms)
		}
	}
}
