package board

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"iter"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// write brings the tables to an object's fold.
func (n *alerts) write(f *folder, object int64, r *remembered, s *said) error {
	founded := r.object.Founded()
	if founded == nil {
		return nil
	}
	last := s.events[len(s.events)-1]
	if r.founding == 0 || s.late {
		same, err := n.locate(f, object, r, founded)
		if err != nil {
			return err
		}
		if !same {
			return n.foundAnew(f, object, r, last)
		}
	}
	if s.late {
		err := errors.Join(n.standings(f, r, alert.AllRows()), n.rewrite(f, object, r))
		if err != nil {
			return err
		}
		return f.recalled(object, r.object, last, true)
	}
	for _, p := range s.events {
		if err := errors.Join(n.changed(f, object, r, p), f.recalled(object, r.object, p, false)); err != nil {
			return err
		}
	}
	return nil
}

// locate finds the event that founds an object, and its rows; it says false where they are of another one, or not yet
// there.
func (n *alerts) locate(f *folder, object int64, r *remembered, founded *alert.Placed) (same bool, err error) {
	var seq, first sql.NullInt64
	var origin sql.NullString
	var at ledger.Position
	err = f.QueryRow(`SELECT c.first, e.seq, e.origin, coalesce(e.idx, 0), coalesce(e.leaf, 0) FROM objects o
		LEFT JOIN causes c ON c.object = o.id LEFT JOIN events e ON e.seq = c.founding WHERE o.id = ?`, object).Scan(&first, &seq, &origin, &at.Index, &at.Leaf)
	if err != nil {
		return false, err
	}
	if first.Valid && origin.String == string(founded.Origin) && at == founded.Position {
		r.first, r.founding = first.Int64, seq.Int64
		return true, nil
	}
	if first.Valid {
		if err := n.removeCause(f, object); err != nil {
			return false, err
		}
	}
	err = f.get(&r.founding, "SELECT seq FROM events WHERE origin = ? AND idx = ? AND leaf = ?", string(founded.Origin), founded.Position.Index, founded.Position.Leaf)
	if err != nil {
		err = errors.Join(errors.New("board: a stored event is missing"), err)
	}
	return false, err
}

// foundAnew makes the rows of an object that was known by name before, or whose rows were another event's.
func (n *alerts) foundAnew(f *folder, object int64, r *remembered, last placed) error {
	stored, err := storedEvents(f, "e.seq = ?", r.founding)
	if err != nil || len(stored) != 1 {
		return errors.Join(errors.New("board: a stored event is missing"), err)
	}
	x := &stored[0]
	p := placed{where: where{origin: x.Origin, at: x.Position, author: x.Author, authoredAt: x.authoredAt}, event: &x.Event, seq: x.seq}
	if err := n.found(f, object, r, p); err != nil {
		return err
	}
	if _, err := f.exec("UPDATE objects SET founding = ? WHERE id = ?", r.founding, object); err != nil {
		return err
	}
	if r.object.Spoken() {
		if err := n.rewrite(f, object, r); err != nil {
			return err
		}
	}
	return f.recalled(object, r.object, last, true)
}

// changed writes what an event changes that founds nothing.
func (n *alerts) changed(f *folder, object int64, r *remembered, p placed) error {
	a := p.fact.(alert.Placed)
	switch x := a.Fact.(type) {
	case *alert.Assessed:
		return errors.Join(n.standings(f, r, x.Rows), n.classes(f, r, x.Rows))
	case *alert.Retracted:
		return n.standings(f, r, x.Rows)
	case *alert.Sighted:
		return n.sighted(f, object, r, a.Author, x)
	case *alert.Linked:
		return n.linked(f, object, r.object, x)
	}
	return nil
}

// rewrite writes anew what is not in the rows of alerts: an event came late and may have taken the place of another, or
// the cause is known only now.
func (n *alerts) rewrite(f *folder, object int64, r *remembered) error {
	return errors.Join(n.classes(f, r, alert.AllRows()), n.rewriteSightings(f, object, r), n.rewriteLinks(f, object, r.object))
}

// found makes the rows that a cause alone decides.
func (n *alerts) found(f *folder, object int64, r *remembered, p placed) error {
	c, _ := r.object.Cause()
	d := alert.DetailsOf(c)
	first, err := n.ids(f, c.Rows())
	if err != nil {
		return err
	}
	r.first, r.founding = first, p.seq
	f.founded[object] = true
	came := &cause{stream: stream{p.origin, d.Exercise}, first: first, count: int64(c.Rows()), at: p.at, author: p.author}
	if err := f.head(came.stream); err != nil {
		return err
	}
	for row := range uint32(c.Rows()) {
		came.raised.Signals += uint64(len(alert.FileOf(c, row).Signals))
	}
	f.causes = append(f.causes, came)
	err = f.insert("INSERT INTO causes", "", first, c.Rows(), object, p.seq, string(p.author), p.authoredAt, d.Urgency, d.Exercise, d.Media,
		d.AIGenerated, d.Handling.TLP, d.Title, d.Series, came.raised.Signals, came.raised.Signals, false)
	if err == nil && d.Title+d.Notes+d.Source+d.Series != "" {
		err = f.insert("INSERT INTO words (rowid, title, notes, source, series)", "", first, d.Title, d.Notes, d.Source, d.Series)
	}
	if err == nil {
		err = n.ownClasses(f, first, c)
	}
	if err == nil {
		err = n.insertRows(f, r, p)
	}
	return err
}

// ids takes numbers for the rows of a cause. None is used twice while an index may still hold it.
func (n *alerts) ids(f *folder, count int) (first int64, err error) {
	if n.next == 0 {
		err = f.get(&n.next, `SELECT 1 + max(
			coalesce((SELECT first + count - 1 FROM causes WHERE first = (SELECT max(first) FROM causes)), 0), coalesce((SELECT max(id) FROM gone), 0))`)
	}
	first = n.next
	n.next += int64(count)
	return first, err
}

func (n *alerts) insertRows(f *folder, r *remembered, p placed) error {
	c, _ := r.object.Cause()
	revision, err := f.revision()
	if err != nil {
		return err
	}
	alike := r.object.Standing(0, f.rules) // where nobody has spoken yet, all rows stand alike
	for row := range uint32(c.Rows()) {
		s := alike
		if r.object.Spoken() {
			s = r.object.Standing(row, f.rules)
		}
		id := r.first + int64(row)
		if err := f.insert("INSERT INTO alerts", "", id, r.first, s.State, s.Agencies, s.Independent, s.Jurisdictions,
			s.Seconded, s.Disputes, false, false, f.rules.Bar(s, false, false), revision, 0, p.event.Row(int(row))); err != nil {
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
	if err := errors.Join(
		f.get(&first, "SELECT first FROM causes WHERE object = ?", object), f.get(&count, "SELECT count FROM causes WHERE object = ?", object)); err != nil {
		return err
	}
	if err := f.settle(); err != nil { // what this transaction collected; that of the object must not come after
		return err
	}
	f.removed = true
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
		"DELETE FROM classes WHERE low >= ? AND low < ?", "DELETE FROM words WHERE rowid >= ? AND rowid < ?", "DELETE FROM causes WHERE first >= ? AND first < ?",
	} {
		if _, err := f.exec(query, first, first+count); err != nil {
			return err
		}
	}
	return nil
}

// standings writes how rows stand.
func (n *alerts) standings(f *folder, r *remembered, rows alert.RowSet) error {
	for row := range eachRow(r.object, rows) {
		if err := n.standing(f, r.first+int64(row), r.object.Standing(row, f.rules)); err != nil {
			return err
		}
	}
	return nil
}

// eachRow yields the rows of a set that an object has. An event that names one more has no effect, so writing the others
// changes nothing.
func eachRow(o *alert.Object, rows alert.RowSet) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		count := uint32(o.Rows())
		if rows.IsAll() {
			for row := uint32(0); row < count && yield(row); row++ {
			}
			return
		}
		for _, row := range rows {
			if row >= count || !yield(row) {
				return
			}
		}
	}
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
	_, err = f.exec("UPDATE alerts SET standing = ?1, agencies = ?2, independent = ?3, jurisdictions = ?4, seconded = ?5, disputes = ?6, bar = "+
		f.barOf("?1", "?5")+", revision = ?7 WHERE id = ?8", s.State, s.Agencies, s.Independent, s.Jurisdictions, s.Seconded, s.Disputes, revision, id)
	return err
}

// rowsOf returns the rows an event says something about beside founding them.
func rowsOf(f alert.Fact) alert.RowSet {
	switch x := f.(type) {
	case *alert.Assessed:
		return x.Rows
	case *alert.Retracted:
		return x.Rows
	case *alert.Sighted:
		return alert.RowSet{x.Row}
	case *alert.Linked:
		return alert.RowSet{x.Target.Row}
	}
	return nil
}
