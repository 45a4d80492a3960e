package board

import (
	"database/sql"
	"errors"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
)

// As with alerts, the rows of one list have consecutive ids. A watched file that was removed is gone for good: with it go
// its signals and its hits, so that what is shown does not depend on whether an alert came before or after the removal.
const watchTables = `
CREATE TABLE watchlists (
	first INTEGER PRIMARY KEY, count INTEGER NOT NULL, object INTEGER NOT NULL UNIQUE, founding INTEGER NOT NULL,
	casenumber TEXT NOT NULL, exercise INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE watched (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, gone INTEGER NOT NULL, file BLOB NOT NULL);
CREATE TABLE watched_signals (alg INTEGER, value BLOB, watched INTEGER, PRIMARY KEY (alg, value, watched)) WITHOUT ROWID;
CREATE TABLE hits (
	id INTEGER PRIMARY KEY, hit BLOB NOT NULL UNIQUE, watched INTEGER NOT NULL, alert INTEGER NOT NULL, alg INTEGER NOT NULL,
	distance INTEGER NOT NULL, exercise INTEGER NOT NULL, state INTEGER NOT NULL);
CREATE INDEX hits_by_alert ON hits (alert);
CREATE INDEX hits_by_watched ON hits (watched, state);
CREATE INDEX hits_by_state ON hits (exercise, state, id);
CREATE INDEX hits_by_exercise ON hits (exercise, id);
CREATE TABLE handled (
	hit BLOB, origin TEXT, idx INTEGER, leaf INTEGER, object INTEGER NOT NULL, what INTEGER NOT NULL, seq INTEGER NOT NULL,
	PRIMARY KEY (hit, origin, idx, leaf)) WITHOUT ROWID;
CREATE INDEX handled_by_object ON handled (object);
`

// watches is the noun of package watch: this agency's own.
type watches struct{}

func (watches) prefix() string                        { return watch.Prefix }
func (watches) schema() string                        { return watchTables }
func (watches) repolicy(*folder) error                { return nil }
func (watches) dated() bool                           { return false }
func (watches) refold(*folder, int64, noun.Key) error { return nil }
func (watches) forget()                               {}

func (watches) weigh(f *folder, object int64) (weight, error) {
	return f.weightOf(`SELECT exercise, 0 FROM watchlists WHERE object = ?1
		UNION ALL SELECT h.exercise, 0 FROM handled d JOIN hits h ON h.hit = d.hit WHERE d.object = ?1 LIMIT 1`, object)
}

func (watches) name(p placed) string {
	if h, ok := p.fact.(watch.Placed).Fact.(*watch.Handled); ok {
		return h.Hits[0].String()
	}
	return watch.ID{Key: p.key}.String()
}

func (watches) place(w where, e *ledger.Event) (placed, fate) {
	if !w.own {
		return placed{}, malformed // another's word on what is ours alone
	}
	p, err := watch.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	case err != nil:
		return placed{}, malformed
	}
	return placed{key: p.Key(), fact: p}, folded
}

func (n watches) fold(f *folder, object int64, p placed, fresh bool) error {
	if _, ok := p.fact.(watch.Placed).Fact.(*watch.Handled); ok {
		return n.foldHandled(f, object)
	}
	events := []watch.Placed{p.fact.(watch.Placed)}
	if !fresh {
		var err error
		if events, err = watchEvents(f.tx, object); err != nil {
			return err
		}
	}
	l := watch.Fold(p.key, events)
	if l.Founded == nil {
		return nil
	}
	rows, err := n.found(f, object, l, p)
	if err != nil {
		return err
	}
	return n.remove(f, object, l, rows)
}

// watchEvents reads the stored events of a list back; they were read once, so an error is a damaged board.
func watchEvents(q querier, object int64) ([]watch.Placed, error) {
	stored, err := storedEvents(q, "e.object = ?", object)
	if err != nil {
		return nil, err
	}
	out := make([]watch.Placed, 0, len(stored))
	for i := range stored {
		s := &stored[i]
		p, err := watch.Place(s.Origin, s.Position, s.Author, s.authoredAt, &s.Event)
		if err != nil {
			return nil, errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		out = append(out, p)
	}
	return out, nil
}

// found makes the rows of a list whose founding event is known now, and returns the rows that p may end the watch for.
func (n watches) found(f *folder, object int64, l *watch.List, p placed) (alert.RowSet, error) {
	var before sql.NullInt64
	if err := f.tx.QueryRow("SELECT founding FROM objects WHERE id = ?", object).Scan(&before); err != nil {
		return nil, err
	}
	var founding int64
	err := f.tx.QueryRow("SELECT seq FROM events WHERE origin = ? AND idx = ? AND leaf = ?", string(l.Founded.Origin), l.Founded.Position.Index, l.Founded.Position.Leaf).Scan(&founding)
	if err != nil {
		return nil, err
	}
	if before.Valid && before.Int64 == founding {
		if r, ok := p.fact.(watch.Placed).Fact.(*watch.Removed); ok {
			return r.Rows, nil
		}
		return nil, nil
	}
	if before.Valid {
		if err := n.unfound(f, object); err != nil {
			return nil, err
		}
	}
	return alert.AllRows(), n.insert(f, object, founding, l)
}

func (n watches) insert(f *folder, object, founding int64, l *watch.List) error {
	var first int64
	if err := f.tx.QueryRow("SELECT coalesce(max(first + count), 1) FROM watchlists WHERE first = (SELECT max(first) FROM watchlists)").Scan(&first); err != nil {
		return err
	}
	found, err := storedEvents(f.tx, "e.seq = ?", founding)
	if err != nil || len(found) != 1 {
		return errors.Join(errors.New("board: a stored event is missing"), err)
	}
	says := l.Cause.Says()
	_, err = f.exec("INSERT INTO watchlists VALUES (?, ?, ?, ?, ?, ?, 0)", first, l.Rows(), object, founding, says.Case, says.Exercise)
	if err == nil {
		_, err = f.exec("UPDATE objects SET founding = ? WHERE id = ?", founding, object)
	}
	if err != nil {
		return err
	}
	for row := range l.Rows() {
		id := first + int64(row)
		if _, err := f.exec("INSERT INTO watched VALUES (?, ?, 0, ?)", id, first, found[0].Event.Row(row)); err != nil {
			return err
		}
		for _, s := range l.Cause.File(row).Signals {
			f.watched = append(f.watched, signalRow{uint8(s.Algorithm), indexKey(s.Value), id})
		}
	}
	return nil
}

// unfound takes a list's rows away: an event that stands before its founding one came later.
func (watches) unfound(f *folder, object int64) error {
	var first, count int64
	if err := f.tx.QueryRow("SELECT first, count FROM watchlists WHERE object = ?", object).Scan(&first, &count); err != nil {
		return err
	}
	if err := f.settle(); err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM hits WHERE watched >= ? AND watched < ?", "DELETE FROM watched_signals WHERE watched >= ? AND watched < ?",
		"DELETE FROM watched WHERE id >= ? AND id < ?", "DELETE FROM watchlists WHERE first >= ? AND first < ?",
	} {
		if _, err := f.exec(query, first, first+count); err != nil {
			return err
		}
	}
	return nil
}

// remove ends the watch for those of the rows that are not watched any more.
func (n watches) remove(f *folder, object int64, l *watch.List, rows alert.RowSet) error {
	var first int64
	if err := f.tx.QueryRow("SELECT first FROM watchlists WHERE object = ?", object).Scan(&first); err != nil {
		return err
	}
	for row := range uint32(l.Rows()) {
		if !rows.IsAll() && !rows.Has(row) || l.Watched(row) {
			continue
		}
		if err := n.removeRow(f, first, first+int64(row), l.Cause.File(int(row))); err != nil {
			return err
		}
	}
	return nil
}

func (watches) removeRow(f *folder, first, id int64, file alert.File) error {
	if err := f.settle(); err != nil { // its signals may be among what the transaction collected
		return err
	}
	r, err := f.exec("UPDATE watched SET gone = 1 WHERE id = ? AND gone = 0", id)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if _, err := f.exec("UPDATE watchlists SET gone = gone + 1 WHERE first = ?", first); err != nil {
		return err
	}
	for _, s := range file.Signals {
		if _, err := f.exec("DELETE FROM watched_signals WHERE alg = ? AND value = ? AND watched = ?", s.Algorithm, indexKey(s.Value), id); err != nil {
			return err
		}
	}
	_, err = f.exec("DELETE FROM hits WHERE watched = ?", id)
	return err
}
