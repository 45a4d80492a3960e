package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vigil/crypto"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// asking is one agency that wants to join.
type asking struct {
	config node.Config
	token  string
	name   string
}

func invite(t *testing.T, r *nodetest.Running, agency string) asking {
	t.Helper()
	inv, err := r.Operator.Invite(t.Context(), api.Invite{Agency: agency})
	if err != nil {
		t.Fatal(err)
	}
	return asking{nodetest.Config(t, filepath.Join(t.TempDir(), "n")), inv.Token, agency}
}

func (a asking) join(t *testing.T) (node.Joined, error) {
	t.Helper()
	return node.Join(t.Context(), a.config, node.Joining{Token: a.token, Name: a.name, Suite: crypto.SuitePQ})
}

// approve approves as soon as the node has the proposal.
func approve(t *testing.T, r *nodetest.Running, proposal string) {
	t.Helper()
	nodetest.Until(t, "the approval", func() bool { _, err := r.Operator.Approve(t.Context(), proposal); return err == nil })
}

func members(t *testing.T, r *nodetest.Running) []string {
	t.Helper()
	a, err := r.Operator.Agencies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range a.Agencies {
		out = append(out, x.ID)
	}
	return out
}

// TestJoiningIsAskedForUntilItIsAnswered goes through what lies between an invitation and a member: the inviter is away,
// its answer is lost, it is started again, another change voids the proposal.
func TestJoiningIsAskedForUntilItIsAnswered(t *testing.T) {
	c := nodetest.Found(t)
	first := nodetest.Run(t, c)

	// The inviter is away when it is asked; the same command later goes on, and again gets the same answer.
	second := invite(t, first, "in/b")
	first.Stop()
	if _, err := second.join(t); !errors.Is(err, node.ErrInviterAway) {
		t.Fatalf("nobody answers: %v", err)
	}
	first = nodetest.Run(t, c)
	joined, err := second.join(t)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := second.join(t); err != nil || again.Identity.Node != joined.Identity.Node {
		t.Fatalf("asked again: %+v %v", again, err)
	}
	b := nodetest.Run(t, second.config)

	// With two members a proposal waits for the other's approval. The same request gets the same answer, over a restart of
	// the inviter too; the invitation in another's hands is used.
	third := invite(t, first, "in/c")
	asked, err := third.join(t)
	if err != nil || asked.Proposal == "" {
		t.Fatalf("%+v %v", asked, err)
	}
	thief := asking{nodetest.Config(t, filepath.Join(t.TempDir(), "n")), third.token, third.name}
	if _, err := thief.join(t); !errors.Is(err, node.ErrJoinRefused) || !strings.Contains(err.Error(), "has been used") {
		t.Errorf("an invitation used twice: %v", err)
	}
	first.Stop()
	first = nodetest.Run(t, c)
	if again, err := third.join(t); err != nil || again.Proposal != asked.Proposal {
		t.Fatalf("after a restart of the inviter: %+v %v", again, err)
	}
	thief.config = nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	if _, err := thief.join(t); !errors.Is(err, node.ErrJoinRefused) {
		t.Errorf("used twice, over a restart: %v", err)
	}

	// Another admission voids the proposal. The node that waits asks again by itself.
	fourth := invite(t, b, "in/d")
	other, err := fourth.join(t)
	if err != nil {
		t.Fatal(err)
	}
	approve(t, first, other.Proposal)
	nodetest.Until(t, "in/d admitted", func() bool { return len(members(t, first)) == 3 })
	waiting, err := node.Open(third.config, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	joiner := nodetest.Serve(t, third.config, waiting)
	var proposal string
	nodetest.Until(t, "the proposal made again", func() bool {
		a, err := b.Operator.Agencies(context.Background())
		if err == nil && len(a.Proposals) == 1 && a.Proposals[0].Subject == "in/c" {
			proposal = a.Proposals[0].ID
		}
		return proposal != ""
	})
	if proposal == asked.Proposal {
		t.Fatal("the proposal was not voided")
	}
	approve(t, b, proposal)
	nodetest.Until(t, "in/c ready", func() bool { s, err := joiner.Operator.Status(context.Background()); return err == nil && s.Ready })
	if got := strings.Join(members(t, joiner), " "); got != "in/ncrb in/b in/d in/c" {
		t.Errorf("the roster: %s", got)
	}
}

func TestTwoAgenciesOfOneNameAreNotProposed(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t)) // it is called "bureau"
	second := invite(t, r, "in/b")
	second.name = " Bureau"
	if _, err := second.join(t); !errors.Is(err, node.ErrJoinRefused) || !strings.Contains(err.Error(), "called so") {
		t.Errorf("called as another is: %v", err)
	}
	if got := members(t, r); len(got) != 1 {
		t.Errorf("the roster: %v", got)
	}
}

func TestADirectoryKeepsToItsInvitation(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	one, other := invite(t, r, "in/b"), invite(t, r, "in/c")
	if _, err := one.join(t); err != nil {
		t.Fatal(err)
	}
	other.config = one.config
	if _, err := other.join(t); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("another invitation in its directory: %v", err)
	}
	moved := one
	moved.config.Node.Address = "elsewhere.example:7441"
	if _, err := moved.join(t); !errors.Is(err, node.ErrDirectoryTaken) || !strings.Contains(err.Error(), "other addresses") {
		t.Errorf("other addresses: %v", err)
	}
	if _, err := node.Init(one.config, node.Founding{Agency: "in/x", Threshold: 1, Suite: crypto.SuitePQ}); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("founded where a request waits: %v", err)
	}
}
