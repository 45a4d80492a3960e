package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"vigil/node/api"
)

// accessPage is a page of the access log.
type accessPage struct {
	Query    api.AccessQuery
	From, To string // days, as they were chosen
	Records  []api.AccessRecord
	Next     string
	Report   *api.AccessReport
}

func (v *visit) access() error { return v.showAccess(nil) }

func (v *visit) showAccess(report *api.AccessReport) error {
	before, _ := strconv.ParseUint(v.form("before"), 10, 62) // nonsense is the newest
	q := api.AccessQuery{Actor: v.form("actor"), Verb: v.form("verb"), Object: v.form("object"), Case: v.form("case"), Before: before, Limit: listed}
	from, to := v.form("from"), v.form("to")
	for _, end := range []struct {
		day  string
		at   *time.Time
		days int // the whole of the last day
	}{{from, &q.From, 0}, {to, &q.To, 1}} {
		if end.day == "" {
			continue
		}
		t, err := time.Parse("2006-01-02", end.day)
		if err != nil {
			return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
		}
		*end.at = t.AddDate(0, 0, end.days)
	}
	page, err := v.api.Access(v.ctx(), q)
	if err != nil {
		return err
	}
	p := accessPage{Query: q, From: from, To: to, Records: page.Records, Report: report}
	if page.Next > 0 {
		next := url.Values{"actor": {q.Actor}, "verb": {q.Verb}, "object": {q.Object}, "case": {q.Case}, "from": {from}, "to": {to}, "before": {strconv.FormatUint(page.Next, 10)}}
		p.Next = "/access?" + next.Encode()
	}
	v.render(http.StatusOK, "access", p)
	return nil
}

// verifyAccess has the node compare its log with the disk and the ledger.
func (v *visit) verifyAccess() error {
	report, err := v.api.VerifyAccess(v.ctx())
	if err != nil {
		return err
	}
	return v.showAccess(&report)
}

// figuresPage is a table of counts and its chart.
type figuresPage struct {
	Query  api.FiguresQuery
	Of, By []string // what can be chosen
	Rows   []bar
	Keys   []string
	Total  uint64
	CSV    string
}

// bar is a row with its length in the chart.
type bar struct {
	Keys       []string
	Count      uint64
	Suppressed bool
	Width      int    // of 100
	Answer     string // hours, in the middle; "" where none has it
	Outcome    string
}

var (
	counted  = []string{"alerts", "referrals", "reports", "sightings"}
	counting = map[string][]string{ // as the API takes them
		"alerts":    {"time", "agency", "standing", "urgency", "media", "ai_generated", "tlp"},
		"referrals": {"time", "agency", "holder", "kind", "state", "urgency"},
		"reports":   {"time", "agency", "platform", "state", "outcome"},
		"sightings": {"time", "agency", "setting", "raised_by"},
	}
	// wordsOf are the groups of words for what is counted by; what is not here are names and days.
	wordsOf = map[string]string{
		"standing": "standing", "urgency": "urgency", "media": "media", "ai_generated": "ai", "kind": "referral-kind", "outcome": "outcome", "setting": "setting",
	}
	periods = []string{"day", "week", "month", "year"}
)

// Periods that time can be cut into.
func (figuresPage) Periods() []string { return periods }

// Label is what a bar is of.
func (b bar) Label() string {
	out := ""
	for i, k := range b.Keys {
		if i > 0 {
			out += " · "
		}
		out += k
	}
	return out
}

func (v *visit) figures() error {
	q := api.FiguresQuery{Of: v.form("of"), Period: v.form("period"), Exercise: v.Look.Exercise, Published: v.form("published") != ""}
	if !slices.Contains(counted, q.Of) {
		q.Of = counted[0]
	}
	if !slices.Contains(periods, q.Period) {
		q.Period = "month"
	}
	by := v.form("by")
	if !slices.Contains(counting[q.Of], by) { // as after another thing to count was chosen
		by = counting[q.Of][0]
	}
	q.By = []string{by}
	f, err := v.api.Figures(v.ctx(), q)
	if err != nil {
		return err
	}
	p := figuresPage{Query: q, Of: counted, By: counting[q.Of], Keys: f.By, Total: f.Total}
	most := uint64(1)
	for _, r := range f.Rows {
		most = max(most, r.Count)
	}
	for _, r := range f.Rows {
		for k, key := range r.Keys {
			group := wordsOf[f.By[k]]
			if f.By[k] == "state" {
				group = map[string]string{"referrals": "referral-state", "reports": "desk"}[q.Of]
			}
			r.Keys[k] = v.words().word(group, key)
		}
		b := bar{Keys: r.Keys, Count: r.Count, Suppressed: r.Suppressed, Width: int(r.Count * 100 / most)}
		if r.Answer != nil {
			b.Answer = strconv.FormatFloat(r.Answer.Median, 'f', 1, 64)
		}
		if r.Outcome != nil {
			b.Outcome = strconv.FormatFloat(r.Outcome.Median, 'f', 1, 64)
		}
		p.Rows = append(p.Rows, b)
	}
	csv := url.Values{"of": {q.Of}, "by": {by}, "format": {"csv"}}
	if q.Published {
		csv.Set("published", "true")
	}
	if q.Period != "" {
		csv.Set("period", q.Period)
	}
	p.CSV = "/v1/figures?" + csv.Encode()
	v.render(http.StatusOK, "figures", p)
	return nil
}
