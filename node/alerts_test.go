package node_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"vigil/ledger/alert"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// raiseOf raises one alert and returns its id.
func raiseOf(t testing.TB, c *api.Client, a api.RaiseAlert) string {
	t.Helper()
	w, err := c.Raise(t.Context(), "", a)
	if err != nil {
		t.Fatal(err)
	}
	return w.ID
}

func listed(t testing.TB, c *api.Client, q api.ListQuery) []string {
	t.Helper()
	page, err := c.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, a := range page.Alerts {
		out = append(out, a.ID)
	}
	return out
}

func TestAlertsInCasework(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst, platform, auditor := r.As(t, api.RoleAnalyst), r.As(t, api.RolePlatform), r.As(t, api.RoleAuditor)
	ctx := t.Context()
	blue := raiseOf(t, analyst, api.RaiseAlert{Signals: md5(1), AlertFacts: api.AlertFacts{
		Series: "Blue", Basis: "partner-list", Source: "IWF 7",
		Classifications: []api.Classification{{Scheme: "IWF", Value: "A", By: "IWF", Unit: "hotline", Day: "2026-01-31"}, {Scheme: "vics", Context: "UK", Value: "1"}, {Scheme: "vics", Context: "us", Value: "1"}},
	}})
	copied, other := raiseOf(t, analyst, api.RaiseAlert{Signals: md5(2)}), raiseOf(t, analyst, api.RaiseAlert{Signals: md5(3)})
	drill := raiseOf(t, analyst, api.RaiseAlert{Signals: md5(1), AlertFacts: api.AlertFacts{Exercise: true}})

	t.Run("classifications stand side by side", func(t *testing.T) {
		a, err := analyst.Alert(ctx, blue)
		if err != nil {
			t.Fatal(err)
		}
		want := []api.Classification{
			{Scheme: "iwf", Value: "a", By: "IWF", Unit: "hotline", Day: "2026-01-31"}, {Scheme: "vics", Context: "uk", Value: "1"}, {Scheme: "vics", Context: "us", Value: "1"},
		}
		if !slices.Equal(a.Classifications, want) || a.Series != "Blue" {
			t.Errorf("%+v", a.AlertFacts)
		}
		if len(a.Equivalents) != 1 || a.Equivalents[0].Class != "national/uk:a" || a.Crosswalk != alert.CrosswalkVersion || !slices.Contains(a.WithoutEquivalent, "inhope-ucs") {
			t.Errorf("%+v", a.AlertDetail)
		}
		if !a.Actionable || a.Independent != 1 || a.Agencies != 1 {
			t.Errorf("%+v", a.AlertJudged)
		}
		for name, c := range map[string]api.Classification{
			"no context": {Scheme: "vics", Value: "1"}, "no such grade": {Scheme: "iwf", Value: "d"}, "a nation's": {Scheme: "iwf", Context: "uk", Value: "a"}, "some day": {Scheme: "iwf", Value: "a", Day: "yesterday"},
		} {
			if _, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(9), AlertFacts: api.AlertFacts{Classifications: []api.Classification{c}}}); status(err) != http.StatusBadRequest {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("lists", func(t *testing.T) {
		for name, c := range map[string]struct {
			q    api.ListQuery
			want []string
		}{
			"all":          {api.ListQuery{}, []string{other, copied, blue}},
			"class":        {api.ListQuery{Class: "iwf:a"}, []string{blue}},
			"derived":      {api.ListQuery{Class: "national/uk:a"}, []string{blue}},
			"other nation": {api.ListQuery{Class: "vics/de:1"}, []string{}},
			"series":       {api.ListQuery{Series: "Blue"}, []string{blue}},
			"acted on":     {api.ListQuery{Actionable: "yes", Sort: "oldest"}, []string{blue, copied, other}},
			"not":          {api.ListQuery{Actionable: "no"}, []string{}},
			"exercises":    {api.ListQuery{Exercise: true}, []string{drill}},
		} {
			if got := listed(t, analyst, c.q); !slices.Equal(got, c.want) {
				t.Errorf("%s: %v", name, got)
			}
		}
		for _, q := range []api.ListQuery{{Class: "iwf"}, {Class: "vics:1"}, {Actionable: "perhaps"}, {Series: "al_x"}} {
			if _, err := analyst.Alerts(ctx, q); status(err) != http.StatusBadRequest {
				t.Errorf("%+v: %v", q, err)
			}
		}
	})

	t.Run("sightings", func(t *testing.T) {
		if _, err := platform.Sight(ctx, "s", blue, api.SightAlert{Setting: "seized-media", Count: 3, Day: "2026-02-01"}); err != nil {
			t.Fatal(err)
		}
		if w, err := platform.Sight(ctx, "s", blue, api.SightAlert{Setting: "seized-media", Count: 3, Day: "2026-02-01"}); err != nil || !w.Repeated {
			t.Fatalf("a retry counts again: %+v %v", w, err)
		}
		if _, err := analyst.Sight(ctx, "", blue[:12], api.SightAlert{Setting: "seized-media", Review: "false-positive"}); err != nil {
			t.Fatal(err)
		}
		a, err := analyst.Alert(ctx, blue)
		if err != nil || a.Sighted != 3 || len(a.Sightings) != 2 || len(a.Timeline) != 1 {
			t.Fatalf("%+v %v", a, err)
		}
		if s := a.Sightings[0]; s != (api.Sighting{Agency: "in/ncrb", Setting: "platform", Review: "not-reviewed", Count: 3, First: "2026-02-01", Last: "2026-02-01"}) {
			t.Errorf("a platform's sighting says more or less than it may: %+v", s)
		}
		for name, c := range map[string]struct {
			who  *api.Client
			id   string
			x    api.SightAlert
			want int
		}{
			"by a beginning":    {platform, blue[:12], api.SightAlert{}, 400},
			"not there":         {platform, blue[:len(blue)-1] + "x", api.SightAlert{}, 400},
			"unknown":           {analyst, "al_00000000", api.SightAlert{}, 404},
			"in a dream":        {analyst, blue, api.SightAlert{Setting: "dream"}, 400},
			"in the future":     {analyst, blue, api.SightAlert{Day: "2199-01-01"}, 400},
			"on no day":         {analyst, blue, api.SightAlert{Day: "1.2.2026"}, 400},
			"all too often":     {analyst, blue, api.SightAlert{Count: 2_000_000}, 400},
			"by one who reads":  {auditor, blue, api.SightAlert{}, 403},
			"reviewed somehow":  {analyst, blue, api.SightAlert{Review: "maybe"}, 400},
			"by the operator's": {r.Operator, blue, api.SightAlert{}, 403},
		} {
			if _, err := c.who.Sight(ctx, "", c.id, c.x); status(err) != c.want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("links", func(t *testing.T) {
		if _, err := analyst.LinkAlerts(ctx, "", blue, api.LinkAlert{Alert: copied, Relation: "near-duplicate"}); err != nil {
			t.Fatal(err)
		}
		if _, err := analyst.LinkAlerts(ctx, "", other, api.LinkAlert{Alert: copied, Relation: "same-series", Reason: "same room"}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{blue, copied, other} {
			if got := listed(t, analyst, api.ListQuery{Series: id}); !slices.Equal(got, []string{other, copied, blue}) {
				t.Errorf("what belongs with %s: %v", id, got)
			}
		}
		a, err := analyst.Alert(ctx, other)
		if err != nil || len(a.Related) != 2 || a.Related[0].ID != copied || a.Related[1].ID != blue || a.Related[1].Steps != 2 {
			t.Errorf("%+v %v", a.Related, err)
		}
		for name, c := range map[string]struct {
			id   string
			x    api.LinkAlert
			want int
		}{
			"again":          {copied, api.LinkAlert{Alert: blue, Relation: "near-duplicate"}, 409},
			"itself":         {blue, api.LinkAlert{Alert: blue, Relation: "near-duplicate"}, 400},
			"an exercise":    {blue, api.LinkAlert{Alert: drill, Relation: "near-duplicate"}, 409},
			"unknown":        {blue, api.LinkAlert{Alert: "al_00000000", Relation: "near-duplicate"}, 404},
			"somehow":        {blue, api.LinkAlert{Alert: copied, Relation: "cousins"}, 400},
			"by no verdict":  {blue, api.LinkAlert{Alert: copied, Relation: "near-duplicate", Verdict: "perhaps"}, 400},
			"nothing undone": {blue, api.LinkAlert{Alert: other, Relation: "near-duplicate", Verdict: "withdraws"}, 409},
		} {
			if _, err := analyst.LinkAlerts(ctx, "", c.id, c.x); status(err) != c.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := analyst.LinkAlerts(ctx, "", blue, api.LinkAlert{Alert: copied, Relation: "near-duplicate", Verdict: "withdraws"}); err != nil {
			t.Fatal(err)
		}
		if got := listed(t, analyst, api.ListQuery{Series: blue}); !slices.Equal(got, []string{blue}) {
			t.Errorf("after taking it back: %v", got)
		}
	})

	t.Run("look-ups tell casework from exercises, and what is acted on from the rest", func(t *testing.T) {
		for exercise, want := range map[bool]string{false: blue, true: drill} {
			answer, err := analyst.LookUp(ctx, api.LookUp{Signals: md5(1), Exercise: exercise})
			if err != nil || len(answer.Results[0].Alerts) != 1 || answer.Results[0].Alerts[0].ID != want || !answer.Results[0].Actionable {
				t.Errorf("exercise %v: %+v %v", exercise, answer, err)
			}
		}
		if _, err := analyst.Retract(ctx, "", blue, api.Retract{Reason: "wrong"}); err != nil {
			t.Fatal(err)
		}
		seen, err := analyst.LookUp(ctx, api.LookUp{Signals: md5(1)})
		if err != nil || seen.Results[0].Actionable || len(seen.Results[0].Alerts) != 1 || seen.Results[0].Alerts[0].Barred != "retracted" {
			t.Errorf("%+v %v", seen, err)
		}
		if blind, err := platform.LookUp(ctx, api.LookUp{Signals: md5(1)}); err != nil || blind.Results[0].Actionable || len(blind.Results[0].Alerts) != 0 {
			t.Errorf("a platform is answered with what is not acted on: %+v %v", blind, err)
		}
		if _, err := platform.Sight(ctx, "", blue, api.SightAlert{}); status(err) != http.StatusConflict {
			t.Errorf("a retracted alert is sighted: %v", err)
		}
	})
}

func TestKnownBenignSignals(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst, platform, auditor := r.As(t, api.RoleAnalyst), r.As(t, api.RolePlatform), r.As(t, api.RoleAuditor)
	ctx := t.Context()
	before := raiseOf(t, analyst, api.RaiseAlert{Signals: md5(1)})
	w, err := analyst.DeclareBenign(ctx, "d", api.DeclareBenign{Signals: append(md5(1), md5(2)...), Reason: "a logo"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := analyst.DeclareBenign(ctx, "d", api.DeclareBenign{Signals: append(md5(1), md5(2)...), Reason: "a logo"}); err != nil || !again.Repeated || again.ID != w.ID {
		t.Errorf("a retry: %+v %v", again, err)
	}
	for name, c := range map[string]struct {
		who  *api.Client
		x    api.DeclareBenign
		want int
	}{
		"no reason":       {analyst, api.DeclareBenign{Signals: md5(3)}, 400},
		"no signals":      {analyst, api.DeclareBenign{Reason: "r"}, 400},
		"a short hash":    {analyst, api.DeclareBenign{Signals: []api.Signal{{Algorithm: "md5", Value: "00"}}, Reason: "r"}, 400},
		"by a platform":   {platform, api.DeclareBenign{Signals: md5(3), Reason: "r"}, 403},
		"by an auditor":   {auditor, api.DeclareBenign{Signals: md5(3), Reason: "r"}, 403},
		"to nobody known": {analyst, api.DeclareBenign{Signals: md5(3), Reason: "r", Audience: []string{"in/@x"}}, 409},
	} {
		if _, err := c.who.DeclareBenign(ctx, "", c.x); status(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}

	a, err := analyst.Alert(ctx, before)
	if err != nil || a.Actionable || a.Barred != "known-benign" || a.Standing != "asserted" || len(a.Benign) != 1 || a.Benign[0].ID != w.ID {
		t.Errorf("not shown with the conflict: %+v %v", a, err)
	}
	for _, c := range []*api.Client{analyst, platform} {
		answer, err := c.LookUp(ctx, api.LookUp{Signals: append(md5(2), md5(9)...)})
		if err != nil || len(answer.Results[0].Benign) != 1 || answer.Results[0].Benign[0].Reason != "a logo" || len(answer.Results[1].Benign) != 0 {
			t.Errorf("a look-up does not say so: %+v %v", answer, err)
		}
	}
	if _, err := analyst.Raise(ctx, "k", api.RaiseAlert{Signals: append(md5(7), md5(2)...)}); status(err) != http.StatusConflict {
		t.Errorf("raised: %v", err)
	}
	knowing, err := analyst.Raise(ctx, "k", api.RaiseAlert{Signals: append(md5(7), md5(2)...), KnowingBenign: true})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := analyst.Alert(ctx, knowing.ID); err != nil || a.Barred != "known-benign" {
		t.Errorf("%+v %v", a, err)
	}
	if drill, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(2), AlertFacts: api.AlertFacts{Exercise: true}}); err != nil {
		t.Errorf("an exercise is refused: %v", err)
	} else if a, err := analyst.Alert(ctx, drill.ID); err != nil || !a.Actionable {
		t.Errorf("an exercise conflicts with casework: %+v %v", a, err)
	}
	list, err := analyst.RaiseList(ctx, "l", api.RaiseList{Rows: [][]api.Signal{md5(20), {{Algorithm: "md5", Value: "x"}}, md5(1), md5(21)}})
	if err != nil || list.Accepted != 2 || len(list.Rows) != 2 || list.Rows[1].Row != 2 {
		t.Errorf("%+v %v", list, err)
	}

	if _, err := analyst.LiftBenign(ctx, "", w.ID, api.LiftBenign{Reason: "no logo"}); err != nil {
		t.Fatal(err)
	}
	if _, err := analyst.LiftBenign(ctx, "", w.ID, api.LiftBenign{Reason: "no logo"}); status(err) != http.StatusConflict {
		t.Errorf("lifted twice: %v", err)
	}
	if _, err := analyst.LiftBenign(ctx, "", "bn_00000000", api.LiftBenign{Reason: "no logo"}); status(err) != http.StatusNotFound {
		t.Errorf("lifted from nowhere: %v", err)
	}
	page, err := auditor.Benigns(ctx, api.BenignQuery{})
	if err != nil || len(page.Benigns) != 1 || page.Benigns[0].InForce || len(page.Benigns[0].Signals) != 2 {
		t.Errorf("%+v %v", page, err)
	}
	one, err := analyst.Benign(ctx, w.ID[:10])
	if err != nil || len(one.Timeline) != 2 || one.Timeline[1].Type != "benign.lifted" {
		t.Errorf("%+v %v", one, err)
	}
	if a, err := analyst.Alert(ctx, before); err != nil || !a.Actionable || len(a.Benign) != 0 {
		t.Errorf("%+v %v", a, err)
	}
	if again, err := analyst.RaiseList(ctx, "l", api.RaiseList{Rows: [][]api.Signal{md5(20), {{Algorithm: "md5", Value: "x"}}, md5(1), md5(21)}}); status(err) != http.StatusConflict {
		t.Errorf("the same key for more rows: %+v %v", again, err)
	}
}

func TestAFloodWaitsForAnotherAgency(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst, platform := r.As(t, api.RoleAnalyst), r.As(t, api.RolePlatform)
	ctx := t.Context()
	section := json.RawMessage(`{"jurisdictions":1,"actionable":"asserted","benign":[],"flood":{"window":1000,"recent":8,"factor":8,"signals":4,"novel":3}}`)
	for name, bad := range map[string]string{
		"from disputed": `{"jurisdictions":1,"actionable":"disputed","benign":[],"flood":{"window":1,"recent":1,"factor":1,"signals":1,"novel":1}}`,
		"no factor":     `{"jurisdictions":1,"actionable":"asserted","benign":[],"flood":{"window":1,"recent":1,"signals":1,"novel":1}}`,
		"by rate":       `{"jurisdictions":1,"actionable":"asserted","benign":[],"flood":{"window":1,"recent":1,"factor":1,"signals":1,"novel":1,"hours":1}}`,
		"benign to all": `{"jurisdictions":1,"actionable":"asserted","benign":["in/*"],"flood":{"window":1,"recent":1,"factor":1,"signals":1,"novel":1}}`,
	} {
		if _, err := r.Operator.ProposePolicy(ctx, api.Policy{Sections: map[string]json.RawMessage{"alert": json.RawMessage(bad)}}); status(err) != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Operator.ProposePolicy(ctx, api.Policy{Sections: map[string]json.RawMessage{"alert": section}}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range byte(5) {
		ids = append(ids, raiseOf(t, analyst, api.RaiseAlert{Signals: md5(i + 1)}))
	}
	if got := listed(t, analyst, api.ListQuery{Actionable: "no"}); !slices.Equal(got, []string{ids[4], ids[3]}) {
		t.Fatalf("held: %v of %v", got, ids)
	}
	a, err := analyst.Alert(ctx, ids[4])
	if err != nil || a.Barred != "held" || a.Standing != "asserted" {
		t.Errorf("%+v %v", a, err)
	}
	if answer, err := platform.LookUp(ctx, api.LookUp{Signals: md5(5)}); err != nil || len(answer.Results[0].Alerts) != 0 {
		t.Errorf("a platform acts on what is held: %+v %v", answer, err)
	}
	floods, err := analyst.Floods(ctx, false)
	if err != nil || len(floods.Floods) != 1 {
		t.Fatalf("%+v %v", floods, err)
	}
	f := floods.Floods[0]
	if f.Agency != "in/ncrb" || f.Alerts != 2 || f.Held != 2 || f.Signals != 5 || f.Novel != 5 || f.From != a.Index-1 || f.To != a.Index+1 {
		t.Errorf("%+v, the last is in entry %d", f, a.Index)
	}
	for name, c := range map[string]struct {
		who  *api.Client
		x    api.ReleaseFlood
		want int
	}{
		"its own":          {analyst, api.ReleaseFlood{Agency: f.Agency, From: f.From, To: f.To, Reason: "r"}, 409},
		"nothing is held":  {analyst, api.ReleaseFlood{Agency: "in/other", From: f.From, To: f.To, Reason: "r"}, 409},
		"no reason":        {analyst, api.ReleaseFlood{Agency: f.Agency, From: f.From, To: f.To}, 400},
		"backwards":        {analyst, api.ReleaseFlood{Agency: f.Agency, From: f.To, To: f.From, Reason: "r"}, 400},
		"everything ever":  {analyst, api.ReleaseFlood{Agency: f.Agency, To: 1 << 40, Reason: "r"}, 400},
		"no ledger":        {analyst, api.ReleaseFlood{Ledger: "in", Agency: f.Agency, From: f.From, To: f.To, Reason: "r"}, 400},
		"no agency":        {analyst, api.ReleaseFlood{Agency: "ncrb", From: f.From, To: f.To, Reason: "r"}, 400},
		"by the operators": {r.Operator, api.ReleaseFlood{Agency: f.Agency, From: f.From, To: f.To, Reason: "r"}, 403},
	} {
		if _, err := c.who.ReleaseFlood(ctx, "", c.x); status(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
