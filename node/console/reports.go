package console

import (
	"net/http"
	"net/url"
	"strconv"

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
	v.render(http.StatusOK, "reports", q)
	return nil
}

// reportPage is one report, with what a desk does about it.
type reportPage struct {
	api.Report
	Outcomes []string
	Schemes  []string
	Agencies []api.Agency
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
	return v.onReport("moved", err)
}

// escalate raises an alert for every file that none carries, opens a referral where one is named, and concludes.
func (v *visit) escalate() error {
	e := api.EscalateReport{Outcome: v.form("outcome"), Text: v.form("text")}
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
