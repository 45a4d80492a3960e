package board

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/report"
)

// reports is the noun of package report. The signals of a report that was not withdrawn stand in an index of their own,
// so that reports with the same files find each other.
var reports = &small[*report.Report]{
	types: report.Prefix, ids: report.IDPrefix, codec: report.Codec,
	weight: "SELECT exercise, 0 FROM reports WHERE id = ?", parts: []string{"report_signals.report"},
	ddl: `
CREATE TABLE reports (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL, author TEXT NOT NULL, platform TEXT NOT NULL, holder TEXT NOT NULL, person TEXT NOT NULL,
	outcome TEXT NOT NULL, withdrawn INTEGER NOT NULL, exercise INTEGER NOT NULL, authored INTEGER NOT NULL, revision INTEGER NOT NULL,
	complete INTEGER NOT NULL, files INTEGER NOT NULL, viewed INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX reports_by_state ON reports (exercise, state, moved);
CREATE INDEX reports_by_platform ON reports (exercise, platform, moved);
CREATE INDEX reports_by_exercise ON reports (exercise, moved);
CREATE INDEX reports_by_moved ON reports (moved);
CREATE TABLE report_signals (alg INTEGER, value BLOB, report INTEGER, PRIMARY KEY (alg, value, report)) WITHOUT ROWID;
CREATE INDEX report_signals_by_report ON report_signals (report);
` + timesTable("report_times"),
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *report.Report {
		return report.Fold(k, events)
	},
	write: writeReport,
}

func writeReport(f *folder, object int64, o *Folded[*report.Report], last int64) error {
	r := o.Object
	complete, _ := r.Statement.Completeness()
	viewed := 0
	for i := range r.Statement.Files {
		if r.Statement.Files[i].Viewed == report.Yes {
			viewed++
		}
	}
	_, err := f.exec("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		object, r.State, string(r.Author), r.Received.Source.Platform, string(r.Holder), r.Person, r.Outcome, r.Withdrawn, r.Received.Exercise,
		o.Authored.UnixMilli(), r.Revision, complete, len(r.Statement.Files), viewed, last)
	if err != nil {
		return err
	}
	answered, concluded := reportTimes(o)
	if err := f.times("report_times", object, o.Authored, answered, concluded); err != nil {
		return err
	}
	return writeReportSignals(f, object, r)
}

func writeReportSignals(f *folder, object int64, r *report.Report) error {
	if _, err := f.exec("DELETE FROM report_signals WHERE report = ?", object); err != nil || r.Withdrawn {
		return err
	}
	for i := range r.Statement.Files {
		for _, s := range r.Statement.Files[i].Prints.Signals {
			if _, err := f.exec("INSERT INTO report_signals VALUES (?, ?, ?) ON CONFLICT DO NOTHING", s.Algorithm, indexKey(s.Value), object); err != nil {
				return err
			}
		}
	}
	return nil
}

// Report is one report as this agency sees it.
type Report = Folded[*report.Report]

// ReportQuery filters and pages reports. Zero values do not filter, but exercises and casework never stand in one list.
type ReportQuery struct {
	State    string
	Platform string
	Author   string // the agency that took it in
	Person   string // who claimed it
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// ReportPage is one page, what moved last first; Next is 0 on the last.
type ReportPage struct {
	Reports []Report
	Next    int64
}

// Reports returns one page.
func (b *Board) Reports(ctx context.Context, q ReportQuery) (ReportPage, error) {
	where, args := []string{"r.exercise = ?"}, []any{q.Exercise}
	add := func(condition string, value any) { where, args = append(where, condition), append(args, value) }
	if q.State != "" && !slices.Contains(report.States, q.State) {
		return ReportPage{}, fmt.Errorf("%w: state: not one of the known ones", ErrQuery)
	}
	for _, x := range [][2]string{{"r.state = ?", q.State}, {"r.platform = ?", q.Platform}, {"r.author = ?", q.Author}, {"r.person = ?", q.Person}} {
		if x[1] != "" {
			add(x[0], x[1])
		}
	}
	if q.Before > 0 {
		add("r.moved < ?", q.Before)
	}
	limit := pageLimit(q.Limit)
	found, err := reports.find(ctx, b, "r.moved", "reports r JOIN objects o ON o.id = r.id WHERE "+strings.Join(where, " AND ")+" ORDER BY r.moved DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return ReportPage{}, err
	}
	page := ReportPage{}
	page.Reports, page.Next = pageOf(found, limit)
	return page, nil
}

// Report returns the one report that an id or its beginning names.
func (b *Board) Report(ctx context.Context, text string) (Report, error) {
	return reports.one(ctx, b, text)
}

// ReportOf returns the report of a key.
func (b *Board) ReportOf(ctx context.Context, k noun.Key) (Report, error) {
	found, err := reports.find(ctx, b, "0", "objects o WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ? AND o.founding IS NOT NULL", k.Event[:], string(k.Author), string(k.Home), report.Prefix)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %s", ErrNotFound, k.ID(report.IDPrefix))
	}
	if err != nil {
		return Report{}, err
	}
	return found[0], nil
}

// WaitingReports counts the reports of casework that nobody has claimed.
func (b *Board) WaitingReports(ctx context.Context) (n int, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT count(*) FROM reports WHERE exercise = 0 AND state = ?", report.Waiting).Scan(&n)
	return n, err
}

// ReportsAfter returns reports that moved after a number on this board, in that order, at most so many, and the number to
// go on from. A follower in memory reads what waits first, and then everything that moves.
func (b *Board) ReportsAfter(ctx context.Context, after int64, waiting bool, limit int) (found []Report, next int64, err error) {
	condition := "r.moved > ?"
	if waiting {
		condition += " AND r.state = 'waiting'"
	}
	found, err = reports.find(ctx, b, "r.moved", "reports r JOIN objects o ON o.id = r.id WHERE "+condition+" ORDER BY r.moved LIMIT ?", after, limit)
	if err != nil || len(found) == 0 {
		return nil, after, err
	}
	return found, found[len(found)-1].cursor, nil
}

// LastReport returns the number of the last move of any report.
func (b *Board) LastReport(ctx context.Context) (moved int64, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT coalesce(max(moved), 0) FROM reports").Scan(&moved)
	return moved, err
}

// ReportsWith returns the reports that carry exactly one of a file's signals and were not withdrawn, the oldest first and
// at most a page of them.
func (b *Board) ReportsWith(ctx context.Context, f alert.File, exercise bool) ([]noun.Key, error) {
	seen := map[noun.Key]bool{}
	var out []noun.Key
	for _, s := range f.Signals {
		keys, err := b.reportsWith(ctx, s, exercise)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !seen[k] && len(out) < maxPage {
				seen[k], out = true, append(out, k)
			}
		}
	}
	return out, nil
}

func (b *Board) reportsWith(ctx context.Context, s alert.Signal, exercise bool) ([]noun.Key, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT o.id, o.home, o.author, o.event, 0 FROM report_signals s JOIN reports r ON r.id = s.report JOIN objects o ON o.id = s.report
		WHERE s.alg = ? AND s.value = ? AND r.exercise = ? ORDER BY s.report LIMIT ?`, s.Algorithm, indexKey(s.Value), exercise, maxPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []noun.Key
	for rows.Next() {
		var id, none int64
		k, err := scanKey(rows, &id, &none)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

// PlatformFigures say how useful what a platform reported in one month was.
type PlatformFigures struct {
	Platform  string
	Month     string // 2026-03, by the authors' word
	Reports   int
	Complete  int // thousandths, on average
	Files     int
	Viewed    int // of Files, by a person at the platform
	Amended   int
	Withdrawn int
	Outcomes  map[report.Outcome]int
}

// Platforms returns the figures of one platform or, where none is named, of all, by platform and month; author is the
// agency that took the reports in, where it matters.
func (b *Board) Platforms(ctx context.Context, platform, author string, exercise bool) ([]PlatformFigures, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT platform, strftime('%Y-%m', authored / 1000, 'unixepoch') AS month, outcome, count(*), sum(complete), sum(files), sum(viewed),
		sum(revision - withdrawn > 0), sum(withdrawn) FROM reports WHERE exercise = ? AND (? = '' OR platform = ?) AND (? = '' OR author = ?) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
		exercise, platform, platform, author, author)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []PlatformFigures
	for rows.Next() {
		var x PlatformFigures
		var outcome string
		if err := rows.Scan(&x.Platform, &x.Month, &outcome, &x.Reports, &x.Complete, &x.Files, &x.Viewed, &x.Amended, &x.Withdrawn); err != nil {
			return nil, err
		}
		if n := len(out); n == 0 || out[n-1].Platform != x.Platform || out[n-1].Month != x.Month {
			out = append(out, PlatformFigures{Platform: x.Platform, Month: x.Month, Outcomes: map[report.Outcome]int{}})
		}
		out[len(out)-1].add(x, outcome)
	}
	for i := range out {
		out[i].Complete /= out[i].Reports
	}
	return out, rows.Err()
}

func (p *PlatformFigures) add(x PlatformFigures, outcome report.Outcome) {
	p.Reports, p.Complete, p.Files, p.Viewed = p.Reports+x.Reports, p.Complete+x.Complete, p.Files+x.Files, p.Viewed+x.Viewed
	p.Amended, p.Withdrawn = p.Amended+x.Amended, p.Withdrawn+x.Withdrawn
	if outcome != "" {
		p.Outcomes[outcome] += x.Reports
	}
}

// SignalsOf gives the signals of every alert, or of the declaration that signals are benign, that an id names: for a
// follower in memory that has heard of a change.
func (b *Board) SignalsOf(ctx context.Context, object string, take func(alert.Signal)) error {
	if strings.HasPrefix(object, alert.BenignIDs) {
		return b.benignSignals(ctx, object, take)
	}
	event, _, err := alert.ParseID(object)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrQuery, err)
	}
	found, err := alertEvents(withContext{b.read, ctx}, "e.seq IN (SELECT founding FROM objects WHERE event = ? AND noun = ?)", event[:], alertPrefix)
	for i := range found {
		c, ok := found[i].Fact.(alert.Cause)
		for row := 0; ok && row < c.Rows(); row++ {
			for _, s := range alert.FileOf(c, uint32(row)).Signals {
				take(s)
			}
		}
	}
	return err
}

func (b *Board) benignSignals(ctx context.Context, object string, take func(alert.Signal)) error {
	event, err := ledger.ParseEventID(strings.TrimPrefix(object, alert.BenignIDs))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrQuery, err)
	}
	found, err := benigns.find(ctx, b, "0", "objects o WHERE o.event = ? AND o.noun = ? AND o.founding IS NOT NULL", event[:], alert.BenignPrefix)
	for i := range found {
		for _, s := range found[i].Object.Declared.Signals {
			take(s)
		}
	}
	return err
}

// BenignSettled says whether declarations that signals are benign have followed the policy: they do soon after it changes.
func (b *Board) BenignSettled(ctx context.Context) (settled bool, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM objects WHERE stale = 1 AND noun = ?)", alert.BenignPrefix).Scan(&settled)
	return settled, err
}
