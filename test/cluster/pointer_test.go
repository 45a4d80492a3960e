package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// Two of four agencies hold the same telephone number: both learn of each other, the others of nothing; dropping it ends
// that; an agency over its day's bound is refused and named.
func TestTwoForcesOnOneSuspect(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "in/d")
	ctx := t.Context()
	desks := map[ledger.AgencyID]*api.Client{}
	for _, id := range n.Order() {
		c, err := n.Node(id).As(ctx, api.RoleAnalyst)
		if err != nil {
			t.Fatal(err)
		}
		desks[id] = c
	}
	hold := func(by ledger.AgencyID, kind, value string) string {
		t.Helper()
		w, err := desks[by].HoldPointer(ctx, "", api.HoldPointer{Kind: kind, Value: value, Case: "FIR 1"})
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	overlaps := func(by ledger.AgencyID, id string, want ...string) {
		t.Helper()
		err := network.Eventually(ctx, 30*time.Second, func() error {
			p, err := desks[by].Pointer(ctx, id)
			if err == nil && (p.State != "shown" && !p.Dropped || !slices.Equal(p.Overlaps, want)) {
				err = fmt.Errorf("%s of %s is %s and also held by %v", id, by, p.State, p.Overlaps)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	first := hold("in/b", "phone", "+91 98765 43210")
	other := hold("in/d", "phone", "+91 98765 43211")
	overlaps("in/b", first)
	overlaps("in/d", other)
	second := hold("in/c", "phone", "+91-98765-43210") // what was held before is met as well as what comes after
	overlaps("in/b", first, "in/c")
	overlaps("in/c", second, "in/b")
	overlaps("in/d", other)
	// an evaluator that holds it, too, is one among others
	third := hold("in/a", "phone", "(+91) 9876543210")
	overlaps("in/a", third, "in/b", "in/c")
	overlaps("in/b", first, "in/a", "in/c")

	if _, err := desks["in/c"].DropPointer(ctx, "", second); err != nil {
		t.Fatal(err)
	}
	overlaps("in/b", first, "in/a")
	again := hold("in/c", "phone", "+919876543210")
	overlaps("in/b", first, "in/a", "in/c")
	overlaps("in/c", again, "in/a", "in/b")

	var refusal *api.Refusal
	for _, bad := range []api.HoldPointer{{Kind: "phone", Value: "112"}, {Kind: "account", Value: "x:abc"}, {Kind: "shoe", Value: "size 9 please"}} {
		if _, err := desks["in/d"].HoldPointer(ctx, "", bad); !errors.As(err, &refusal) || refusal.Status != 400 {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	theDaysBound(ctx, t, n, desks["in/d"])
}

// theDaysBound lets an agency hold more than the policy lets it have blinded.
func theDaysBound(ctx context.Context, t *testing.T, n *network.Network, desk *api.Client) {
	t.Helper()
	w, err := n.Node("in/a").Operator.ProposePolicy(ctx, api.Policy{Sections: map[string]json.RawMessage{"deconfliction": []byte(`{"evaluators":[],"per_day":3}`)}})
	if err == nil {
		err = n.Approve(ctx, "in/b", w.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range n.Order() {
		err := network.Eventually(ctx, 20*time.Second, func() error {
			p, err := n.Node(id).Operator.Policy(ctx)
			if err == nil && string(p.Sections["deconfliction"]) != `{"evaluators":[],"per_day":3}` {
				err = errors.New("the policy is not in force")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 8 {
		if _, err := desk.HoldPointer(ctx, "", api.HoldPointer{Kind: "phone", Value: fmt.Sprintf("+91987650000%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	err = network.Eventually(ctx, 30*time.Second, func() error {
		s, err := n.Node("in/a").Operator.Status(ctx)
		if err == nil && !slices.ContainsFunc(s.Problems, func(p api.NodeProblem) bool { return p.Severity == "failure" && len(p.What) > 0 }) {
			err = errors.New("nobody is named")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	auditor, err := n.Node("in/a").As(ctx, api.RoleAuditor)
	if err != nil {
		t.Fatal(err)
	}
	page, err := auditor.Access(ctx, api.AccessQuery{Actor: "in/d", Verb: "pointer.blind"})
	if err != nil || len(page.Records) == 0 || !slices.ContainsFunc(page.Records, func(r api.AccessRecord) bool { return r.Outcome == "refused" }) {
		t.Errorf("the evaluator's access log: %+v %v", page, err)
	}
}
