package board

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

const alertPrefix = "alert."

// The rows of one cause have consecutive ids, first to first+count-1, so an alert's row is id-first, and what rows share
// stands once. An alert's file is its row of the founding event as it was signed.
const alertTables = `
CREATE TABLE causes (
	first INTEGER PRIMARY KEY, count INTEGER NOT NULL, object INTEGER NOT NULL UNIQUE, founding INTEGER NOT NULL,
	author TEXT NOT NULL, authored INTEGER NOT NULL, urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, media INTEGER NOT NULL,
	ai INTEGER NOT NULL, tlp INTEGER NOT NULL, classes TEXT NOT NULL, title TEXT NOT NULL);
CREATE INDEX causes_by_urgency ON causes (urgency);
CREATE INDEX causes_by_author ON causes (author);
CREATE VIRTUAL TABLE words USING fts5 (title, notes, source, series, content='', contentless_delete=1,
	tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'");
CREATE TABLE alerts (
	id INTEGER PRIMARY KEY, first INTEGER NOT NULL, standing INTEGER NOT NULL, agencies INTEGER NOT NULL,
	disputes INTEGER NOT NULL, file BLOB NOT NULL);
CREATE INDEX alerts_by_standing ON alerts (standing, id) WHERE standing > 1;
CREATE TABLE signals (alg INTEGER, value BLOB, alert INTEGER, PRIMARY KEY (alg, value, alert)) WITHOUT ROWID;
`

// alerts is the noun of package alert.
type alerts struct {
	folds map[int64]*alert.Object // by object; only what was folded lately
	bytes int                     // of the events in them
}

func newAlerts() *alerts { return &alerts{folds: map[int64]*alert.Object{}} }

func (n *alerts) prefix() string { return alertPrefix }

func (n *alerts) schema() string { return alertTables }

func (n *alerts) name(k noun.Key) string { return alert.ID{Key: k}.String() }

func (n *alerts) forget() { n.folds, n.bytes = map[int64]*alert.Object{}, 0 }

func (n *alerts) place(w where, e *ledger.Event) (placed, fate) {
	a, err := alert.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case err == nil:
		return placed{key: a.Key(), fact: a}, folded
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	}
	return placed{}, malformed
}

// corroboration is the policy's k.
func corroboration(p ledger.Policy) int { return max(int(p.Corroboration), 2) }

func (n *alerts) repolicy(f *folder) error {
	_, err := f.exec("UPDATE alerts SET standing = iif(agencies >= ?, ?, ?) WHERE standing IN (?, ?) AND agencies > 1",
		corroboration(f.policy), alert.Corroborated, alert.Asserted, alert.Corroborated, alert.Asserted)
	return err
}

// Nothing that a fold of alerts writes depends on a date.
func (n *alerts) dated() bool { return false }

func (n *alerts) refold(*folder, int64, noun.Key) error { return nil }

// remember keeps a fold for the object's next event.
func (n *alerts) remember(object int64, o *alert.Object, bytes int) {
	if n.bytes += bytes; n.bytes > maxFoldBytes {
		n.forget()
		n.bytes = bytes
	}
	n.folds[object] = o
}

// fold folds an event that comes in order into what is remembered, or else all events of the object, and writes what has
// changed: nothing but the rows the event is about, unless it came late.
func (n *alerts) fold(f *folder, object int64, p placed, fresh bool) error {
	a := p.fact.(alert.Placed)
	o := n.folds[object]
	if o == nil {
		before, err := n.earlier(f, object, p, fresh)
		if err != nil {
			return err
		}
		o = alert.Fold(p.key, before)
	}
	late := !o.Extend(a)
	if late {
		all, err := n.earlier(f, object, p, false)
		if err != nil {
			return err
		}
		o = alert.Fold(p.key, append(all, a))
	}
	n.remember(object, o, len(p.event.Rows)+len(p.event.Shared))
	return n.write(f, object, o, p, late)
}

// earlier returns the stored events of an object but p.
func (n *alerts) earlier(f *folder, object int64, p placed, fresh bool) ([]alert.Placed, error) {
	if fresh {
		return nil, nil
	}
	return alertEvents(f.tx, "e.object = ? AND e.seq <> ?", object, p.seq)
}

// alertEvents reads stored events back; they were read once, so an error is a damaged board.
func alertEvents(q querier, condition string, args ...any) ([]alert.Placed, error) {
	stored, err := storedEvents(q, condition, args...)
	if err != nil {
		return nil, err
	}
	out := make([]alert.Placed, 0, len(stored))
	for i := range stored {
		s := &stored[i]
		p, err := alert.Place(s.Origin, s.Position, s.Author, s.authoredAt, &s.Event)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// write brings the tables to an object's fold.
func (n *alerts) write(f *folder, object int64, o *alert.Object, p placed, late bool) error {
	founded := o.Founded()
	if founded == nil {
		return nil
	}
	var before sql.NullInt64
	if err := f.tx.QueryRow("SELECT founding FROM objects WHERE id = ?", object).Scan(&before); err != nil {
		return err
	}
	cause := p
	if founded.Origin != p.origin || founded.Position != p.at {
		found, err := storedEvents(f.tx, "e.origin = ? AND e.idx = ? AND e.leaf = ?", string(founded.Origin), founded.Position.Index, founded.Position.Leaf)
		if err != nil || len(found) != 1 {
			return errors.Join(errors.New("board: a stored event is missing"), err)
		}
		cause = placed{where: where{origin: founded.Origin, at: founded.Position, author: founded.Author, authoredAt: founded.AuthoredAt}, event: &found[0].Event, seq: found[0].seq}
	}
	if before.Valid && before.Int64 == cause.seq {
		return n.standings(f, object, o, p, late)
	}
	if before.Valid {
		if err := n.removeCause(f, object); err != nil {
			return err
		}
	}
	return n.insertCause(f, object, o, cause)
}

// insertCause makes the rows of an object whose cause is known now.
func (n *alerts) insertCause(f *folder, object int64, o *alert.Object, p placed) error {
	c, _ := o.Cause()
	d := alert.DetailsOf(c)
	var first int64
	if err := f.tx.QueryRow("SELECT coalesce(max(first + count), 1) FROM causes WHERE first = (SELECT max(first) FROM causes)").Scan(&first); err != nil {
		return err
	}
	var classes []string
	for _, x := range d.Classifications {
		classes = append(classes, x.Scheme+":"+x.Value)
	}
	_, err := f.exec("INSERT INTO causes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", first, c.Rows(), object, p.seq,
		string(p.author), p.authoredAt, d.Urgency, d.Exercise, d.Media, d.AIGenerated, d.Handling.TLP, strings.Join(classes, " "), d.Title)
	if err == nil {
		_, err = f.exec("INSERT INTO words (rowid, title, notes, source, series) VALUES (?, ?, ?, ?, ?)", first, d.Title, d.Notes, d.Source, d.Series)
	}
	if err == nil {
		_, err = f.exec("UPDATE objects SET founding = ? WHERE id = ?", p.seq, object)
	}
	if err != nil {
		return err
	}
	for row := range uint32(c.Rows()) {
		id, s := first+int64(row), o.Standing(row, corroboration(f.policy))
		if _, err := f.exec("INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?)", id, first, s.State, s.Agencies, s.Disputes, p.event.Row(int(row))); err != nil {
			return err
		}
		for _, x := range alert.FileOf(c, row).Signals {
			f.signals = append(f.signals, signalRow{uint8(x.Algorithm), indexKey(x.Value), id})
		}
	}
	return nil
}

// indexKey is what the index over signals holds of a value.
func indexKey(value []byte) []byte {
	if len(value) <= maxKeyBytes {
		return value
	}
	sum := sha256.Sum256(value)
	return sum[:]
}

// removeCause takes an object's rows away: an event that stands before its cause came later. A ledger followed again
// from an earlier index can bring that about, so it need not be fast.
func (n *alerts) removeCause(f *folder, object int64) error {
	var first, count int64
	if err := f.tx.QueryRow("SELECT first, count FROM causes WHERE object = ?", object).Scan(&first, &count); err != nil {
		return err
	}
	if err := f.indexSignals(); err != nil { // of this transaction; those of the object must not come after
		return err
	}
	f.signals = nil
	for _, query := range []string{
		"DELETE FROM signals WHERE alert >= ? AND alert < ?", "DELETE FROM alerts WHERE id >= ? AND id < ?",
		"DELETE FROM words WHERE rowid >= ? AND rowid < ?", "DELETE FROM causes WHERE first >= ? AND first < ?",
	} {
		if _, err := f.exec(query, first, first+count); err != nil {
			return err
		}
	}
	return nil
}

// standings writes how the rows stand that an event is about; all of them where it came late, because then it may also
// take the place of one that was folded.
func (n *alerts) standings(f *folder, object int64, o *alert.Object, p placed, late bool) error {
	rows := rowsOf(p.fact.(alert.Placed).Fact)
	if late {
		rows = alert.AllRows()
	}
	if rows.IsAll() {
		rows = make(alert.RowSet, o.Rows())
		for i := range rows {
			rows[i] = uint32(i)
		}
	}
	var first int64
	if err := f.tx.QueryRow("SELECT first FROM causes WHERE object = ?", object).Scan(&first); err != nil {
		return err
	}
	for _, row := range rows {
		if int(row) >= o.Rows() {
			break // it has no effect
		}
		s := o.Standing(row, corroboration(f.policy))
		if _, err := f.exec("UPDATE alerts SET standing = ?, agencies = ?, disputes = ? WHERE id = ?", s.State, s.Agencies, s.Disputes, first+int64(row)); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf returns the rows an event says something about beside founding them.
func rowsOf(f alert.Fact) alert.RowSet {
	switch x := f.(type) {
	case *alert.Assessed:
		return x.Rows
	case *alert.Retracted:
		return x.Rows
	}
	return nil
}
