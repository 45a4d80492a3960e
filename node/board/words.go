package board

import (
	"context"
	"strings"
)

// worded returns the first alerts of a query whose words are looked for, in its order. A word that everything has would have
// the database sort everything: so it names the causes in their order first, a few at a time, and then the alerts of each,
// until there are enough.
func (b *Board) worded(ctx context.Context, q Query, c *conditions, most int) ([]scanned, error) {
	order := " ORDER BY a.id DESC LIMIT ?"
	if q.Sort == "oldest" {
		order = " ORDER BY a.id LIMIT ?"
	}
	of, err := b.read.PrepareContext(ctx, alertColumns+byCause+eventOfCause+c.text()+" AND c.first = ?"+order)
	if err != nil {
		return nil, err
	}
	defer of.Close()
	var out []scanned
	at, err := b.beforeFirst(ctx, q)
	if err != nil {
		return nil, err
	}
	for some := most; ; some *= 4 {
		causes, err := b.causesOf(ctx, q, c, at, some)
		if err != nil {
			return nil, err
		}
		for _, first := range causes {
			rows, err := of.QueryContext(ctx, append(append([]any{}, c.args...), first, most-len(out))...)
			if err != nil {
				return nil, err
			}
			found, err := scanAlerts(rows)
			if err != nil {
				return nil, err
			}
			if out = append(out, found...); len(out) >= most {
				return out, nil
			}
			at = first
		}
		if len(causes) < some {
			return out, nil
		}
	}
}

// beforeFirst is the number after which a page's causes come in its order; -1 where nothing comes before.
func (b *Board) beforeFirst(ctx context.Context, q Query) (int64, error) {
	if q.Cursor == "" {
		return -1, nil
	}
	_, id, err := decodeCursor(q.Sort, q.Cursor)
	if err != nil || q.Sort != "oldest" {
		return id, err
	}
	err = b.read.QueryRowContext(ctx, "SELECT coalesce((SELECT first FROM alerts WHERE id = ?), ?) - 1", id, id).Scan(&id) // the rest of its own cause, too
	return id, err
}

// causesOf returns the next causes that have the words, after one in the order of the query; -1 is before the first. The
// order is that in which the index of words keeps them, so no more of them are read than are returned.
func (b *Board) causesOf(ctx context.Context, q Query, c *conditions, after int64, most int) ([]int64, error) {
	query, args := q.causesQuery(c, after, most)
	rows, err := b.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var first int64
		if err := rows.Scan(&first); err != nil {
			return nil, err
		}
		out = append(out, first)
	}
	return out, rows.Err()
}

func (q Query) causesQuery(c *conditions, after int64, most int) (string, []any) {
	where, args := append([]string{"w.words MATCH ?"}, c.causes...), append([]any{c.match}, c.causesArgs...)
	next, order := "w.rowid < ?", " ORDER BY w.rowid DESC LIMIT ?"
	if q.Sort == "oldest" {
		next, order = "w.rowid > ?", " ORDER BY w.rowid LIMIT ?"
	}
	if after >= 0 {
		where, args = append(where, next), append(args, after)
	}
	return "SELECT w.rowid " + byWords + "WHERE " + strings.Join(where, " AND ") + order, append(args, most)
}
