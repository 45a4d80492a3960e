package node_test

import (
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestReferralsAreRefusedWithTheReason(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	liaison, platform := n.As(t, api.RoleLiaison), n.As(t, api.RolePlatform)
	good := api.OpenReferral{Kind: "investigation", To: "in/ncrb", Title: "t"}
	for name, c := range map[string]struct {
		change func(*api.OpenReferral)
		want   int
	}{
		"to itself":     {func(*api.OpenReferral) {}, 409},
		"no agency":     {func(r *api.OpenReferral) { r.To = "NCRB" }, 400},
		"unknown kind":  {func(r *api.OpenReferral) { r.Kind = "gossip" }, 422},
		"no title":      {func(r *api.OpenReferral) { r.Title = "" }, 422},
		"not an alert":  {func(r *api.OpenReferral) { r.To, r.Alerts = "in/x", []string{"x"} }, 400},
		"not a member":  {func(r *api.OpenReferral) { r.To = "in/nobody" }, 409},
		"control bytes": {func(r *api.OpenReferral) { r.To, r.Text = "in/x", "a\x00b" }, 400},
	} {
		r := good
		c.change(&r)
		_, err := liaison.OpenReferral(t.Context(), name, r)
		if got := status(err); got != c.want && !(c.want == 422 && got == 400) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := platform.OpenReferral(t.Context(), "p", good); status(err) != 403 {
		t.Errorf("a platform opens a referral: %v", err)
	}
	if _, err := platform.Referrals(t.Context(), api.ReferralQuery{}); status(err) != 403 {
		t.Errorf("a platform lists referrals: %v", err)
	}
	if _, err := liaison.Referral(t.Context(), "rf_00000000"); status(err) != 404 {
		t.Errorf("a referral that is not there: %v", err)
	}
	if _, err := liaison.Alerts(t.Context(), api.ListQuery{}); status(err) != 403 {
		t.Errorf("a liaison lists alerts: %v", err)
	}
	page, err := liaison.Referrals(t.Context(), api.ReferralQuery{State: "open"})
	if err != nil || len(page.Referrals) != 0 {
		t.Errorf("something was written: %+v, %v", page, err)
	}
}
