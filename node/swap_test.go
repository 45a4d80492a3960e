package node_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/test/nodetest"
)

func problemsOf(t *testing.T, n *nodetest.Running) string {
	t.Helper()
	s, err := n.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(s.Problems)
}

// TestASilentVoterIsSwapped: of four agencies three vote; the third falls silent and the fourth votes in its place. No
// second swap follows within the day, the silent one stays a member and is voted back, and a leader that swaps a voter that
// the others hear is named by them.
func TestASilentVoterIsSwapped(t *testing.T) {
	nodes, configs := jurisdiction(t, 4, nil)
	for i := range 3 {
		nodetest.Until(t, "three voters", func() bool { return role(t, nodes[i]) != "non-voter" })
	}
	nodes[2].Stop()
	nodes[0].Node.SetUnheard(2 * time.Second)
	nodetest.Until(t, "the fourth votes", func() bool { return role(t, nodes[3]) == "voter" })
	nodes[0].Node.SetUnheard(ledger.SwapEvery)
	g := nodes[1].Node.Governance()
	if v := fmt.Sprint(g.Voters()); v != "[in/a0 in/a1 in/a3]" || len(g.Agencies) != 4 || len(g.Swaps) != 1 || g.Swaps[0].By != "in/a0" {
		t.Fatalf("%s, %+v", v, g.Swaps)
	}

	next, _ := g.NextVoter("in/a3")
	var refusal *ledger.Reason
	if err := nodes[1].Node.Govern(t.Context(), &ledger.SwapVoter{Out: "in/a3", In: next}); !errors.Is(err, author.ErrRefused) || !errors.As(err, &refusal) || refusal != ledger.ErrSwapSoon {
		t.Errorf("a second swap: %v", err)
	}

	nodes[2] = nodetest.Run(t, configs[2])
	nodetest.Until(t, "it is heard again", func() bool {
		return strings.Contains(problemsOf(t, nodes[0]), "in/a2 was not heard and lost its vote to in/a3")
	})
	proposal, err := nodes[0].Operator.ProposePolicy(t.Context(), api.Policy{Voters: []string{"in/a0", "in/a1", "in/a2"}})
	if err != nil {
		t.Fatal(err)
	}
	approve(t, nodes[1], proposal.ID)
	nodetest.Until(t, "it votes again", func() bool { return role(t, nodes[2]) == "voter" && role(t, nodes[3]) == "non-voter" })

	if err := nodes[0].Node.Govern(t.Context(), &ledger.SwapVoter{Out: "in/a2", In: "in/a3"}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "who heard it says so", func() bool {
		return strings.Contains(problemsOf(t, nodes[1]), "in/a0: it took the vote of in/a2 as unheard") &&
			strings.Contains(problemsOf(t, nodes[2]), "in/a0: it took the vote of this agency as unheard")
	})
	if strings.Contains(problemsOf(t, nodes[0]), "as unheard") {
		t.Error("it accuses itself")
	}
}
