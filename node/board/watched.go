package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
)

// WatchList is one list of what this agency watches.
type WatchList struct {
	Key      watch.Key
	Details  watch.Details
	Files    int // that were put on it
	Watched  int // still
	Hits     int
	Open     int // hits that nobody has looked at
	Authored time.Time
	cursor   int64
}

// Watched is one watched file.
type Watched struct {
	ID      watch.ID
	Row     int64 // its number on this board; it means nothing on another, and changes when the board is built anew
	Details watch.Details
	File    alert.File
	Gone    bool // removed
}

// WatchQuery filters and pages watch lists. Zero values do not filter, but exercises and casework never stand in one list.
type WatchQuery struct {
	Case     string
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// WatchPage is one page, newest first; Next is 0 on the last.
type WatchPage struct {
	Lists []WatchList
	Next  int64
}

// WatchLists returns one page.
func (b *Board) WatchLists(ctx context.Context, q WatchQuery) (WatchPage, error) {
	where, args := []string{"l.exercise = ?"}, []any{q.Exercise}
	if q.Case != "" {
		where, args = append(where, "l.casenumber = ?"), append(args, q.Case)
	}
	if q.Before > 0 {
		where, args = append(where, "l.first < ?"), append(args, q.Before)
	}
	limit := pageLimit(q.Limit)
	lists, err := b.watchLists(ctx, "WHERE "+strings.Join(where, " AND ")+" ORDER BY l.first DESC LIMIT ?", append(args, limit+1)...)
	page := WatchPage{Lists: lists}
	if len(lists) > limit {
		page = WatchPage{Lists: lists[:limit], Next: lists[limit-1].cursor}
	}
	return page, err
}

func (b *Board) watchLists(ctx context.Context, condition string, args ...any) ([]WatchList, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT l.first, l.count, l.gone, o.home, o.author, o.event, e.type, e.authored, e.shared,
		(SELECT count(*) FROM hits h WHERE h.watched >= l.first AND h.watched < l.first + l.count),
		(SELECT count(*) FROM hits h WHERE h.watched >= l.first AND h.watched < l.first + l.count AND h.state = 0),
		(SELECT file FROM watched w WHERE w.id = l.first)
		FROM watchlists l JOIN objects o ON o.id = l.object JOIN events e ON e.seq = l.founding `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []WatchList
	for rows.Next() {
		var l WatchList
		var gone int
		var home, author, kind string
		var event, shared, file []byte
		var authored int64
		if err := rows.Scan(&l.cursor, &l.Files, &gone, &home, &author, &event, &kind, &authored, &shared, &l.Hits, &l.Open, &file); err != nil {
			return nil, err
		}
		cause, err := watchCause(kind, shared, file)
		if err != nil {
			return nil, err
		}
		l.Key, l.Details, l.Watched, l.Authored = keyOf(home, author, event), cause.Says(), l.Files-gone, time.UnixMilli(authored).UTC()
		out = append(out, l)
	}
	return out, rows.Err()
}

// watchCause puts a founding event together with one of its rows alone.
func watchCause(kind string, shared, row []byte) (watch.Cause, error) {
	fact, err := watch.Decode(&ledger.Event{Type: kind, Version: 1, Shared: shared, Width: uint32(len(row)), Rows: row})
	cause, ok := fact.(watch.Cause)
	if err != nil || !ok {
		return nil, errors.Join(errors.New("board: a stored event is damaged"), err)
	}
	return cause, nil
}

const watchedColumns = `SELECT w.id, w.id - w.first, w.gone, w.file, o.home, o.author, o.event, e.type, e.shared FROM watched w
	JOIN watchlists l ON l.first = w.first JOIN objects o ON o.id = l.object JOIN events e ON e.seq = l.founding `

func scanWatched(rows *sql.Rows) (Watched, error) {
	var w Watched
	var file, event, shared []byte
	var home, author, kind string
	if err := rows.Scan(&w.Row, &w.ID.Row, &w.Gone, &file, &home, &author, &event, &kind, &shared); err != nil {
		return w, err
	}
	cause, err := watchCause(kind, shared, file)
	if err != nil {
		return w, err
	}
	w.ID.Key, w.Details, w.File = keyOf(home, author, event), cause.Says(), cause.File(0)
	return w, nil
}

func (b *Board) watched(ctx context.Context, condition string, args ...any) ([]Watched, error) {
	rows, err := b.read.QueryContext(ctx, watchedColumns+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Watched
	for rows.Next() {
		w, err := scanWatched(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

// WatchedFiles returns a list and those of its files that are watched, from a row on; next is the row to go on from, 0 on
// the last page.
func (b *Board) WatchedFiles(ctx context.Context, text string, from, limit int) (l WatchList, files []Watched, next int, err error) {
	id, err := b.WatchedID(ctx, text)
	if err != nil {
		return l, nil, 0, err
	}
	lists, err := b.watchLists(ctx, "WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ?", id.Event[:], string(id.Author), string(id.Home), watch.Prefix)
	if err != nil || len(lists) != 1 {
		return l, nil, 0, errors.Join(err, fmt.Errorf("%w: %.80s", ErrNotFound, text))
	}
	l, limit = lists[0], pageLimit(limit)
	first := l.cursor
	files, err = b.watched(ctx, "WHERE w.id >= ? AND w.id < ? AND w.gone = 0 ORDER BY w.id LIMIT ?", first+int64(from), first+int64(l.Files), limit+1)
	if len(files) > limit {
		files, next = files[:limit], int(files[limit].ID.Row)
	}
	return l, files, next, err
}

// WatchedID returns the one watched file, or the first of the list, that an id or its beginning names. One that was
// removed is named still.
func (b *Board) WatchedID(ctx context.Context, text string) (watch.ID, error) {
	p, err := noun.ParseRowPrefix(watch.IDPrefix, text, watch.MaxRows)
	if err != nil {
		return watch.ID{}, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(p.Hex)
	rows, err := b.read.QueryContext(ctx, `SELECT o.id, o.home, o.author, o.event, l.count FROM objects o JOIN watchlists l ON l.object = o.id
		WHERE o.event >= ? AND o.event <= ? AND o.noun = ? AND l.count > ? LIMIT 2`, low, high, watch.Prefix, p.Row)
	if err != nil {
		return watch.ID{}, err
	}
	defer rows.Close()
	var found []watch.ID
	for rows.Next() {
		var object, count int64
		k, err := scanKey(rows, &object, &count)
		if err != nil {
			return watch.ID{}, err
		}
		found = append(found, watch.ID{Key: k, Row: p.Row})
	}
	switch {
	case rows.Err() != nil:
		return watch.ID{}, rows.Err()
	case len(found) == 0:
		return watch.ID{}, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return watch.ID{}, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	return found[0], nil
}

// WatchObject folds a watch list for a decision; nil where nothing is known of it.
func (b *Board) WatchObject(ctx context.Context, key watch.Key) (*watch.List, error) {
	q := withContext{b.read, ctx}
	object, err := objectID(q, watch.Prefix, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	events, err := watchEvents(q, object)
	return watch.Fold(key, events), err
}

// WatchedRow returns a watched file by its number on this board; nil where it is gone.
func (b *Board) WatchedRow(ctx context.Context, row int64) (*Watched, error) {
	found, err := b.watched(ctx, "WHERE w.id = ? AND w.gone = 0", row)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Watching yields every watched file after a number on this board: for an index in memory, which goes on from the last
// number it has seen and says what it finds by NoteAlike. An error ends it.
func (b *Board) Watching(ctx context.Context, after int64) iter.Seq2[Watched, error] {
	return func(yield func(Watched, error) bool) {
		rows, err := b.read.QueryContext(ctx, watchedColumns+"WHERE w.id > ? AND w.gone = 0 ORDER BY w.id", after)
		if err != nil {
			yield(Watched{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			w, err := scanWatched(rows)
			if !yield(w, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Watched{}, err)
		}
	}
}
