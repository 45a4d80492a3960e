package accesslog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
)

// request is one record that waits for the disk. Who holds the turn sets index and err and then closes done.
type request struct {
	record Record
	index  uint64
	err    error
	done   chan struct{}
}

// Append writes a record and returns its index once it is durable. Only without an error may the read be answered. After
// ErrFailed nothing more is written; a record of a failed or cancelled Append may be found in the log all the same.
//
// Appends that wait together share one write: whoever gets the turn writes for all.
func (l *Log) Append(ctx context.Context, r Record) (index uint64, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	r.Objects = slices.Clone(r.Objects)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q := &request{record: r, done: make(chan struct{})}
	if err := l.enqueue(q); err != nil {
		return 0, err
	}
	for {
		select {
		case <-q.done:
			return q.index, q.err
		case <-ctx.Done():
			l.withdraw(q)
			return 0, ctx.Err()
		case l.turn <- struct{}{}:
			l.commit(l.next())
			<-l.turn
		}
	}
}

func (l *Log) enqueue(q *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= maxWaiting {
		return ErrBusy
	}
	l.waiting = append(l.waiting, q)
	return nil
}

func (l *Log) withdraw(q *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, q); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// next takes what waits, as much as one batch holds.
func (l *Log) next() []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, bytes := 0, 0
	for n < len(l.waiting) && bytes < batchBytes {
		bytes += l.waiting[n].record.bytes()
		n++
	}
	batch := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return batch
}

// commit writes a batch and answers it. The turn is held.
func (l *Log) commit(batch []*request) {
	if len(batch) == 0 {
		return
	}
	first, err := l.write(batch, time.Now().UnixMilli())
	for i, q := range batch {
		q.index, q.err = first+uint64(i), err
		close(q.done)
	}
}

// write is the write path. The turn is held.
func (l *Log) write(batch []*request, at int64) (first uint64, err error) {
	if done, err := l.closeIfDue(at); err != nil {
		return 0, err
	} else if done {
		l.wakeRun()
	}
	v := *l.now.Load()
	if first = v.size(); first+uint64(len(batch)) > maxRecords {
		return 0, ErrFull
	}
	frames := l.extend(&v, batch, at)
	name, offset := recordsName(v.open.first), v.open.bytes

	// A crash here leaves a torn tail behind the head: the whole records of it are kept, the rest is cut off.
	if err := l.disk.add(name, offset, frames); err != nil {
		return 0, l.fail(err)
	}
	v.open.bytes += int64(len(frames))

	// A crash here leaves whole records behind the head: kept.
	if err := l.disk.replace(headName, l.sealer.sealHead(l.id, v.head())); err != nil {
		return 0, l.fail(err)
	}

	// From here on they are missed if they are gone.
	l.now.Store(&v)
	if v.due(at) {
		l.wakeRun()
	}
	return first, nil
}

// extend adds a batch to the tree and returns the frames to write.
func (l *Log) extend(v *view, batch []*request, at int64) []byte {
	p := newPreface(letterRecords, l.id, v.open.first)
	var frames []byte
	if v.open.bytes == 0 {
		frames = p[:]
	}
	if v.empty() {
		v.open.start, v.open.end = at, at
	}
	v.open.start, v.open.end = min(v.open.start, at), max(v.open.end, at)
	v.tree = v.tree.Clone()
	for _, q := range batch {
		index := v.size()
		b := encodeLeaf(index, at, q.record)
		frames = l.sealer.appendFrame(frames, p, index, b)
		v.tree.Append(ledger.LeafHash(b))
	}
	return frames
}

// due says whether the open segment is to be closed. A clock that was set back far closes it too.
func (v *view) due(at int64) bool {
	age := max(at-v.open.start, v.open.start-at)
	return !v.empty() && (v.open.bytes >= segmentBytes || age >= segmentAge.Milliseconds())
}

// closeIfDue closes the open segment where it is time. The turn is held.
func (l *Log) closeIfDue(at int64) (done bool, err error) {
	v := l.now.Load()
	if v.failed != nil || !v.due(at) {
		return false, v.failed
	}
	err = l.closeSegment()
	return err == nil, err
}

// closeSegment closes the open segment. The turn is held.
func (l *Log) closeSegment() error {
	v := l.now.Load()
	return l.mark(mark{
		Kind: markClosed, First: v.open.first, Count: v.size() - v.open.first, Bytes: v.open.bytes,
		Start: v.open.start, End: v.open.end, Tree: v.tree,
	})
}

// mark writes a mark, then the head that speaks for it. A crash between the two leaves a mark behind the head: kept, or
// cut off where it is torn and then made again. The turn is held.
func (l *Log) mark(m mark) error {
	v := *l.now.Load()
	b := l.sealer.sealMark(l.id, v.history, m)
	next, err := v.history.fold(m)
	if err != nil {
		panic(fmt.Sprintf("accesslog: a mark of kind %d at %d that does not follow", m.Kind, m.First)) // we made it just now
	}
	if err := l.disk.add(marksName, v.history.bytes, b); err != nil {
		return l.fail(err)
	}
	next.bytes = v.history.bytes + int64(len(b))
	v.history = next
	if m.Kind == markClosed {
		v.open = segment{first: m.First + m.Count}
	}
	if err := l.disk.replace(headName, l.sealer.sealHead(l.id, v.head())); err != nil {
		return l.fail(err)
	}
	l.now.Store(&v)
	return nil
}

// fail latches. The turn is held.
func (l *Log) fail(cause error) error {
	v := *l.now.Load()
	v.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
	l.now.Store(&v)
	l.cfg.Log.Error("access log: a write failed; nothing may be read until the node is started again", "err", cause)
	return v.failed
}

func (l *Log) wakeRun() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
