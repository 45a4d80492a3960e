package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"vigil/crypto"
	"vigil/node/store"
)

// Inspection is what a stopped node would meet if it were started now.
type Inspection struct {
	Standing string // how far it is on disk
	Voters   int    // those of the roster
	Answered int    // how many of them say what they remember of it, itself included
	Silent   []crypto.NodeID
	// Refusal is ErrRolledBack or ErrTwin, with who says so; nil where it would be let in.
	Refusal error
	// Clocks are how far the clocks of those who answered are ahead of ours.
	Clocks map[crypto.NodeID]time.Duration
}

// Inspect checks the raft log of a stopped node and asks the others what they remember of it. Nothing is written.
func Inspect(ctx context.Context, dir string, key *crypto.NodeKey, s *store.Store, pins map[crypto.NodeID]string) (Inspection, error) {
	own, err := certificate(key)
	if err != nil {
		return Inspection{}, err
	}
	c := &Cluster{
		cfg: Config{Dir: dir, Key: key, Store: s, Pins: pins, Log: slog.New(slog.DiscardHandler), Clock: time.Now}, self: key.Public().ID(), instance: newInstance(time.Now),
		ready: make(chan struct{}), routes: http.NewServeMux(),
	}
	c.clients = newClients(own, c.Address, dialTCP)
	defer c.clients.close()
	if err := c.openForInspection(); err != nil {
		return Inspection{}, err
	}
	defer func() { _ = c.closeLog() }() // it was only read
	now, err := c.durable()
	if err != nil {
		return Inspection{}, err
	}
	i := Inspection{Standing: now.String(), Clocks: map[crypto.NodeID]time.Duration{}}
	answers := c.ask(ctx, nil) // unsigned: nobody takes it for a start
	g := c.roster()
	if g == nil {
		return i, nil
	}
	for _, v := range g.Voters() {
		a, _ := g.Agency(v)
		id := a.Node.Key.ID()
		i.Voters++
		if _, ok := answers[id]; ok || id == c.self {
			i.Answered++
		} else {
			i.Silent = append(i.Silent, id)
		}
	}
	for id, a := range answers {
		i.Clocks[id] = time.Duration(a.Now-c.cfg.Clock().UnixMilli()) * time.Millisecond
		if was, err := openStanding(a.Remembered, c.self, now.Origin); err == nil && now.behind(was) {
			i.Refusal = fmt.Errorf("%w: %s remembers that it was at %s, here is %s", ErrRolledBack, c.named(id), was, now)
		}
	}
	return i, nil
}

func (c *Cluster) openForInspection() error {
	path := filepath.Join(c.cfg.Dir, logFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s is not there: the node was never started", ErrLog, path)
	}
	if err := store.CheckPages(path, nestedBuckets, true); err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	read, err := raftboltdb.New(raftboltdb.Options{Path: path, MsgpackUseNewTimeFormat: true, BoltOptions: &bbolt.Options{Timeout: time.Second, ReadOnly: true}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	bolt := &rewritable{path: path, bolt: read}
	c.bolt, c.snapshots = bolt, &snapshots{dir: c.cfg.Dir, store: c.cfg.Store}
	c.stable = &checkedStable{StableStore: bolt}
	c.disk = &checkedLog{LogStore: bolt, stable: c.stable}
	if err := c.disk.verifyAll(); err != nil {
		return errors.Join(err, bolt.Close())
	}
	return nil
}
