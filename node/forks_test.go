package node_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/cluster"
	"vigil/test/nodetest"
)

// forged is a checkpoint of a history that never was, of so many entries, signed by an agency's own checkpoint key.
func forged(t *testing.T, n *nodetest.Running, of ledger.Checkpoint) []byte {
	t.Helper()
	of.Root[0] ^= 1
	line, err := ledger.Cosign(of, n.Node.Identity().Agency, n.Node.TestKeys().Checkpoint, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Assemble(of, line)
}

func proofs(t *testing.T, n *nodetest.Running) (out []string) {
	t.Helper()
	s, err := n.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Problems {
		if strings.Contains(p.What, "signed two histories") && strings.Contains(p.Fix, "vigil-verify ") {
			out = append(out, p.What+" "+p.Fix)
		}
	}
	return out
}

func sealedCheckpoint(t *testing.T, n *nodetest.Running, origin ledger.Origin, by ledger.AgencyID) (cp ledger.Checkpoint) {
	t.Helper()
	nodetest.Until(t, "a checkpoint that the liar has signed", func() bool {
		raw, err := n.Operator.Checkpoint(t.Context(), string(origin))
		if err != nil {
			return false
		}
		if cp, _, err = ledger.ParseSigned(raw); err != nil {
			t.Fatal(err)
		}
		_, signers, err := ledger.Signers(raw)
		for _, s := range signers {
			if s.Agency == by && err == nil {
				return true
			}
		}
		return false
	})
	return cp
}

// TestAMemberThatSignsTwoHistories: one that shows another member a history that never was is proved a liar, to anybody,
// whether it lies about a size that is sealed or about an earlier one; and nothing of what it showed is taken.
func TestAMemberThatSignsTwoHistories(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	liar, honest := nodes[2], nodes[1]
	origin := liar.Node.Identity().Origin
	cp := sealedCheckpoint(t, honest, origin, "in/a2")
	keys := liar.Node.TestKeys()
	to := honest.Node.TestKeys().Node.Public().ID()
	for _, size := range []uint64{cp.Size - 1, cp.Size} {
		lie := cp
		lie.Size = size
		_, err := cluster.PostTo(t.Context(), keys.Node, to, configs[1].Address(), "/checkpoint", forged(t, liar, lie))
		if err == nil {
			t.Fatalf("size %d: the lie was taken", size)
		}
	}
	got := proofs(t, honest)
	if len(got) != 1 || !strings.Contains(got[0], "in/a2 signed") || !strings.Contains(got[0], "vigil agency remove in/a2") {
		t.Fatalf("%q", got)
	}
	file := strings.Fields(got[0][strings.Index(got[0], "vigil-verify "):])[1]
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pins, err := nodes[0].Operator.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ledger.ParseTrust(pins)
	if err != nil {
		t.Fatal(err)
	}
	if r := ledger.VerifyFork(raw, trust); r.Code() != 12 {
		t.Errorf("%+v", r)
	}
	if _, err := honest.As(t, api.RoleLab).Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Errorf("the others go on: %v", err)
	}
	honest.Stop() // the proof stays
	if again := proofs(t, nodetest.Run(t, configs[1])); len(again) != 1 {
		t.Errorf("after a start: %q", again)
	}
}

// TestASplitViewIsSeenByAThird: what a partner passes on of another ledger is compared with what was verified of it, also
// when it is of a size that is not here yet; and what nobody signed accuses nobody.
func TestASplitViewIsSeenByAThird(t *testing.T) {
	nodes, _ := jurisdiction(t, 3, nil)
	liar, third := nodes[2], nodes[0]
	origin := liar.Node.Identity().Origin
	cp := sealedCheckpoint(t, third, origin, "in/a2")
	unsigned := cp
	unsigned.Root[0] ^= 1
	third.Node.TakeThird("fr/x", ledger.Assemble(unsigned, "— in/a2 AAAAAAAA"))
	third.Node.TakeThird("fr/x", []byte("nonsense"))
	if got := proofs(t, third); len(got) > 0 {
		t.Fatalf("accused by nobody's signature: %q", got)
	}
	ahead := cp
	ahead.Size = cp.Size + 1
	third.Node.TakeThird("fr/x", forged(t, liar, ahead))
	if got := proofs(t, third); len(got) > 0 {
		t.Fatalf("judged before it is here: %q", got)
	}
	if _, err := third.As(t, api.RoleLab).Raise(t.Context(), "more", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is compared, and proved", func() bool {
		return len(proofs(t, third)) == 1
	})
}
