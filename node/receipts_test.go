package node_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// pretends lets the founder's node, where it leads, say yes to what in/a1 writes, and write nothing, while it lies.
func pretends(lies *atomic.Bool) func(i int, c *node.Config) {
	return func(i int, c *node.Config) {
		c.Promise(2 * time.Second)
		c.Pretend(func(e ledger.Entry) bool {
			rec, err := e.Open()
			return i == 0 && lies.Load() && err == nil && rec.Kind == ledger.KindSealed && rec.Author == "in/a1"
		})
	}
}

// TestAReceiptThatWasNotKeptIsAnAlarmWithItsProof: the leader says yes to an alert and writes nothing. The node that handed out
// the receipt raises the alarm with that receipt; a checkpoint with another entry in its place makes it a proof for anybody; and
// the alert is there once it is asked for again.
func TestAReceiptThatWasNotKeptIsAnAlarmWithItsProof(t *testing.T) {
	var lies atomic.Bool
	nodes, configs := jurisdiction(t, 3, pretends(&lies))
	if r := role(t, nodes[0]); r != "leader" {
		t.Fatalf("the founder is %s", r)
	}
	victim := nodes[1]
	lab, other := victim.As(t, api.RoleLab), nodes[2].As(t, api.RoleLab)
	lies.Store(true)
	w, err := lab.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	lies.Store(false)
	promised, _, err := ledger.OpenReceipt(w.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	kept := func(suffix string) (file string) {
		s, err := victim.Operator.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Problems {
			if _, rest, ok := strings.Cut(p.Fix, "vigil-verify "); ok && strings.Contains(p.What, "was acknowledged") {
				if f := strings.Fields(rest)[0]; strings.HasSuffix(f, suffix) {
					file = f
				}
			}
		}
		return file
	}
	nodetest.Until(t, "the alarm with the receipt", func() bool { return kept(".receipt") != "" })
	if raw, err := os.ReadFile(kept(".receipt")); err != nil || ledger.ReportReceipt(raw).Code() != 13 {
		t.Errorf("the receipt: %v", err)
	}
	nodetest.Until(t, "the deadline is over", func() bool { return time.Now().After(time.UnixMilli(promised.Deadline).Add(time.Second)) })
	if _, err := other.Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(2)}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the proof", func() bool { return kept(".unkept") != "" })
	trust := ledger.TrustOf(mustState(t, nodes[2]))
	raw, err := os.ReadFile(kept(".unkept"))
	if err != nil {
		t.Fatal(err)
	}
	if r := ledger.VerifyUnkept(raw, &trust); r.Code() != 19 || r.Index != promised.Index || r.Author != "in/a1" {
		t.Errorf("a third party finds: %+v", r)
	}
	if w, err = lab.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is there after all", func() bool { _, err := lab.Alert(t.Context(), w.ID); return err == nil })
	victim.Stop()
	victim = nodetest.Run(t, configs[1])
	if kept(".unkept") == "" {
		t.Error("the proof is gone after a start")
	}
}

// TestAPretenceIsMissedAfterARestart: the node to which an alert was pretended to be committed ends before it could miss it. Its
// next process does, and accuses nobody over what was kept.
func TestAPretenceIsMissedAfterARestart(t *testing.T) {
	var lies atomic.Bool
	nodes, configs := jurisdiction(t, 3, pretends(&lies))
	lab := nodes[1].As(t, api.RoleLab)
	if _, err := lab.Raise(t.Context(), "kept", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	lies.Store(true)
	if _, err := lab.Raise(t.Context(), "pretended", api.RaiseAlert{Signals: md5(2)}); err != nil {
		t.Fatal(err)
	}
	nodes[1].Stop()
	lies.Store(false)
	victim := nodetest.Run(t, configs[1])
	missed := func() (n int) {
		s, err := victim.Operator.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Problems {
			if strings.Contains(p.What, "was acknowledged") {
				n++
			}
		}
		return n
	}
	nodetest.Until(t, "it misses what was pretended", func() bool { return missed() > 0 })
	if n := missed(); n != 1 {
		t.Errorf("%d receipts are said not to be kept, one was not", n)
	}
}

// TestHowLongASealTakesIsMeasured: every entry this node wrote, once.
func TestHowLongASealTakesIsMeasured(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	target := n.Target(t, api.RoleLab)
	lab, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	h := overSocket(t, c, "")
	nodetest.Until(t, "as many as this node wrote, without the genesis", func() bool {
		_, b := h.do("GET", "/metrics", "")
		size := n.Node.Size()
		return size > 2 && strings.Contains(string(b), fmt.Sprintf("\nvigil_ledger_seal_duration_seconds_count %d\n", size-1))
	})
}

func mustState(t *testing.T, n *nodetest.Running) *ledger.State {
	t.Helper()
	s := n.Node.TestState()
	if s == nil {
		t.Fatal("no ledger")
	}
	return s
}
