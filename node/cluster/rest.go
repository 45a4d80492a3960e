package cluster

import (
	"fmt"
	"log/slog"

	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/store"
)

// Rest is what the raft log of a stopped node holds and its store has not applied: what was acknowledged last is on disk in
// the log alone. Without a majority nobody can say which of it was committed; all of it may have been.
type Rest struct {
	store *store.Store
	logs  []*raft.Log
}

// ReadRest reads it. Nothing is written.
func ReadRest(dir string, s *store.Store) (*Rest, error) {
	c := &Cluster{cfg: Config{Dir: dir, Store: s, Log: slog.New(slog.DiscardHandler)}, ready: make(chan struct{})}
	if err := c.openForInspection(); err != nil {
		return nil, err
	}
	defer func() { _ = c.closeLog() }() // it was only read
	first, err := c.disk.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := c.disk.LastIndex()
	if err != nil {
		return nil, err
	}
	applied, _ := s.Applied()
	if first > applied+1 && first > 1 {
		return nil, fmt.Errorf("%w: it begins at %d, the ledger ends at %d", ErrLog, first, applied)
	}
	r := &Rest{store: s}
	for i := max(first, applied+1); i <= last && i > 0; i++ {
		l := &raft.Log{}
		if err := c.disk.GetLog(i, l); err != nil {
			return nil, err
		}
		if l.Type == raft.LogCommand {
			r.logs = append(r.logs, l)
		}
	}
	return r, nil
}

// Fold returns the state that would be with all of it. seen is told of every size on the way, and its root.
func (r *Rest) Fold(seen func(size uint64, root tlog.Hash)) (*ledger.State, error) {
	state := r.store.State()
	f := &fsm{store: r.store, fatal: func(error) {}}
	var own []store.Appended
	for _, l := range r.logs {
		var c command
		if err := ledger.Unmarshal(l.Data, &c, maxLogBytes); err != nil {
			continue // none applies it
		}
		if c.Kind == commandMirror {
			if b, err := ledger.DecodeMirrorBatch(c.Mirror); err == nil {
				state, _ = state.ApplyMirror(b)
			}
			continue
		}
		for _, e := range c.Entries {
			if state.Newer() {
				return nil, fmt.Errorf("%w: format %d", ErrUpgrade, state.Governance.Format)
			}
			next, a, result, err := f.applyOne(state, own, ledger.Prepare(e, nil))
			if err != nil {
				return nil, err
			}
			if result.Verdict == ledger.Accepted {
				state, own = next, append(own, a)
				seen(state.Size(), state.Root())
			}
		}
	}
	return state, nil
}

// Commit applies all of it to the store.
func (r *Rest) Commit() error {
	var failed error
	f := &fsm{store: r.store, fatal: func(err error) { failed = err }, changed: func() {}, stuck: func() {}}
	f.ApplyBatch(r.logs)
	if failed != nil {
		return failed
	}
	return r.store.Flush()
}
