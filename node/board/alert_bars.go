package board

import (
	"context"
	"fmt"
	"math"

	"vigil/ledger/alert"
)

// revision is the number of this transaction among those that changed how alerts stand.
func (f *folder) revision() (int64, error) {
	if f.revised == 0 {
		err := f.tx.QueryRow("SELECT 1 + max(coalesce((SELECT max(revision) FROM alerts), 0), coalesce((SELECT max(revision) FROM gone), 0))").Scan(&f.revised)
		if err != nil {
			return 0, err
		}
	}
	return f.revised, nil
}

// barOf is alert.Rules.Bar in SQL, over the columns of alerts.
func (f *folder) barOf() string {
	return fmt.Sprintf("CASE WHEN standing = %d THEN %d WHEN standing = %d THEN %d WHEN benign THEN %d WHEN held AND NOT seconded THEN %d WHEN standing < %d THEN %d ELSE %d END",
		alert.Withdrawn, alert.BarRetracted, alert.Disputed, alert.BarDisputed, alert.BarBenign, alert.BarHeld, f.rules.From, alert.BarUnproven, alert.Open)
}

// rebar derives again whether the alerts of a condition are acted on.
func (f *folder) rebar(condition string, args ...any) error {
	revision, err := f.revision()
	if err != nil {
		return err
	}
	bar := f.barOf()
	_, err = f.exec("UPDATE alerts SET bar = "+bar+", revision = ? WHERE "+condition+" AND bar <> "+bar, append([]any{revision}, args...)...)
	return err
}

// changeBarred is the kind of change that says: whether an alert, or those of a list, are acted on may be otherwise now,
// without an event of theirs.
const changeBarred = "alert.barred"

// tellBar tells that an alert was barred, or is no longer.
func (f *folder) tellBar(id int64) error {
	stmt, err := f.prepared(`SELECT o.event, a.id - a.first, e.origin, e.idx FROM alerts a JOIN causes c ON c.first = a.first JOIN objects o ON o.id = c.object
		JOIN events e ON e.seq = c.founding WHERE a.id = ?`)
	if err != nil {
		return err
	}
	var event []byte
	var x alert.ID
	var index uint64
	if err := stmt.QueryRow(id).Scan(&event, &x.Row, (*string)(&x.Home), &index); err != nil {
		return err
	}
	copy(x.Event[:], event)
	return f.change(changeBarred, x.String(), x.Home, index)
}

// repolicy implements table: what a policy decides follows it.
func (n *alerts) repolicy(f *folder) error {
	revision, err := f.revision()
	if err != nil {
		return err
	}
	standing := fmt.Sprintf("iif(independent >= %d AND jurisdictions >= %d, %d, %d)", f.rules.Agencies, f.rules.Jurisdictions, alert.Corroborated, alert.Asserted)
	if _, err := f.exec(fmt.Sprintf("UPDATE alerts SET standing = %s, revision = ? WHERE standing IN (%d, %d) AND standing <> %s", standing, alert.Asserted, alert.Corroborated, standing), revision); err != nil {
		return err
	}
	if err := f.refloodIf(); err != nil {
		return err
	}
	return f.rebar("true")
}

// Standing is how an alert stands now, for an index that knows it by its number.
type Standing struct {
	Row      int64 // its number on this board, as in Alert
	Revision int64
	State    alert.State
	Bar      alert.Bar
	Gone     bool // it is no longer on this board; its number may come again only with a later revision
}

// Place is a place in the order of standings: of revisions, and of one revision those that went first.
type Place struct {
	Revision int64
	Kept     bool
	Row      int64
}

// Place returns where a standing stands.
func (s *Standing) Place() Place { return Place{s.Revision, !s.Gone, s.Row} }

// EndOf is the place after everything of a revision.
func EndOf(revision int64) Place { return Place{revision, true, math.MaxInt64} }

// Standings returns how alerts stand that came, changed or went, after a place and at most so many. It is what an index
// in memory, or a platform far away, goes on with: the place of the last.
func (b *Board) Standings(ctx context.Context, after Place, limit int) ([]Standing, error) {
	gone, kept := after.Row, int64(0)
	if after.Kept {
		gone, kept = math.MaxInt64, after.Row
	}
	rows, err := b.read.QueryContext(ctx, `SELECT * FROM (
		SELECT revision, 0 AS kept, id, 0 AS standing, 0 AS bar FROM gone WHERE (revision, id) > (?, ?) UNION ALL
		SELECT revision, 1, id, standing, bar FROM alerts WHERE (revision, id) > (?, ?)) ORDER BY revision, kept, id LIMIT ?`,
		after.Revision, gone, after.Revision, kept, min(limit, maxStandings))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Standing
	for rows.Next() {
		var s Standing
		var kept bool
		if err := rows.Scan(&s.Revision, &kept, &s.Row, &s.State, &s.Bar); err != nil {
			return nil, err
		}
		s.Gone = !kept
		out = append(out, s)
	}
	return out, rows.Err()
}

// LastGone returns the last revision in which an alert went; 0 is none.
func (b *Board) LastGone(ctx context.Context) (revision int64, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT coalesce(max(revision), 0) FROM gone").Scan(&revision)
	return revision, err
}

// Revision returns the last revision.
func (b *Board) Revision(ctx context.Context) (revision int64, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT max(coalesce((SELECT max(revision) FROM alerts), 0), coalesce((SELECT max(revision) FROM gone), 0))").Scan(&revision)
	return revision, err
}
