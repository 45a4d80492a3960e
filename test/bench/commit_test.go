package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/author"
	"vigil/node/cluster"
	"vigil/node/store"
)

const writers = 128

// perSecond runs write from 128 goroutines until b.N writes are done and reports their rate times weight.
func perSecond(b *testing.B, weight int, write func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	started := time.Now()
	for range writers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := write(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*weight)/time.Since(started).Seconds(), "alerts/s")
}

type nullFSM struct{}

func (nullFSM) Apply(*raft.Log) any                 { return nil }
func (nullFSM) Snapshot() (raft.FSMSnapshot, error) { return nil, io.EOF }
func (nullFSM) Restore(io.ReadCloser) error         { return nil }

// BenchmarkRaw is the peer: three nodes of raft and raft-boltdb as they come, 512-byte values, no cryptography.
func BenchmarkRaw(b *testing.B) {
	var nodes []*raft.Raft
	var configuration raft.Configuration
	for i := range 3 {
		t, err := raft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, hclog.NewNullLogger())
		if err != nil {
			b.Fatal(err)
		}
		s, err := raftboltdb.NewBoltStore(filepath.Join(b.TempDir(), "raft.db"))
		if err != nil {
			b.Fatal(err)
		}
		c := raft.DefaultConfig()
		c.LocalID, c.Logger = raft.ServerID(fmt.Sprint(i)), hclog.NewNullLogger()
		r, err := raft.NewRaft(c, nullFSM{}, s, s, raft.NewInmemSnapshotStore(), t)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = r.Shutdown().Error(); _ = s.Close() })
		nodes = append(nodes, r)
		configuration.Servers = append(configuration.Servers, raft.Server{ID: c.LocalID, Address: t.LocalAddr()})
	}
	if err := nodes[0].BootstrapCluster(configuration).Error(); err != nil {
		b.Fatal(err)
	}
	leader := wait(b, func() *raft.Raft {
		for _, r := range nodes {
			if r.State() == raft.Leader {
				return r
			}
		}
		return nil
	})
	value := make([]byte, 512)
	perSecond(b, 1, func(int64) error { return leader.Apply(value, time.Minute).Error() })
}

func wait[T any](b *testing.B, look func() *T) *T {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if v := look(); v != nil {
			return v
		}
		<-time.After(10 * time.Millisecond)
	}
	b.Fatal("not in time")
	return nil
}

type authorLedger struct {
	*cluster.Cluster
	s *store.Store
	o ledger.Origin
}

func (a authorLedger) State() *ledger.State { return a.s.State() }
func (a authorLedger) Writable() error      { return a.s.Failed() }
func (a authorLedger) Committed(w crypto.NodeID, n uint64) (uint64, [32]byte, bool, error) {
	i, h, ok, err := a.s.BySequence(w, n)
	return i, h, ok, err
}

func (a authorLedger) Wait(ctx context.Context, size uint64) error { return a.s.Wait(ctx, a.o, size) }

// jurisdiction starts three voters and returns the author at a node that does not lead.
func jurisdiction(b *testing.B) *author.Author {
	b.Helper()
	var members []ledgertest.Member
	var listeners []net.Listener
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		m := ledgertest.NewMember(b, ledger.AgencyID(fmt.Sprintf("in/a%d", i)))
		m.Address = l.Addr().String()
		members, listeners = append(members, m), append(listeners, l)
	}
	j := ledgertest.FoundBy(b, "in", members...)
	pins := map[crypto.NodeID]string{}
	for _, m := range members {
		pins[m.Node.Public().ID()] = m.Address
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var clusters []*cluster.Cluster
	var stores []*store.Store
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	for i, m := range members {
		s, err := store.Open(filepath.Join(b.TempDir(), "ledger"), store.Identity{Origin: j.Origin(), Node: m.Node.Public().ID().String()})
		if err != nil {
			b.Fatal(err)
		}
		c, err := cluster.Open(cluster.Config{
			Dir: filepath.Join(b.TempDir(), "raft"), Agency: m.ID, Key: m.Node, Store: s, Listener: listeners[i], Pins: pins, Log: quiet,
			Alarm: func(crypto.NodeID, string) {}, Fatal: func(err error) { b.Error(err) },
		})
		if err != nil {
			b.Fatal(err)
		}
		running.Go(func() { _ = c.Run(ctx) })
		clusters, stores = append(clusters, c), append(stores, s)
	}
	b.Cleanup(func() {
		cancel()
		running.Wait()
		for i := range clusters {
			_ = clusters[i].Close()
			_ = stores[i].Close()
		}
	})
	if err := clusters[0].Found(ctx, j.Entries[0]); err != nil {
		b.Fatal(err)
	}
	for _, e := range j.Entries[1:] {
		if _, err := clusters[0].Propose(ctx, []ledger.Entry{e}); err != nil {
			b.Fatal(err)
		}
	}
	wait(b, func() *int {
		voting := 0
		for i, c := range clusters {
			if s := stores[i].State(); s != nil && s.Size() == j.State.Size() && c.Voting() {
				voting++
			}
		}
		if voting == 3 {
			return &voting
		}
		return nil
	})
	m := members[1]
	a := author.New(author.Config{
		Agency: m.ID, Key: m.Key, Writer: m.Node.Public().ID(), Ledger: authorLedger{clusters[1], stores[1], j.Origin()}, Log: quiet, Alarm: func(string, uint64) {},
	})
	running.Go(func() { _ = a.Run(ctx) })
	return a
}

func alerts(n int64, rows int) ledger.Event {
	id := ledger.EventIDFor("in/a1", fmt.Sprint(n))
	return ledger.Event{ID: id, Type: "alert.listed", Version: 1, Shared: make([]byte, 64), Width: 36, Rows: make([]byte, 36*rows)}
}

// BenchmarkSingleAlerts: 128 writers of single alerts, sealed, signed, checked by every replica.
func BenchmarkSingleAlerts(b *testing.B) {
	a := jurisdiction(b)
	perSecond(b, 1, func(n int64) error {
		_, err := a.Submit(context.Background(), []ledger.AudienceName{"in/*"}, []ledger.Event{alerts(n, 1)})
		return err
	})
}

// BenchmarkBatches: the same with 1,000 alerts a request.
func BenchmarkBatches(b *testing.B) {
	a := jurisdiction(b)
	perSecond(b, 1000, func(n int64) error {
		_, err := a.Submit(context.Background(), []ledger.AudienceName{"in/*"}, []ledger.Event{alerts(n, 1000)})
		return err
	})
}
