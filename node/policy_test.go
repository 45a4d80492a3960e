package node_test

import (
	"encoding/json"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestPolicyIsProposedShownAndInForce(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	before, err := r.Operator.Policy(t.Context())
	if err != nil || before.Corroboration != 2 || before.Quorum != "majority" || before.Sections["referral"] == nil {
		t.Fatalf("%+v %v", before, err)
	}
	for name, bad := range map[string]struct {
		policy api.Policy
		status int
	}{
		"unknown section": {api.Policy{Sections: map[string]json.RawMessage{"gossip": []byte(`{}`)}}, 400},
		"unknown field":   {api.Policy{Sections: map[string]json.RawMessage{"referral": []byte(`{"gossip":1}`)}}, 400},
		"no catch-all":    {api.Policy{Sections: map[string]json.RawMessage{"referral": []byte(`{"deadlines":[{"stage":"accept","kind":"take-down","due":{"hours":1}}],"calendar":{"zone":"+00:00"}}`)}}, 400},
		"no hours":        {api.Policy{Sections: map[string]json.RawMessage{"referral": []byte(`{"deadlines":[{"stage":"acknowledge","due":{"hours":0}},{"stage":"accept","due":{"hours":1}},{"stage":"outcome","due":{"hours":1}}],"calendar":{"zone":"+00:00"}}`)}}, 400},
		"stranger votes":  {api.Policy{Voters: []string{"in/nobody"}}, 409},
		"six vote":        {api.Policy{Voters: []string{"in/a", "in/b", "in/c", "in/d", "in/e", "in/f"}}, 409},
		"corroboration":   {api.Policy{Corroboration: 1000}, 409},
	} {
		if _, err := r.Operator.ProposePolicy(t.Context(), bad.policy); status(err) != bad.status {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.As(t, api.RoleAnalyst).ProposePolicy(t.Context(), before); status(err) != 403 {
		t.Errorf("an analyst proposes: %v", err)
	}
	const section = `{"deadlines":[{"stage":"acknowledge","due":{"hours":5}},{"stage":"accept","due":{"working_days":3},"pausable":true},{"stage":"outcome","due":{"hours":5}}],"calendar":{"zone":"+05:30","weekend":["sunday"],"holidays":["2026-01-26"]}}`
	change := api.Policy{Corroboration: 3, Sections: map[string]json.RawMessage{"referral": []byte(section)}}
	if _, err := r.Operator.ProposePolicy(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	after, err := r.Operator.Policy(t.Context())
	if err != nil || after.Corroboration != 3 || string(after.Sections["referral"]) != section || after.Threshold != before.Threshold || after.Version == before.Version {
		t.Errorf("%+v %v", after, err)
	}
}
