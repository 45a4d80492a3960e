package board

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/ledger/alert"
	"vigil/ledger/referral"
	"vigil/ledger/report"
	"vigil/node/figures"
)

// FigureQuery says what is counted.
type FigureQuery struct {
	Of       string   // alerts, referrals, reports or sightings
	By       []string // dimensions; see FigureDimensions
	Period   figures.Period
	From, To time.Time // of the founding; zero: open
	Exercise bool
}

// counted is one thing that can be counted. Times are ms since 1970: of alerts and reports the author's word, of referrals
// that of the first checkpoint.
type counted struct {
	from       string // FROM and WHERE, with a place for exercise, from and to
	dimensions map[string]dimension
	time       string // column of the founding
	number     string // how many a row stands for
	answer     string // columns of when it was answered and concluded; NULL where it is not
	outcome    string
}

// dimension is a column and what its numbers mean in words.
type dimension struct {
	column string
	words  func(n int64) string // nil: the column is text
}

// timeDimension is the dimension of every count.
const timeDimension = "time"

// eachAlert is where alerts are counted one by one: in a period that does not begin or end with a day.
const eachAlert = "(SELECT c.*, s.standing, s.n FROM (" + standings + ") s JOIN causes c ON c.first = s.first) c WHERE c.exercise = ?1 AND c.authored >= ?2 AND c.authored < ?3"

// present counts the alerts of a cause c without reading each, but where rows of it were expunged.
const present = `(CASE WHEN (SELECT length(holes) FROM events WHERE seq = c.founding) = 0 THEN c.count
	ELSE (SELECT count(*) FROM alerts WHERE id >= c.first AND id < c.first + c.count) END)`

// standings counts alerts by cause and standing: most are asserted, and the index has the others, which are taken off again.
const standings = `SELECT c.first AS first, 1 AS standing, ` + present + ` AS n FROM causes c
	UNION ALL SELECT first, 1, -1 FROM alerts INDEXED BY alerts_by_standing WHERE standing > 1
	UNION ALL SELECT first, standing, 1 FROM alerts INDEXED BY alerts_by_standing WHERE standing > 1`

var countable = map[string]counted{
	"alerts": {
		from: "(SELECT *, day * 86400000 AS authored FROM tallies WHERE exercise = ?1 AND day >= ?2 / 86400000 AND day < ?3 / 86400000 AND n <> 0) c WHERE true",
		time: "c.authored", number: "sum(c.n)", answer: "NULL", outcome: "NULL",
		dimensions: map[string]dimension{
			"agency": {column: "c.author"}, "urgency": {"c.urgency", func(n int64) string { return alert.Urgency(n).String() }},
			"ai_generated": {"c.ai", func(n int64) string { return alert.AIGenerated(n).String() }}, "media": {"c.media", func(n int64) string { return alert.MediaKind(n).String() }},
			"standing": {"c.standing", func(n int64) string { return alert.State(n).String() }}, "tlp": {"c.tlp", func(n int64) string { return alert.TLP(n).String() }},
		},
	},
	"referrals": {
		from: "referrals r JOIN referral_times t ON t.id = r.id WHERE r.exercise = ?1 AND t.opened >= ?2 AND t.opened < ?3",
		time: "t.opened", number: "count(*)", answer: "t.answered", outcome: "t.concluded",
		dimensions: map[string]dimension{
			"agency": {column: "r.opener"}, "holder": {column: "r.holder"}, "kind": {column: "r.kind"}, "state": {column: "r.state"},
			"urgency": {"r.urgency", func(n int64) string { return referral.Urgencies[n] }},
		},
	},
	"reports": {
		from: "reports p JOIN report_times t ON t.id = p.id WHERE p.exercise = ?1 AND p.authored >= ?2 AND p.authored < ?3",
		time: "p.authored", number: "count(*)", answer: "t.answered", outcome: "t.concluded",
		dimensions: map[string]dimension{"agency": {column: "p.author"}, "platform": {column: "p.platform"}, "state": {column: "p.state"}, "outcome": {column: "p.outcome"}},
	},
	"sightings": {
		from: "sightings s JOIN causes c ON c.object = s.object WHERE c.exercise = ?1 AND c.authored >= ?2 AND c.authored < ?3",
		time: "c.authored", number: "sum(s.count)", answer: "NULL", outcome: "NULL",
		dimensions: map[string]dimension{"agency": {column: "s.agency"}, "setting": {"s.setting", func(n int64) string { return alert.Setting(n).String() }}, "raised_by": {column: "c.author"}},
	},
}

// Figures are what can be counted, with the dimensions of each.
func Figures() map[string][]string {
	out := map[string][]string{}
	for of, c := range countable {
		out[of] = []string{timeDimension}
		for name := range c.dimensions {
			out[of] = append(out[of], name)
		}
		slices.Sort(out[of])
	}
	return out
}

const maxDimensions = 4

// Tally counts. Rows are in the order of their keys.
func (b *Board) Tally(ctx context.Context, q FigureQuery) ([]figures.Row, error) {
	c, ok := countable[q.Of]
	if !ok || len(q.By) > maxDimensions {
		return nil, fmt.Errorf("%w: figures are of alerts, referrals, reports or sightings, by at most %d dimensions", ErrQuery, maxDimensions)
	}
	if q.Of == "alerts" && !q.wholeDays() {
		c.from = eachAlert
	}
	columns := make([]string, 0, len(q.By))
	for _, by := range q.By {
		d, ok := c.dimensions[by]
		if by == timeDimension {
			d, ok = dimension{column: "(" + c.time + ") / 86400000"}, true // by the day; periods are put together from days
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s have no dimension %.32q", ErrQuery, q.Of, by)
		}
		columns = append(columns, d.column)
	}
	group := append(slices.Clone(columns), c.time+" * 0") // a list of columns that is never empty
	each := c.answer != "NULL"                            // durations are put together from single rows
	query := "SELECT " + c.number + ", " + c.time + ", " + c.answer + ", " + c.outcome + ", " + strings.Join(group, ", ") + " FROM " + c.from
	if each {
		query = strings.Replace(query, c.number, "1", 1)
	} else {
		query += " GROUP BY " + strings.Join(group, ", ") + " HAVING " + c.number + " > 0"
	}
	to := q.To.UnixMilli()
	if q.To.IsZero() {
		to = 1 << 62
	}
	rows, err := b.read.QueryContext(ctx, query, q.Exercise, max(q.From.UnixMilli(), 0), to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var t figures.Tally
	for rows.Next() {
		if err := c.add(&t, rows, q); err != nil {
			return nil, err
		}
	}
	return t.Rows(), rows.Err()
}

// add reads one row into a tally.
func (c *counted) add(t *figures.Tally, rows *sql.Rows, q FigureQuery) error {
	var n uint64
	var began int64
	var answered, concluded sql.NullInt64
	raw := make([]any, len(q.By))
	into := []any{&n, &began, &answered, &concluded}
	for i := range raw {
		into = append(into, &raw[i])
	}
	var zero any
	if err := rows.Scan(append(into, &zero)...); err != nil {
		return err
	}
	keys := make([]string, len(q.By))
	for i, by := range q.By {
		keys[i] = c.word(by, raw[i], q.Period)
	}
	took := func(at sql.NullInt64) time.Duration {
		if !at.Valid || at.Int64 < began {
			return -1
		}
		return time.Duration(at.Int64-began) * time.Millisecond
	}
	t.Add(keys, n, took(answered), took(concluded))
	return nil
}

func (c *counted) word(by string, raw any, period figures.Period) string {
	n, isNumber := raw.(int64)
	if by == timeDimension {
		return period.Of(time.UnixMilli(n * 86_400_000))
	}
	if d := c.dimensions[by]; isNumber && d.words != nil {
		return d.words(n)
	}
	return fmt.Sprint(raw)
}

// timesTable holds when objects of a noun were opened, answered and concluded, for figures.
func timesTable(name string) string {
	return "CREATE TABLE " + name + " (id INTEGER PRIMARY KEY, opened INTEGER, answered INTEGER, concluded INTEGER);\n"
}

func (f *folder) times(table string, object int64, opened, answered, concluded time.Time) error {
	_, err := f.exec("INSERT OR REPLACE INTO "+table+" VALUES (?, ?, ?, ?)", object, milliseconds(opened), milliseconds(answered), milliseconds(concluded))
	return err
}

// referralTimes are when a referral was opened, first answered and concluded, by the checkpoints that cover the moves.
func referralTimes(o *Folded[*referral.Referral]) (answered, concluded time.Time) {
	for _, l := range o.Object.Lines {
		m, ok := l.Fact.(*referral.Moved)
		if !ok || l.Effect != "" {
			continue
		}
		at := o.Dates.Of(l.Origin, l.Position)
		switch m.Move {
		case referral.Acknowledge, referral.Accept, referral.Decline:
			if answered.IsZero() {
				answered = at
			}
		case referral.Close:
			concluded = at
		}
	}
	return answered, concluded
}

// reportTimes are when the desk first took a report and when it concluded it.
func reportTimes(o *Folded[*report.Report]) (answered, concluded time.Time) {
	for _, l := range o.Object.Lines {
		m, ok := l.Fact.(*report.Triaged)
		if !ok || l.Effect != "" {
			continue
		}
		at := time.UnixMilli(l.AuthoredAt)
		if answered.IsZero() {
			answered = at
		}
		if m.Outcome != "" {
			concluded = at
		}
	}
	return answered, concluded
}
