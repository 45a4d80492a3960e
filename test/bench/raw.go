package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

type nullFSM struct{}

func (nullFSM) Apply(*raft.Log) any                 { return nil }
func (nullFSM) Snapshot() (raft.FSMSnapshot, error) { return nil, io.EOF }
func (nullFSM) Restore(io.ReadCloser) error         { return nil }

// raw is the peer: three nodes of raft and raft-boltdb as they come, over TCP on the loopback, without any cryptography.
type raw struct {
	nodes  []*raft.Raft
	stores []*raftboltdb.BoltStore
	leader *raft.Raft
	value  int // bytes
}

func startRaw(ctx context.Context, dir string, value int) (*raw, error) {
	r := &raw{value: value}
	var configuration raft.Configuration
	for i := range 3 {
		t, err := raft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, hclog.NewNullLogger())
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		s, err := raftboltdb.NewBoltStore(filepath.Join(dir, fmt.Sprintf("raw-%d.db", i)))
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		c := raft.DefaultConfig()
		c.LocalID, c.Logger = raft.ServerID(fmt.Sprint(i)), hclog.NewNullLogger()
		n, err := raft.NewRaft(c, nullFSM{}, s, s, raft.NewInmemSnapshotStore(), t)
		if err != nil {
			return nil, errors.Join(err, s.Close(), r.close())
		}
		r.nodes, r.stores = append(r.nodes, n), append(r.stores, s)
		configuration.Servers = append(configuration.Servers, raft.Server{ID: c.LocalID, Address: t.LocalAddr()})
	}
	if err := r.nodes[0].BootstrapCluster(configuration).Error(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	err := until(ctx, func() bool {
		for _, n := range r.nodes {
			if n.State() == raft.Leader {
				r.leader = n
			}
		}
		return r.leader != nil
	})
	return r, err
}

// write commits one value.
func (r *raw) write(context.Context, int64) error {
	return r.leader.Apply(make([]byte, r.value), time.Minute).Error()
}

func (r *raw) close() (err error) {
	for i, n := range r.nodes {
		err = errors.Join(err, n.Shutdown().Error(), r.stores[i].Close())
	}
	return err
}

var errTime = errors.New("not in time")

func until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return errTime
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
