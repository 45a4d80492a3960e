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
CREATE INDEX causes_by_series ON causes (series) WHERE series <> '';
CREATE INDEX causes_of_exercises ON causes (first) WHERE exercise = 1;
CREATE VIRTUAL TABLE words USING fts5 (title, notes, source, series, content='', contentless_delete=1,
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
` + classTables + sightingTables + linkTables + floodTables

// alerts is the noun of package alert.
type alerts struct {
	folds map[int64]*remembered // by object; only what was folded lately
	bytes int                   // of the events in them
	next  int64                 // id of the next alert; 0 where it is not known
}

// remembered is an object that was folded lately, and where its rows are.
type remembered struct {
	object   *alert.Object
	founding int64 // number of the event that founds it, 0 where it has no rows
	first    int64 // number of its first row
}

func newAlerts() *alerts { return &alerts{folds: map[int64]*remembered{}} }

func (n *alerts) prefix() string { return alertPrefix }

func (n *alerts) schema() string { return alertTables }

func (n *alerts) name(p placed) string { return alert.ID{Key: p.key}.String() }

func (n *alerts) weigh(f *folder, object int64) (weight, error) {
	if r := n.folds[object]; r != nil {
		c, ok := r.object.Cause()
		if !ok {
			return weight{}, nil
		}
		d := alert.DetailsOf(c)
		return weight{d.Exercise, uint64(d.Urgency)}, nil
	}
	ask := f.prepared
	if !f.founded[object] {
		ask = f.quick // its rows do not wait to be written
	}
	return weightOf(ask, "SELECT exercise, urgency FROM causes WHERE object = ?", object)
}

func (n *alerts) forget() { n.folds, n.bytes, n.next = map[int64]*remembered{}, 0, 0 }

func (n *alerts) place(w where, e *ledger.Event) (placed, fate) {
	a, err := alert.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case err == nil:
		_, refers := a.Fact.About()
		return placed{key: a.Key(), fact: a, refers: refers, founds: !refers}, folded
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	}
	return placed{}, malformed
}

// Nothing that a fold of alerts writes depends on a date.
func (n *alerts) dated() bool { return false }

func (n *alerts) refold(*folder, int64, noun.Key) error { return nil }

// remember keeps a fold for the object's next event.
func (n *alerts) remember(object int64, r *remembered, bytes int) {
	if n.bytes += bytes; n.bytes > maxFoldBytes {
		n.folds, n.bytes = map[int64]*remembered{}, bytes
	}
	n.folds[object] = r
}

// said is what came for an object in one transaction beside the event that founds it, and is written at its end.
type said struct {
	events []placed
	late   bool // one of them stands before what was folded already
}

// fold folds an event that comes in order into what is remembered. What it changes is written at the end of the
// transaction, where an object that is not remembered is read, so that rows are written many at once.
func (n *alerts) fold(f *folder, object int64, p placed, fresh bool) error {
	a := p.fact.(alert.Placed)
	if l, ok := a.Fact.(*alert.Linked); ok {
		if _, _, err := f.object(alertPrefix, placed{key: l.Other.Key, refers: true}); err != nil { // known by name before it is here, or without ever being
			return err
		}
	}
	r := n.folds[object]
	if fresh {
		r = &remembered{object: alert.NewObject(p.key)}
	}
	late := r != nil && !r.object.Extend(a)
	if r != nil {
		n.remember(object, r, len(p.event.Rows)+len(p.event.Shared))
	}
	if fresh && p.founds {
		return n.found(f, object, r, p)
	}
	s := f.said[object]
	if s == nil {
		s = &said{}
		f.said[object] = s
		f.atEnd(object, p.seq, func(int64) error { return n.settle(f, object, p.key, s) })
	}
	s.events, s.late = append(s.events, p), s.late || late
	if late {
		delete(n.folds, object)
	}
	return nil
}

// settle writes what the events of a transaction change of an object: nothing but the rows they are about, unless one came
// late.
func (n *alerts) settle(f *folder, object int64, k noun.Key, s *said) error {
	r := n.folds[object]
	if r == nil {
		all, err := alertEvents(f, "e.object = ?", object)
		if err != nil {
			return err
		}
		r = &remembered{object: alert.Fold(k, all)}
		s.late = s.late || cameLate(k.Home, all, s.events)
		n.remember(object, r, s.bytes())
	}
	return n.write(f, object, r, s)
}

func (s *said) bytes() (sum int) {
	for _, p := range s.events {
		sum += len(p.event.Rows) + len(p.event.Shared)
	}
	return sum
}

// cameLate says whether one of the events that came stands before one that was here.
func cameLate(home ledger.Origin, all []alert.Placed, came []placed) bool {
	new := map[place]bool{}
	for _, p := range came {
		new[place{p.origin, p.at}] = true
	}
	var last *alert.Placed // of those that were here
	for i := range all {
		if !new[place{all[i].Origin, all[i].Position}] && (last == nil || noun.Compare(home, last, &all[i]) < 0) {
			last = &all[i]
		}
	}
	for _, p := range came {
		a := p.fact.(alert.Placed)
		if last != nil && noun.Compare(home, &a, last) < 0 {
			return true
		}
	}
	return false
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
