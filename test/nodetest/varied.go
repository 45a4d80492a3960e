package nodetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"vigil/node/api"
)

// Made is the fingerprint of a file that does not exist.
func Made(i int) []api.Signal {
	sum := sha256.Sum256(fmt.Append(nil, "made ", i))
	return []api.Signal{{Algorithm: "md5", Value: hex.EncodeToString(sum[:16])}, {Algorithm: "pdq", Value: hex.EncodeToString(sum[:])}}
}

// Varied writes events of many kinds on a node, and reads some. one returns the id of an alert that stands, gone that of one that
// was expunged.
func Varied(t testing.TB, r *Running) (one, gone string) {
	t.Helper()
	ctx := t.Context()
	lab, analyst, liaison, platform := r.As(t, api.RoleLab), r.As(t, api.RoleAnalyst), r.As(t, api.RoleLiaison), r.As(t, api.RolePlatform)
	must := func(w api.Written, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	list := api.RaiseList{AlertFacts: api.AlertFacts{Title: "a list", Series: "s"}}
	for i := range 40 {
		list.Rows = append(list.Rows, Made(i))
	}
	must(lab.RaiseList(ctx, "list", list))
	one = must(lab.Raise(ctx, "one", api.RaiseAlert{Signals: Made(100), AlertFacts: api.AlertFacts{Title: "one", Urgency: "priority"}}))
	two := must(lab.Raise(ctx, "two", api.RaiseAlert{Signals: Made(101)}))
	gone = must(lab.Raise(ctx, "gone", api.RaiseAlert{Signals: Made(102)}))
	must(analyst.Sight(ctx, "si", one, api.SightAlert{Setting: "seized-media", Count: 3}))
	must(lab.LinkAlerts(ctx, "li", one, api.LinkAlert{Alert: two, Relation: "same-series"}))
	must(lab.Retract(ctx, "re", two, api.Retract{Reason: "another file"}))
	must(lab.DeclareBenign(ctx, "be", api.DeclareBenign{Signals: Made(103), Reason: "a test card"}))
	watched := api.AddWatched{WatchFacts: api.WatchFacts{Case: "7/2026"}, Rows: [][]api.Signal{Made(100), Made(104)}}
	if _, err := analyst.AddWatched(ctx, "wa", watched); err != nil {
		t.Fatal(err)
	}
	if _, err := liaison.GiveNotice(ctx, "no", api.GiveNotice{Person: api.Person{Names: []string{"A B"}, Born: "1980-01-02"}, NoticeFacts: api.NoticeFacts{Tier: "low", Ground: "convicted", Since: "2024-05-01", Authority: "court", Reference: "12/2024"}}); err != nil {
		t.Fatal(err)
	}
	submitted := api.SubmitReport{ReportStatement: api.ReportStatement{
		Kind: "abuse-material", Reference: "case 1", About: []api.ReportPointer{{Role: "reported", Kind: "account", Value: "user-1"}}, Files: []api.ReportFile{{Signals: Made(105), Reference: "f1"}},
	}}
	if _, err := platform.SubmitReport(ctx, "rp", submitted); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Operator.AddUser(ctx, api.NewUser{Name: "asha", Roles: []string{api.RoleAnalyst}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Operator.Expunge(ctx, api.Expunge{Alert: gone, Order: fmt.Sprintf("%064d", 7), Authority: "a court", Reason: "unlawful"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := analyst.Alert(ctx, one); err != nil {
			t.Fatal(err)
		}
		if _, err := analyst.Alerts(ctx, api.ListQuery{}); err != nil {
			t.Fatal(err)
		}
	}
	Until(t, "what was expunged is answered for", func() bool {
		page, err := r.Operator.Expungements(ctx, 0, 0)
		return err == nil && len(page.Expungements) == 1
	})
	for i := range 12 { // raft's log begins anew behind an expungement
		must(lab.Raise(ctx, fmt.Sprint("later ", i), api.RaiseAlert{Signals: Made(200 + i)}))
	}
	return one, gone
}
