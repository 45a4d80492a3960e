package node_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestASubscriberIsTold(t *testing.T) {
	got := make(chan string, 100)
	hook := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- r.Header.Get("webhook-id") + " " + string(b)
	}))
	t.Cleanup(hook.Close)
	c := nodetest.Found(t)
	c.Notify.Allow, c.Notify.CA = []string{"127.0.0.0/8"}, filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.Notify.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := nodetest.Run(t, c)
	ctx := t.Context()
	s, err := r.Operator.OpenSubscription(ctx, api.OpenSubscription{Name: "desk", Channel: "webhook", To: hook.URL + "/x", Kinds: []string{"alert."}, Urgency: "priority"})
	if err != nil || !strings.HasPrefix(s.Secret, "whsec_") || !strings.HasPrefix(s.Public, "whpk_") {
		t.Fatalf("%+v %v", s, err)
	}
	if all, err := r.Operator.Subscriptions(ctx); err != nil || len(all) != 1 || all[0].Secret != "" {
		t.Fatalf("%+v %v", all, err)
	}
	analyst := r.As(t, api.RoleAnalyst)
	raise := func(b byte, urgency string, exercise bool) string {
		t.Helper()
		w, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(b), AlertFacts: api.AlertFacts{Urgency: urgency, Exercise: exercise}})
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	raise(1, "routine", false)
	raise(2, "priority", true)
	urgent := raise(3, "child-at-immediate-risk", false)
	told := <-got
	if !strings.Contains(told, urgent) || strings.Contains(told, "030303") {
		t.Error(told)
	}
	for verb, want := range map[string]int{"pause": 0, "nonsense": 404} {
		if _, err := r.Operator.TurnSubscription(ctx, s.ID, verb); status(err) != want {
			t.Errorf("%s: %v", verb, err)
		}
	}
	quiet := raise(4, "priority", false)
	r.Stop() // it goes on from where it was told up to, after a restart too
	r = nodetest.Run(t, c)
	if x, err := r.Operator.TurnSubscription(ctx, s.ID, "resume"); err != nil || x.State != "open" {
		t.Fatalf("%+v %v", x, err)
	}
	if told := <-got; !strings.Contains(told, quiet) {
		t.Error(told)
	}
	if x, err := r.Operator.TurnSubscription(ctx, s.ID, "secret"); err != nil || x.Secret == s.Secret || x.Secret == "" {
		t.Errorf("%+v %v", x, err)
	}
	if x, err := r.Operator.TurnSubscription(ctx, s.ID, "close"); err != nil || x.State != "closed" {
		t.Errorf("%+v %v", x, err)
	}
	if _, err := r.Operator.TurnSubscription(ctx, s.ID, "resume"); status(err) != 409 {
		t.Errorf("closed, and resumed: %v", err)
	}
	for name, bad := range map[string]api.OpenSubscription{
		"http": {Name: "x", Channel: "webhook", To: "http://hooks.example"}, "a password": {Name: "x", Channel: "webhook", To: "https://a:b@hooks.example"},
		"pigeon": {Name: "x", Channel: "pigeon", To: "loft"}, "a mailbox": {Name: "x", Channel: "mail", To: "nobody"},
	} {
		if _, err := r.Operator.OpenSubscription(ctx, bad); status(err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.As(t, api.RoleAnalyst).Subscriptions(ctx); status(err) != 403 {
		t.Errorf("an analyst keeps subscriptions: %v", err)
	}
	if len(got) > 0 {
		t.Errorf("told of more: %s", <-got)
	}
}
