package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/export"
	"vigil/ledger/noun"
)

// Exported is one export: what left this agency in an outside format.
type Exported struct {
	Key       export.Key
	Begun     export.Begun
	Authored  time.Time
	Carried   int // alerts
	Withdrawn int // alerts that it said are withdrawn
	object    int64
}

// ExportPage is one page of exports, newest first; Next is 0 on the last.
type ExportPage struct {
	Exports []Exported
	Next    int64
}

// Exports returns one page.
func (b *Board) Exports(ctx context.Context, exercise bool, before int64, limit int) (ExportPage, error) {
	if before <= 0 {
		before = 1 << 62
	}
	limit = pageLimit(limit)
	found, err := b.exported(ctx, "x.exercise = ? AND x.id < ? ORDER BY x.id DESC LIMIT ?", exercise, before, limit+1)
	page := ExportPage{Exports: found}
	if len(found) > limit {
		page = ExportPage{Exports: found[:limit], Next: found[limit-1].object}
	}
	return page, err
}

func (b *Board) exported(ctx context.Context, condition string, args ...any) ([]Exported, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT x.id, o.home, o.author, o.event, e.authored, e.type, y.rows,
		(SELECT coalesce(sum(r.last - r.first + 1), 0) FROM export_runs r WHERE r.export = x.id AND r.what = 1),
		(SELECT coalesce(sum(r.last - r.first + 1), 0) FROM export_runs r WHERE r.export = x.id AND r.what = 2)
		FROM exports x JOIN objects o ON o.id = x.id JOIN events e ON e.seq = o.founding JOIN bodies y ON y.seq = e.seq WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Exported
	for rows.Next() {
		var x Exported
		var home, author, kind string
		var event, row []byte
		var authored int64
		if err := rows.Scan(&x.object, &home, &author, &event, &authored, &kind, &row, &x.Carried, &x.Withdrawn); err != nil {
			return nil, err
		}
		fact, err := export.Decode(&ledger.Event{Type: kind, Version: 1, Width: uint32(len(row)), Rows: row})
		begun, ok := fact.(*export.Begun)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		x.Key, x.Begun, x.Authored = keyOf(home, author, event), *begun, time.UnixMilli(authored).UTC()
		out = append(out, x)
	}
	return out, rows.Err()
}

// Exported returns the one export that an id or its beginning names.
func (b *Board) Exported(ctx context.Context, text string) (Exported, error) {
	prefix, err := noun.ParsePrefix(export.IDPrefix, text)
	if err != nil {
		return Exported{}, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(prefix)
	found, err := b.exported(ctx, "o.event >= ? AND o.event <= ? LIMIT 2", low, high)
	switch {
	case err != nil:
		return Exported{}, err
	case len(found) == 0:
		return Exported{}, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Exported{}, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	return found[0], nil
}

// Chain is an export and those it goes on from; its zero value stands for all exports of this agency.
type Chain struct{ exports []string }

// ChainOf returns the chain that ends with an export. One that is too long is refused: begin a whole export.
func (b *Board) ChainOf(ctx context.Context, x Exported) (Chain, error) {
	rows, err := b.read.QueryContext(ctx, `WITH RECURSIVE chain (id, since, depth) AS (
			SELECT id, since, 1 FROM exports WHERE id = ?
			UNION SELECT x.id, x.since, c.depth + 1 FROM chain c JOIN objects o ON o.event = c.since AND o.noun = ? JOIN exports x ON x.id = o.id WHERE c.depth <= ?)
		SELECT id FROM chain`, x.object, export.Prefix, maxChain)
	if err != nil {
		return Chain{}, err
	}
	defer rows.Close()
	var c Chain
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return Chain{}, err
		}
		c.exports = append(c.exports, strconv.FormatInt(id, 10))
	}
	if len(c.exports) > maxChain {
		return Chain{}, noun.Refuse("%d exports go on from each other: begin a whole one", maxChain)
	}
	return c, rows.Err()
}

// said is the last word of a chain on an alert a of an object o, in SQL; 0 where it has none.
func (c Chain) said() string {
	in := ""
	if c.exports != nil {
		in = "AND r.export IN (" + strings.Join(c.exports, ", ") + ") "
	}
	return "coalesce((SELECT r.what FROM export_runs r WHERE r.event = o.event AND r.author = o.author AND r.home = o.home AND r.first <= a.id - a.first AND r.last >= a.id - a.first " +
		in + "ORDER BY r.origin DESC, r.idx DESC, r.leaf DESC LIMIT 1), 0)"
}

const leaving = "FROM alerts a CROSS JOIN causes c ON c.first = a.first CROSS JOIN objects o ON o.id = c.object " + eventOfCause

// Leaving returns the alerts after a number on this board that are acted on and that a chain did not carry; nil is no
// chain. standing filters where it is not empty.
func (b *Board) Leaving(ctx context.Context, chain *Chain, standing string, exercise bool, after int64, limit int) ([]Alert, error) {
	where, args := "WHERE a.id > ? AND a.bar = 0 AND c.exercise = ? ", []any{after, exercise}
	if standing != "" {
		s, err := alert.ParseState(standing)
		if err != nil {
			return nil, fmt.Errorf("%w: standing: %w", ErrQuery, err)
		}
		where, args = where+"AND a.standing = ? ", append(args, s)
	}
	if chain != nil {
		where += "AND " + chain.said() + fmt.Sprintf(" <> %d ", export.Included)
	}
	found, err := b.query(ctx, alertColumns+leaving+where+"ORDER BY a.id LIMIT ?", append(args, limit)...)
	return plain(found), err
}

// Withdrawals returns the alerts after a number on this board that a chain carried, by its last word, and that are not
// acted on any more.
func (b *Board) Withdrawals(ctx context.Context, chain Chain, exercise bool, after int64, limit int) ([]Alert, error) {
	found, err := b.query(ctx, alertColumns+leaving+"WHERE a.id > ? AND a.bar > 0 AND c.exercise = ? AND "+chain.said()+" = ? ORDER BY a.id LIMIT ?", after, exercise, export.Included, limit)
	return plain(found), err
}

// Barred returns which of some alerts, by their numbers, are not acted on now, or are gone.
func (b *Board) Barred(ctx context.Context, rows []int64) (map[int64]bool, error) {
	query, err := b.read.PrepareContext(ctx, "SELECT bar FROM alerts WHERE id = ?")
	if err != nil {
		return nil, err
	}
	defer query.Close()
	out := map[int64]bool{}
	for _, row := range rows {
		var bar alert.Bar
		err := query.QueryRowContext(ctx, row).Scan(&bar)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if err != nil || bar != alert.Open {
			out[row] = true
		}
	}
	return out, nil
}
