package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"vigil/ledger/alert"
	"vigil/node/api"
)

// alertPage is one alert.
type alertPage struct {
	api.Alert
	Recall  *api.Recall
	Base    string // address of its actions
	Schemes []string
}

func (v *visit) alert() error {
	a, err := v.api.Alert(v.ctx(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := alertPage{Alert: a, Base: "/alerts/" + url.PathEscape(a.ID), Schemes: alert.Schemes()}
	if a.Standing == "retracted" {
		recall, err := v.api.Recall(v.ctx(), a.ID)
		var refused *api.Refusal
		switch {
		case err == nil:
			p.Recall = &recall
		case !errors.As(err, &refused):
			return err
		}
	}
	v.render(http.StatusOK, "alert", p)
	return nil
}

// onAlert goes back to the alert after an action on it.
func (v *visit) onAlert(said string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/alerts/"+url.PathEscape(v.r.PathValue("id")))
}

func (v *visit) assess() error {
	a := api.Assess{Verdict: v.form("verdict"), Basis: v.form("basis"), Source: v.form("source"), Reason: v.form("reason")}
	if s := v.form("value"); s != "" {
		a.Classifications = []api.Classification{{Scheme: v.form("scheme"), Context: v.form("context"), Value: s}}
	}
	_, err := v.api.Assess(v.ctx(), v.key(), v.r.PathValue("id"), a)
	return v.onAlert(a.Verdict, err)
}

func (v *visit) sight() error {
	n, err := strconv.ParseUint(v.form("count"), 10, 32)
	if err != nil {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	_, err = v.api.Sight(v.ctx(), v.key(), v.r.PathValue("id"), api.SightAlert{Setting: v.form("setting"), Review: v.form("review"), Count: uint32(n), Day: v.form("day")})
	return v.onAlert("sighted", err)
}

// retract takes the agency's own alert back. The same reason asks the same of a second person.
func (v *visit) retract() error {
	reason := v.form("reason")
	if reason == "" {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "reason"}
	}
	_, err := v.api.Retract(v.ctx(), v.key(), v.r.PathValue("id"), api.Retract{Reason: reason, Replacement: v.form("replacement")})
	return v.onAlert("retract", err)
}
