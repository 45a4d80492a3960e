package board

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/expunge"
)

// Run follows every ledger until ctx ends. Catch-up and live are the same: read from the cursor, fold, move the cursor
// in the same transaction, wait for a change when there is nothing.
func (b *Board) Run(ctx context.Context) error {
	b.forget()
	if err := b.transact(ctx, (*folder).renew); err != nil {
		return fmt.Errorf("board: fold what was newer: %w", err)
	}
	var tried time.Time
	for ctx.Err() == nil {
		if !b.Emptied() && time.Since(tried) >= readAgain {
			b.truncate()
			tried = time.Now()
		}
		changed := b.cfg.Ledger.Changed()
		moved, err := b.round(ctx)
		if err != nil {
			return err
		}
		stale, err := b.refold(ctx) // a few between batches, so that a long catch-up does not keep deadlines from being known
		if err != nil {
			return err
		}
		if moved || stale {
			continue
		}
		var again <-chan time.Time
		if len(b.Unread()) > 0 || !b.Emptied() {
			again = time.After(readAgain)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-b.wake:
		case <-again:
		}
	}
	return nil
}

// round follows each ledger by one batch, so that a long one does not keep the others waiting.
func (b *Board) round(ctx context.Context) (moved bool, err error) {
	if err := b.noteAlike(ctx); err != nil {
		return false, fmt.Errorf("board: hits: %w", err)
	}
	for _, origin := range b.cfg.Ledger.Origins() {
		b.rewound(origin)
		if b.Position(origin) >= b.cfg.Ledger.Size(origin) || ctx.Err() != nil {
			continue
		}
		err := b.batch(ctx, origin)
		if unread := (*unreadError)(nil); errors.As(err, &unread) {
			b.noteUnread(origin, unread)
			continue
		}
		if err != nil {
			return moved, fmt.Errorf("board: follow %s: %w", origin, err)
		}
		b.noteUnread(origin, nil)
		moved = true
	}
	return moved, nil
}

// unreadError says that an entry cannot be read, which is not that it is absent: the disk has it and does not give it. The board waits
// there until it is mended, as whatever comes behind may depend on it.
type unreadError struct{ cause error }

func (e *unreadError) Error() string { return e.cause.Error() }
func (e *unreadError) Unwrap() error { return e.cause }

// Unread are the ledgers whose next entry cannot be read, and why.
func (b *Board) Unread() map[ledger.Origin]error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.unread)
}

func (b *Board) noteUnread(origin ledger.Origin, err *unreadError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.unread, origin)
		return
	}
	_, known := b.unread[origin]
	if b.unread[origin] = err; !known {
		b.cfg.Log.Error("an entry cannot be read; the board waits for it to be mended", "ledger", origin, "error", err)
	}
}

// batch follows some entries of a ledger in one transaction. A crash before it commits leaves the cursor where it was.
func (b *Board) batch(ctx context.Context, origin ledger.Origin) error {
	next, size := b.Position(origin), b.cfg.Ledger.Size(origin)
	start := time.Now()
	return b.transact(ctx, func(f *folder) error {
		for n := 0; next < size && n < batchEntries && f.rows < batchRows && (n == 0 || time.Since(start) < batchTime); n++ {
			err := f.entry(origin, next)
			if unread := (*unreadError)(nil); errors.As(err, &unread) && n > 0 {
				break // what comes before it is kept
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", next, err)
			}
			next++
		}
		f.origin, f.next = origin, next
		_, err := f.exec("INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next", string(origin), next)
		return err
	})
}

// transact lets fold write in one transaction and tells of it once it is committed.
func (b *Board) transact(ctx context.Context, fold func(*folder) error) error {
	tx, err := b.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	f := &folder{statements: statementsOf(tx), board: b, at: time.Now(), waits: map[int64]int{}}
	err = f.policyInForce()
	if err == nil {
		err = fold(f)
	}
	if err == nil {
		err = f.foldWaiting()
	}
	if err == nil {
		err = f.tell()
	}
	if err == nil {
		err = f.settle()
	}
	if err == nil && f.removed {
		err = errors.Join(f.renovel(), f.reflood())
	}
	if err == nil && f.struck {
		b.logged.Store(true) // before anybody sees that it is expunged
		err = f.scrub()
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		b.forget() // what is remembered of this transaction did not happen
		return named(err)
	}
	if f.struck {
		b.truncate()
	}
	b.moved(f.origin, f.next, f.last)
	return nil
}

// forget drops what Run remembers of what is in the tables.
func (b *Board) forget() {
	b.flood = newFlood()
	for _, n := range b.tables {
		n.forget()
	}
}

// folder folds entries within one transaction.
type folder struct {
	statements
	board    *Board
	at       time.Time
	policy   ledger.Policy
	rules    alert.Rules // what the policy says of alerts
	revised  int64       // revision of this transaction; 0 where none was asked for
	rows     int         // folded so far
	last     uint64      // sequence of the last change noted
	origin   ledger.Origin
	next     uint64      // cursor of origin after this transaction
	signals  []signalRow // of alerts, to be indexed at its end
	causes   []*cause    // whose signals those are
	removed  bool        // a cause went
	struck   bool        // something was expunged
	benign   []signalRow // whose declarations changed
	watched  []signalRow // of watched files, the same
	watching bool        // there is something that may be hit, or was
	waiting  []waiting   // objects to be folded at its end
	waits    map[int64]int
	changes  []func() error // changes of those, in the order of their events
}

// waiting is an object that is folded at the end of the transaction; last is the number of its latest event.
type waiting struct {
	last int64
	fold func(last int64) error
}

// atEnd lets an object be folded once at the end of the transaction, whatever else comes for it.
func (f *folder) atEnd(object, seq int64, fold func(last int64) error) {
	if i, waits := f.waits[object]; waits {
		f.waiting[i].last = max(f.waiting[i].last, seq)
		return
	}
	f.waits[object] = len(f.waiting)
	f.waiting = append(f.waiting, waiting{seq, fold})
}

func (f *folder) waitsFor(object int64) bool {
	_, waits := f.waits[object]
	return waits
}

// tell notes the changes of objects that have folded by now.
func (f *folder) tell() error {
	for _, note := range f.changes {
		if err := note(); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) foldWaiting() error {
	for _, w := range f.waiting {
		if err := w.fold(w.last); err != nil {
			return err
		}
	}
	return nil
}

// signalRow is one row of an index over signals: of an alert, or of a watched file.
type signalRow struct {
	algorithm uint8
	value     []byte
	of        int64
}

// get reads one row of one column; sql.ErrNoRows where there is none.
func (f *folder) get(into any, query string, args ...any) error {
	s, err := f.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(into)
}

// settle writes what the transaction collected so far.
func (f *folder) settle() error {
	signals, watched := f.signals, f.watched
	f.signals, f.watched = nil, nil
	err := f.index("INSERT INTO signals VALUES (?, ?, ?) ON CONFLICT DO NOTHING", signals)
	if err == nil {
		err = f.index("INSERT INTO watched_signals VALUES (?, ?, ?) ON CONFLICT DO NOTHING", watched)
	}
	if err == nil {
		err = f.settleBenign(signals)
	}
	if err == nil {
		err = f.settleFloods(signals)
	}
	if err != nil {
		return err
	}
	return f.match(signals, watched)
}

// index writes rows in the index's own order: several times faster than in the order of arrival, which would touch a page
// at random for each.
func (f *folder) index(insert string, rows []signalRow) error {
	slices.SortFunc(rows, func(a, b signalRow) int {
		if a.algorithm != b.algorithm {
			return int(a.algorithm) - int(b.algorithm)
		}
		return cmp.Or(bytes.Compare(a.value, b.value), cmp.Compare(a.of, b.of))
	})
	for _, s := range rows {
		if _, err := f.exec(insert, s.algorithm, s.value, s.of); err != nil {
			return err
		}
	}
	return nil
}

// entry folds one entry. What cannot be opened, or does not hold inside, has no effect and never stops the cursor.
func (f *folder) entry(origin ledger.Origin, index uint64) error {
	e, bare, _, err := f.board.cfg.Ledger.Entry(origin, index)
	if bare {
		return nil
	}
	if err != nil && len(e.Leaf) == 0 {
		return &unreadError{err}
	}
	rec, absent, err := f.record(origin, index, e, err)
	if err != nil {
		return err
	}
	switch rec.Kind {
	case ledger.KindRelease:
		if err := f.released(rec, index); err != nil {
			return err
		}
	case ledger.KindGovernance:
		return f.governance(rec, index, e.Payload)
	case ledger.KindExpungement:
		return f.expunged(rec, index, e.Payload)
	}
	if absent {
		return nil
	}
	p, err := f.board.cfg.Opener.Open(rec, e.Payload)
	if errors.Is(err, crypto.ErrNotForUs) {
		return nil
	}
	if err != nil {
		f.board.cfg.Log.Warn("an entry for this agency does not open and has no effect", "ledger", origin, "index", index, "error", err)
		return nil
	}
	if rec.Kind == ledger.KindRelease {
		return f.release(rec, index, p)
	}
	return f.events(rec, index, p)
}

// record decodes an entry's record, and says whether its payload is not here: it was expunged, or a partner sent it without
// because it was expunged there.
func (f *folder) record(origin ledger.Origin, index uint64, e ledger.Entry, read error) (rec *ledger.Record, absent bool, err error) {
	if len(e.Payload) > 0 {
		rec, err := e.Open()
		return rec, false, err
	}
	rec, _, err = ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return nil, true, err
	}
	_, gone, err := f.board.cfg.Ledger.Gone(origin, index)
	own := rec.Kind == ledger.KindGovernance || origin.Jurisdiction() == f.board.cfg.Agency.Jurisdiction()
	if err == nil && !gone && read != nil && (own || !errors.Is(read, ledger.ErrAbsent)) { // what is here in full has its payload, unless that was taken
		return nil, true, &unreadError{read}
	}
	return rec, true, err
}

// events folds what an entry says itself. An order to expunge counts only in an entry that expunges.
func (f *folder) events(rec *ledger.Record, index uint64, p *ledger.Payload) error {
	at, audience := ledger.Position{Index: index}, audienceOf(rec.Audience)
	for i := range p.Events {
		e := &p.Events[i]
		if e.Type != ledger.TypeCarried && (e.Type != expunge.TypeOrdered || orders(rec, e)) {
			if err := f.event(rec, audience, at, e, nil); err != nil {
				return err
			}
		}
		at.Leaf += uint32(e.Count())
	}
	return nil
}

func orders(rec *ledger.Record, e *ledger.Event) bool {
	fact, err := expunge.Codec.Decode(e)
	o, ok := fact.(*expunge.Ordered)
	return err == nil && ok && rec.Kind == ledger.KindExpungement && o.Target == rec.Target
}

// expunged folds an expungement: what it took is gone from this node, or it has no effect. Who cannot open it knows from its
// record that what it names is gone.
func (f *folder) expunged(rec *ledger.Record, index uint64, payload []byte) error {
	_, gone, err := f.board.cfg.Ledger.Gone(rec.Origin, rec.Target)
	if err != nil {
		return err
	}
	if !gone {
		f.board.cfg.Log.Warn("an expungement by one who may not; it has no effect", "ledger", rec.Origin, "index", index, "author", rec.Author)
		return nil
	}
	var p *ledger.Payload
	if len(payload) > 0 {
		p, err = f.board.cfg.Opener.Open(rec, payload)
		if err != nil && !errors.Is(err, crypto.ErrNotForUs) {
			f.board.cfg.Log.Warn("an entry for this agency does not open; what it names is gone", "ledger", rec.Origin, "index", index, "error", err)
		}
	}
	if err := f.expunge(rec, index, p); err != nil || p == nil {
		return err
	}
	return f.events(rec, index, p)
}
