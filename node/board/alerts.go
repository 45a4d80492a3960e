package board

import (
	"errors"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

const alertPrefix = "alert."

// The rows of one cause have consecutive ids, first to first+count-1, so an alert's row is id-first, and what rows share
// stands once. An alert's file is its row of the founding event as it was signed. A revision is the number of the
// transaction that last changed how an alert stands; an alert that is gone keeps the one in which it went.
const alertTables = `
CREATE TABLE causes (
	first INTEGER PRIMARY KEY, count INTEGER NOT NULL, object INTEGER NOT NULL UNIQUE, founding INTEGER NOT NULL,
	author TEXT NOT NULL, authored INTEGER NOT NULL, urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, media INTEGER NOT NULL,
	ai INTEGER NOT NULL, tlp INTEGER NOT NULL, title TEXT NOT NULL, series TEXT NOT NULL,
	signals INTEGER NOT NULL, novel INTEGER NOT NULL, over INTEGER NOT NULL);
CREATE INDEX causes_by_urgency ON causes (urgency);
CREATE INDEX causes_by_author ON causes (author);
CREATE INDEX causes_by_author_and_urgency ON causes (author, urgency);
CREATE INDEX causes_by_series ON causes (series) WHERE series <> '';
CREATE INDEX causes_of_exercises ON causes (first) WHERE exercise = 1;
CREATE VIRTUAL TABLE words USING fts5 (title, notes, source, series, marks, content='', contentless_delete=1,
	tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'");
CREATE TABLE alerts (
	id INTEGER PRIMARY KEY, first INTEGER NOT NULL, standing INTEGER NOT NULL, agencies INTEGER NOT NULL, independent INTEGER NOT NULL,
	jurisdictions INTEGER NOT NULL, seconded INTEGER NOT NULL, disputes INTEGER NOT NULL, benign INTEGER NOT NULL, held INTEGER NOT NULL,
	bar INTEGER NOT NULL, revision INTEGER NOT NULL, sighted INTEGER NOT NULL, file BLOB NOT NULL);
CREATE INDEX alerts_by_standing ON alerts (standing, id) WHERE standing > 1;
CREATE INDEX alerts_barred ON alerts (id) WHERE bar > 0;
CREATE INDEX alerts_by_revision ON alerts (revision);
CREATE TABLE gone (revision INTEGER, id INTEGER, PRIMARY KEY (revision, id)) WITHOUT ROWID;
CREATE TABLE signals (alg INTEGER, value BLOB, alert INTEGER, PRIMARY KEY (alg, value, alert)) WITHOUT ROWID;
` + classTables + sightingTables + linkTables + floodTables + tallyTables

// alerts is the noun of package alert.
type alerts struct {
	folds map[int64]*alert.Object // by object; only what was folded lately
	bytes int                     // of the events in them
	next  int64                   // id of the next alert; 0 where it is not known
}

func newAlerts() *alerts { return &alerts{folds: map[int64]*alert.Object{}} }

func (n *alerts) prefix() string { return alertPrefix }

func (n *alerts) schema() string { return alertTables }

func (n *alerts) name(p placed) string { return alert.ID{Key: p.key}.String() }

func (n *alerts) weigh(f *folder, object int64) (weight, error) {
	return f.weightOf("SELECT exercise, urgency FROM causes WHERE object = ?", object)
}

func (n *alerts) forget() { n.folds, n.bytes, n.next = map[int64]*alert.Object{}, 0, 0 }

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

// Nothing that a fold of alerts writes depends on a date.
func (n *alerts) dated() bool { return false }

func (n *alerts) refold(*folder, int64, noun.Key) error { return nil }

// remember keeps a fold for the object's next event.
func (n *alerts) remember(object int64, o *alert.Object, bytes int) {
	if n.bytes += bytes; n.bytes > maxFoldBytes {
		n.folds, n.bytes = map[int64]*alert.Object{}, bytes
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
	if l, ok := a.Fact.(*alert.Linked); ok {
		if _, _, err := f.object(alertPrefix, l.Other.Key); err != nil { // known by name before it is here, or without ever being
			return err
		}
	}
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
