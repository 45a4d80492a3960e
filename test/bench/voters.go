package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/author"
	"vigil/node/cluster"
	"vigil/node/store"
)

// builder lets ledgertest build a jurisdiction outside of a test.
type builder struct{ testing.TB }

func (builder) Helper()           {}
func (builder) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (builder) Fatalf(f string, args ...any) {
	panic(fmt.Sprintf(f, args...))
}

// replica is what an author sees of one voter.
type replica struct {
	*cluster.Cluster
	store  *store.Store
	origin ledger.Origin
}

func (r replica) State() *ledger.State  { return r.store.State() }
func (r replica) Writable() error       { return r.store.Failed() }
func (r replica) Heard() (uint64, bool) { return 1, true }

func (r replica) Earlier(i ledger.Index) ([]byte, error) {
	return r.store.Leaf(r.store.Origin(), i)
}

func (r replica) Committed(w crypto.NodeID, n uint64) (uint64, [32]byte, bool, error) {
	i, h, ok, err := r.store.BySequence(w, n)
	return i, h, ok, err
}

// Changed implements author.Ledger.
func (r replica) Changed() <-chan struct{} { return r.store.Changed() }

func (r replica) Wait(ctx context.Context, size uint64) error {
	return r.store.Wait(ctx, r.origin, size)
}

// voters are three voters of one jurisdiction in this process, over pinned TLS on the loopback, and an author at one
// that does not lead.
type voters struct {
	author   *author.Author
	replicas []replica
	members  []ledgertest.Member
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func startVoters(ctx context.Context, dir string) (*voters, error) {
	v := &voters{}
	var listeners []net.Listener
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		m := ledgertest.NewMember(builder{}, ledger.AgencyID(fmt.Sprintf("in/a%d", i)))
		m.Address = l.Addr().String()
		v.members, listeners = append(v.members, m), append(listeners, l)
	}
	j := ledgertest.FoundBy(builder{}, "in", v.members...)
	running, cancel := context.WithCancel(ctx)
	v.cancel = cancel
	for i := range v.members {
		if err := v.open(running, dir, j.Origin(), i, listeners[i]); err != nil {
			return nil, errors.Join(err, v.close())
		}
	}
	if err := v.found(ctx, j); err != nil {
		return nil, errors.Join(err, v.close())
	}
	m := v.members[1]
	v.author = author.New(author.Config{
		Agency: m.ID, Key: func(*ledger.State) *crypto.AgencyKey { return m.Key }, Writer: m.Node.Public().ID(), Ledger: v.replicas[1], Log: quiet, Alarm: func(string, uint64) {}, Late: func(string, author.Receipt) {},
	})
	v.running.Go(func() { _ = v.author.Run(running) })
	return v, nil
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func (v *voters) open(ctx context.Context, dir string, origin ledger.Origin, i int, l net.Listener) error {
	pins := map[crypto.NodeID]string{}
	for _, m := range v.members {
		pins[m.Node.Public().ID()] = m.Address
	}
	m := v.members[i]
	s, err := store.Open(filepath.Join(dir, fmt.Sprintf("ledger-%d", i)), store.Identity{Origin: origin, Node: m.Node.Public().ID().String()})
	if err != nil {
		return err
	}
	c, err := cluster.Open(cluster.Config{
		Dir: filepath.Join(dir, fmt.Sprintf("raft-%d", i)), Agency: m.ID, Key: m.Node, Store: s, Listener: l, Pins: pins, Log: quiet,
		Alarm: func(crypto.NodeID, string) {}, Fatal: func(err error) { panic(err) },
	})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	v.running.Go(func() { _ = c.Run(ctx) })
	v.replicas = append(v.replicas, replica{c, s, origin})
	return nil
}

// found commits the jurisdiction's governance and waits until all three vote.
func (v *voters) found(ctx context.Context, j *ledgertest.Jurisdiction) error {
	if err := v.replicas[0].Found(ctx, j.Entries[0]); err != nil {
		return err
	}
	for _, e := range j.Entries[1:] {
		if _, err := v.replicas[0].Propose(ctx, []ledger.Entry{e}); err != nil {
			return err
		}
	}
	return until(ctx, func() bool {
		for _, r := range v.replicas {
			if s := r.State(); s == nil || s.Size() != j.State.Size() || !r.Voting() {
				return false
			}
		}
		return true
	})
}

// load is a request of so many alerts after the other.
func (v *voters) load(rows int) *load {
	l := inProcess(rows, func(ctx context.Context, n int64) error { return v.write(ctx, n, rows) })
	l.settle = func() (err error) {
		for _, r := range v.replicas {
			err = errors.Join(err, r.store.Flush())
		}
		return err
	}
	return l
}

// write seals, signs and commits a request of so many alerts.
func (v *voters) write(ctx context.Context, n int64, rows int) error {
	e := ledger.Event{
		ID: ledger.EventIDFor("in/a1", fmt.Sprint(rows, n)), Type: "alert.listed", Version: 1, Shared: make([]byte, 64), Width: 36, Rows: make([]byte, 36*rows),
	}
	_, err := v.author.Submit(ctx, []ledger.AudienceName{"in/*"}, []ledger.Event{e})
	return err
}

// entryBytes is how many bytes a single alert is, sealed and signed.
func (v *voters) entryBytes(ctx context.Context) (int, error) {
	if err := v.write(ctx, -1, 1); err != nil {
		return 0, err
	}
	r := v.replicas[1]
	if err := r.Wait(ctx, r.State().Size()); err != nil {
		return 0, err
	}
	e, _, _, err := r.store.Entry(r.origin, r.State().Size()-1)
	return len(e.Leaf) + len(e.Payload), err
}

func (v *voters) close() (err error) {
	v.cancel()
	v.running.Wait()
	for _, r := range v.replicas {
		err = errors.Join(err, r.Close(), r.store.Close())
	}
	return err
}
