package board

import (
	"context"
	"database/sql"

	"vigil/ledger/alert"
)

// A pair of alerts stands once, the lesser first; both are named by object, because one of them may not be here.
const linkTables = `
CREATE TABLE links (
	low INTEGER, low_row INTEGER, high INTEGER, high_row INTEGER, relation INTEGER, linked INTEGER NOT NULL, denied INTEGER NOT NULL,
	PRIMARY KEY (low, low_row, high, high_row, relation)) WITHOUT ROWID;
CREATE INDEX links_by_high ON links (high, high_row);
`

// linked writes what is said by now of the pair that an event is about.
func (n *alerts) linked(f *folder, object int64, o *alert.Object, x *alert.Linked) error {
	l, ok := o.Link(x)
	if !ok {
		return nil
	}
	return f.linkPair(object, l)
}

func (f *folder) linkPair(object int64, l alert.Link) error {
	var other int64
	err := f.get(&other, "SELECT id FROM objects WHERE event = ? AND author = ? AND home = ? AND noun = ?", l.Other.Event[:], string(l.Other.Author), string(l.Other.Home), alertPrefix)
	if err == nil {
		_, err = f.exec("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?)", object, l.Row, other, l.Other.Row, l.Relation, len(l.Linked), len(l.Denied))
	}
	return err
}

func (n *alerts) rewriteLinks(f *folder, object int64, o *alert.Object) error {
	if _, err := f.exec("DELETE FROM links WHERE low = ?", object); err != nil {
		return err
	}
	for l := range o.Links {
		if err := f.linkPair(object, l); err != nil {
			return err
		}
	}
	return nil
}

// Related is an alert that belongs with another, directly or through others.
type Related struct {
	ID       alert.ID
	Known    bool           // it can be read here
	Relation alert.Relation // of the last step to it
	Linked   int            // agencies that say so, of the last step
	Denied   int            // agencies that deny it; then nothing is followed from it
	Hops     int            // 1: linked with the alert itself
	number   int64          // on this board, where it is known
}

// Related returns what belongs with an alert, nearest first: links are followed both ways and from one alert to the next,
// as long as nobody denies them, up to maxHops steps and maxRelated alerts; more says that there are others.
func (b *Board) Related(ctx context.Context, id alert.ID) (found []Related, more bool, err error) {
	q := withContext{b.read, ctx}
	start, err := objectID(q, alertPrefix, id.Key)
	if err != nil {
		return nil, false, err
	}
	var exercise bool
	if err := q.QueryRow("SELECT exercise FROM causes WHERE object = ?", start).Scan(&exercise); err != nil {
		return nil, false, err
	}
	w := &walk{q: q, exercise: exercise, seen: map[node]bool{{start, id.Row}: true}}
	front := []node{{start, id.Row}}
	for w.hops = 1; w.hops <= maxHops+1 && len(front) > 0; w.hops++ { // the last step only finds that there is more
		if front, err = w.step(front); err != nil {
			return nil, false, err
		}
	}
	return w.found, w.more, nil
}

// node is one alert of the walk.
type node struct {
	object int64
	row    uint32
}

type walk struct {
	q        querier
	exercise bool
	seen     map[node]bool
	found    []Related
	hops     int
	more     bool
}

// step goes from the alerts of a front to those linked with them, and returns what to go on from.
func (w *walk) step(front []node) (next []node, err error) {
	for _, at := range front {
		from, err := w.from(at)
		if err != nil {
			return nil, err
		}
		next = append(next, from...)
	}
	return next, nil
}

func (w *walk) from(at node) (next []node, err error) {
	rows, err := w.q.Query(`SELECT l.object, l.row, l.relation, l.linked, l.denied, o.home, o.author, o.event, coalesce(c.count, 0) > l.row, coalesce(c.first, 0) + l.row FROM (
			SELECT high AS object, high_row AS row, relation, linked, denied FROM links WHERE low = ? AND low_row = ? UNION ALL
			SELECT low, low_row, relation, linked, denied FROM links WHERE high = ? AND high_row = ?) l JOIN objects o ON o.id = l.object LEFT JOIN causes c ON c.object = o.id
		WHERE l.linked > 0 AND coalesce(c.exercise, ?) = ? ORDER BY l.denied > 0, l.relation, o.event, l.row LIMIT ?`, at.object, at.row, at.object, at.row, w.exercise, w.exercise, maxRelated+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		to, r, err := scanRelated(rows)
		if err != nil {
			return nil, err
		}
		if r.Hops = w.hops; w.seen[to] || r.Denied > 0 && r.Hops > 1 {
			continue
		}
		if len(w.found) == maxRelated || w.hops > maxHops {
			w.more = true
			return next, nil
		}
		w.found = append(w.found, r)
		if r.Denied == 0 {
			w.seen[to] = true
			next = append(next, to)
		}
	}
	return next, rows.Err()
}

func scanRelated(rows *sql.Rows) (to node, r Related, err error) {
	var event []byte
	err = rows.Scan(&to.object, &to.row, &r.Relation, &r.Linked, &r.Denied, (*string)(&r.ID.Home), (*string)(&r.ID.Author), &event, &r.Known, &r.number)
	copy(r.ID.Event[:], event)
	r.ID.Row = to.row
	return to, r, err
}
