package cluster

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"golang.org/x/time/rate"

	"vigil/crypto"
)

func nodeKey(t *testing.T) *crypto.NodeKey {
	t.Helper()
	k, err := crypto.GenerateNodeKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testGuard(applied uint64, logs raft.LogStore, leader string) (*guard, *[]string) {
	var alarms []string
	g := &guard{
		alarm: func(_ crypto.NodeID, reason string) { alarms = append(alarms, reason) }, logs: logs,
		term: func() uint64 { return 5 }, applied: func() uint64 { return applied }, leader: func() raft.ServerID { return raft.ServerID(leader) },
		room: func() (uint64, bool) { return 1 << 30, true }, log: slog.New(slog.DiscardHandler),
		rises: map[crypto.NodeID]*rate.Limiter{}, rests: map[crypto.NodeID]rest{},
	}
	return g, &alarms
}

// TestWhatNoHonestPeerSends: raft would store the configuration and panic over it at every start, obey the hand-over,
// jump to any term, replace what is applied.
func TestWhatNoHonestPeerSends(t *testing.T) {
	peer, other := nodeKey(t).Public().ID(), nodeKey(t).Public().ID()
	header := func(id crypto.NodeID) raft.RPCHeader {
		return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(id.String()), Addr: []byte(id.String())}
	}
	logs := raft.NewInmemStore()
	if err := logs.StoreLog(&raft.Log{Index: 3, Term: 4}); err != nil {
		t.Fatal(err)
	}
	server := func(id string) raft.Server {
		return raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id), Suffrage: raft.Voter}
	}
	good := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{server(peer.String())}})
	entries := func(e ...*raft.Log) *raft.AppendEntriesRequest {
		r := &raft.AppendEntriesRequest{RPCHeader: header(peer), Term: 5, Entries: e}
		if e[0] != nil {
			r.PrevLogEntry = e[0].Index - 1
		}
		return r
	}
	snapshot := func(with func(*raft.InstallSnapshotRequest)) *raft.InstallSnapshotRequest {
		r := &raft.InstallSnapshotRequest{RPCHeader: header(peer), SnapshotVersion: 1, Term: 5, LastLogIndex: 9, LastLogTerm: 5, Size: 1, Configuration: good}
		with(r)
		return r
	}
	tests := []struct {
		name    string
		command any
		ok      bool
	}{
		{"a command", entries(&raft.Log{Index: 9, Term: 5, Type: raft.LogCommand, Data: []byte("x")}), true},
		{"a configuration", entries(&raft.Log{Index: 9, Term: 5, Type: raft.LogConfiguration, Data: good}), true},
		{"an applied entry again", entries(&raft.Log{Index: 3, Term: 4, Type: raft.LogCommand}), true},
		{"an applied entry replaced by a leader of before, which raft refuses", &raft.AppendEntriesRequest{RPCHeader: header(peer), Term: 4, PrevLogEntry: 2, Entries: []*raft.Log{{Index: 3, Term: 3, Type: raft.LogCommand}}}, true},
		{"the next term", &raft.RequestVoteRequest{RPCHeader: header(peer), Term: 6}, true},
		{"another sender", &raft.RequestVoteRequest{RPCHeader: header(other), Term: 5}, false},
		{"another sender of a heartbeat", &raft.AppendEntriesRequest{RPCHeader: header(other), Term: 5}, false},
		{"an undecodable configuration", entries(&raft.Log{Index: 9, Term: 5, Type: raft.LogConfiguration, Data: []byte("poison")}), false},
		{"a configuration without servers", entries(&raft.Log{Index: 9, Term: 5, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{})}), false},
		{"a configuration with a name", entries(&raft.Log{Index: 9, Term: 5, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{server("evil")}})}), false},
		{"an unknown type", entries(&raft.Log{Index: 9, Term: 5, Type: 200}), false},
		{"a nil entry", entries(nil), false},
		{"an oversized entry", entries(&raft.Log{Index: 9, Term: 5, Data: make([]byte, maxLogBytes+1)}), false},
		{"too many entries", entries(make([]*raft.Log, maxAppendEntries+1)...), false},
		{"entries that follow", &raft.AppendEntriesRequest{RPCHeader: header(peer), Term: 5, PrevLogEntry: 8, PrevLogTerm: 3, Entries: []*raft.Log{{Index: 9, Term: 3}, {Index: 10, Term: 5}}}, true},
		{"entries without those before", &raft.AppendEntriesRequest{RPCHeader: header(peer), Term: 5, Entries: []*raft.Log{{Index: 9, Term: 5}}}, false},
		{"entries with a gap", entries(&raft.Log{Index: 9, Term: 5}, &raft.Log{Index: 11, Term: 5}), false},
		{"an entry of a term that is still to come", entries(&raft.Log{Index: 9, Term: 6}), false},
		{"entries of falling terms", entries(&raft.Log{Index: 9, Term: 5}, &raft.Log{Index: 10, Term: 4}), false},
		{"an entry of a term before that of the one before", &raft.AppendEntriesRequest{RPCHeader: header(peer), Term: 5, PrevLogEntry: 8, PrevLogTerm: 5, Entries: []*raft.Log{{Index: 9, Term: 4}}}, false},
		{"an applied entry replaced", entries(&raft.Log{Index: 3, Term: 5, Type: raft.LogCommand}), false},
		{"votes under another's address", &raft.RequestVoteRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(peer.String()), Addr: []byte(other.String())}, Term: 6}, false},
		{"a term to which nobody is brought", &raft.RequestVoteRequest{RPCHeader: header(peer), Term: 1 << 60}, false},
		{"an unannounced transfer", &raft.RequestVoteRequest{RPCHeader: header(peer), Term: 5, LeadershipTransfer: true}, false},
		{"leadership handed over by one who does not lead", &raft.TimeoutNowRequest{RPCHeader: header(peer)}, false},
		{"a snapshot", snapshot(func(*raft.InstallSnapshotRequest) {}), true},
		{"a snapshot of any size", snapshot(func(r *raft.InstallSnapshotRequest) { r.Size = 1 << 60 }), false},
		{"a snapshot with a poisoned configuration", snapshot(func(r *raft.InstallSnapshotRequest) { r.Configuration = []byte("poison") }), false},
		{"a snapshot whose servers are elsewhere", snapshot(func(r *raft.InstallSnapshotRequest) { r.SnapshotVersion, r.Peers = 0, []byte{0x90} }), false},
		{"a snapshot of a term that is still to come", snapshot(func(r *raft.InstallSnapshotRequest) { r.LastLogTerm = 6 }), false},
		{"a snapshot of nothing", snapshot(func(r *raft.InstallSnapshotRequest) { r.Size = 0 }), false},
		{"no request", 7, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, alarms := testGuard(3, logs, other.String())
			g.reign = reign{who: other, term: 5, since: time.Now().Add(-lateWindow)}
			err := g.check(peer, tt.command)
			accuses := err != nil && !errors.Is(err, errUnannounced) && !errors.Is(err, errTorn) // which an honest peer may cause
			if (err == nil) != tt.ok || accuses != (len(*alarms) > 0) {
				t.Fatalf("%v, %d alarms", err, len(*alarms))
			}
		})
	}
	g, _ := testGuard(3, logs, other.String())
	refused := 0
	for range 10 * maxTermRises {
		if g.check(peer, &raft.RequestVoteRequest{RPCHeader: header(peer), Term: 6}) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("the term may rise without end")
	}
	g.announce(peer)
	if err := g.check(peer, &raft.RequestVoteRequest{RPCHeader: header(peer), Term: 5, LeadershipTransfer: true}); err != nil {
		t.Fatalf("an announced transfer: %v", err)
	}
}

// TestASnapshotThatIsRefusedAccusesNobody: there is no room for it, or those before it were not taken and it comes too soon.
func TestASnapshotThatIsRefusedAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, other := nodeKey(t).Public().ID(), nodeKey(t).Public().ID()
		configuration := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(peer.String()), Address: raft.ServerAddress(peer.String())}}})
		g, alarms := testGuard(3, raft.NewInmemStore(), "")
		sends := func(from crypto.NodeID, bytes int64) error {
			return g.check(from, &raft.InstallSnapshotRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(from.String())}, SnapshotVersion: 1, Term: 5, LastLogIndex: 9, LastLogTerm: 5, Size: bytes, Configuration: configuration})
		}
		for after := range 12 {
			if err := sends(peer, 1<<30); err != nil {
				t.Fatalf("after %d: %v", after, err)
			}
			g.sent(peer, false, nil)
			wait := min(snapshotAgain<<after, snapshotRest)
			time.Sleep(wait - time.Nanosecond)
			if err := sends(peer, 1); !errors.Is(err, errRefused) {
				t.Fatalf("too soon after %d: %v", after+1, err)
			}
			if err := sends(other, 1); err != nil {
				t.Fatalf("another's: %v", err)
			}
			time.Sleep(time.Nanosecond)
		}
		g.sent(peer, true, nil)
		g.sent(peer, false, nil)
		time.Sleep(snapshotAgain)
		if err := sends(peer, 1); err != nil {
			t.Fatalf("one was taken meanwhile: %v", err)
		}
		for range 2 {
			if err := sends(other, 1<<30+1); !errors.Is(err, errRefused) {
				t.Fatalf("more than there is room for: %v", err)
			}
		}
		if g.room = func() (uint64, bool) { return 0, false }; sends(peer, 1<<30+1) != nil {
			t.Error("nobody knows how much room there is")
		}
		if len(*alarms) > 0 {
			t.Errorf("alarms: %v", *alarms)
		}
	})
}

// TestAHandOverAccusesNobodyTooSoon: what a leader sent arrives when it leads no more, or at a node that has just started, before
// anything else it sent. That is refused, and is a lie only where another has led for a while.
func TestAHandOverAccusesNobodyTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, other := nodeKey(t).Public().ID(), nodeKey(t).Public().ID()
		g, alarms := testGuard(0, raft.NewInmemStore(), other.String())
		header := func(of crypto.NodeID) raft.RPCHeader {
			return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(of.String())}
		}
		leads := func(who crypto.NodeID, term uint64) {
			t.Helper()
			if err := g.check(who, &raft.AppendEntriesRequest{RPCHeader: header(who), Term: term}); err != nil {
				t.Fatal(err)
			}
		}
		handsOver := func(when string, want error) {
			t.Helper()
			*alarms = nil
			err := g.check(peer, &raft.TimeoutNowRequest{RPCHeader: header(peer)})
			if !errors.Is(err, want) || (want == ErrRPC) != (len(*alarms) == 1) {
				t.Errorf("%s: %v, %d alarms", when, err, len(*alarms))
			}
		}
		handsOver("at a node that has heard nothing", errLate)
		leads(peer, 5)
		handsOver("one who led a moment ago", errLate)
		time.Sleep(2 * lateWindow)
		handsOver("one whose successor was not heard of", errLate)
		leads(other, 6)
		handsOver("one whose successor has just begun", errLate)
		time.Sleep(lateWindow - time.Second)
		leads(other, 6)
		leads(peer, 4)
		handsOver("one whose successor began a while ago", errLate)
		time.Sleep(time.Second)
		handsOver("one whose successor has led for long", ErrRPC)
	})
}

// TestWhoFollowsALeaderThatTells: a leader is heard by its heartbeats, and may not have come to telling of its log.
func TestWhoFollowsALeaderThatTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := nodeKey(t).Public().ID()
		header := raft.RPCHeader{ProtocolVersion: 3, ID: []byte(peer.String())}
		g, _ := testGuard(0, raft.NewInmemStore(), peer.String())
		hears := func(term uint64, tells bool, times int) {
			t.Helper()
			for range times {
				time.Sleep(time.Second)
				r := &raft.AppendEntriesRequest{RPCHeader: header, Term: term}
				if tells {
					r.PrevLogEntry = 7
				}
				if err := g.check(peer, r); err != nil {
					t.Fatal(err)
				}
			}
		}
		follows := func(when string, term uint64, want bool) {
			t.Helper()
			if in, ok := g.follows(); in != term || ok != want {
				t.Errorf("%s: term %d, %v", when, in, ok)
			}
		}
		follows("nobody leads", 0, false)
		hears(5, false, 12)
		follows("heartbeats alone, for as long as raft waits", 5, false)
		hears(5, true, 1)
		follows("it tells", 5, true)
		hears(5, false, 4)
		follows("heartbeats alone, and it was heard before", 5, true)
		time.Sleep(4 * time.Second)
		follows("it is not heard", 5, false)
		hears(5, false, 12)
		follows("it is heard again, by heartbeats", 5, false)
		hears(5, false, 2)
		follows("it could have told long ago", 5, true)
		hears(6, false, 1)
		follows("another term", 6, false)
		hears(6, true, 1)
		follows("it tells in that term", 6, true)
	})
}

// TestHeartbeatsTakeTheSlowPath is the gate for hashicorp/raft issue 695: a heartbeat handled beside raft's main loop can
// make two nodes commit different entries. Over the real transport, a heartbeat must come out of Consumer even though
// raft asked for the fast path.
func TestHeartbeatsTakeTheSlowPath(t *testing.T) {
	transports, _ := twoTransports(t)
	fast := make(chan struct{}, 1)
	transports[1].SetHeartbeatHandler(func(raft.RPC) { fast <- struct{}{} })
	from, to := transports[0].self, transports[1].self
	answered := make(chan error, 1)
	go func() {
		heartbeat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(from.String()), Addr: []byte(from.String())}, Term: 5}
		answered <- transports[0].AppendEntries(raft.ServerID(to.String()), raft.ServerAddress(to.String()), heartbeat, &raft.AppendEntriesResponse{})
	}()
	select {
	case rpc := <-transports[1].Consumer():
		rpc.Respond(&raft.AppendEntriesResponse{Term: 5, Success: true}, nil)
	case <-fast:
		t.Fatal("a heartbeat went past raft's main loop")
	case <-time.After(10 * time.Second):
		t.Fatal("no heartbeat arrived")
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

// TestABitFlipInTheLogIsNoticed: the store below returns flipped entries as good data.
func TestABitFlipInTheLogIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	write := func(f func(*raftboltdb.BoltStore)) {
		b, err := raftboltdb.NewBoltStore(path)
		if err != nil {
			t.Fatal(err)
		}
		f(b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	die := func(err error) { t.Errorf("fatal: %v", err) }
	write(func(b *raftboltdb.BoltStore) {
		l := &checkedLog{LogStore: b, fatal: die, hung: time.Minute}
		for i := uint64(1); i <= 20; i++ {
			if err := l.StoreLog(&raft.Log{Index: i, Term: 1, Data: []byte(strings.Repeat("payload ", 40))}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.verifyAll(); err != nil {
			t.Fatal(err)
		}
	})
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(raw, []byte("payload payload"))
	raw[at+3] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	write(func(b *raftboltdb.BoltStore) {
		bare, checked := 0, 0
		l := &checkedLog{LogStore: b, fatal: die, hung: time.Minute}
		for i := uint64(1); i <= 20; i++ {
			var e raft.Log
			if err := b.GetLog(i, &e); err != nil {
				bare++
			}
			if err := l.GetLog(i, &e); errors.Is(err, ErrLog) {
				checked++
			}
		}
		if bare != 0 || checked != 1 || l.verifyAll() == nil {
			t.Fatalf("the bare store noticed %d, the checked one %d", bare, checked)
		}
	})
}

func TestTheChainNoticesAnotherEntryOfTheSameIndex(t *testing.T) {
	inner := raft.NewInmemStore()
	l := &checkedLog{LogStore: inner, fatal: func(error) {}, hung: time.Minute}
	for i := uint64(1); i <= 3; i++ {
		if err := l.StoreLog(&raft.Log{Index: i, Term: 1, Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	stale := &checkedLog{LogStore: raft.NewInmemStore(), fatal: func(error) {}, hung: time.Minute}
	for i := uint64(1); i <= 2; i++ {
		if err := stale.StoreLog(&raft.Log{Index: i, Term: 1, Data: []byte("older")}); err != nil {
			t.Fatal(err)
		}
	}
	var old raft.Log
	if err := stale.LogStore.GetLog(2, &old); err != nil {
		t.Fatal(err)
	}
	if err := inner.StoreLog(&old); err != nil { // a page of an older file, with a checksum of its own
		t.Fatal(err)
	}
	if err := l.verifyAll(); !errors.Is(err, ErrLog) {
		t.Fatalf("a swapped entry: %v", err)
	}
}

// hangingStore is a disk that does not come back.
type hangingStore struct {
	raft.LogStore
	release chan struct{}
}

func (h hangingStore) StoreLogs([]*raft.Log) error {
	<-h.release
	return nil
}

func TestAHungDiskIsFatal(t *testing.T) {
	h := hangingStore{raft.NewInmemStore(), make(chan struct{})}
	dead := make(chan error, 1)
	l := &checkedLog{LogStore: h, fatal: func(err error) { dead <- err }, hung: 20 * time.Millisecond}
	go func() { _ = l.StoreLog(&raft.Log{Index: 1}) }()
	select {
	case <-dead:
	case <-time.After(10 * time.Second):
		t.Fatal("a hung disk kept its node")
	}
	close(h.release)
}

func TestADamagedVoteIsNoticed(t *testing.T) {
	inner := raft.NewInmemStore()
	s := &checkedStable{StableStore: inner, fatal: func(error) {}}
	if _, err := s.GetUint64([]byte("CurrentTerm")); err == nil || err.Error() != "not found" {
		t.Fatalf("a missing key must keep the text raft compares: %v", err)
	}
	if err := s.SetUint64([]byte("CurrentTerm"), 7); err != nil {
		t.Fatal(err)
	}
	if v, err := s.GetUint64([]byte("CurrentTerm")); err != nil || v != 7 {
		t.Fatal(v, err)
	}
	raw, err := inner.Get([]byte("CurrentTerm"))
	if err != nil {
		t.Fatal(err)
	}
	raw[7] ^= 1
	if err := inner.Set([]byte("CurrentTerm"), raw); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetUint64([]byte("CurrentTerm")); !errors.Is(err, errStable) {
		t.Fatalf("a flipped term: %v", err)
	}
}
