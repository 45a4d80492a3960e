package node_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

const password = "a long enough password"

// person adds a person, enrols them and signs them in.
func person(t *testing.T, r *nodetest.Running, name string, roles ...string) (*api.Client, api.User) {
	t.Helper()
	u, err := r.Operator.AddUser(t.Context(), api.NewUser{Name: name, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	target := api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin}
	stranger, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.EnrolPassword(t.Context(), api.Enrol{Code: u.Code, Password: password}); err != nil {
		t.Fatal(err)
	}
	s, err := stranger.SignIn(t.Context(), api.SignIn{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	target.Token = s.Secret
	c, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	return c, u
}

// signedIn signs somebody in once more and returns the secret of the session.
func signedIn(t *testing.T, r *nodetest.Running, name string) string {
	t.Helper()
	stranger, err := api.NewClient(api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin})
	if err != nil {
		t.Fatal(err)
	}
	s, err := stranger.SignIn(t.Context(), api.SignIn{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return s.Secret
}

func TestPeopleComeChangeAndGo(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx := t.Context()
	asha, u := person(t, r, "asha", api.RoleAnalyst)
	if who, err := asha.WhoAmI(ctx); err != nil || who.Name != "asha" || who.ID != u.ID || who.Secret != "" {
		t.Fatalf("%+v %v", who, err)
	}
	if _, err := asha.Raise(ctx, "k", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		user api.NewUser
		want int
	}{
		"the same name":         {api.NewUser{Name: "asha", Roles: []string{api.RoleLab}}, 409},
		"a bad name":            {api.NewUser{Name: "Asha Rao", Roles: []string{api.RoleLab}}, 400},
		"an unknown role":       {api.NewUser{Name: "ravi", Roles: []string{"king"}}, 400},
		"no role":               {api.NewUser{Name: "ravi", Roles: []string{}}, 400},
		"auditor and analyst":   {api.NewUser{Name: "ravi", Roles: []string{api.RoleAuditor, api.RoleAnalyst}}, 400},
		"operator with content": {api.NewUser{Name: "ravi", Roles: []string{api.RoleOperator, api.RoleLab}}, 400},
	} {
		if _, err := r.Operator.AddUser(ctx, try.user); status(err) != try.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := asha.AddUser(ctx, api.NewUser{Name: "ravi", Roles: []string{api.RoleLab}}); status(err) != 403 {
		t.Errorf("an analyst adds people: %v", err)
	}
	if _, err := r.Operator.ChangeUser(ctx, u.ID, api.ChangeUser{Roles: []string{api.RoleLiaison}}); err != nil {
		t.Fatal(err)
	}
	if _, err := asha.Alerts(ctx, api.ListQuery{}); status(err) != 403 {
		t.Errorf("roles that were taken away in mid-session: %v", err)
	}

	session := signedIn(t, r, "asha")
	r.Stop() // the accounts are in the ledger, the sessions beside it
	r = nodetest.Run(t, c)
	target := api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: session}
	goesOn, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if me, err := goesOn.WhoAmI(ctx); err != nil || me.ID != u.ID {
		t.Errorf("%+v, %v: a restart ended a session", me, err)
	}
	target.Token = ""
	stranger, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stranger.SignIn(ctx, api.SignIn{Name: "asha", Password: password})
	if err != nil || !slices.Equal(s.Roles, []string{api.RoleLiaison}) {
		t.Fatalf("%+v %v", s, err)
	}
	target.Token = s.Secret
	again, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Operator.RemoveUser(ctx, u.ID, api.RemoveUser{Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	if _, err := again.WhoAmI(ctx); status(err) != 401 {
		t.Errorf("removed in mid-session: %v", err)
	}
	if _, err := stranger.SignIn(ctx, api.SignIn{Name: "asha", Password: password}); status(err) != 401 {
		t.Errorf("removed, and signs in: %v", err)
	}
	if _, err := r.Operator.InviteUser(ctx, u.ID, api.InviteUser{}); status(err) != 409 {
		t.Errorf("removed, and invited: %v", err)
	}
	users, err := r.Operator.Users(ctx)
	if err != nil || len(users) != 1 || !users[0].Removed || users[0].Reason != "left" || len(users[0].SignsIn) != 0 {
		t.Errorf("%+v %v", users, err)
	}
}

func TestALostKeyIsReset(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	asha, u := person(t, r, "asha", api.RoleAnalyst)
	reset, err := r.Operator.InviteUser(t.Context(), u.ID, api.InviteUser{Reset: true})
	if err != nil || reset.Code == "" || len(reset.SignsIn) != 0 {
		t.Fatalf("%+v %v", reset, err)
	}
	if _, err := asha.WhoAmI(t.Context()); status(err) != 401 {
		t.Errorf("a session from before: %v", err)
	}
	if _, err := asha.EnrolPassword(t.Context(), api.Enrol{Code: reset.Code, Password: password}); err != nil {
		t.Error(err)
	}
}

// A browser keeps its session in a cookie that scripts cannot read and other sites cannot use.
func TestABrowsersSession(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	_, _ = person(t, r, "asha", api.RoleAnalyst)
	client := nodetest.HTTP(t, r.Addresses.Pin)
	post := func(path, body string, header map[string]string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.Addresses.API+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for k, v := range header {
			req.Header.Set(k, v)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	res := post("/v1/session", `{"name":"asha","password":"`+password+`","cookie":true}`, nil)
	var s api.Session
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil || s.Secret != "" {
		t.Fatalf("%+v %v", s, err)
	}
	cookies := res.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteStrictMode || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Fatalf("%+v", cookies)
	}
	crumb := map[string]string{"Cookie": cookies[0].Name + "=" + cookies[0].Value}
	look := `{"signals":[{"alg":"md5","value":"` + strings.Repeat("0f", 16) + `"}]}`
	if res := post("/v1/lookup", look, crumb); res.StatusCode != 200 {
		t.Errorf("with the cookie: %d", res.StatusCode)
	}
	for name, header := range map[string]string{"another site": "cross-site", "another host of the site": "same-site"} {
		crumb["Sec-Fetch-Site"] = header
		if res := post("/v1/lookup", look, crumb); res.StatusCode != 403 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

func TestFourEyes(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	asha, _ := person(t, r, "asha", api.RoleAnalyst)
	ravi, _ := person(t, r, "ravi", api.RoleAnalyst)
	meena, _ := person(t, r, "meena", api.RoleLiaison)
	token := r.As(t, api.RoleAnalyst)
	w, err := asha.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	policy := api.Policy{Sections: map[string]json.RawMessage{"access": []byte(`{"purpose":[],"case":[],"four_eyes":["retract"],"session_hours":12,"idle_minutes":60}`)}}
	if _, err := r.Operator.ProposePolicy(ctx, policy); err != nil {
		t.Fatal(err)
	}
	standing := func() string {
		a, err := asha.Alert(ctx, w.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a.Standing
	}
	because := api.Retract{Reason: "wrong"}
	_, err = asha.Retract(ctx, "", w.ID, because)
	if status(err) != 202 || standing() != "asserted" {
		t.Fatalf("%v, %s", err, standing())
	}
	waiting, err := ravi.Consents(ctx, "", 0)
	if err != nil || len(waiting.Consents) != 1 || waiting.Consents[0].Act != "retract" || !strings.Contains(waiting.Consents[0].Operation, w.ID) {
		t.Fatalf("%+v %v", waiting, err)
	}
	id := waiting.Consents[0].ID
	if _, err := asha.With("", id).Retract(ctx, "", w.ID, because); status(err) != 409 {
		t.Errorf("before anybody agreed: %v", err)
	}
	for name, c := range map[string]struct {
		client *api.Client
		want   int
	}{"who asked": {asha, 409}, "a token": {token, 409}, "another role": {meena, 403}} {
		if _, err := c.client.AnswerConsent(ctx, id, api.AnswerConsent{Grant: true}); status(err) != c.want {
			t.Errorf("%s agrees: %v", name, err)
		}
	}
	if x, err := ravi.AnswerConsent(ctx, id, api.AnswerConsent{Grant: true}); err != nil || x.State != "granted" {
		t.Fatalf("%+v %v", x, err)
	}
	if _, err := ravi.AnswerConsent(ctx, id, api.AnswerConsent{Reason: "no after all"}); status(err) != 409 {
		t.Errorf("an answer twice: %v", err)
	}
	if _, err := ravi.With("", id).Retract(ctx, "", w.ID, because); status(err) != 409 {
		t.Errorf("another does it: %v", err)
	}
	if _, err := asha.With("", id).Retract(ctx, "", w.ID, api.Retract{Reason: "something else"}); status(err) != 409 || standing() != "asserted" {
		t.Errorf("another operation: %v", err)
	}
	first, err := asha.With("", id).Retract(ctx, "", w.ID, because)
	if err != nil || standing() != "retracted" {
		t.Fatalf("%v, %s", err, standing())
	}
	if again, err := asha.With("", id).Retract(ctx, "", w.ID, because); err != nil || again.Index != first.Index || !again.Repeated {
		t.Errorf("the same again: %+v %v", again, err)
	}
}

// fourEyes puts acts under the rule and returns a person who asks, and one who agrees to whatever waits.
func fourEyes(t *testing.T, r *nodetest.Running, acts string) (asks *api.Client, agree func() string) {
	t.Helper()
	asks, _ = person(t, r, "asha", api.RoleCoordinator)
	agrees, _ := person(t, r, "ravi", api.RoleCoordinator)
	policy := api.Policy{Sections: map[string]json.RawMessage{"access": []byte(`{"purpose":[],"case":[],"four_eyes":[` + acts + `],"session_hours":12,"idle_minutes":60}`)}}
	if _, err := r.Operator.ProposePolicy(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	return asks, func() string {
		t.Helper()
		waiting, err := agrees.Consents(t.Context(), "waiting", 0)
		if err != nil || len(waiting.Consents) != 1 {
			t.Fatalf("%+v %v", waiting, err)
		}
		id := waiting.Consents[0].ID
		if _, err := agrees.AnswerConsent(t.Context(), id, api.AnswerConsent{Grant: true}); err != nil {
			t.Fatal(err)
		}
		return id
	}
}

// An agreement is for one token, one person, one change: the secret is in one answer.
func TestAnAgreementIsUsedOnce(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	_, meena := person(t, r, "meena", api.RoleAnalyst)
	asha, agree := fourEyes(t, r, `"users"`)
	for name, do := range map[string]func(*api.Client) (string, error){
		"a token": func(c *api.Client) (string, error) {
			x, err := c.CreateToken(ctx, api.NewToken{Name: "desk", Role: api.RoleAnalyst})
			return x.Secret, err
		},
		"a person": func(c *api.Client) (string, error) {
			x, err := c.AddUser(ctx, api.NewUser{Name: "dev", Roles: []string{api.RoleLab}})
			return x.Code, err
		},
		"roles": func(c *api.Client) (string, error) {
			_, err := c.ChangeUser(ctx, meena.ID, api.ChangeUser{Roles: []string{api.RoleLab}})
			return "", err
		},
		"a code": func(c *api.Client) (string, error) {
			x, err := c.InviteUser(ctx, meena.ID, api.InviteUser{})
			return x.Code, err
		},
		"a reset": func(c *api.Client) (string, error) {
			x, err := c.InviteUser(ctx, meena.ID, api.InviteUser{Reset: true})
			return x.Code, err
		},
	} {
		if _, err := do(asha); status(err) != http.StatusAccepted {
			t.Fatalf("%s: %v", name, err)
		}
		id := agree()
		done := func() bool {
			page, err := asha.Consents(ctx, "granted", 0)
			if err != nil || page.Consents[0].ID != id {
				t.Fatalf("%s: %+v %v", name, page, err)
			}
			return page.Consents[0].Done
		}
		if done() {
			t.Errorf("%s is done before it is", name)
		}
		secret, err := do(asha.With("", id))
		if err != nil || (secret == "") != (name == "roles") || !done() {
			t.Errorf("%s: %v", name, err)
		}
		if secret, err := do(asha.With("", id)); status(err) != http.StatusConflict || secret != "" || !strings.Contains(err.Error(), "already") {
			t.Errorf("%s twice by one agreement: %v", name, err)
		}
	}
}

// Whoever agrees is shown all that is done: nothing behind spaces, under a second key of the same name, or beyond the end.
func TestASecondPersonIsShownEverything(t *testing.T) {
	config := nodetest.Found(t)
	r := nodetest.Run(t, config)
	ctx := t.Context()
	asha, agree := fourEyes(t, r, `"users"`)
	secret := signedIn(t, r, "asha")
	post := func(body string) (int, string) {
		t.Helper()
		resp, refusal := raw(t, config, secret, http.MethodPost, "/v1/tokens", map[string]string{"Content-Type": "application/json"}, body)
		return resp.StatusCode, refusal.Detail
	}
	spaces := strings.Repeat(" ", 5000)
	for name, x := range map[string]struct {
		body, detail string
		want         int
	}{
		"a key twice":             {`{"name":"a","role":"analyst",` + spaces + `"role":"coordinator"}`, "twice", 400},
		"a key in capitals":       {`{"name":"a","role":"analyst","ROLE":"coordinator"}`, "twice", 400},
		"a key with a long s":     {`{"name":"a","days":1,"day\u017f":2}`, "twice", 400},
		"a key in other letters":  {`{"name":"a","role":"analyst","\u0072ole":"coordinator"}`, "twice", 400},
		"a key twice, deep":       {`{"name":"a","x":[1,{"y":{"k":1,"k":2}}]}`, "twice", 400},
		"no JSON":                 {`{"name":"a"`, "not JSON", 400},
		"more than can be shown":  {`{"name":"` + strings.Repeat("अ", 1400) + `","role":"analyst"}`, "4096", 413},
		"a key in two objects":    {`{"name":"a","x":{"k":1},"y":[{"k":1},{"k":1}]}`, "", 202},
		"as much as can be shown": {`{"name":"` + strings.Repeat("अ", 1300) + `","role":"analyst"}`, "", 202},
	} {
		if code, detail := post(x.body); code != x.want || !strings.Contains(detail, x.detail) {
			t.Errorf("%s: %d %s", name, code, detail)
		}
	}
	for range 2 { // that were asked for just now
		waiting, err := r.Operator.Consents(ctx, "waiting", 0)
		if err != nil || len(waiting.Consents) == 0 {
			t.Fatalf("%+v %v", waiting, err)
		}
		if _, err := r.Operator.AnswerConsent(ctx, waiting.Consents[0].ID, api.AnswerConsent{Reason: "no"}); err != nil {
			t.Fatal(err)
		}
	}
	if code, detail := post(`{"name":"desk",` + spaces + `"role": "analyst"}`); code != 202 {
		t.Fatalf("%d %s", code, detail)
	}
	agree()
	page, err := asha.Consents(ctx, "granted", 0)
	if err != nil || page.Consents[0].Operation != `POST /v1/tokens {"name":"desk","role":"analyst"}` {
		t.Fatalf("%+v %v", page, err)
	}
	if x, err := asha.Repeat(ctx, page.Consents[0]); err != nil || x.Secret == "" {
		t.Errorf("what was shown is not what is done: %+v %v", x, err)
	}
}

// To remove an agency or to open the past takes two people of the agency that proposes it, and two of each that approves it.
func TestRemovalsAndGrantsTakeTwo(t *testing.T) {
	nodes, _ := jurisdiction(t, 3, nil)
	ctx := t.Context()
	asha, agree := fourEyes(t, nodes[0], `"grant","remove"`)
	dev, _ := person(t, nodes[1], "dev", api.RoleCoordinator)
	proposal := func() string {
		t.Helper()
		nodetest.Until(t, "the proposal", func() bool { return len(agencies(t, nodes[1]).Proposals) == 1 })
		return agencies(t, nodes[1]).Proposals[0].ID
	}
	if _, err := dev.Approve(ctx, proposal()); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[:2] {
		nodetest.Until(t, "the policy", func() bool {
			p, err := n.Operator.Policy(ctx)
			return err == nil && strings.Contains(string(p.Sections["access"]), "remove")
		})
	}
	if _, err := asha.Grant(ctx, api.Grant{Agency: "in/a2", Audience: "in/*"}); status(err) != 202 {
		t.Errorf("a grant by one person: %v", err)
	}
	if _, err := asha.With("", agree()).Grant(ctx, api.Grant{Agency: "in/a2", Audience: "in/*"}); err != nil {
		t.Errorf("a grant by two: %v", err)
	}
	if _, err := dev.Approve(ctx, proposal()); status(err) != 202 {
		t.Errorf("a grant approved by one person: %v", err)
	}
	if _, err := asha.Withdraw(ctx, proposal()); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is withdrawn", func() bool { return len(agencies(t, nodes[1]).Proposals) == 0 })

	if _, err := nodes[0].Operator.SetAudience(ctx, api.SetAudience{Name: "in/@desk", Members: []string{"in/a0"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Approve(ctx, proposal()[:12]); err != nil {
		t.Errorf("what the policy does not name: %v", err)
	}
	nodetest.Until(t, "it is decided", func() bool { return len(agencies(t, nodes[1]).Proposals) == 0 })

	if _, err := asha.Remove(ctx, api.Removal{Agency: "in/a2"}); status(err) != 202 {
		t.Errorf("a removal by one person: %v", err)
	}
	if _, err := asha.With("", agree()).Remove(ctx, api.Removal{Agency: "in/a2"}); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		id   string
		want int
	}{"by one person": {proposal(), 202}, "by a beginning": {proposal()[:12], 400}, "of none": {strings.Repeat("0", 64), 404}} {
		if _, err := dev.Approve(ctx, x.id); status(err) != x.want {
			t.Errorf("an approval %s: %v", name, err)
		}
	}
	waiting, err := nodes[1].Operator.Consents(ctx, "waiting", 0)
	if err != nil || len(waiting.Consents) != 2 || waiting.Consents[0].Act != "remove" || waiting.Consents[1].Act != "grant" {
		t.Fatalf("%+v %v", waiting, err)
	}
	if _, err := nodes[1].Operator.AnswerConsent(ctx, waiting.Consents[0].ID, api.AnswerConsent{Grant: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.With("", waiting.Consents[0].ID).Approve(ctx, proposal()); err != nil {
		t.Error(err)
	}
	nodetest.Until(t, "it is gone", func() bool { return len(agencies(t, nodes[0]).Agencies) == 2 })
}

// Who made a token does not agree to what it asks for, nor to what a token asks for that was made with it.
func TestAPersonAndTheirTokenAreOne(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	meena, _ := person(t, r, "meena", api.RoleCoordinator)
	made := func(by *api.Client) *api.Client {
		t.Helper()
		x, err := by.CreateToken(ctx, api.NewToken{Name: "mine", Role: api.RoleCoordinator})
		if err != nil {
			t.Fatal(err)
		}
		c, err := api.NewClient(api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: x.Secret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	first := made(meena)
	tokens := map[string]*api.Client{"their token": first, "their token's token": made(first)}
	asha, _ := fourEyes(t, r, `"users"`)
	for name, token := range tokens {
		_, err := token.CreateToken(ctx, api.NewToken{Name: "desk", Role: api.RoleAnalyst})
		if status(err) != http.StatusAccepted {
			t.Fatalf("%s: %v", name, err)
		}
		waiting, err := asha.Consents(ctx, "waiting", 0)
		if err != nil || len(waiting.Consents) != 1 {
			t.Fatalf("%+v %v", waiting, err)
		}
		id := waiting.Consents[0].ID
		if _, err := meena.AnswerConsent(ctx, id, api.AnswerConsent{Grant: true}); status(err) != http.StatusConflict {
			t.Errorf("%s: one person is two: %v", name, err)
		}
		if x, err := asha.AnswerConsent(ctx, id, api.AnswerConsent{Grant: true}); err != nil || x.State != "granted" {
			t.Errorf("%s: another agrees: %+v %v", name, x, err)
		}
	}
}

func TestPolicyWantsToKnowWhy(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	analyst := r.As(t, api.RoleAnalyst)
	policy := api.Policy{Sections: map[string]json.RawMessage{"access": []byte(`{"purpose":["analyst"],"case":["analyst"],"four_eyes":[],"session_hours":12,"idle_minutes":60}`)}}
	if _, err := r.Operator.ProposePolicy(ctx, policy); err != nil {
		t.Fatal(err)
	}
	target := r.Target(t, api.RoleAnalyst)
	for _, c := range []struct {
		purpose, number string
		want            int
	}{{"", "", 400}, {"triage", "", 400}, {"", "FIR 7", 400}, {"triage", "FIR 7", 0}} {
		target.Purpose, target.Case = c.purpose, c.number
		x, err := api.NewClient(target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Alerts(ctx, api.ListQuery{}); status(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Errorf("a write reads nothing: %v", err)
	}
	if _, err := r.As(t, api.RoleLab).Alerts(ctx, api.ListQuery{}); err != nil {
		t.Errorf("a role that need not say why: %v", err)
	}
}
