package console

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vigil/node/api"
)

// referralsPage is the board of referrals.
type referralsPage struct {
	Query     api.ReferralQuery
	Referrals []api.Referral
	Next      string
	Stale     float64
}

func (v *visit) referrals() error {
	q := api.ReferralQuery{
		State: v.form("state"), Kind: v.form("kind"), Holder: v.form("holder"), Cursor: v.form("cursor"), Overdue: v.form("overdue") != "",
		Exercise: v.Look.Exercise, Limit: listed,
	}
	page, err := v.api.Referrals(v.ctx(), q)
	if err != nil {
		return err
	}
	p := referralsPage{Query: q, Referrals: page.Referrals, Stale: page.StaleFor}
	if page.Next != "" {
		next := v.r.URL.Query()
		next.Set("cursor", page.Next)
		p.Next = "/referrals?" + next.Encode()
	}
	v.render(http.StatusOK, "referrals", p)
	return nil
}

func (v *visit) referral() error {
	r, err := v.api.Referral(v.ctx(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "referral", r)
	return nil
}

// moveReferral makes the reader's move on the step that they saw; another one meanwhile refuses it.
func (v *visit) moveReferral() error {
	step, err := strconv.ParseUint(v.form("step"), 10, 62)
	if err != nil {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	m := api.MoveReferral{Move: v.form("move"), To: v.form("to"), Text: v.form("text"), Step: &step}
	if _, err := v.api.MoveReferral(v.ctx(), v.key(), v.r.PathValue("id"), m); err != nil {
		return err
	}
	return v.done("moved", "/referrals/"+url.PathEscape(v.r.PathValue("id")))
}

// referPage is the form to open a referral.
type referPage struct {
	Agencies api.Agencies
	Partners []api.PartnerStatus
	Alerts   string
}

func (v *visit) referForm() error {
	p := referPage{Alerts: v.form("alert")}
	var err error
	if p.Agencies, err = v.api.Agencies(v.ctx()); err != nil {
		return err
	}
	if p.Partners, err = v.api.Partners(v.ctx()); err != nil {
		return err
	}
	v.render(http.StatusOK, "refer", p)
	return nil
}

func (v *visit) refer() error {
	o := api.OpenReferral{
		Kind: v.form("kind"), To: v.form("to"), Urgency: v.form("urgency"), Title: v.form("title"), Text: v.form("text"), Alerts: fields(v.form("alerts")), Exercise: v.Look.Exercise,
	}
	if day := v.form("due"); day != "" {
		due, err := time.Parse("2006-01-02", day)
		if err != nil {
			return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
		}
		due = due.Add(24*time.Hour - time.Second)
		o.Due = &due
	}
	w, err := v.api.OpenReferral(v.ctx(), v.key(), o)
	if err != nil {
		return err
	}
	return v.done("referred", "/referrals/"+url.PathEscape(w.ID))
}
