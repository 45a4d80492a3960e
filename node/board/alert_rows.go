package board

import (
	"crypto/sha256"
	"database/sql"
	"errors"

	"vigil/ledger/alert"
)

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
	first, err := n.ids(f, c.Rows())
	if err != nil {
		return err
	}
	_, err = f.exec("INSERT INTO causes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", first, c.Rows(), object, p.seq,
		string(p.author), p.authoredAt, d.Urgency, d.Exercise, d.Media, d.AIGenerated, d.Handling.TLP, d.Title)
	if err == nil {
		_, err = f.exec("INSERT INTO words (rowid, title, notes, source, series) VALUES (?, ?, ?, ?, ?)", first, d.Title, d.Notes, d.Source, d.Series)
	}
	if err == nil {
		_, err = f.exec("UPDATE objects SET founding = ? WHERE id = ?", p.seq, object)
	}
	if err != nil {
		return err
	}
	return n.insertRows(f, o, first, p)
}

// ids takes numbers for the rows of a cause. None is used twice while an index may still hold it.
func (n *alerts) ids(f *folder, count int) (first int64, err error) {
	if n.next == 0 {
		err = f.tx.QueryRow(`SELECT 1 + max(
			coalesce((SELECT first + count - 1 FROM causes WHERE first = (SELECT max(first) FROM causes)), 0), coalesce((SELECT max(id) FROM gone), 0))`).Scan(&n.next)
	}
	first = n.next
	n.next += int64(count)
	return first, err
}

func (n *alerts) insertRows(f *folder, o *alert.Object, first int64, p placed) error {
	c, _ := o.Cause()
	revision, err := f.revision()
	if err != nil {
		return err
	}
	alike := o.Standing(0, f.rules) // where nobody has spoken yet, all rows stand alike
	for row := range uint32(c.Rows()) {
		s := alike
		if o.Spoken() {
			s = o.Standing(row, f.rules)
		}
		id := first + int64(row)
		if _, err := f.exec("INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?)", id, first, s.State, s.Agencies, s.Independent, s.Jurisdictions,
			s.Seconded, s.Disputes, f.rules.Bar(s, false, false), revision, p.event.Row(int(row))); err != nil {
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
	if err := f.settle(); err != nil { // what this transaction collected; that of the object must not come after
		return err
	}
	revision, err := f.revision()
	if err == nil {
		_, err = f.exec("INSERT INTO gone SELECT ?, id FROM alerts WHERE id >= ? AND id < ?", revision, first, first+count)
	}
	if err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM hits WHERE alert >= ? AND alert < ?",
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
		if err := n.standing(f, first+int64(row), o.Standing(row, f.rules)); err != nil {
			return err
		}
	}
	return nil
}

// standing writes how one alert stands.
func (n *alerts) standing(f *folder, id int64, s alert.Standing) error {
	if err := f.tellHits(id, s.State); err != nil {
		return err
	}
	revision, err := f.revision()
	if err != nil {
		return err
	}
	_, err = f.exec("UPDATE alerts SET standing = ?, agencies = ?, independent = ?, jurisdictions = ?, seconded = ?, disputes = ?, revision = ? WHERE id = ?",
		s.State, s.Agencies, s.Independent, s.Jurisdictions, s.Seconded, s.Disputes, revision, id)
	if err != nil {
		return err
	}
	return f.rebar("id = ?", id)
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
