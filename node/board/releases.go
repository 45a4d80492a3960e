package board

import (
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// releases is the noun of releases of what is held.
var releases = &small[*alert.Release]{
	types: alert.FloodPrefix, ids: alert.FloodIDs, codec: alert.FloodCodec, drop: dropRelease,
	ddl: `
CREATE TABLE flood_releases (
	release INTEGER PRIMARY KEY, origin TEXT NOT NULL, author TEXT NOT NULL, exercise INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL);
CREATE INDEX flood_releases_by_place ON flood_releases (origin, author, exercise, low);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *alert.Release {
		return alert.FoldRelease(k, events)
	},
	write: writeRelease,
}

// writeRelease lets go of what a release covers, and holds again what one covered that is another now.
func writeRelease(f *folder, object int64, o *Folded[*alert.Release], _ int64) error {
	before, err := f.covered(object)
	if err != nil {
		return err
	}
	if _, err := f.exec("DELETE FROM flood_releases WHERE release = ?", object); err != nil {
		return err
	}
	if r := o.Object.Released; o.Object.Counts() {
		if _, err := f.exec("INSERT INTO flood_releases VALUES (?, ?, ?, ?, ?, ?)", object, string(r.Ledger), string(r.Author), r.Exercise, r.From, r.To); err != nil {
			return err
		}
	}
	after, err := f.covered(object)
	if err != nil {
		return err
	}
	for _, c := range append(before, after...) {
		if err := f.hold(c); err != nil {
			return err
		}
	}
	return nil
}

// dropRelease holds again what a release covered.
func dropRelease(f *folder, object int64) error {
	covered, err := f.covered(object)
	if err == nil {
		_, err = f.exec("DELETE FROM flood_releases WHERE release = ?", object)
	}
	for _, c := range covered {
		if err == nil {
			err = f.hold(c)
		}
	}
	return err
}

// covered returns the causes over an allowance that a release covers.
func (f *folder) covered(release int64) ([]*cause, error) {
	return f.causesOf(`c.over = 1 AND EXISTS (SELECT 1 FROM flood_releases r WHERE r.release = ?
		AND r.origin = e.origin AND r.author = c.author AND r.exercise = c.exercise AND r.low <= e.idx AND r.high > e.idx)`, release)
}
