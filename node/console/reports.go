package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/api"
)

// outcomes of a report.
var outcomes = []string{"actioned", "known", "duplicate", "not-actionable", "child-safeguarded", "no-further-action"}

func (v *visit) queue() error {
	q, err := v.api.Queue(v.ctx(), v.form("cursor"), v.Look.Exercise, listed)
	if err != nil {
		return err
	}
	p := queuePage{Queue: q}
	for _, place := range q.Places {
		p.Places = append(p.Places, queuePlace{place})
	}
	v.render(http.StatusOK, "reports", p)
	return nil
}

// queuePage is a page of what waits.
type queuePage struct {
	api.Queue
	Places []queuePlace
}

// queuePlace is a place in the queue, with what is known of its files told apart.
type queuePlace struct{ api.QueuePlace }

func (p queuePlace) count(are func(api.ReportHit) bool) (n int) {
	for _, h := range p.Hits {
		if are(h) {
			n++
		}
	}
	return n
}

// Same is how many of its files alerts carry.
func (p queuePlace) Same() int {
	return p.count(func(h api.ReportHit) bool { return h.Alert != "" && !h.Near })
}

// Near is how many alerts carry what looks like one of its files.
func (p queuePlace) Near() int { return p.count(func(h api.ReportHit) bool { return h.Near }) }

// Harmless is how many of its files are known to be harmless.
func (p queuePlace) Harmless() int { return p.count(func(h api.ReportHit) bool { return h.Harmless }) }

// reportPage is one report, with what a desk does about it.
type reportPage struct {
	api.Report
	Outcomes []string
	Schemes  []string
	Agencies []api.Agency
	Copies   []reportCopy
	More     int // reports with one of its files that are not among Copies
}

// reportCopy is another report that carries one of the files, and waits.
type reportCopy struct {
	api.Report
	Whole bool // it has the same files, neither more nor fewer
}

// copies looks at the first of the reports that carry one of a report's files, and returns those that are not concluded.
func (v *visit) copies(r api.Report) (out []reportCopy, more int, err error) {
	if r.Desk == nil {
		return nil, 0, nil
	}
	for i, id := range r.Desk.Same {
		if i == shortList {
			return out, len(r.Desk.Same) - i, nil
		}
		other, err := v.api.Report(v.ctx(), id)
		if err != nil {
			return nil, 0, err
		}
		if other.Desk != nil && other.Desk.State != "concluded" && !other.Withdrawn {
			out = append(out, reportCopy{other, slices.Equal(filesOf(r), filesOf(other))})
		}
	}
	return out, 0, nil
}

// filesOf names the files of a report, each by its fingerprints, in one order.
func filesOf(r api.Report) (out []string) {
	if r.Statement == nil {
		return nil
	}
	for _, f := range r.Statement.Files {
		var signals []string
		for _, s := range f.Signals {
			signals = append(signals, s.Algorithm+":"+s.Value)
		}
		slices.Sort(signals)
		out = append(out, strings.Join(signals, " "))
	}
	slices.Sort(out)
	return out
}

// HitsOf are what is known of a file.
func (p reportPage) HitsOf(file int) (out []api.ReportHit) {
	if p.Desk == nil {
		return nil
	}
	for _, h := range p.Desk.Hits {
		if h.File == file {
			out = append(out, h)
		}
	}
	return out
}

func (v *visit) report() error {
	r, err := v.api.Report(v.ctx(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := reportPage{Report: r, Outcomes: outcomes, Schemes: alert.Schemes()}
	if v.Writes() {
		roster, err := v.api.Agencies(v.ctx())
		if err != nil {
			return err
		}
		p.Agencies = roster.Agencies
		if p.Copies, p.More, err = v.copies(r); err != nil {
			return err
		}
	}
	v.render(http.StatusOK, "report", p)
	return nil
}

func (v *visit) onReport(said string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/reports/"+url.PathEscape(v.r.PathValue("id")))
}

// triage makes a move of the desk on what the reader saw.
func (v *visit) triage() error {
	t := api.TriageReport{Move: v.form("move"), To: v.form("to"), Outcome: v.form("outcome"), Text: v.form("text")}
	if n, err := strconv.ParseUint(v.form("step"), 10, 62); err == nil {
		t.Step = &n
	}
	if t.Move != "conclude" && t.Move != "tell" {
		t.Outcome = ""
	}
	_, err := v.api.TriageReport(v.ctx(), v.key(), v.r.PathValue("id"), t)
	return v.onReport("desk-"+t.Move, err)
}

// escalate raises an alert for every file that none carries, opens a referral where one is named, and concludes.
func (v *visit) escalate() error {
	e := api.EscalateReport{Outcome: v.form("outcome"), Text: v.form("text"), Also: v.r.Form["also"]}
	if v.form("raise") != "" {
		e.Alert = &api.EscalateAlert{AlertFacts: api.AlertFacts{Title: v.form("title"), Urgency: v.form("urgency")}}
		if s := v.form("value"); s != "" {
			e.Alert.Classifications = []api.Classification{{Scheme: v.form("scheme"), Context: v.form("context"), Value: s}}
		}
	}
	if to := v.form("to"); to != "" {
		e.Referrals = []api.OpenReferral{{Kind: v.form("kind"), To: to, Title: v.form("title"), Urgency: v.form("urgency"), Text: v.form("request")}}
	}
	if n, err := strconv.ParseUint(v.form("revision"), 10, 62); err == nil {
		e.Revision = &n
	}
	_, err := v.api.EscalateReport(v.ctx(), v.key(), v.r.PathValue("id"), e)
	return v.onReport("escalated", err)
}
