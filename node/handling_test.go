package node_test

import (
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// Handling codes decide every way out, and a refusal is in the access log.
func TestHandlingDecidesTheWaysOut(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	lab, platform, auditor := n.As(t, api.RoleLab), n.As(t, api.RolePlatform), n.As(t, api.RoleAuditor)
	for i, c := range []struct {
		tlp  string
		sees bool
	}{{"clear", true}, {"green", true}, {"amber", true}, {"amber+strict", false}, {"red", false}} {
		signals := md5(byte(i + 1))
		h := &api.Handling{TLP: c.tlp}
		if c.tlp == "red" {
			h.Releases = []string{"in/ncrb"}
		}
		w, err := lab.Raise(ctx, "", api.RaiseAlert{Signals: signals, AlertFacts: api.AlertFacts{Handling: h}})
		if err != nil {
			t.Fatal(c.tlp, err)
		}
		untilMatched(t, lab, asked(signals[0].Algorithm, signals[0].Value), api.MatchHit)
		for name, x := range map[string]struct {
			client *api.Client
			sees   bool
		}{"lab": {lab, true}, "platform": {platform, c.sees}} {
			got, err := x.client.LookUp(ctx, api.LookUp{Signals: signals})
			if err != nil || (len(got.Results[0].Alerts) == 1) != x.sees {
				t.Errorf("%s, %s: %+v %v", c.tlp, name, got, err)
			}
			near, err := x.client.Match(ctx, api.Match{Rows: [][]api.Fingerprint{asked(signals[0].Algorithm, signals[0].Value)}})
			if err != nil || (near.Hits == 1) != x.sees {
				t.Errorf("%s, %s: %+v %v", c.tlp, name, near, err)
			}
		}
		if _, err := lab.Bundle(ctx, w.ID); status(err) != 0 && status(err) != 503 { // it raised it, so it may; it may not be sealed yet
			t.Errorf("%s, its own bundle: %v", c.tlp, err)
		}
	}
	page, err := auditor.Access(ctx, api.AccessQuery{Verb: "alert.hand-on"})
	if err != nil || len(page.Records) != 4 || page.Records[0].Outcome != "refused" || page.Records[0].Reason == "" {
		t.Errorf("%+v %v", page, err)
	}
}
