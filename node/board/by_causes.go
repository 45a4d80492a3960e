package board

import (
	"context"
	"strings"

	"vigil/ledger/alert"
)

// causePlace is where a cause stands in the order of a list; the urgency counts where that is what it is sorted by.
type causePlace struct{ urgency, first int64 }

// byCauses returns the first alerts of a query in its order, by way of their causes. A word that everything has, or a
// series of most, would have the database sort every alert: so it names the causes in their order first, a few at a time, and
// then the alerts of each, until there are enough.
func (b *Board) byCauses(ctx context.Context, q Query, c *conditions, most int) ([]scanned, error) {
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
		for _, cause := range causes {
			rows, err := of.QueryContext(ctx, append(append([]any{}, c.args...), cause.first, most-len(out))...)
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
			at = &cause
		}
		if len(causes) < some {
			return out, nil
		}
	}
}

// beforeFirst is the place after which a page's causes come in its order; nil where nothing comes before.
func (b *Board) beforeFirst(ctx context.Context, q Query) (*causePlace, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	urgency, id, err := decodeCursor(q.Sort, q.Cursor)
	if err == nil && q.Sort == "oldest" {
		err = b.read.QueryRowContext(ctx, "SELECT coalesce((SELECT first FROM alerts WHERE id = ?), ?) - 1", id, id).Scan(&id) // the rest of its own cause, too
	}
	return &causePlace{urgency, id}, err
}

// causesOf returns the next causes of a query, after one in its order; nil is before the first. Of what has a word the most
// urgent come first, level by level, each in the order in which the index of words keeps it.
func (b *Board) causesOf(ctx context.Context, q Query, c *conditions, after *causePlace, most int) ([]causePlace, error) {
	if c.match == "" || q.Sort != "urgency" {
		return b.someCauses(ctx, nil, q, c, after, most)
	}
	top := int64(alert.ImmediateRisk)
	if after != nil {
		top = after.urgency
	}
	var out []causePlace
	for u := top; u >= int64(alert.Routine) && len(out) < most; u-- {
		level := *c
		level.match = marked(c.match, urgencyMark(alert.Urgency(u)))
		from := after
		if after != nil && u != after.urgency {
			from = nil
		}
		var err error
		if out, err = b.someCauses(ctx, out, q, &level, from, most-len(out)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// someCauses adds to out what a query finds.
func (b *Board) someCauses(ctx context.Context, out []causePlace, q Query, c *conditions, after *causePlace, most int) ([]causePlace, error) {
	query, args := q.causesQuery(c, after, most)
	rows, err := b.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p causePlace
		if err := rows.Scan(&p.first, &p.urgency); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// causesQuery asks for causes in the order of a query. Newest and oldest is the order in which the index of words keeps them,
// so no more of them are read than are returned.
func (q Query) causesQuery(c *conditions, after *causePlace, most int) (string, []any) {
	if c.match == "" {
		return causesByUrgency(c, after, most)
	}
	where, args := append([]string{"w.words MATCH ?"}, c.causes...), append([]any{c.match}, c.causesArgs...)
	next, order := "w.rowid < ?", " ORDER BY w.rowid DESC LIMIT ?"
	if q.Sort == "oldest" {
		next, order = "w.rowid > ?", " ORDER BY w.rowid LIMIT ?"
	}
	if after != nil {
		where, args = append(where, next), append(args, after.first)
	}
	return "SELECT w.rowid, c.urgency " + byWords + "WHERE " + strings.Join(where, " AND ") + order, append(args, most)
}

func causesByUrgency(c *conditions, after *causePlace, most int) (string, []any) {
	where, args := append([]string{}, c.causes...), append([]any{}, c.causesArgs...)
	if after != nil {
		where, args = append(where, "(c.urgency, c.first) < (?, ?)"), append(args, after.urgency, after.first)
	}
	return "SELECT c.first, c.urgency FROM causes c WHERE " + strings.Join(where, " AND ") + " ORDER BY c.urgency DESC, c.first DESC LIMIT ?", append(args, most)
}
