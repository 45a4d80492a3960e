package board

import (
	"errors"

	"vigil/ledger"
	"vigil/ledger/export"
	"vigil/ledger/noun"
)

const exportTables = `
CREATE TABLE exports (id INTEGER PRIMARY KEY, since BLOB, exercise INTEGER NOT NULL);
CREATE TABLE export_runs (
	event BLOB, author TEXT, home TEXT, first INTEGER, last INTEGER NOT NULL, what INTEGER NOT NULL, export INTEGER, origin TEXT, idx INTEGER, leaf INTEGER,
	PRIMARY KEY (event, author, home, first, export, origin, idx, leaf)) WITHOUT ROWID;
CREATE INDEX export_runs_by_place ON export_runs (export, origin, idx, leaf);
`

// exports is the noun of package export: this agency's own.
type exports struct{}

func (exports) prefix() string                        { return export.Prefix }
func (exports) schema() string                        { return exportTables }
func (exports) name(p placed) string                  { return p.key.ID(export.IDPrefix) }
func (exports) repolicy(*folder) error                { return nil }
func (exports) dated() bool                           { return false }
func (exports) refold(*folder, int64, noun.Key) error { return nil }
func (exports) forget()                               {}

func (exports) weigh(f *folder, object int64) (weight, error) {
	return f.weightOf("SELECT exercise, 0 FROM exports WHERE id = ?", object)
}

func (exports) place(w where, e *ledger.Event) (placed, fate) {
	if !w.own {
		return placed{}, malformed // another's word on what is ours alone
	}
	p, err := export.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	case err != nil:
		return placed{}, malformed
	}
	return placed{key: p.Key(), fact: p}, folded
}

// fold writes what an event says; of several with one id the first in canonical order.
func (n exports) fold(f *folder, object int64, p placed, fresh bool) error {
	if !fresh {
		first, err := f.first(object, p)
		if err != nil || !first {
			return err
		}
	}
	switch x := p.fact.(export.Placed).Fact.(type) {
	case *export.Begun:
		var since []byte
		if x.Since != nil {
			since = x.Since.Event[:]
		}
		if _, err := f.exec("INSERT INTO exports VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET since = excluded.since, exercise = excluded.exercise", object, since, x.Exercise); err != nil {
			return err
		}
		_, err := f.exec("UPDATE objects SET founding = ? WHERE id = ?", p.seq, object)
		return err
	case *export.Carried:
		for _, r := range x.Runs {
			if _, err := f.exec("INSERT INTO export_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", r.Alert[:], string(x.Author), string(x.Home), r.First, r.Last, r.What,
				object, string(p.origin), p.at.Index, p.at.Leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// first says whether p is the first of the object's events with its id, and takes away what a later one had written.
func (f *folder) first(object int64, p placed) (bool, error) {
	var earlier int
	err := f.tx.QueryRow("SELECT count(*) FROM events WHERE object = ? AND event = ? AND author = ? AND (origin, idx, leaf) < (?, ?, ?)",
		object, p.event.ID[:], string(p.author), string(p.origin), p.at.Index, p.at.Leaf).Scan(&earlier)
	if err != nil || earlier > 0 {
		return false, err
	}
	_, err = f.exec(`DELETE FROM export_runs WHERE export = ?1 AND (origin, idx, leaf) IN (SELECT origin, idx, leaf FROM events WHERE object = ?1 AND event = ? AND author = ? AND seq <> ?)`,
		object, p.event.ID[:], string(p.author), p.seq)
	return err == nil, err
}
