package node_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func somebody(name string) api.Person { return api.Person{Names: []string{name}, Born: "1980-01-02"} }

var facts = api.NoticeFacts{Tier: "low", Ground: "convicted", Since: "2024-05-01", Authority: "court", Reference: "12/2024"}

// posted sends a request as a client would and returns everything of the answer.
func posted(t *testing.T, target api.Target, path string, body any) (*http.Response, []byte) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.Server+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+target.Token)
	r.Header.Set("Content-Type", "application/json")
	return sent(t, r)
}

// sent sends a request over the loopback and returns everything of the answer.
func sent(t *testing.T, r *http.Request) (*http.Response, []byte) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the node's own certificate, on the loopback
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

func TestAScreeningAnswersYesOrNoAndNothingElse(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	liaison, auditor := n.As(t, api.RoleLiaison), n.As(t, api.RoleAuditor)
	if _, err := liaison.GiveNotice(t.Context(), "n", api.GiveNotice{Person: somebody("Ram Kumar"), NoticeFacts: facts}); err != nil {
		t.Fatal(err)
	}
	if _, err := liaison.GiveNotice(t.Context(), "d", api.GiveNotice{Person: somebody("Drill Only"), NoticeFacts: facts, Exercise: true}); err != nil {
		t.Fatal(err)
	}
	school := n.Target(t, api.RoleScreening)
	ask := func(p api.Person, exercise bool) (*http.Response, []byte) {
		return posted(t, school, "/v1/registry/screenings", api.Screen{Person: p, Purpose: "appointment", Authority: "Act 1", Reference: "2026/7", Exercise: exercise})
	}
	held, yes := ask(somebody("KUMAR, Rām"), false)
	free, no := ask(somebody("Somebody Else"), false)
	if held.StatusCode != 200 || !strings.Contains(string(yes), "refer to registry") || !strings.Contains(string(no), "nothing held") {
		t.Fatalf("%d %s / %s", held.StatusCode, yes, no)
	}
	if len(yes) != len(no) || len(held.Header) != len(free.Header) || held.Header.Get("Content-Length") != free.Header.Get("Content-Length") {
		t.Errorf("the answers differ in size or shape:\n%q %v\n%q %v", yes, held.Header, no, free.Header)
	}
	if _, drill := ask(somebody("drill only"), false); !strings.Contains(string(drill), "nothing held") {
		t.Errorf("an exercise among casework: %s", drill)
	}
	if _, drill := ask(somebody("drill only"), true); !strings.Contains(string(drill), "refer to registry") {
		t.Errorf("an exercise: %s", drill)
	}
	page, err := auditor.Screenings(t.Context(), "", false, 0, 0)
	if err != nil || len(page.Screenings) != 3 || page.Screenings[2].Purpose != "appointment" || page.Screenings[2].Authority != "Act 1" || page.Screenings[2].Answer != "refer to registry" {
		t.Fatalf("%+v %v", page, err)
	}
	if b, _ := json.Marshal(page); strings.Contains(strings.ToLower(string(b)), "kumar") {
		t.Errorf("the record names somebody: %s", b)
	}
	log, err := auditor.Access(t.Context(), api.AccessQuery{Verb: "registry.screen"})
	if err != nil || len(log.Records) != 4 || log.Records[0].Purpose != "appointment: Act 1" || log.Records[0].Case != "2026/7" || log.Records[0].Role != api.RoleScreening {
		t.Errorf("%+v %v", log, err)
	}
	notices, err := liaison.Notices(t.Context(), api.NoticeQuery{})
	if err != nil || len(notices.Notices) != 1 || notices.Notices[0].State != "holds" || notices.Notices[0].Until != "2039-05-01" {
		t.Errorf("%+v %v", notices, err)
	}
}

func TestRegistryRefusals(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	liaison, screening, analyst := n.As(t, api.RoleLiaison), n.As(t, api.RoleScreening), n.As(t, api.RoleLab)
	good := func() api.GiveNotice { return api.GiveNotice{Person: somebody("A B"), NoticeFacts: facts} }
	for name, c := range map[string]struct {
		change func(*api.GiveNotice)
		want   int
	}{
		"nobody":       {func(n *api.GiveNotice) { n.Person = api.Person{} }, 400},
		"a name alone": {func(n *api.GiveNotice) { n.Born = "" }, 400},
		"no tier":      {func(n *api.GiveNotice) { n.Tier = "worst" }, 400},
		"the future":   {func(n *api.GiveNotice) { n.Since = "2999-01-01" }, 409},
		"no day":       {func(n *api.GiveNotice) { n.Since = "yesterday" }, 400},
		"an audience":  {func(n *api.GiveNotice) { n.Audience = []string{"nobody"} }, 400},
		"a stranger":   {func(n *api.GiveNotice) { n.Audience = []string{"in/*", "us/*"} }, 409},
	} {
		g := good()
		c.change(&g)
		if _, err := liaison.GiveNotice(t.Context(), name, g); status(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := liaison.GiveNotice(t.Context(), "good", good())
	if err != nil {
		t.Fatal(err)
	}
	again, err := liaison.GiveNotice(t.Context(), "good", good())
	if err != nil || !again.Repeated || again.ID != w.ID {
		t.Errorf("again: %+v %v", again, err)
	}
	if _, err := liaison.ChallengeNotice(t.Context(), "c", w.ID, api.ChallengeNotice{Reason: "x"}); status(err) != 409 {
		t.Errorf("challenged by its author: %v", err)
	}
	if _, err := liaison.UpholdNotice(t.Context(), "u", w.ID, "ch_00", api.UpholdNotice{Reason: "x"}); status(err) != 404 {
		t.Errorf("upheld nothing: %v", err)
	}
	if _, err := liaison.Notice(t.Context(), "rn_00000000"); status(err) != 404 {
		t.Errorf("a notice that is not there: %v", err)
	}
	ask := api.Screen{Person: somebody("A B"), Purpose: "care", Authority: "Act 1"}
	for name, change := range map[string]func(*api.Screen){
		"purpose": func(s *api.Screen) { s.Purpose = "curiosity" }, "authority": func(s *api.Screen) { s.Authority = "" }, "nobody": func(s *api.Screen) { s.Person = api.Person{} },
	} {
		s := ask
		change(&s)
		if _, err := screening.Screen(t.Context(), s); status(err) != 400 {
			t.Errorf("a screening without %s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"a lab screens": second(analyst.Screen(t.Context(), ask)), "a liaison screens": second(liaison.Screen(t.Context(), ask)),
		"a school lists notices": second(screening.Notices(t.Context(), api.NoticeQuery{})), "a school reads a notice": second(screening.Notice(t.Context(), w.ID)),
		"a school gives notice": second(screening.GiveNotice(t.Context(), "s", good())), "a school lists screenings": second(screening.Screenings(t.Context(), "", false, 0, 0)),
		"a school lists alerts": second(screening.Alerts(t.Context(), api.ListQuery{})), "a lab gives notice": second(analyst.GiveNotice(t.Context(), "l", good())),
	} {
		if status(err) != 403 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScreeningFloodsAreRefused(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	section := []byte(`{"terms":[{"tier":"low","years":15},{"tier":"moderate","years":25},{"tier":"habitual"}],"screened":["convicted"],"acknowledge_hours":1,"answer_hours":1,"screenings_per_hour":2,"screenings_at_once":2}`)
	if _, err := n.Operator.ProposePolicy(t.Context(), api.Policy{Sections: map[string]json.RawMessage{"registry": section}}); err != nil {
		t.Fatal(err)
	}
	school := n.Target(t, api.RoleScreening)
	ask := func(target api.Target) *http.Response {
		resp, _ := posted(t, target, "/v1/registry/screenings", api.Screen{Person: somebody("A B"), Purpose: "care", Authority: "Act 1"})
		return resp
	}
	for _, left := range []string{`"screening";r=1;t=1800`, `"screening";r=0;t=3600`} {
		if resp := ask(school); resp.StatusCode != 200 || resp.Header.Get("RateLimit") != left || resp.Header.Get("RateLimit-Policy") != `"screening";q=2;w=3600` {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
	}
	flood := ask(school)
	if flood.StatusCode != 429 || flood.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", flood.StatusCode, flood.Header)
	}
	if other := ask(n.Target(t, api.RoleScreening)); other.StatusCode != 200 {
		t.Errorf("another body pays for the flood: %d", other.StatusCode)
	}
	log, err := n.As(t, api.RoleAuditor).Access(t.Context(), api.AccessQuery{Verb: "registry.screen"})
	if err != nil || len(log.Records) != 4 || log.Records[1].Outcome != "refused" || log.Records[1].Reason != "rate" {
		t.Errorf("%+v %v", log, err)
	}
	n.Stop() // what was asked before is not forgotten
	n = nodetest.Run(t, c)
	school.Server, school.Pin = "https://"+n.Addresses.API, n.Addresses.Pin
	if resp := ask(school); resp.StatusCode != 429 {
		t.Errorf("after a restart: %d", resp.StatusCode)
	}
}
