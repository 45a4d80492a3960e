package node_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestATokenHasItsRate(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	_, token := named(t, r, api.RolePlatform, "chat.example")
	_, other := named(t, r, api.RolePlatform, "other.example")
	_, lab := named(t, r, api.RoleLab, "asha")
	resp, _ := raw(t, c, token, http.MethodGet, "/v1/reports", nil, "")
	if resp.Header.Get("RateLimit-Policy") != `"token";q=200;w=4` || !strings.HasPrefix(resp.Header.Get("RateLimit"), `"token";r=199;t=`) {
		t.Fatalf("%v", resp.Header)
	}
	var all sync.WaitGroup
	var refused atomic.Int64
	deadline := time.Now().Add(30 * time.Second)
	for range 20 {
		all.Go(func() {
			for refused.Load() == 0 && time.Now().Before(deadline) {
				resp, refusal := raw(t, c, token, http.MethodGet, "/v1/policy", nil, "")
				if resp.StatusCode == http.StatusOK {
					continue
				}
				refused.Add(1)
				if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || refusal.Code != "rate" || !strings.HasPrefix(resp.Header.Get("RateLimit"), `"token";r=0;t=`) {
					t.Errorf("%d %v %+v", resp.StatusCode, resp.Header, refusal)
				}
			}
		})
	}
	all.Wait()
	if refused.Load() == 0 {
		t.Error("as many as one likes")
	}
	for name, token := range map[string]string{"another token": other, "another role": lab} {
		if resp, refusal := raw(t, c, token, http.MethodGet, "/v1/reports", nil, ""); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %+v", name, resp.StatusCode, refusal)
		}
	}
}

func TestTokensOfPlatformsAreNamedAfterThem(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	for _, name := range []string{"Chat Example", "-chat", "chat/example"} {
		if _, err := r.Operator.CreateToken(t.Context(), api.NewToken{Name: name, Role: api.RolePlatform}); status(err) != http.StatusBadRequest {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Each role does what it is for, and nothing else.
func TestWhoMayReportAndTriage(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	w, err := chat.SubmitReport(t.Context(), "k", submission(1, asIs))
	if err != nil {
		t.Fatal(err)
	}
	json := map[string]string{"Content-Type": "application/json", "Idempotency-Key": "roles"}
	roles := []string{api.RolePlatform, api.RoleAnalyst, api.RoleLab, api.RoleAuditor, api.RoleLiaison, api.RoleCoordinator, api.RoleOperator, api.RoleSupport, api.RoleScreening}
	platform, desk, readers := []string{api.RolePlatform}, []string{api.RoleAnalyst, api.RoleLab}, []string{api.RolePlatform, api.RoleAnalyst, api.RoleLab, api.RoleAuditor}
	secrets := map[string]string{}
	for _, role := range roles {
		_, secrets[role] = named(t, r, role, "other.example")
	}
	for _, x := range []struct {
		method, path, body string
		may                []string
	}{
		{"POST", "/v1/reports", `{}`, platform},
		{"POST", "/v1/drafts", `{}`, platform},
		{"GET", "/v1/drafts", ``, platform},
		{"GET", "/v1/drafts/" + w.ID, ``, platform},
		{"POST", "/v1/drafts/" + w.ID + "/files", `{}`, platform},
		{"POST", "/v1/drafts/" + w.ID + "/finish", ``, platform},
		{"DELETE", "/v1/drafts/" + w.ID, ``, platform},
		{"POST", "/v1/reports/" + w.ID + "/amendments", `{}`, platform},
		{"POST", "/v1/reports/" + w.ID + "/withdrawal", `{}`, platform},
		{"GET", "/v1/reports", ``, readers},
		{"GET", "/v1/reports/" + w.ID, ``, readers},
		{"GET", "/v1/reports/" + w.ID + "/bundle", ``, readers},
		{"GET", "/v1/platforms", ``, readers},
		{"GET", "/v1/queue", ``, readers[1:]},
		{"POST", "/v1/reports/" + w.ID + "/triage", `{}`, desk},
		{"POST", "/v1/reports/" + w.ID + "/escalation", `{"outcome":"none"}`, desk},
	} {
		for _, role := range roles {
			resp, refusal := raw(t, c, secrets[role], x.method, x.path, json, x.body)
			if may := slices.Contains(x.may, role); may == (resp.StatusCode == http.StatusForbidden) {
				t.Errorf("%s %s as %s: %d %+v", x.method, x.path, role, resp.StatusCode, refusal)
			}
		}
	}
}
