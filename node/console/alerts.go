package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/api"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// alertsPage is the list of alerts.
type alertsPage struct {
	Query  api.ListQuery
	Alerts []api.Alert
	Next   string // address of the next page
	Stale  float64
	// Schemes are those that the class filter knows.
	Schemes  []string
	Filtered bool
	Failed   []bulkFailure
}

var alertID = regexp.MustCompile(`^al_[0-9a-f]{8,32}(\.[0-9]+)?$`)

func (v *visit) listQuery() api.ListQuery {
	return api.ListQuery{
		Standing: v.form("standing"), Actionable: v.form("actionable"), Class: v.form("class"), Series: v.form("series"), Author: v.form("author"),
		Urgency: v.form("urgency"), Text: v.form("q"), Sort: v.form("sort"), Cursor: v.form("cursor"), Exercise: v.Look.Exercise, Limit: listed,
	}
}

// alerts lists what the reader's agency can open. A hash that is searched for is looked up, an id opens its alert.
func (v *visit) alerts() error {
	q := v.listQuery()
	if alertID.MatchString(q.Text) {
		http.Redirect(v.w, v.r, "/alerts/"+url.PathEscape(q.Text), http.StatusSeeOther)
		return nil
	}
	p := alertsPage{Query: q, Schemes: alert.Schemes(), Filtered: q.Standing+q.Actionable+q.Class+q.Series+q.Author+q.Urgency+q.Text != ""}
	if row, err := parseLine(q.Text); err == nil && q.Text != "" {
		answer, err := v.api.LookUp(v.ctx(), api.LookUp{Signals: signalsOf(either(q.Text, row)), Exercise: q.Exercise})
		if err != nil {
			return err
		}
		p.Alerts = distinct(answer)
	} else {
		page, err := v.api.Alerts(v.ctx(), q)
		if err != nil {
			return err
		}
		p.Alerts, p.Stale = page.Alerts, page.StaleFor
		if page.Next != "" {
			next := v.r.URL.Query()
			next.Set("cursor", page.Next)
			p.Next = "/alerts?" + next.Encode()
		}
	}
	v.render(http.StatusOK, "alerts", p)
	return nil
}

// distinct returns every alert of an answer once.
func distinct(answer api.LookUpAnswer) (out []api.Alert) {
	seen := map[string]bool{}
	for _, r := range answer.Results {
		for _, a := range r.Alerts {
			if !seen[a.ID] {
				seen[a.ID] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// bulkFailure is an alert on which an action failed, and why.
type bulkFailure struct {
	ID  string
	Why *api.Refusal
}

// bulk takes one action on every alert that was ticked, and shows those on which it failed.
func (v *visit) bulk() error {
	ids, act, reason := v.r.Form["id"], v.form("act"), v.form("reason")
	if len(ids) == 0 || len(ids) > maxBulk {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "choose", Detail: fmt.Sprintf("%d of at most %d", len(ids), maxBulk)}
	}
	if reason == "" {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "reason"}
	}
	var failed []bulkFailure
	asked := 0 // of a second person
	for _, id := range ids {
		var err error
		key := v.key() + " " + id
		switch act {
		case "confirms", "disputes":
			_, err = v.api.Assess(v.ctx(), key, id, api.Assess{Verdict: act, Basis: v.form("basis"), Reason: reason})
		case "retract":
			_, err = v.api.Retract(v.ctx(), key, id, api.Retract{Reason: reason})
		default:
			err = &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
		}
		if refused, ok := err.(*api.Refusal); ok && refused.Status == http.StatusAccepted {
			asked++
		} else if ok {
			failed = append(failed, bulkFailure{id, refused})
		} else if err != nil {
			return err
		}
	}
	status, page := http.StatusConflict, "bulk"
	switch {
	case len(failed) == 0 && asked == 0:
		return v.done("bulk-"+act, v.next(), strconv.Itoa(len(ids)))
	case len(failed) == 0:
		status, page = http.StatusAccepted, "asked"
	}
	v.render(status, page, map[string]any{"Failed": failed, "Asked": asked, "Done": len(ids) - len(failed) - asked, "Next": v.next()})
	return nil
}

// raisePage is the form to raise an alert.
type raisePage struct {
	Signals   string
	Audiences []api.Audience
	Agencies  []api.Agency
	Schemes   []string
	Refused   *api.Refusal
	Form      url.Values
}

func (v *visit) raiseForm() error { return v.showRaise(http.StatusOK, nil) }

func (v *visit) showRaise(status int, refused *api.Refusal) error {
	roster, err := v.api.Agencies(v.ctx())
	if err != nil {
		return err
	}
	v.render(status, "raise", raisePage{
		Signals: v.form("signals"), Audiences: roster.Audiences, Agencies: roster.Agencies, Schemes: alert.Schemes(), Refused: refused, Form: v.r.Form,
	})
	return nil
}

// raise commits an alert; a form that comes from a look-up is shown first, with its hashes.
func (v *visit) raise() error {
	if v.form("prefill") != "" {
		return v.showRaise(http.StatusOK, nil)
	}
	row, err := parseLine(v.form("signals"))
	if err != nil {
		return v.showRaise(http.StatusBadRequest, &api.Refusal{Status: http.StatusBadRequest, Code: "hashes", Detail: err.Error()})
	}
	a := api.RaiseAlert{Signals: signalsOf(row), Audience: v.r.Form["audience"], KnowingBenign: v.form("knowing_benign") != ""}
	a.AlertFacts = api.AlertFacts{
		Title: v.form("title"), Media: v.form("media"), AIGenerated: v.form("ai"), Victim: v.form("victim"), Urgency: v.form("urgency"), Basis: v.form("basis"),
		Source: v.form("source"), Series: v.form("series"), Notes: v.form("notes"), Exercise: v.Look.Exercise,
	}
	if s := v.form("value"); s != "" {
		a.Classifications = []api.Classification{{Scheme: v.form("scheme"), Context: v.form("context"), Value: s}}
	}
	if tlp := v.form("tlp"); tlp != "" {
		a.Handling = &api.Handling{TLP: tlp, Releases: fields(v.form("releases"))}
	}
	w, err := v.api.Raise(v.ctx(), v.key(), a)
	if refused, ok := err.(*api.Refusal); ok {
		return v.showRaise(refused.Status, refused)
	}
	if err != nil {
		return err
	}
	return v.done("raised", "/alerts/"+url.PathEscape(w.ID))
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\r' || r == '\t' })
}
