package node_test

import (
	"net/http"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// An idempotency key is its caller's own: it stays theirs when a token is replaced, and is nobody else's.
func TestAKeyIsItsCallersOwn(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	desk, _ := named(t, r, api.RoleAnalyst, "desk")
	replaced, _ := named(t, r, api.RoleAnalyst, "desk")
	night, _ := named(t, r, api.RoleAnalyst, "night")
	lab, _ := named(t, r, api.RoleLab, "desk")
	asha, _ := person(t, r, "asha", api.RoleAnalyst)
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	seen := map[string]bool{}
	for i, x := range []struct {
		name     string
		client   *api.Client
		file     byte
		repeated bool
	}{
		{"the first", desk, 1, false},
		{"the next token of that name", replaced, 1, true},
		{"another name", night, 2, false},
		{"another role", lab, 3, false},
		{"a person", asha, 4, false},
		{"a person again", asha, 4, true},
	} {
		w, err := x.client.Raise(ctx, "k", api.RaiseAlert{Signals: md5(x.file)})
		if err != nil || w.Repeated != x.repeated || seen[w.ID] != x.repeated {
			t.Errorf("%d, %s: %+v %v", i, x.name, w, err)
		}
		seen[w.ID] = true
	}
	if _, err := desk.Raise(ctx, "report/chat.example/r1", api.RaiseAlert{Signals: md5(9)}); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SubmitReport(ctx, "r1", submission(1, asIs)); err != nil {
		t.Errorf("a desk took a platform's key: %v", err)
	}
}

// What is refused now is the first answer again only to whoever wrote exactly that before.
func TestAKeyOfAnotherWriteIsNoRepeat(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	analyst := r.As(t, api.RoleAnalyst)
	one, two := raiseOf(t, analyst, api.RaiseAlert{Signals: md5(1)}), raiseOf(t, analyst, api.RaiseAlert{Signals: md5(2)})
	wrong := api.Retract{Reason: "wrong"}
	for _, x := range []struct{ key, id string }{{"one", one}, {"two", two}} {
		if _, err := analyst.Retract(ctx, x.key, x.id, wrong); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := analyst.Raise(ctx, "raised", api.RaiseAlert{Signals: md5(3)}); err != nil {
		t.Fatal(err)
	}
	if w, err := analyst.Retract(ctx, "one", one, wrong); err != nil || !w.Repeated {
		t.Errorf("the same again: %+v %v", w, err)
	}
	for name, try := range map[string]func() (api.Written, error){
		"a key that raised":          func() (api.Written, error) { return analyst.Retract(ctx, "raised", one, wrong) },
		"the key of another alert":   func() (api.Written, error) { return analyst.Retract(ctx, "one", two, wrong) },
		"for another reason":         func() (api.Written, error) { return analyst.Retract(ctx, "one", one, api.Retract{Reason: "other"}) },
		"a sighting of what is gone": func() (api.Written, error) { return analyst.Sight(ctx, "raised", one, api.SightAlert{}) },
	} {
		if w, err := try(); status(err) != http.StatusConflict {
			t.Errorf("%s: %+v %v", name, w, err)
		}
	}
}
