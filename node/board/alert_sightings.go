package board

import (
	"context"

	"vigil/ledger"
	"vigil/ledger/alert"
)

const sightingTables = `
CREATE TABLE sightings (
	object INTEGER, row INTEGER, setting INTEGER, review INTEGER, agency TEXT, count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	PRIMARY KEY (object, row, setting, review, agency)) WITHOUT ROWID;
`

// sighted writes what one agency has met of one alert by now.
func (n *alerts) sighted(f *folder, object, first int64, o *alert.Object, agency ledger.AgencyID, x *alert.Sighted) error {
	s, ok := o.Sighting(agency, x)
	if !ok {
		return nil
	}
	if err := f.sighting(object, s); err != nil {
		return err
	}
	return f.countSightings(object, first, s.Row)
}

func (f *folder) sighting(object int64, s alert.Sighting) error {
	_, err := f.exec("INSERT OR REPLACE INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", object, s.Row, s.Setting, s.Review, string(s.Agency), s.Count, s.First, s.Last)
	return err
}

// countSightings writes how often an alert was met, not counting what an examiner found to be something else.
func (f *folder) countSightings(object, first int64, row uint32) error {
	_, err := f.exec("UPDATE alerts SET sighted = (SELECT coalesce(sum(count), 0) FROM sightings WHERE object = ? AND row = ? AND review <> ?) WHERE id = ?",
		object, row, alert.FalsePositive, first+int64(row))
	return err
}

func (n *alerts) rewriteSightings(f *folder, object, first int64, o *alert.Object) error {
	if _, err := f.exec("DELETE FROM sightings WHERE object = ?", object); err != nil {
		return err
	}
	if _, err := f.exec("UPDATE alerts SET sighted = 0 WHERE id >= ? AND id < ? AND sighted > 0", first, first+int64(o.Rows())); err != nil {
		return err
	}
	rows := map[uint32]bool{}
	for s := range o.Sightings {
		if err := f.sighting(object, s); err != nil {
			return err
		}
		rows[s.Row] = true
	}
	for row := range rows {
		if err := f.countSightings(object, first, row); err != nil {
			return err
		}
	}
	return nil
}

// Sightings returns what agencies have met of an alert, as far as this agency was told.
func (b *Board) Sightings(ctx context.Context, id alert.ID) ([]alert.Sighting, error) {
	q := withContext{b.read, ctx}
	object, err := objectID(q, alertPrefix, id.Key)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query("SELECT setting, review, agency, count, first, last FROM sightings WHERE object = ? AND row = ? ORDER BY setting, review, agency LIMIT ?", object, id.Row, maxListed)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []alert.Sighting
	for rows.Next() {
		s := alert.Sighting{Row: id.Row}
		if err := rows.Scan(&s.Setting, &s.Review, (*string)(&s.Agency), &s.Count, &s.First, &s.Last); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
