// Package figures counts: by time, agency, kind, standing, urgency and outcome, with how long answers took. It also knows
// which counts are too small to be published. It does not know where what it counts comes from.
package figures

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is a count of what has the same keys, in the order of the dimensions asked for.
type Row struct {
	Keys  []string `json:"keys"`
	Count uint64   `json:"count"`
	// Suppressed says that the count is too small to be published, or would give one away that is. It is 0 then.
	Suppressed bool      `json:"suppressed,omitempty"`
	Answer     *Duration `json:"answer,omitempty" doc:"From opening to the first answer"`
	Outcome    *Duration `json:"outcome,omitempty" doc:"From opening to the outcome"`
}

// Duration is how long something took, in hours, of those that have it.
type Duration struct {
	Of     uint64  `json:"of"`
	Median float64 `json:"median_hours"`
	Ninth  float64 `json:"p90_hours"`
}

// Tally adds up rows by their keys.
type Tally struct {
	rows map[string]*tallied
}

type tallied struct {
	keys            []string
	count           uint64
	answer, outcome []time.Duration
}

// Add counts n of something; answer and outcome are how long they took, negative where there is none yet.
func (t *Tally) Add(keys []string, n uint64, answer, outcome time.Duration) {
	if t.rows == nil {
		t.rows = map[string]*tallied{}
	}
	name := strings.Join(keys, "\x00")
	r := t.rows[name]
	if r == nil {
		r = &tallied{keys: slices.Clone(keys)}
		t.rows[name] = r
	}
	r.count += n
	if answer >= 0 {
		r.answer = append(r.answer, answer)
	}
	if outcome >= 0 {
		r.outcome = append(r.outcome, outcome)
	}
}

// Rows returns what was counted, in the order of the keys.
func (t *Tally) Rows() []Row {
	out := make([]Row, 0, len(t.rows))
	for _, r := range t.rows {
		out = append(out, Row{Keys: r.keys, Count: r.count, Answer: quantiles(r.answer), Outcome: quantiles(r.outcome)})
	}
	slices.SortFunc(out, func(a, b Row) int { return slices.Compare(a.Keys, b.Keys) })
	return out
}

func quantiles(d []time.Duration) *Duration {
	if len(d) == 0 {
		return nil
	}
	slices.Sort(d)
	at := func(q float64) float64 { // nearest rank
		i := int(q*float64(len(d))+0.999999) - 1
		return float64(d[max(i, 0)].Milliseconds()) / float64(time.Hour.Milliseconds())
	}
	return &Duration{Of: uint64(len(d)), Median: at(0.5), Ninth: at(0.9)}
}

// Publish returns rows fit to be published, and their sum: counts under least are suppressed, and where one alone would
// be, the next smallest with it, because the sum would give it away. How long answers took is left out with the count,
// and where fewer than least answers stand behind it.
func Publish(rows []Row, least uint64) (out []Row, total uint64) {
	out = slices.Clone(rows)
	small := 0
	for i := range out {
		total += out[i].Count
		if out[i].Count < least {
			out[i] = Row{Keys: out[i].Keys, Suppressed: true}
			small++
			continue
		}
		out[i].Answer, out[i].Outcome = enough(out[i].Answer, least), enough(out[i].Outcome, least)
	}
	if small == 1 {
		if i := smallest(out); i >= 0 {
			out[i] = Row{Keys: out[i].Keys, Suppressed: true}
		} else if total < least {
			total = 0 // the one row is the sum
		}
	}
	return out, total
}

func enough(d *Duration, least uint64) *Duration {
	if d == nil || d.Of < least {
		return nil
	}
	return d
}

// smallest returns the row with the least count that is shown; -1 where there is none.
func smallest(rows []Row) int {
	at := -1
	for i := range rows {
		if !rows[i].Suppressed && (at < 0 || rows[i].Count < rows[at].Count) {
			at = i
		}
	}
	return at
}

// WriteCSV writes rows as RFC 4180 has it, with a header; no cell begins like a formula.
func WriteCSV(w io.Writer, by []string, rows []Row) error {
	c := csv.NewWriter(w)
	if err := c.Write(append(slices.Clone(by), "count", "answered", "answer_median_hours", "answer_p90_hours", "concluded", "outcome_median_hours", "outcome_p90_hours")); err != nil {
		return err
	}
	for _, r := range rows {
		cells := make([]string, 0, len(r.Keys)+7)
		for _, k := range r.Keys {
			cells = append(cells, harmless(k))
		}
		count := strconv.FormatUint(r.Count, 10)
		if r.Suppressed {
			count = "suppressed"
		}
		cells = append(append(append(cells, count), r.Answer.cells()...), r.Outcome.cells()...)
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (d *Duration) cells() []string {
	if d == nil {
		return []string{"", "", ""}
	}
	return []string{strconv.FormatUint(d.Of, 10), fmt.Sprintf("%.2f", d.Median), fmt.Sprintf("%.2f", d.Ninth)}
}

// harmless keeps a cell from being taken for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// Period cuts time.
type Period string

// The periods.
const (
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
	Year  Period = "year"
)

// Of names the period of UTC that a time is in; periods sort as their names do.
func (p Period) Of(t time.Time) string {
	t = t.UTC()
	switch p {
	case Day:
		return t.Format(time.DateOnly)
	case Week:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case Year:
		return t.Format("2006")
	}
	return t.Format("2006-01")
}
