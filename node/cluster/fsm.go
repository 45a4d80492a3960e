package cluster

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"vigil/ledger"
	"vigil/node/store"
)

// A raft command is CBOR [kind, entries, mirror]: kind 1 is a batch of entries of our ledger, each answered on its own;
// kind 2 is one mirror batch.
type command struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint64
	Entries []ledger.Entry
	Mirror  []byte
}

const (
	commandEntries = 1
	commandMirror  = 2
)

// fsm folds committed raft entries into the store. It is called by raft's one FSM goroutine.
type fsm struct {
	store   *store.Store
	fatal   func(error)
	changed func() // the roster may have changed
	stuck   func() // snapshot after snapshot arrives, and nothing after them
	applied atomic.Uint64

	restored int   // snapshots since the last entry
	behind   error // the ledger's format is newer than this binary knows: nothing more is applied
}

// ErrUpgrade says that the ledger's format is newer than this binary knows. What is committed is applied after an upgrade.
var ErrUpgrade = errors.New("cluster: the ledger has a newer format than this binary knows")

// newer stops where only a newer binary knows what follows: it would be answered otherwise by other replicas.
func (f *fsm) newer(state *ledger.State) error {
	if f.behind == nil && state.Newer() {
		f.behind = fmt.Errorf("%w: format %d, this binary knows %d", ErrUpgrade, state.Governance.Format, ledger.StateFormat)
		f.fatal(f.behind)
	}
	return f.behind
}

var errCommand = errors.New("cluster: a committed raft entry cannot be applied")

// Apply implements raft.FSM.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM. Entries that the store already has are passed over: raft replays its log
// from the last snapshot at every start.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	f.restored = 0
	out := make([]any, len(logs))
	for i, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		if have, _ := f.store.Applied(); l.Index <= have {
			continue
		}
		if err := f.newer(f.store.State()); err != nil {
			out[i] = err
			continue
		}
		out[i] = f.apply(l)
		f.applied.Store(l.Index)
	}
	return out
}

func (f *fsm) apply(l *raft.Log) any {
	var c command
	if err := ledger.Unmarshal(l.Data, &c, maxLogBytes); err != nil {
		return f.commit(l, f.store.State(), nil, nil, fmt.Errorf("%w: %w", errCommand, err))
	}
	switch c.Kind {
	case commandEntries:
		return f.applyEntries(l, c.Entries)
	case commandMirror:
		return f.applyMirror(l, c.Mirror)
	}
	return f.commit(l, f.store.State(), nil, nil, fmt.Errorf("%w: kind %d", errCommand, c.Kind))
}

func (f *fsm) applyEntries(l *raft.Log, entries []ledger.Entry) any {
	state := f.store.State()
	results := make([]ledger.Result, len(entries))
	var own []store.Appended
	for i, e := range entries {
		if err := f.newer(state); err != nil {
			return err // none of the command is kept: the binary after this one applies it whole
		}
		next, appended, result, err := f.applyOne(state, own, e)
		if err != nil { // what this replica cannot read the others can: its verdict would be another
			f.fatal(err)
			return err
		}
		results[i] = result
		if result.Verdict == ledger.Accepted {
			state, own = next, append(own, appended)
		}
		if result.Verdict == ledger.Repeat && f.expunged(result.Index) {
			f.store.PurgeAlso(l.Index) // whoever proposed it again put the payload back into raft's log
		}
	}
	if state == nil {
		return results // no genesis yet, and none of these was one
	}
	return f.commit(l, state, own, nil, results)
}

func (f *fsm) applyOne(state *ledger.State, batch []store.Appended, e ledger.Entry) (_ *ledger.State, _ store.Appended, _ ledger.Result, damaged error) {
	if state == nil {
		next, a, err := store.ApplyOwn(nil, e, nil)
		if err != nil {
			return nil, a, ledger.Result{Verdict: ledger.Refused, Reason: ledger.AsReason(err)}, nil
		}
		return next, a, ledger.Result{Verdict: ledger.Accepted, Leaf: a.Leaf}, nil
	}
	next, result := state.Apply(e, func(i ledger.Index) ([]byte, error) {
		leaf, err := f.earlier(batch, i)
		damaged = err
		return leaf, err
	})
	if damaged != nil {
		return state, store.Appended{}, result, damaged
	}
	if result.Verdict == ledger.Repeat {
		return state, store.Appended{}, f.repeat(batch, e), nil
	}
	if result.Verdict != ledger.Accepted {
		return state, store.Appended{}, result, nil
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		panic(err) // Apply has just decoded it
	}
	return next, store.Appended{Index: result.Index, Leaf: result.Leaf, Writer: rec.Writer, Sequence: rec.Sequence, Kind: rec.Kind, Entry: e}, result, nil
}

// expunged says whether an entry's payload is gone; where that cannot be read, the log is rather purged once too often.
func (f *fsm) expunged(index ledger.Index) bool {
	_, gone, err := f.store.Gone(f.store.Origin(), index)
	return gone || err != nil
}

// earlier finds a leaf among what this raft entry has appended, or on disk.
func (f *fsm) earlier(batch []store.Appended, index ledger.Index) ([]byte, error) {
	for _, a := range batch {
		if a.Index == index {
			return a.Entry.Leaf, nil
		}
	}
	return f.store.Leaf(f.store.Origin(), index)
}

// repeat answers a sequence that is taken: the same entry gets its first answer again, another is a conflict.
func (f *fsm) repeat(batch []store.Appended, e ledger.Entry) ledger.Result {
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return ledger.Result{Verdict: ledger.Refused, Reason: ledger.ErrMalformedEntry}
	}
	leaf := ledger.LeafHash(e.Leaf)
	for _, a := range batch {
		if a.Writer == rec.Writer && a.Sequence == rec.Sequence && a.Leaf == leaf {
			return ledger.Result{Verdict: ledger.Repeat, Index: a.Index, Leaf: leaf}
		}
	}
	index, have, ok, err := f.store.BySequence(rec.Writer, rec.Sequence)
	if err != nil || !ok || have != leaf {
		return ledger.Result{Verdict: ledger.Refused, Reason: ledger.ErrConflict}
	}
	return ledger.Result{Verdict: ledger.Repeat, Index: index, Leaf: leaf}
}

func (f *fsm) applyMirror(l *raft.Log, raw []byte) any {
	state := f.store.State()
	batch, err := ledger.DecodeMirrorBatch(raw)
	if err != nil || state == nil {
		return f.commit(l, state, nil, nil, ledger.MirrorResult{Verdict: ledger.MirrorRefused, Reason: errCommand})
	}
	next, result := state.ApplyMirror(batch)
	if result.Verdict != ledger.MirrorApplied {
		return f.commit(l, state, nil, nil, result)
	}
	return f.commit(l, next, nil, []store.Mirrored{{Batch: batch, At: state.Size()}}, result)
}

// commit hands one raft entry's effect to the store and returns the answer for its proposer. A store that cannot take
// it ends the node: going on would answer for what is not kept.
func (f *fsm) commit(l *raft.Log, state *ledger.State, own []store.Appended, mirrors []store.Mirrored, answer any) any {
	if state == nil {
		return answer
	}
	before := f.store.State()
	if err := f.store.Commit(store.Batch{Index: l.Index, Term: l.Term, State: state, Own: own, Mirrors: mirrors}); err != nil {
		f.fatal(err)
		return err
	}
	if before == nil || before.Governance != state.Governance {
		f.changed()
		_ = f.newer(state) // what was just applied is kept; it stops before the next
	}
	return answer
}

// Snapshot implements raft.FSM: a reference to what the store has on disk, never a copy.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.behind != nil {
		return nil, f.behind // raft has gone further than the store
	}
	if err := f.store.Flush(); err != nil {
		return nil, err
	}
	index, _ := f.store.Applied()
	return reference{state: index}, nil
}

// Restore implements raft.FSM: it folds a journal into a fresh ledger and swaps it in.
func (f *fsm) Restore(rc io.ReadCloser) error {
	defer rc.Close()
	if f.restored++; f.restored > maxSnapshots {
		f.stuck()
	}
	inner := io.Reader(rc)
	if w, ok := rc.(raft.ReadCloserWrapper); ok {
		inner = w.WrappedReadCloser()
	}
	if err := f.store.Receive(inner); err != nil {
		return err
	}
	if r, ok := inner.(*receivedReader); ok {
		index, _ := f.store.Applied()
		if err := r.commit(index); err != nil {
			return err
		}
	}
	f.changed()
	return nil
}

// reference is the snapshot of a state that the store holds: there is nothing to write.
type reference struct{ state uint64 }

// Persist implements raft.FSMSnapshot.
func (r reference) Persist(sink raft.SnapshotSink) error {
	if s, ok := sink.(*snapshotSink); ok {
		s.meta.State = r.state
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (reference) Release() {}
