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
	ready := f.prepare(logs)
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
		out[i] = f.apply(l, ready[i])
		f.applied.Store(l.Index)
	}
	return out
}

// prepared is a command with its entries, or the items of its mirror batch, prepared.
type prepared struct {
	command
	batch   *ledger.MirrorBatch
	entries []*ledger.Prepared
	err     error
}

// prepare decodes the commands that are still to be applied and checks their signatures, on all processors. It decides nothing.
func (f *fsm) prepare(logs []*raft.Log) []prepared {
	out := make([]prepared, len(logs))
	state := f.store.State()
	have, _ := f.store.Applied()
	var all []ledger.Entry
	for i, l := range logs {
		if l.Type != raft.LogCommand || l.Index <= have {
			continue
		}
		p := &out[i]
		if p.err = ledger.Unmarshal(l.Data, &p.command, maxLogBytes); p.err != nil {
			p.command = command{}
			continue
		}
		all = append(all, p.Entries...)
		if p.Kind == commandMirror {
			if p.batch, p.err = ledger.DecodeMirrorBatch(p.Mirror); p.err == nil {
				p.entries = store.PrepareMirror(state, p.batch)
			}
		}
	}
	var g *ledger.Governance
	if state != nil {
		g = state.Governance
	}
	ready := store.PrepareAll(g, all)
	for i := range out {
		if n := len(out[i].Entries); n > 0 {
			if out[i].Kind == commandEntries {
				out[i].entries = ready[:n]
			}
			ready = ready[n:]
		}
	}
	return out
}

func (f *fsm) apply(l *raft.Log, c prepared) any {
	switch {
	case c.Kind == commandMirror:
		return f.applyMirror(l, c)
	case c.err != nil:
		return f.commit(l, f.store.State(), nil, nil, fmt.Errorf("%w: %w", errCommand, c.err))
	case c.Kind == commandEntries:
		return f.applyEntries(l, c.entries)
	}
	return f.commit(l, f.store.State(), nil, nil, fmt.Errorf("%w: kind %d", errCommand, c.Kind))
}

func (f *fsm) applyEntries(l *raft.Log, entries []*ledger.Prepared) any {
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

func (f *fsm) applyOne(state *ledger.State, batch []store.Appended, p *ledger.Prepared) (_ *ledger.State, _ store.Appended, _ ledger.Result, damaged error) {
	if state == nil {
		next, a, err := store.ApplyOwn(nil, p.Entry(), nil)
		if err != nil {
			return nil, a, ledger.Result{Verdict: ledger.Refused, Reason: ledger.AsReason(err)}, nil
		}
		return next, a, ledger.Result{Verdict: ledger.Accepted, Leaf: a.Leaf}, nil
	}
	next, result := state.ApplyPrepared(p, func(i ledger.Index) ([]byte, error) {
		leaf, err := f.earlier(batch, i)
		damaged = err
		return leaf, err
	})
	if damaged != nil {
		return state, store.Appended{}, result, damaged
	}
	if result.Verdict == ledger.Repeat {
		return state, store.Appended{}, f.repeat(batch, p), nil
	}
	if result.Verdict != ledger.Accepted {
		return state, store.Appended{}, result, nil
	}
	return next, store.AppendedOf(p, result.Index), result, nil
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
func (f *fsm) repeat(batch []store.Appended, p *ledger.Prepared) ledger.Result {
	rec, leaf := p.Record(), p.LeafHash()
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

func (f *fsm) applyMirror(l *raft.Log, c prepared) any {
	state := f.store.State()
	if c.err != nil || state == nil {
		return f.commit(l, state, nil, nil, ledger.MirrorResult{Verdict: ledger.MirrorRefused, Reason: errCommand})
	}
	next, result := state.ApplyMirrorPrepared(c.batch, c.entries)
	if result.Verdict != ledger.MirrorApplied {
		return f.commit(l, state, nil, nil, result)
	}
	return f.commit(l, next, nil, []store.Mirrored{{Batch: c.batch, Items: c.entries, At: state.Size()}}, result)
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
	inner := io.Reader(rc)
	if w, ok := rc.(raft.ReadCloserWrapper); ok {
		inner = w.WrappedReadCloser()
	}
	received, ok := inner.(*receivedReader)
	if err := f.store.Receive(inner); err != nil {
		if ok {
			err = errors.Join(err, received.drop())
		}
		return err
	}
	if f.restored++; f.restored > maxSnapshots { // one that cannot be folded leaves raft's log as it was, and a start mends nothing
		f.stuck()
	}
	if ok {
		index, _ := f.store.Applied()
		if err := received.commit(index); err != nil {
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
