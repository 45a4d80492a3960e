package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
)

// Hit is an alert that carries what this agency watches.
type Hit struct {
	ID        watch.HitID
	Watched   Watched
	Alert     Alert
	Algorithm alert.Algorithm // by which they are nearest
	Distance  int             // 0: the same fingerprint
	State     watch.Handling
	cursor    int64
}

// Said is what was done about a hit.
type Said struct {
	What     watch.Handling
	Note     string
	Origin   ledger.Origin
	Index    uint64
	Authored time.Time
}

// HitQuery filters and pages hits. Exercises and casework never stand in one list.
type HitQuery struct {
	State    string // open, seen, done or dismissed; empty: any
	List     string // the watch list, or watched file, that an id names; empty: any
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// HitPage is one page, newest first; Next is 0 on the last.
type HitPage struct {
	Hits []Hit
	Next int64
}

// Hits returns one page.
func (b *Board) Hits(ctx context.Context, q HitQuery) (HitPage, error) {
	where, args := []string{"h.exercise = ?"}, []any{q.Exercise}
	add := func(condition string, values ...any) { where, args = append(where, condition), append(args, values...) }
	if q.State != "" {
		state, err := stateNamed(q.State)
		if err != nil {
			return HitPage{}, err
		}
		add("h.state = ?", state)
	}
	if q.List != "" {
		first, count, err := b.watchedRange(ctx, q.List)
		if err != nil {
			return HitPage{}, err
		}
		add("h.watched >= ? AND h.watched < ?", first, first+count)
	}
	if q.Before > 0 {
		add("h.id < ?", q.Before)
	}
	limit := pageLimit(q.Limit)
	hits, err := b.hitRows(ctx, "WHERE "+strings.Join(where, " AND ")+" ORDER BY h.id DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return HitPage{}, err
	}
	page := HitPage{Hits: hits}
	if len(hits) > limit {
		page = HitPage{Hits: hits[:limit], Next: hits[limit-1].cursor}
	}
	page.Hits, err = b.bothSides(ctx, page.Hits)
	return page, err
}

func stateNamed(text string) (watch.Handling, error) {
	for _, s := range []watch.Handling{watch.Open, watch.Seen, watch.Done, watch.Dismissed} {
		if s.String() == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%w: state: not one of open, seen, done, dismissed", ErrQuery)
}

// watchedRange returns the numbers of the watched files that an id names: a row alone where it names one.
func (b *Board) watchedRange(ctx context.Context, text string) (first, count int64, err error) {
	id, err := b.WatchedID(ctx, text)
	if err != nil {
		return 0, 0, err
	}
	err = b.read.QueryRowContext(ctx, "SELECT l.first, l.count FROM watchlists l JOIN objects o ON o.id = l.object WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ?",
		id.Event[:], string(id.Author), string(id.Home), watch.Prefix).Scan(&first, &count)
	if strings.Contains(text, ".") {
		first, count = first+int64(id.Row), 1
	}
	return first, count, err
}

// hitRows reads hits without their two sides, but for their numbers.
func (b *Board) hitRows(ctx context.Context, condition string, args ...any) ([]Hit, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT h.id, h.hit, h.watched, h.alert, h.alg, h.distance, h.state FROM hits h "+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Hit
	for rows.Next() {
		var h Hit
		var id []byte
		if err := rows.Scan(&h.cursor, &id, &h.Watched.Row, &h.Alert.Row, &h.Algorithm, &h.Distance, &h.State); err != nil {
			return nil, err
		}
		h.ID = watch.HitID(id)
		out = append(out, h)
	}
	return out, rows.Err()
}

// bothSides fills hits in; one whose alert or watched file went meanwhile is left out.
func (b *Board) bothSides(ctx context.Context, hits []Hit) ([]Hit, error) {
	alerts, err := b.read.PrepareContext(ctx, alertColumns+byAlert+"WHERE a.id = ?")
	if err != nil {
		return nil, err
	}
	defer alerts.Close()
	files, err := b.read.PrepareContext(ctx, watchedColumns+"WHERE w.id = ?")
	if err != nil {
		return nil, err
	}
	defer files.Close()
	out := hits[:0]
	for _, h := range hits {
		a, err := one(ctx, alerts, h.Alert.Row, scanAlert)
		if err != nil {
			return nil, err
		}
		w, err := one(ctx, files, h.Watched.Row, scanWatched)
		if err != nil {
			return nil, err
		}
		if a != nil && w != nil {
			h.Alert, h.Watched = a.Alert, *w
			out = append(out, h)
		}
	}
	return out, nil
}

// one returns what a statement finds by a number; nil where there is nothing.
func one[T any](ctx context.Context, s *sql.Stmt, number int64, scan func(*sql.Rows) (T, error)) (*T, error) {
	rows, err := s.QueryContext(ctx, number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	x, err := scan(rows)
	return &x, err
}

// Hit returns the one hit that an id or its beginning names, and what was done about it.
func (b *Board) Hit(ctx context.Context, text string) (Hit, []Said, error) {
	prefix, err := noun.ParsePrefix(watch.HitPrefix, text)
	if err != nil {
		return Hit{}, nil, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(prefix)
	found, err := b.hitRows(ctx, "WHERE h.hit >= ? AND h.hit <= ? LIMIT 2", low, high)
	if err == nil {
		found, err = b.bothSides(ctx, found)
	}
	switch {
	case err != nil:
		return Hit{}, nil, err
	case len(found) == 0:
		return Hit{}, nil, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Hit{}, nil, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	said, err := b.said(ctx, found[0].ID)
	return found[0], said, err
}

// said returns what was done about a hit, in canonical order.
func (b *Board) said(ctx context.Context, hit watch.HitID) ([]Said, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT h.origin, h.idx, h.what, e.authored, e.type, e.shared FROM handled h JOIN events e ON e.seq = h.seq
		WHERE h.hit = ? ORDER BY h.origin, h.idx, h.leaf`, hit[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Said
	for rows.Next() {
		var s Said
		var origin, kind string
		var authored int64
		var shared []byte
		if err := rows.Scan(&origin, &s.Index, &s.What, &authored, &kind, &shared); err != nil {
			return nil, err
		}
		fact, err := watch.Decode(&ledger.Event{Type: kind, Version: 1, Shared: shared, Width: uint32(len(hit)), Rows: hit[:]})
		h, ok := fact.(*watch.Handled)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		s.Origin, s.Authored, s.Note = ledger.Origin(origin), time.UnixMilli(authored).UTC(), h.Note
		out = append(out, s)
	}
	return out, rows.Err()
}

// HitIDs returns the hits that ids or their beginnings name.
func (b *Board) HitIDs(ctx context.Context, texts []string) ([]watch.HitID, error) {
	out := make([]watch.HitID, 0, len(texts))
	for _, text := range texts {
		prefix, err := noun.ParsePrefix(watch.HitPrefix, text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		low, high := idRange(prefix)
		var n int
		var id []byte
		if err := b.read.QueryRowContext(ctx, "SELECT count(*), min(hit) FROM (SELECT hit FROM hits WHERE hit >= ? AND hit <= ? LIMIT 2)", low, high).Scan(&n, &id); err != nil {
			return nil, err
		}
		switch {
		case n == 0:
			return nil, fmt.Errorf("%w: %.80s", ErrNotFound, text)
		case n > 1:
			return nil, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
		}
		out = append(out, watch.HitID(id))
	}
	return out, nil
}

// HasHit says whether there is a hit of an id.
func (b *Board) HasHit(ctx context.Context, id watch.HitID) (bool, error) {
	var has bool
	err := b.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM hits WHERE hit = ?)", id[:]).Scan(&has)
	return has, err
}
