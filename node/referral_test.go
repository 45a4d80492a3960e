package node_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestReferralsAreRefusedWithTheReason(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	liaison, platform := n.As(t, api.RoleLiaison), n.As(t, api.RolePlatform)
	past, support := time.Now().Add(-time.Second), api.Support{Reference: "r"}
	good := api.OpenReferral{Kind: "investigation", To: "in/ncrb", Title: "t"}
	for name, c := range map[string]struct {
		change func(*api.OpenReferral)
		want   int
	}{
		"to itself":    {func(*api.OpenReferral) {}, 409},
		"no agency":    {func(r *api.OpenReferral) { r.To = "NCRB" }, 400},
		"unknown kind": {func(r *api.OpenReferral) { r.Kind = "gossip" }, 422},
		"no title":     {func(r *api.OpenReferral) { r.To, r.Title = "in/x", "" }, 400},
		"late":         {func(r *api.OpenReferral) { r.To, r.Due = "in/x", &past }, 409},
		"no report":    {func(r *api.OpenReferral) { r.To, r.Reports = "in/x", []string{"al_00"} }, 400},
		"too much":     {func(r *api.OpenReferral) { r.To, r.Kind, r.Support = "in/x", "victim-support", &support }, 400},
		"no support":   {func(r *api.OpenReferral) { r.To, r.Support = "in/x", &support }, 400},
		"shown around": {func(r *api.OpenReferral) {
			r.To, r.Title, r.Kind, r.Also, r.Support = "in/x", "", "victim-support", []string{"in/y"}, &support
		}, 400},
		"everyone":      {func(r *api.OpenReferral) { r.To, r.Also = "in/x", []string{"in/*"} }, 400},
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

func TestReferralsTakeNoAttachments(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	target := n.Target(t, api.RoleLiaison)
	good := map[string]any{"kind": "investigation", "to": "in/x", "title": "t"}
	for _, field := range []string{"attachment", "attachments", "file", "image", "media", "thumbnail"} {
		body := maps.Clone(good)
		body[field] = "aGFybWxlc3M="
		if resp, answer := posted(t, target, "/v1/referrals", body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), field) {
			t.Errorf("%s: %d %s", field, resp.StatusCode, answer)
		}
	}
	for _, kind := range []string{"image/jpeg", "multipart/form-data; boundary=x", "video/mp4", "application/octet-stream"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.Server+"/v1/referrals", strings.NewReader("\xff\xd8\xff"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+target.Token)
		r.Header.Set("Content-Type", kind)
		if resp, answer := sent(t, r); resp.StatusCode != http.StatusUnsupportedMediaType && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", kind, resp.StatusCode, answer)
		}
	}
	if page, err := n.As(t, api.RoleLiaison).Referrals(t.Context(), api.ReferralQuery{}); err != nil || len(page.Referrals) != 0 {
		t.Errorf("something was written: %+v, %v", page, err)
	}
}
