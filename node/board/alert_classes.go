package board

import (
	"vigil/ledger/alert"
)

// A class stands once for the alerts low to high that have it, stated or by the crosswalk: what the cause states for all
// of its rows at once, what others add (own = 1) row by row. No two entries of one class overlap.
const classTables = `
CREATE TABLE classes (
	class TEXT, low INTEGER, high INTEGER NOT NULL, urgency INTEGER NOT NULL, own INTEGER NOT NULL, PRIMARY KEY (class, low)) WITHOUT ROWID;
CREATE INDEX classes_by_urgency ON classes (class, urgency, low, high);
CREATE INDEX classes_by_alert ON classes (low);
`

// classSet is the classes that are stated, and those that follow from them.
func classSet(stated []alert.Classification) map[string]bool {
	out := map[string]bool{}
	for _, c := range stated {
		out[c.Class()] = true
	}
	for _, e := range alert.Equivalents(stated) {
		out[e.Class.Class()] = true
	}
	return out
}

// ownClasses writes what a cause states of all its rows.
func (n *alerts) ownClasses(f *folder, first int64, c alert.Cause) error {
	d := alert.DetailsOf(c)
	for class := range classSet(d.Classifications) {
		if _, err := f.exec("INSERT INTO classes VALUES (?, ?, ?, ?, 0)", class, first, first+int64(c.Rows())-1, d.Urgency); err != nil {
			return err
		}
	}
	return nil
}

// classes writes what other agencies add to rows.
func (n *alerts) classes(f *folder, first int64, o *alert.Object, rows alert.RowSet) error {
	c, _ := o.Cause()
	d := alert.DetailsOf(c)
	own := classSet(d.Classifications)
	for row := range eachRow(o, rows) {
		id := first + int64(row)
		if _, err := f.exec("DELETE FROM classes WHERE low = ? AND own = 1", id); err != nil {
			return err
		}
		all := append([]alert.Classification{}, d.Classifications...)
		for _, opinion := range o.Opinions(row) {
			all = append(all, opinion.Classifications...)
		}
		if len(all) == len(d.Classifications) {
			continue
		}
		for class := range classSet(all) {
			if own[class] {
				continue
			}
			if _, err := f.exec("INSERT INTO classes VALUES (?, ?, ?, ?, 1)", class, id, id, d.Urgency); err != nil {
				return err
			}
		}
	}
	return nil
}
