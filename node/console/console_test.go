package console_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/node/api"
	"vigil/node/console"
)

// answers is an API that knows nothing but what it is given, and what it was asked to do.
type answers struct {
	given map[string]any         // by method and path; a function of the query where it counts
	mu    sync.Mutex             // pages ask for several things at once
	asked map[string]string      // guarded by mu
	heads map[string]http.Header // guarded by mu
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.Path
	var body json.RawMessage
	_ = json.NewDecoder(r.Body).Decode(&body) // a read has none
	a.mu.Lock()
	a.asked[key], a.heads[key] = string(body), r.Header
	a.mu.Unlock()
	x, ok := a.given[key]
	if !ok {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"title":"Not Found","status":404,"code":"not-found","detail":"nothing under ` + r.URL.Path + `"}`))
		return
	}
	if of, ok := x.(func(url.Values) any); ok {
		x = of(r.URL.Query())
	}
	if refusal, ok := x.(*api.Refusal); ok {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(refusal.Status)
	}
	_ = json.NewEncoder(w).Encode(x) // the recorder takes everything
}

func serve(t *testing.T, roles []string, given map[string]any) (*console.Console, *answers) {
	t.Helper()
	a := &answers{given: given, asked: map[string]string{}, heads: map[string]http.Header{}}
	a.given["GET /v1/session"] = api.Session{ID: "us_1", Name: "asha", Roles: roles, Agency: "in/ncrb", LastEvent: "made-7"}
	a.given["GET /v1/status"] = api.Status{Agency: "in/ncrb", Ready: true, Partners: []api.PartnerStatus{{Origin: "uk/y", Suspended: true, Agencies: []string{"uk/ncb"}}}, Ledgers: []api.LedgerStatus{{Origin: "in/x", Own: true}}}
	c, err := console.New(console.Config{API: a, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c, a
}

func ask(c *console.Console, method, path string, form url.Values, cookies ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://node.example"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, cookie := range cookies {
		r.Header.Add("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func referral() api.Referral {
	due := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	clock := api.Deadline{Stage: "accept", Owes: "in/ncrb", Due: &due, Status: "overdue", Overdue: true}
	return api.Referral{
		ID: "rf_0123456789abcdef0123456789abcdef", Ledger: "in/x", State: "acknowledged", Step: 3, Opener: "uk/ncb", Holder: "in/ncrb", Kind: "investigation", Urgency: "child-at-immediate-risk",
		Title: "Find the school", Text: "As agreed", Deadline: &clock, Deadlines: []api.Deadline{clock}, Alerts: []string{"al_00112233445566778899aabbccddeeff"}, Audience: []string{"in/ncrb", "uk/ncb"},
		Moves: []string{"decline", "note", "accept"}, Tasks: []api.ReferralTask{{ID: "t", By: "uk/ncb", To: "in/ncrb", Text: "ask the district", State: "open"}},
		Timeline: []api.ReferralEvent{{Move: "open", Author: "uk/ncb", Ledger: "in/x", Index: 4}, {Move: "escalate", Author: "in/ncrb", Ledger: "in/x", Index: 9, Effect: "came second"}},
	}
}

// TestPagesShowWhatTheAPIAnswers renders, in both languages, what few have on one node.
func TestPagesShowWhatTheAPIAnswers(t *testing.T) {
	alert := api.Alert{
		ID: "al_00112233445566778899aabbccddeeff", Author: "uk/ncb", Ledger: "uk/y", Index: 5, Standing: "retracted", Signals: []api.Signal{{Algorithm: "md5", Value: "00"}},
		AlertFacts:  api.AlertFacts{Title: "<b>bold</b>", Urgency: "priority", Handling: &api.Handling{TLP: "amber+strict", Caveats: []string{"ask first"}}, Exercise: true},
		AlertJudged: api.AlertJudged{Agencies: 2, Independent: 1, Disputes: 1, Barred: "retracted"},
		AlertDetail: api.AlertDetail{
			Assessments: []api.Assessment{{Agency: "in/mh", Verdict: "disputes", Basis: "examined", Reason: "not the same"}}, Equivalents: []api.Equivalent{{Class: "iwf:a", From: "sap:5"}},
			Sightings: []api.Sighting{{Agency: "in/mh", Setting: "platform", Review: "matches", Count: 12345, First: "2026-01-01", Last: "2026-02-01"}},
			Benign:    []api.BenignNote{{ID: "b", Agency: "in/ka", Reason: "a logo"}}, Related: []api.Related{{ID: "al_ffeeddccbbaa99887766554433221100", Relation: "same-series"}},
		},
		Timeline: []api.AlertEvent{{Type: "alert.retracted", Author: "uk/ncb", Reason: "wrong"}},
	}
	signed := time.Now()
	recall := api.Recall{Alert: alert.ID, Expected: 3, Done: 2, Reason: "wrong", Replacement: "al_ffeeddccbbaa99887766554433221100", Agencies: []api.RecallAnswer{{Agency: "in/mh", State: "done", Late: true, Signed: &signed}}}
	report := api.Report{
		ID: "rp_1", Platform: "chat.example", Summary: api.ReportSummary{Kind: "abuse-material", Priority: []string{"child-at-immediate-risk"}, Files: 1}, Timeline: []api.ReportEvent{{Type: "report.received"}, {Type: "report.triaged", Move: "claim"}},
		Statement: &api.ReportStatement{Kind: "abuse-material", Note: "soon", Files: []api.ReportFile{{Signals: alert.Signals, Media: "image", Viewed: "yes"}}},
		Desk:      &api.ReportDesk{State: "claimed", Person: "us_1", Moves: []string{"conclude", "release"}, Hits: []api.ReportHit{{File: 0, Alert: alert.ID, Near: true}}, Alerts: []string{alert.ID}, Referrals: []string{"rf_1"}, Same: []string{"rp_2"}},
	}
	other := report
	other.ID, other.Desk = "rp_2", &api.ReportDesk{State: "waiting"}
	given := map[string]any{
		"GET /v1/alerts/" + alert.ID: alert, "GET /v1/alerts/" + alert.ID + "/recall": recall, "GET /v1/referrals/rf_1": referral(), "GET /v1/referrals": api.ReferralPage{Referrals: []api.Referral{referral()}, Next: "n", StaleFor: 12},
		"GET /v1/reports/rp_1": report, "GET /v1/reports/rp_2": other, "GET /v1/queue": api.Queue{Waiting: 1, Places: []api.QueuePlace{{Score: 900, Parts: []api.QueuePart{{Name: "x", Points: 900, Why: "a child is at risk"}}, Report: report, Count: 3, Hits: []api.ReportHit{{Alert: alert.ID}, {Alert: alert.ID, Near: true}, {Harmless: true}}}}},
		"GET /v1/agencies":         api.Agencies{Audiences: []api.Audience{{Name: "in/*", Stale: true, Members: []string{"in/ncrb"}}}, Proposals: []api.Proposal{{ID: "p", Author: "in/mh", Text: "Admit in/ka", Fingerprint: "f00d", Needs: 2, Outside: true}}},
		"GET /v1/watch-lists":      api.WatchListPage{Lists: []api.WatchList{{ID: "wl_1", WatchFacts: api.WatchFacts{Case: "117"}, Files: 3, Watched: 2}}},
		"GET /v1/watch-hits":       api.WatchHitPage{Hits: []api.WatchHit{{ID: "wh_1", State: "open", WatchFacts: api.WatchFacts{Case: "117"}, Alert: alert, Algorithm: "pdq", Distance: 12}}},
		"GET /v1/watch-lists/wl_1": api.WatchListFiles{WatchList: api.WatchList{ID: "wl_1", WatchFacts: api.WatchFacts{Case: "117"}}, Page: []api.WatchedFile{{ID: "wl_1.0", Signals: alert.Signals}}, Next: 50},
		"GET /v1/access":           api.AccessPage{Records: []api.AccessRecord{{Actor: "us_1", Role: "analyst", Verb: "alert.list", Objects: []string{"al_1"}, Count: 1, Outcome: "refused", Reason: "role"}}, Next: 9},
		"POST /v1/access/verify":   api.AccessReport{Faults: []string{"record 7 is gone"}},
		"GET /v1/partners":         []api.PartnerStatus{{Origin: "uk/y", Suspended: true, Agencies: []string{"uk/ncb"}}},
		"GET /v1/keys":             []api.Key{{Fingerprint: "beef", State: "in force"}},
		"GET /v1/policy":           api.Policy{Quorum: "majority", Sections: map[string]json.RawMessage{"access": json.RawMessage(`{"a":1}`)}},
		"GET /v1/consents":         api.ConsentPage{Consents: []api.Consent{{ID: "co_1", Act: "retract", By: "us_1", Asked: time.Now(), Operation: "POST /v1/alerts/x/retraction {}", State: "granted"}, {ID: "co_2", Act: "users", By: "us_2"}}},
		"GET /v1/alerts":           api.AlertPage{Alerts: []api.Alert{alert}},
		"GET /v1/recalls":          api.RecallPage{Recalls: []api.Recall{{Alert: alert.ID, Overdue: 2}}},
		"GET /v1/users":            []api.User{{ID: "us_2", Name: "ravi", Roles: []string{"lab"}, SignsIn: []api.Credential{{Kind: "passkey", Label: "blue"}}}, {ID: "us_3", Name: "gone", Removed: true, Reason: "left"}},
		"GET /v1/tokens":           []api.Token{{ID: "tk_1", Name: "chat", Role: "reporter"}, {ID: "tk_2", Name: "old", Role: "lab", Revoked: true}},
		"GET /v1/subscriptions":    []api.Subscription{{ID: "su_1", Name: "desk", Channel: "webhook", To: "https://x", State: "paused", Reason: "refused"}},
		"GET /v1/figures":          json.RawMessage(`{"of":"alerts","by":["kind"],"rows":[{"keys":["x"],"count":5,"answer":{"of":3,"median_hours":1.5,"p90_hours":4}},{"keys":["y"],"count":0,"suppressed":true}],"total":5}`),
		"GET /v1/session/ways":     api.Ways{Passkey: true, Provider: true},
	}
	c, _ := serve(t, []string{api.RoleAnalyst, api.RoleCoordinator}, given)
	for path, want := range map[string][]string{
		"/":                                  {"Find the school", "117", "Admit in/ka"},
		"/alerts/" + alert.ID:                {"&lt;b&gt;bold&lt;/b&gt;", "TLP:amber&#43;strict", "12,345", "a logo", "not the same", "iwf:a"},
		"/referrals":                         {"Find the school", "cursor=n", "12"},
		"/referrals/rf_1":                    {"ask the district", "came second", `name="step" value="3"`, `<select name="move"><option value="accept">`, `value="decline"`},
		"/referrals/new":                     {"uk/ncb"},
		"/referrals/new?kind=victim-support": {`value="legal-aid"`, `name="reference"`},
		"/referrals?view=board":              {"Find the school", `id="state-handover"`},
		"/reports":                           {"a child is at risk", "chat.example"},
		"/reports/rp_1":                      {"soon", "rp_2", `value="conclude"`, `name="also" value="rp_2" checked`},
		"/watch":                             {"117", "pdq"},
		"/watch/wl_1":                        {"from=50"},
		"/access":                            {"alert.list", "before=9"},
		"/figures?of=alerts":                 {"<rect", "1.5"},
		"/governance":                        {"Admit in/ka", "f00d", "/governance/consents/co_1/doing", "/governance/consents/co_2", ">ravi · "},
		"/network":                           {"uk/ncb", "link cut"},
		"/settings":                          {"ravi", "left", "tk_2"},
		"/sign-in":                           {"passkey-in", "/v1/session/provider"},
		"/alerts/new":                        {"in/*"},
		"/alerts?q=" + alert.ID:              nil,
	} {
		for _, lang := range []string{"en", "hi"} {
			w := ask(c, http.MethodGet, path, nil, "__Host-vigil-look=lang="+lang)
			page := w.Body.String()
			if want == nil {
				if w.Header().Get("Location") != "/alerts/"+alert.ID {
					t.Errorf("%s leads to %q", path, w.Header().Get("Location"))
				}
				continue
			}
			if w.Code != http.StatusOK || !strings.Contains(page, `<html lang="`+lang+`"`) {
				t.Errorf("%s in %s: %d", path, lang, w.Code)
				continue
			}
			for _, text := range want {
				if !strings.Contains(page, text) && (lang == "en" || text != "12,345") {
					t.Errorf("%s in %s does not have %q", path, lang, text)
				}
			}
		}
	}
	if w := ask(c, http.MethodPost, "/access", nil); !strings.Contains(w.Body.String(), "record 7 is gone") {
		t.Error("a fault of the access log is not shown")
	}
	if w := ask(c, http.MethodGet, "/referrals/rf_2", nil); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Check the id") {
		t.Errorf("what is not there: %d", w.Code)
	}
}

// TestActionsAskTheAPI sends forms and looks at what the API is asked for.
func TestActionsAskTheAPI(t *testing.T) {
	written := api.Written{ID: "x_1"}
	given := map[string]any{}
	for _, path := range []string{
		"/v1/referrals", "/v1/referrals/rf_1/moves", "/v1/referrals/rf_1/tasks", "/v1/referrals/rf_1/tasks/tk_1", "/v1/referrals/rf_1/links", "/v1/referrals/rf_1/wish", "/v1/reports/rp_1/triage", "/v1/reports/rp_1/escalation", "/v1/watch-lists", "/v1/watch-hits/handling", "/v1/watch-lists/removals", "/v1/removals",
		"/v1/audiences", "/v1/partners", "/v1/keys", "/v1/policy", "/v1/proposals/p/approval", "/v1/alerts/al_1/assessments", "/v1/alerts/al_1/sightings", "/v1/users/us_2/removal", "/v1/users/us_2/change", "/v1/subscriptions/su_1/close",
	} {
		given["POST "+path] = written
	}
	given["DELETE /v1/proposals/p"], given["DELETE /v1/tokens/tk_1"] = written, written
	reasons := map[string]bool{"/governance/removals": true, "/settings/subscriptions/su_1": true, "/settings/tokens/tk_1/revocation": true}
	c, a := serve(t, []string{api.RoleAnalyst, api.RoleCoordinator}, given)
	md5 := strings.Repeat("0f", 16)
	for _, x := range []struct {
		path string
		form url.Values
		asks string // method and path
		with []string
	}{
		{"/referrals/new", url.Values{"key": {"k"}, "to": {"uk/ncb"}, "kind": {"investigation"}, "title": {"T"}, "alerts": {"al_1, al_2"}, "due": {"2026-12-01"}}, "POST /v1/referrals", []string{`"alerts":["al_1","al_2"]`, `"due":"2026-12-01T23:59:59Z"`}},
		{"/referrals/rf_1/moves", url.Values{"key": {"k"}, "move": {"accept"}, "step": {"3"}}, "POST /v1/referrals/rf_1/moves", []string{`"move":"accept"`, `"step":3`}},
		{"/referrals/new", url.Values{"key": {"k"}, "to": {"in/mh"}, "kind": {"victim-support"}, "reference": {"7"}, "needs": {"shelter", "medical"}, "age": {"12-15"}, "choice": {"ask-later"}, "ask": {"2027-01-02"}}, "POST /v1/referrals", []string{`"support":{"reference":"7","needs":["shelter","medical"],"age":"12-15","wish":{"choice":"ask-later","ask":"2027-01-02"}}`}},
		{"/referrals/rf_1/tasks", url.Values{"key": {"k"}, "to": {"in/mh"}, "text": {"ask"}, "due": {"2026-12-01"}}, "POST /v1/referrals/rf_1/tasks", []string{`"to":"in/mh"`, `"due":"2026-12-01T23:59:59Z"`}},
		{"/referrals/rf_1/tasks/tk_1", url.Values{"key": {"k"}, "ending": {"done"}, "text": {"asked"}}, "POST /v1/referrals/rf_1/tasks/tk_1", []string{`"ending":"done"`, `"text":"asked"`}},
		{"/referrals/rf_1/links", url.Values{"key": {"k"}, "alerts": {"al_1 al_2"}, "reports": {"rp_1"}}, "POST /v1/referrals/rf_1/links", []string{`"alerts":["al_1","al_2"]`, `"reports":["rp_1"]`}},
		{"/referrals/rf_1/wish", url.Values{"key": {"k"}, "choice": {"never"}}, "POST /v1/referrals/rf_1/wish", []string{`"choice":"never"`}},
		{"/reports/rp_1/triage", url.Values{"key": {"k"}, "move": {"claim"}, "step": {"0"}, "outcome": {"actioned"}}, "POST /v1/reports/rp_1/triage", []string{`"move":"claim"`, `"step":0`}},
		{"/reports/rp_1/escalation", url.Values{"key": {"k"}, "raise": {"1"}, "value": {"a"}, "scheme": {"iwf"}, "to": {"in/mh"}, "kind": {"investigation"}, "title": {"T"}, "revision": {"2"}, "outcome": {"actioned"}, "also": {"rp_2"}}, "POST /v1/reports/rp_1/escalation", []string{`"also":["rp_2"]`, `"scheme":"iwf"`, `"to":"in/mh"`, `"revision":2`}},
		{"/watch", url.Values{"key": {"k"}, "case": {"117"}, "hashes": {md5 + "\r\n\r\n" + md5}}, "POST /v1/watch-lists", []string{`"case":"117"`, `"alg":"md5"`, `"atomic":true`}},
		{"/watch/hits", url.Values{"key": {"k"}, "id": {"wh_1", "wh_2"}, "what": {"done"}}, "POST /v1/watch-hits/handling", []string{`["wh_1","wh_2"]`}},
		{"/watch/wl_1/removal", url.Values{"key": {"k"}, "reason": {"over"}}, "POST /v1/watch-lists/removals", []string{`"lists":["wl_1"]`}},
		{"/governance/removals", url.Values{"agency": {"in/mh"}, "reason": {"its node was seized"}}, "POST /v1/removals", []string{`"agency":"in/mh"`}},
		{"/governance/audiences", url.Values{"name": {"in/@desk"}, "member": {"in/mh", "in/ka"}}, "POST /v1/audiences", []string{`["in/mh","in/ka"]`}},
		{"/governance/partners", url.Values{"card": {"AAEC"}}, "POST /v1/partners", []string{`"AAEC"`}},
		{"/governance/keys", nil, "POST /v1/keys", nil},
		{"/governance/policy", url.Values{"section": {"access"}, "text": {`{"a":1}`}}, "POST /v1/policy", []string{`"sections":{"access":{"a":1}}`}},
		{"/governance/proposals/p/approval", nil, "POST /v1/proposals/p/approval", nil},
		{"/governance/proposals/p/withdrawal", nil, "DELETE /v1/proposals/p", nil},
		{"/alerts/al_1/assessment", url.Values{"key": {"k"}, "verdict": {"confirms"}, "basis": {"examined"}}, "POST /v1/alerts/al_1/assessments", []string{`"verdict":"confirms"`}},
		{"/alerts/al_1/sighting", url.Values{"key": {"k"}, "count": {"4"}, "setting": {"hotline"}}, "POST /v1/alerts/al_1/sightings", []string{`"count":4`}},
		{"/settings/users/us_2/roles", url.Values{"role": {"lab"}}, "POST /v1/users/us_2/change", []string{`"roles":["lab"]`}},
		{"/settings/users/us_2/removal", url.Values{"reason": {"left"}}, "POST /v1/users/us_2/removal", []string{`"reason":"left"`}},
		{"/settings/subscriptions/su_1", url.Values{"turn": {"close"}, "reason": {"nobody reads it"}}, "POST /v1/subscriptions/su_1/close", nil},
		{"/settings/tokens/tk_1/revocation", url.Values{"name": {"desk"}, "reason": {"it was lost"}}, "DELETE /v1/tokens/tk_1", nil},
		{"/alerts", url.Values{"key": {"k"}, "id": {"al_1"}, "act": {"confirms"}, "reason": {"same series"}}, "POST /v1/alerts/al_1/assessments", []string{`"reason":"same series"`}},
	} {
		w := ask(c, http.MethodPost, x.path, x.form, "__Host-vigil=secret", "__Host-vigil-purpose=purpose=audit&case=117")
		if w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d %s", x.path, w.Code, w.Body)
			continue
		}
		body, asked := a.asked[x.asks]
		head := a.heads[x.asks]
		why := "audit"
		if reasons[x.path] { // that the act itself has no place for
			why = x.form.Get("reason")
		}
		if !asked || !strings.Contains(strings.Join(head.Values("Cookie"), ";"), "__Host-vigil=secret") || head.Get("Vigil-Purpose") != why || head.Get("Vigil-Case") != "117" {
			t.Errorf("%s: asked %v, with %v", x.path, asked, head)
		}
		saysSo(t, c, x.path, w)
		if x.form.Has("key") && head.Get("Idempotency-Key") == "" {
			t.Errorf("%s: sent twice it would be written twice", x.path)
		}
		for _, text := range x.with {
			if !strings.Contains(body, text) {
				t.Errorf("%s asks for %s, without %s", x.path, body, text)
			}
		}
	}
	for path, form := range map[string]url.Values{
		"/alerts": {"act": {"confirms"}, "reason": {"x"}}, "/alerts/al_1/retraction": {}, "/watch": {"hashes": {"zz"}}, "/watch/hits": {"what": {"done"}},
		"/governance/removals": {"agency": {"in/mh"}}, "/settings/tokens/tk_1/revocation": {}, "/settings/users/us_2/code": {"reset": {"1"}}, "/referrals/rf_1/moves": {"move": {"decline"}, "step": {"1"}}, "/referrals/rf_1/tasks/tk_1": {"ending": {"dropped"}},
		"/governance/partners": {"card": {"!"}}, "/governance/policy": {"section": {"a"}, "text": {"{"}}, "/settings/subscriptions/su_1": {"turn": {"explode"}}, "/look-up": {"hashes": {""}},
	} {
		if w := ask(c, http.MethodPost, path, form); w.Code != http.StatusBadRequest {
			t.Errorf("%s with %v: %d", path, form, w.Code)
		}
	}
}

// saysSo follows an answer to a form, in both languages: the page says what was done, in words that are whole.
func saysSo(t *testing.T, c *console.Console, path string, answer *httptest.ResponseRecorder) {
	t.Helper()
	said := ""
	for _, cookie := range answer.Result().Cookies() {
		if cookie.Name == "__Host-vigil-said" {
			said = cookie.Name + "=" + cookie.Value
		}
	}
	for _, lang := range []string{"en", "hi"} {
		page := ask(c, http.MethodGet, "/components", nil, said, "__Host-vigil-look=lang="+lang).Body.String()
		_, page, _ = strings.Cut(page, `<main id="main"`)
		page, _, _ = strings.Cut(page, "<h1>")
		_, note, ok := strings.Cut(page, `<div class="note good" role="status">`)
		if !ok || strings.Contains(note, "no value") || strings.Contains(note, "{{") {
			t.Errorf("%s: the next page, in %s, says %q", path, lang, note)
		}
	}
}

// TestWhatIsShownOnceSaysWhatWasDone adds a person, makes a token and more: each answer names what it was done to.
func TestWhatIsShownOnceSaysWhatWasDone(t *testing.T) {
	c, _ := serve(t, []string{api.RoleCoordinator}, map[string]any{
		"POST /v1/users": api.User{Name: "ravi", Display: "Ravi <i>Iyer</i>", Code: "AB12"}, "POST /v1/users/us_2/invitation": api.User{Name: "meera", Code: "CD34"}, "POST /v1/tokens": api.Token{Name: "desk", Secret: "vigil_x"},
		"POST /v1/subscriptions": api.Subscription{Name: "hook", Secret: "whsec_x"}, "POST /v1/invitations": api.Invitation{Token: "vi_x"},
	})
	for path, x := range map[string]struct {
		form url.Values
		want string
	}{
		"/settings/users":           {url.Values{"name": {"ravi"}}, "Ravi &lt;i&gt;Iyer&lt;/i&gt; is added"},
		"/settings/users/us_2/code": {url.Values{"reset": {"1"}, "reason": {"lost it"}}, "All that meera signed in by is ended"},
		"/settings/tokens":          {url.Values{"name": {"desk"}}, "The token desk is made"},
		"/settings/subscriptions":   {url.Values{"name": {"hook"}}, "hook is told of changes"},
		"/governance/invitations":   {url.Values{"agency": {"in/mh"}}, "an invitation for in/mh"},
	} {
		w := ask(c, http.MethodPost, path, x.form)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), x.want) {
			t.Errorf("%s: %d, without %q", path, w.Code, x.want)
		}
	}
}

// TestEmptyPagesTellTheNextStep has nothing anywhere: every page that is empty says where to go on, for roles that can.
func TestEmptyPagesTellTheNextStep(t *testing.T) {
	nothing := map[string]any{
		"GET /v1/alerts": api.AlertPage{}, "GET /v1/queue": api.Queue{}, "GET /v1/referrals": api.ReferralPage{}, "GET /v1/watch-hits": api.WatchHitPage{}, "GET /v1/watch-lists": api.WatchListPage{}, "GET /v1/recalls": api.RecallPage{},
		"GET /v1/consents": api.ConsentPage{}, "GET /v1/agencies": api.Agencies{}, "GET /v1/access": api.AccessPage{}, "GET /v1/figures": json.RawMessage(`{"of":"alerts","by":["time"],"rows":[]}`),
		"GET /v1/watch-lists/wl_1": api.WatchListFiles{},
	}
	step := regexp.MustCompile(`(?s)<div class="empty">.*?<p>[^<]+</p><p><a class="button" href="([^"]+)">`)
	for role, pages := range map[string]map[string]string{
		api.RoleAnalyst: {
			"/": "/look-up /look-up", "/alerts": "/alerts/new", "/alerts?q=x": "/alerts", "/reports": "/alerts", "/referrals": "/referrals/new", "/referrals?view=board": "/referrals/new", "/referrals?overdue=1": "/referrals",
			"/watch": "/ #do-watch", "/watch?state=done": "/watch #do-watch", "/watch/wl_1": "/watch", "/figures": "/",
		},
		api.RoleAuditor:  {"/": "/access /look-up", "/alerts": "/", "/referrals": "/", "/access": "/access", "/watch": "/"},
		api.RoleLiaison:  {"/": "/referrals", "/referrals": "/referrals/new"},
		api.RoleSupport:  {"/": "/referrals", "/referrals": "/"},
		api.RoleOperator: {"/": "/network"},
	} {
		c, _ := serve(t, []string{role}, maps.Clone(nothing))
		for path, want := range pages {
			for _, lang := range []string{"en", "hi"} {
				w := ask(c, http.MethodGet, path, nil, "__Host-vigil-look=lang="+lang)
				var got []string
				for _, m := range step.FindAllStringSubmatch(w.Body.String(), -1) {
					got = append(got, m[1])
				}
				if strings.Join(got, " ") != want || strings.Count(w.Body.String(), `class="empty"`) != len(got) {
					t.Errorf("%s, %s in %s: leads on to %v", role, path, lang, got)
				}
			}
		}
	}
}

// TestThePageOfComponentsShowsThemAll looks for every class of the style sheet on the page that shows what pages are made of.
func TestThePageOfComponentsShowsThemAll(t *testing.T) {
	c, _ := serve(t, []string{api.RoleAnalyst}, map[string]any{})
	css, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	page := ask(c, http.MethodGet, "/components", nil).Body.String()
	for _, m := range regexp.MustCompile(`class="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		for _, class := range strings.Fields(m[1]) {
			shown[class] = true
		}
	}
	for _, frame := range []string{"bare", "live", "dot", "door", "exercise", "over", "fresh", "again"} { // of whole pages, and of moments
		shown[frame] = true
	}
	for _, m := range regexp.MustCompile(`\.([a-z][a-z0-9-]*)[^;{}]*\{`).FindAllStringSubmatch(string(css), -1) {
		if !shown[m[1]] {
			t.Errorf("/components does not show %q", m[1])
		}
	}
}

// TestNowHasWhatIsUrgentFirst has a referral that is due soon among what the agency holds only, behind a page of others, and
// alerts in which a child is at risk: more than are shown, behind others that arrived later, some of them old or taken back.
func TestNowHasWhatIsUrgentFirst(t *testing.T) {
	at := func(id string, days int) api.Referral {
		r := referral()
		due := time.Now().AddDate(0, 0, days)
		r.ID, r.Title, r.Deadline = id, id, &api.Deadline{Stage: "accept", Owes: "in/ncrb", Due: &due, Status: "runs"}
		return r
	}
	alerts := func(q url.Values) any {
		if q.Get("urgency") == "" {
			return api.AlertPage{StaleFor: 61, Alerts: []api.Alert{{ID: "al_routine", AlertFacts: api.AlertFacts{Title: "Came last", Urgency: "routine"}}}}
		}
		p := api.AlertPage{}
		for i := range 12 {
			a := api.Alert{ID: fmt.Sprint("al_", i), Authored: time.Now(), AlertFacts: api.AlertFacts{Title: fmt.Sprint("Risk ", i), Urgency: q.Get("urgency")}}
			switch i {
			case 0:
				a.Standing = "retracted"
			case 1:
				a.Authored = time.Now().AddDate(0, 0, -8)
			}
			p.Alerts = append(p.Alerts, a)
		}
		return p
	}
	c, _ := serve(t, []string{api.RoleAnalyst}, map[string]any{
		"GET /v1/referrals": api.ReferralPage{Referrals: []api.Referral{at("rf_later", 9), at("rf_sooner", 2)}}, "GET /v1/queue": api.Queue{Waiting: 1}, "GET /v1/watch-hits": api.WatchHitPage{Next: 9, Hits: []api.WatchHit{{ID: "wh_1", WatchFacts: api.WatchFacts{Case: "117"}}}},
		"GET /v1/recalls": api.RecallPage{}, "GET /v1/consents": api.ConsentPage{}, "GET /v1/alerts": alerts,
	})
	page := ask(c, http.MethodGet, "/", nil).Body.String()
	rest := page
	for _, want := range []string{"heard for 1 minute.", `href="/reports"`, "Report that waits", `href="/watch"`, "1+", `id="urgent-al_2"`, "Risk 2", `id="urgent-al_9"`, `href="/alerts?urgency=child-at-immediate-risk"`, "rf_sooner", "rf_later", "Came last"} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Errorf("the page does not have %q, or not in its place", want)
			continue
		}
		rest = after
	}
	for _, not := range []string{"urgent-al_0", "urgent-al_1\"", "urgent-al_10"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %s", not)
		}
	}
	if strings.Count(page, `id="referral-rf_sooner"`) != 1 {
		t.Error("a referral that is found twice is shown twice")
	}
}

// TestWhatWasWrittenIsNotLost sends a form when the network has no leader, and one that is refused.
func TestWhatWasWrittenIsNotLost(t *testing.T) {
	given := map[string]any{"POST /v1/referrals": &api.Refusal{Status: http.StatusServiceUnavailable, Code: "no-leader"}}
	c, _ := serve(t, []string{api.RoleAnalyst}, given)
	form := url.Values{"key": {"the-key"}, "to": {"in/mh"}, "title": {"T"}, "text": {"a long <text> that took an hour to write"}, "password": {"hunter2"}}
	page := ask(c, http.MethodPost, "/referrals/new", form).Body.String()
	for _, want := range []string{`<form method="post" action="/referrals/new">`, `name="key" value="the-key"`, `name="text" value="a long &lt;text&gt; that took an hour to write"`} {
		if !strings.Contains(page, want) {
			t.Errorf("without a leader the page does not have %s", want)
		}
	}
	if strings.Contains(page, "hunter2") {
		t.Error("a password is shown again")
	}
	given["POST /v1/referrals"] = &api.Refusal{Status: http.StatusBadRequest, Code: "invalid", Detail: "to: no such agency"}
	page = ask(c, http.MethodPost, "/referrals/new", form).Body.String()
	if !strings.Contains(page, `<pre class="op" tabindex="0">a long &lt;text&gt; that took an hour to write</pre>`) || strings.Contains(page, `value="the-key"`) {
		t.Error("what was written is lost where it was refused, or the same is sent again")
	}
}

// TestNavigationIsForTheRole shows nobody a page that is not for them.
func TestNavigationIsForTheRole(t *testing.T) {
	for role, want := range map[string]string{
		api.RoleAuditor: "/ /alerts /look-up /reports /referrals /watch /figures /access /network /governance /settings",
		api.RoleLiaison: "/ /referrals /figures /settings", api.RoleSupport: "/ /referrals /settings", api.RoleOperator: "/ /network /governance /settings",
	} {
		c, _ := serve(t, []string{role}, map[string]any{"GET /v1/consents": api.ConsentPage{}})
		page := ask(c, http.MethodGet, "/components", nil).Body.String()
		nav, _, _ := strings.Cut(page[strings.Index(page, "<nav"):], "</nav>")
		var got []string
		for _, part := range strings.Split(nav, `<a href="`)[1:] {
			path, _, _ := strings.Cut(part, `"`)
			got = append(got, path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s finds %v", role, got)
		}
	}
}

// TestWhoIsNotSignedIn is sent to the door and back; from another site, as after the provider, by way of this one.
func TestWhoIsNotSignedIn(t *testing.T) {
	c, a := serve(t, nil, map[string]any{})
	a.given["GET /v1/session"] = &api.Refusal{Status: http.StatusUnauthorized, Title: "Unauthorized", Code: "no-token"}
	if w := ask(c, http.MethodGet, "/alerts?q=x", nil); w.Header().Get("Location") != "/sign-in?next=%2Falerts%3Fq%3Dx" {
		t.Errorf("sent to %q", w.Header().Get("Location"))
	}
	r := httptest.NewRequest(http.MethodGet, "https://node.example/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `content="0;url=/"`) {
		t.Errorf("after the provider: %d %s", w.Code, w.Body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "require-trusted-types-for 'script'") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the policy is %q", csp)
	}
	if w := ask(c, http.MethodGet, "/v1/nothing", nil); w.Code != http.StatusNotFound || w.Header().Get("Content-Security-Policy") != "" {
		t.Errorf("what is no page is the API's: %d", w.Code)
	}
}

// TestAPagesScriptReadsForTheReasonGiven asks the API itself as a page's script does: with what the reader keeps in a cookie.
func TestAPagesScriptReadsForTheReasonGiven(t *testing.T) {
	c, a := serve(t, []string{api.RoleAnalyst}, map[string]any{"GET /v1/events": "x"})
	ask(c, http.MethodGet, "/v1/events", nil, "__Host-vigil=secret", "__Host-vigil-purpose=purpose=audit&case=117")
	if head := a.heads["GET /v1/events"]; head.Get("Vigil-Purpose") != "audit" || head.Get("Vigil-Case") != "117" {
		t.Errorf("read with %v", head)
	}
}
