package board

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"iter"
	"slices"

	"vigil/ledger/alert"
)

// write brings the tables to an object's fold.
func (n *alerts) write(f *folder, object int64, o *alert.Object, p placed, late bool) error {
	founded := o.Founded()
	if founded == nil {
		return nil
	}
	var before sql.NullInt64
	if err := f.get(&before, "SELECT founding FROM objects WHERE id = ?", object); err != nil {
		return err
	}
	founding := p.seq
	if founded.Origin != p.origin || founded.Position != p.at {
		err := f.get(&founding, "SELECT seq FROM events WHERE origin = ? AND idx = ? AND leaf = ?", string(founded.Origin), founded.Position.Index, founded.Position.Leaf)
		if err != nil {
			return errors.Join(errors.New("board: a stored event is missing"), err)
		}
	}
	if before.Valid && before.Int64 == founding {
		if err := n.changed(f, object, o, p, late); err != nil {
			return err
		}
		return f.recalled(object, o, p, late)
	}
	if before.Valid {
		if err := n.removeCause(f, object); err != nil {
			return err
		}
	}
	if err := n.found(f, object, o, p, founding); err != nil {
		return err
	}
	return f.recalled(object, o, p, true)
}

// found makes the rows of an object whose cause is known now.
func (n *alerts) found(f *folder, object int64, o *alert.Object, p placed, founding int64) error {
	if founding != p.seq {
		stored, err := storedEvents(f.tx, "e.seq = ?", founding)
		if err != nil || len(stored) != 1 {
			return errors.Join(errors.New("board: a stored event is missing"), err)
		}
		x := &stored[0]
		p = placed{where: where{origin: x.Origin, at: x.Position, author: x.Author, authoredAt: x.authoredAt}, event: &x.Event, seq: founding}
	}
	first, err := n.insertCause(f, object, o, p)
	if err != nil || !o.Spoken() {
		return err
	}
	return n.rewrite(f, object, first, o)
}

// changed writes what an event changes that founds nothing.
func (n *alerts) changed(f *folder, object int64, o *alert.Object, p placed, late bool) error {
	var first int64
	if err := f.get(&first, "SELECT first FROM causes WHERE object = ?", object); err != nil {
		return err
	}
	if late {
		if err := n.standings(f, first, o, alert.AllRows()); err != nil {
			return err
		}
		return n.rewrite(f, object, first, o)
	}
	a := p.fact.(alert.Placed)
	switch x := a.Fact.(type) {
	case *alert.Assessed:
		return errors.Join(n.standings(f, first, o, x.Rows), n.classes(f, first, o, x.Rows))
	case *alert.Retracted:
		return n.standings(f, first, o, x.Rows)
	case *alert.Sighted:
		return n.sighted(f, object, first, o, a.Author, x)
	case *alert.Linked:
		return n.linked(f, object, o, x)
	}
	return nil
}

// rewrite writes anew what is not in the rows of alerts: an event came late and may have taken the place of another, or
// the cause is known only now.
func (n *alerts) rewrite(f *folder, object, first int64, o *alert.Object) error {
	return errors.Join(n.classes(f, first, o, alert.AllRows()), n.rewriteSightings(f, object, first, o), n.rewriteLinks(f, object, o))
}

// insertCause makes the rows that a cause alone decides.
func (n *alerts) insertCause(f *folder, object int64, o *alert.Object, p placed) (first int64, err error) {
	c, _ := o.Cause()
	d := alert.DetailsOf(c)
	if first, err = n.ids(f, c.Rows()); err != nil {
		return 0, err
	}
	came := &cause{stream: stream{p.origin, d.Exercise}, first: first, count: int64(c.Rows()), at: p.at, author: p.author}
	if err := f.head(came.stream); err != nil {
		return 0, err
	}
	holes, err := f.holes(p.seq)
	if err != nil {
		return 0, err
	}
	for row := range uint32(c.Rows()) {
		if !slices.Contains(holes, row) {
			came.raised.Signals += uint64(len(alert.FileOf(c, row).Signals))
		}
	}
	f.causes = append(f.causes, came)
	_, err = f.exec("INSERT INTO causes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", first, c.Rows(), object, p.seq,
		string(p.author), p.authoredAt, d.Urgency, d.Exercise, d.Media, d.AIGenerated, d.Handling.TLP, d.Title, d.Series, came.raised.Signals, came.raised.Signals)
	if err == nil && d.Title+d.Notes+d.Source+d.Series != "" {
		_, err = f.exec("INSERT INTO words (rowid, title, notes, source, series, marks) VALUES (?, ?, ?, ?, ?, ?)", first, d.Title, d.Notes, d.Source, d.Series,
			urgencyMark(d.Urgency)+" "+authorMark(p.author))
	}
	if err == nil {
		_, err = f.exec("UPDATE objects SET founding = ? WHERE id = ?", p.seq, object)
	}
	if err == nil {
		err = n.ownClasses(f, first, c)
	}
	if err == nil {
		err = n.insertRows(f, o, first, p, holes)
	}
	return first, err
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

// insertRows makes a row for each that is known here.
func (n *alerts) insertRows(f *folder, o *alert.Object, first int64, p placed, holes []uint32) error {
	c, _ := o.Cause()
	revision, err := f.revision()
	if err != nil {
		return err
	}
	alike := o.Standing(0, f.rules) // where nobody has spoken yet, all rows stand alike
	counts := map[alert.State]int{}
	for row := range uint32(c.Rows()) {
		if slices.Contains(holes, row) {
			continue
		}
		s := alike
		if o.Spoken() {
			s = o.Standing(row, f.rules)
		}
		id := first + int64(row)
		counts[s.State]++
		if _, err := f.exec("INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, 0, ?)", id, first, s.State, s.Agencies, s.Independent, s.Jurisdictions,
			s.Seconded, s.Disputes, f.rules.Bar(s, false, false), revision, p.event.Row(int(row))); err != nil {
			return err
		}
		for _, x := range alert.FileOf(c, row).Signals {
			f.signals = append(f.signals, signalRow{uint8(x.Algorithm), indexKey(x.Value), id})
		}
	}
	return f.tally(first, counts)
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
func (n *alerts) standings(f *folder, first int64, o *alert.Object, rows alert.RowSet) error {
	for row := range eachRow(o, rows) {
		if err := n.standing(f, first+int64(row), o.Standing(row, f.rules)); err != nil {
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
	case *alert.Sighted:
		return alert.RowSet{x.Row}
	case *alert.Linked:
		return alert.RowSet{x.Target.Row}
	}
	return nil
}
