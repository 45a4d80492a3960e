package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vigil/node/accesslog"
	"vigil/node/board"
	"vigil/node/cluster"
)

const (
	// spaceFloor is how much of the data disk is left alone: the ledger stops before the disk is full, so that reads can
	// still be recorded in the access log.
	spaceFloor = 64 << 20
	// spaceWarning is when the status begins to warn.
	spaceWarning = 1 << 30
	spaceEvery   = time.Second
)

var (
	errSpace = errors.New("node: the data disk is full")
	// errOutvoted says that this node was shown other entries than those that enough members have signed.
	errOutvoted = errors.New("node: enough members have signed another history of our ledger than the one this node was shown")
)

// stop is a way in which a node stops writing, while what it has stays readable.
type stop struct {
	code, check string // of the refusal, and in readyz
	what, fix   string
}

var (
	diskStop  = stop{"disk", "disk", "a disk failed", "mend the disk, then restart the node"}
	otherStop = map[error]stop{
		cluster.ErrUpgrade: {"upgrade", "format", "the ledger has a newer format than this binary knows", "upgrade vigil on this node, then restart it"},
		errOutvoted: {
			"outvoted", "history", "this node holds another history of its ledger than the one that enough members signed: whoever led showed it other entries than the rest",
			"replace this node: vigil node replace --from DIR --dir NEW-DIR; then have the members look at who led",
		},
	}
)

// stops are all of them.
func stops() []stop {
	return append(slices.SortedFunc(maps.Values(otherStop), func(a, b stop) int { return cmp.Compare(a.code, b.code) }), diskStop)
}

// stopOf says which one an error is.
func stopOf(err error) stop {
	for is, s := range otherStop {
		if errors.Is(err, is) {
			return s
		}
	}
	return diskStop
}

func (s stop) refusal() error {
	return refuse(http.StatusServiceUnavailable, s.code, s.what+": nothing more is written here, what is here stays readable", "use another node meanwhile; "+s.fix)
}

// fail takes the node out of writing: going on would acknowledge what is not kept. It never blocks.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default: // the first is enough
	}
}

// halt stops whatever writes. What the node has stays readable, and whoever stands before it is told.
func (n *Node) halt(err error) {
	s := stopOf(err)
	n.log.Error(s.what+": nothing more is written, what is here stays readable; "+s.fix, "error", err)
	n.store.Stop(err)
	n.cluster.Halt()
	n.stopWriting()
}

// Writable implements api.Node.
func (n *Node) Writable() error {
	if failed := n.store.Failed(); failed != nil {
		return stopOf(failed).refusal()
	}
	return nil
}

// whileWriting ends a part of the node when a disk failed.
func (n *Node) whileWriting(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(n.writing, cancel)()
		return run(ctx)
	}
}

// survive lets the node stay readable where the disk fails one of its parts; over everything else it ends.
func (n *Node) survive(err error) error {
	if errors.Is(err, board.ErrWrite) || errors.Is(err, accesslog.ErrFailed) {
		n.fail(err)
		return nil
	}
	return err
}

// watchSpace stops the node's writing before its disk is full, until ctx ends.
func (n *Node) watchSpace(ctx context.Context) error {
	tick := time.NewTicker(spaceEvery)
	defer tick.Stop()
	for {
		if free, ok := n.space(); ok && free < n.floor {
			n.fail(fmt.Errorf("%w: %d MiB left", errSpace, free>>20))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// space returns how many bytes can still be written to the data directory.
func (n *Node) space() (free uint64, ok bool) {
	var s unix.Statfs_t
	if unix.Statfs(n.cfg.Dir, &s) != nil || s.Bsize <= 0 {
		return 0, false // a disk that does not answer will fail a write soon enough
	}
	return s.Bavail * uint64(s.Bsize), true
}

// room returns how many bytes can be written before the node stops for lack of space.
func (n *Node) room() (bytes uint64, ok bool) {
	free, ok := n.space()
	return free - min(free, n.floor), ok
}
