// Package triage ranks the reports that wait for the desk. It follows the board with a cursor of its own and keeps in
// memory what ranks need, so that a queue of many thousands is answered at once; what makes a rank, ledger/report says.
//
// It does not know who asks, and writes nothing: lose it, and the next start reads what waits again.
package triage

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/report"
	"vigil/node/board"
	"vigil/node/match"
)

const (
	pageReports = 500
	pageChanges = 1000
	retryAfter  = time.Second
	deadSerials = 1_024 // of entries that left, before they are taken out of the index
)

var widest, _ = match.Within(match.MaxRadius)

// Known says what is known of files.
type Known interface {
	// Known returns the alerts and the entries of lists of harmless files that carry a report's files, of exercises or of
	// casework.
	Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error)
}

// Config names what a Queue works with; every field but Ready is required.
type Config struct {
	Board *board.Board
	Known Known
	// Ready is closed when Known knows what is near: what was put before is weighed again.
	Ready <-chan struct{}
	Log   *slog.Logger
}

// Queue is safe for concurrent use.
type Queue struct {
	cfg Config

	mu      sync.Mutex
	loaded  bool                      // guarded by mu
	changes uint64                    // guarded by mu; sequence of the last change seen
	moved   int64                     // guarded by mu; number of the last move of a report seen
	waiting map[noun.Key]*entry       // guarded by mu
	carried map[report.Print][]*entry // guarded by mu; which of them carry a signal
	ranked  map[bool][]report.Ranked  // guarded by mu; by exercise, until something changes
	judging bool                      // guarded by mu; the policy changed, and the board is bringing declarations to it
	serial  match.Ref                 // guarded by mu; of the last entry

	alike *match.Index // the pictures and film frames of what waits, under serials
	dead  []match.Ref  // guarded by mu; serials of what left, still in the index

	nearMu sync.Mutex             // taken after mu, or alone
	keys   map[match.Ref]noun.Key // guarded by nearMu
	near   map[noun.Key]bool      // guarded by nearMu; to be weighed again
	again  bool                   // guarded by nearMu; all are
}

type entry struct {
	key      noun.Key
	revision uint64
	item     *report.Item
	exercise bool
	serial   match.Ref
}

// New makes a Queue that reads what waits when it is first asked, or run.
func New(cfg Config) *Queue {
	return &Queue{
		cfg: cfg, waiting: map[noun.Key]*entry{}, carried: map[report.Print][]*entry{}, ranked: map[bool][]report.Ranked{},
		alike: match.New(), keys: map[match.Ref]noun.Key{}, near: map[noun.Key]bool{},
	}
}

// Near lets reports be weighed again whose files look like one of an alert that is new, or stands otherwise.
func (q *Queue) Near(file *alert.File) error {
	for _, s := range file.Signals {
		if s.Algorithm != alert.PDQ && s.Algorithm != alert.VPDQFrame {
			continue
		}
		a, err := q.alike.Find(match.Query{Signal: s, Radius: widest, Limit: match.MaxHits})
		if err != nil {
			return fmt.Errorf("triage: %w", err)
		}
		q.nearMu.Lock()
		for _, h := range a.Hits {
			if k, waits := q.keys[h.Ref]; waits {
				q.near[k] = true
			}
		}
		q.again = q.again || a.More
		q.nearMu.Unlock()
	}
	return nil
}

// Gone lets all be weighed again: alerts went, and what was near them is not known.
func (q *Queue) Gone() { q.weighAll() }

func (q *Queue) weighAll() {
	q.nearMu.Lock()
	q.again = true
	q.nearMu.Unlock()
}

// takeNear returns what is to be weighed again.
func (q *Queue) takeNear() (near map[noun.Key]bool, all bool) {
	q.nearMu.Lock()
	defer q.nearMu.Unlock()
	near, all = q.near, q.again
	q.near, q.again = map[noun.Key]bool{}, false
	return near, all
}

// keepNear puts back what could not be weighed.
func (q *Queue) keepNear(near map[noun.Key]bool, all bool) {
	q.nearMu.Lock()
	maps.Copy(q.near, near)
	q.again = q.again || all
	q.nearMu.Unlock()
}

// file puts the pictures and frames of an entry where alerts to come find them, before it is asked what is known of them.
func (q *Queue) file(e *entry, files []report.File) error {
	q.nearMu.Lock()
	q.serial++
	e.serial = q.serial
	q.keys[e.serial] = e.key
	q.nearMu.Unlock()
	var changes []match.Change
	for i := range files {
		for _, s := range files[i].Prints.Signals {
			if s.Algorithm == alert.PDQ || s.Algorithm == alert.VPDQFrame {
				changes = append(changes, match.Change{Signal: s, Ref: e.serial})
			}
		}
	}
	return q.alike.Apply(changes...)
}

// unfile lets them find nothing, and takes them away together with others.
func (q *Queue) unfile(serial match.Ref) {
	q.nearMu.Lock()
	delete(q.keys, serial)
	left := len(q.keys)
	q.nearMu.Unlock()
	if q.dead = append(q.dead, serial); len(q.dead) > max(left, deadSerials) {
		q.alike.Drop(q.dead...)
		q.dead = q.dead[:0]
	}
}

// Run keeps the queue near the board until ctx ends, so that no one waits for it.
func (q *Queue) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return q.alike.Run(ctx) })
	group.Go(func() error { return q.run(ctx) })
	select {
	case <-q.cfg.Ready:
		q.weighAll()
	case <-ctx.Done():
	}
	return group.Wait()
}

func (q *Queue) run(ctx context.Context) error {
	for ctx.Err() == nil {
		seen, err := q.follow(ctx)
		if err != nil && ctx.Err() == nil {
			q.cfg.Log.Warn("the queue of reports is behind and is followed again", "error", err)
			pause, cancel := context.WithTimeout(ctx, retryAfter)
			<-pause.Done()
			cancel()
			continue
		}
		_ = q.cfg.Board.WaitChange(ctx, seen) // its error is the end
	}
	return nil
}

func (q *Queue) follow(ctx context.Context) (seen uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	err = q.refresh(ctx)
	return q.changes, err
}

// Waiting returns the queue as the board stands now, of exercises or of casework. It must not be changed.
func (q *Queue) Waiting(ctx context.Context, exercise bool) ([]report.Ranked, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refresh(ctx); err != nil {
		return nil, fmt.Errorf("triage: follow the board: %w", err)
	}
	ranked, ok := q.ranked[exercise]
	if !ok {
		items := make([]*report.Item, 0, len(q.waiting))
		for _, e := range q.waiting {
			if e.exercise == exercise {
				items = append(items, e.item)
			}
		}
		ranked = report.Rank(items)
		q.ranked[exercise] = ranked
	}
	return ranked, nil
}

// Known returns what is known of files now.
func (q *Queue) Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error) {
	return q.cfg.Known.Known(ctx, files, exercise)
}

// refresh reads what has changed. The cursors move only over what was taken in, so that an error loses nothing; mu is
// held.
func (q *Queue) refresh(ctx context.Context) error {
	if !q.loaded {
		return q.load(ctx)
	}
	near, all := q.takeNear()
	if q.cfg.Board.LastChange() <= q.changes && !q.judging && len(near) == 0 && !all {
		return nil
	}
	next, touched, policy, expunged, err := q.changed(ctx)
	if err == nil && expunged {
		q.forget()
		return q.load(ctx)
	}
	settled := true
	if err == nil && (policy || q.judging) {
		settled, err = q.cfg.Board.BenignSettled(ctx) // before anything is weighed by it
	}
	if err == nil {
		err = q.take(ctx, false)
	}
	if err == nil {
		err = q.weighAgain(ctx, touched, near, policy || q.judging || all)
	}
	if err != nil {
		q.keepNear(near, all)
		return err
	}
	q.changes, q.judging = next, !settled
	return nil
}

// forget drops everything, so that nothing of what was expunged stays.
func (q *Queue) forget() {
	q.nearMu.Lock()
	for serial := range q.keys {
		q.dead = append(q.dead, serial)
	}
	clear(q.keys)
	q.nearMu.Unlock()
	q.alike.Drop(q.dead...)
	q.alike.Purge()
	q.dead = nil
	clear(q.waiting)
	clear(q.carried)
	clear(q.ranked)
	q.loaded = false
}

// load reads what waits. What moves meanwhile is read again after it.
func (q *Queue) load(ctx context.Context) error {
	seen := q.cfg.Board.LastChange()
	last, err := q.cfg.Board.LastReport(ctx)
	if err == nil {
		q.moved = 0
		err = q.take(ctx, true)
	}
	if err == nil {
		q.moved, q.changes, q.loaded = last, seen, true
	}
	return err
}

// changed returns the alerts and declarations that something was said of since, and whether the policy changed, by which
// all of them may stand otherwise. expunged says that something is gone for good: reports among it name nothing any more.
func (q *Queue) changed(ctx context.Context) (next uint64, touched map[string]bool, policy, expunged bool, err error) {
	next, touched = q.changes, map[string]bool{}
	for {
		page, err := q.cfg.Board.Changes(ctx, next, pageChanges)
		if err != nil || len(page) == 0 {
			return next, touched, policy, expunged, err
		}
		for _, c := range page {
			next = c.Sequence
			policy = policy || c.Kind == "policy"
			expunged = expunged || c.Kind == board.ChangeExpunged
			if strings.HasPrefix(c.Kind, "alert.") || strings.HasPrefix(c.Kind, alert.BenignPrefix) {
				touched[c.Object] = true
			}
		}
	}
}

// take reads reports that have moved: those that wait are weighed, the others leave.
func (q *Queue) take(ctx context.Context, waiting bool) error {
	for {
		found, next, err := q.cfg.Board.ReportsAfter(ctx, q.moved, waiting, pageReports)
		if err != nil || len(found) == 0 {
			return err
		}
		for i := range found {
			if err := q.put(ctx, &found[i]); err != nil {
				return err
			}
		}
		q.moved = next
	}
}

func (q *Queue) put(ctx context.Context, x *board.Report) error {
	r := x.Object
	if r.State != report.Waiting || r.Withdrawn {
		if was := q.remove(r.Key); was != 0 {
			q.unfile(was)
		}
		return nil
	}
	e := &entry{key: r.Key, exercise: r.Received.Exercise, revision: r.Revision}
	before := q.waiting[r.Key]
	fresh := before == nil || before.revision != e.revision
	if !fresh {
		e.serial = before.serial // the same files
	} else if err := q.file(e, r.Statement.Files); err != nil {
		return err
	}
	hits, err := q.cfg.Known.Known(ctx, r.Statement.Files, r.Received.Exercise)
	if err != nil {
		if fresh {
			q.unfile(e.serial)
		}
		return err
	}
	if was := q.remove(r.Key); was != 0 && was != e.serial {
		q.unfile(was)
	}
	e.item = report.NewItem(r, x.Authored.UnixMilli(), hits)
	q.waiting[r.Key] = e
	for _, file := range e.item.Prints {
		for _, p := range file {
			q.carried[p] = append(q.carried[p], e)
		}
	}
	delete(q.ranked, e.exercise)
	return nil
}

// remove takes a report out and returns its serial; 0 where it is not in.
func (q *Queue) remove(k noun.Key) match.Ref {
	e := q.waiting[k]
	if e == nil {
		return 0
	}
	delete(q.waiting, k)
	for _, file := range e.item.Prints {
		for _, p := range file {
			left := slices.DeleteFunc(q.carried[p], func(x *entry) bool { return x == e })
			if q.carried[p] = left; len(left) == 0 {
				delete(q.carried, p)
			}
		}
	}
	delete(q.ranked, e.exercise)
	return e.serial
}

// weighAgain weighs the reports again that carry a signal of an alert or a declaration that changed, and those near one.
func (q *Queue) weighAgain(ctx context.Context, objects map[string]bool, near map[noun.Key]bool, all bool) error {
	if len(q.waiting) == 0 {
		return nil
	}
	touched := map[noun.Key]bool{}
	for k := range q.waiting {
		if all || near[k] {
			touched[k] = true
		}
	}
	for object := range objects {
		err := q.cfg.Board.SignalsOf(ctx, object, func(s alert.Signal) {
			for _, e := range q.carried[report.PrintOf(s)] {
				touched[e.item.Key] = true
			}
		})
		if err != nil {
			return err
		}
	}
	for k := range touched {
		x, err := q.cfg.Board.ReportOf(ctx, k)
		if err == nil {
			err = q.put(ctx, &x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
