package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/cluster"
	"vigil/test/nodetest"
)

// jurisdiction runs in/a0, in/a1, … in this process, of which two decide. change may change a node's configuration.
func jurisdiction(t *testing.T, n int, change func(i int, c *node.Config)) ([]*nodetest.Running, []node.Config) {
	t.Helper()
	var nodes []*nodetest.Running
	var configs []node.Config
	for i := range n {
		c := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
		if change != nil {
			change(i, &c)
		}
		id := ledger.AgencyID(fmt.Sprintf("in/a%d", i))
		if i == 0 {
			if _, err := node.Init(c, node.Founding{Agency: id, Threshold: 2, Suite: crypto.SuiteClassic}); err != nil {
				t.Fatal(err)
			}
		} else {
			inv, err := nodes[0].Operator.Invite(t.Context(), api.Invite{Agency: string(id)})
			if err != nil {
				t.Fatal(err)
			}
			joined, err := node.Join(t.Context(), c, node.Joining{Token: inv.Token, Suite: crypto.SuiteClassic})
			if err != nil {
				t.Fatal(err)
			}
			if i > 1 {
				approve(t, nodes[1], joined.Proposal)
			}
		}
		nodes, configs = append(nodes, nodetest.Run(t, c)), append(configs, c)
		epoch := uint64(i + 1)
		nodetest.Until(t, "the next epoch", func() bool { return agencies(t, nodes[i]).Audiences[0].Epoch >= epoch })
	}
	return nodes, configs
}

func agencies(t *testing.T, n *nodetest.Running) api.Agencies {
	t.Helper()
	a, err := n.Operator.Agencies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func role(t *testing.T, n *nodetest.Running) string {
	t.Helper()
	s, err := n.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Role
}

// TestALyingLeaderIsCut: the leader lets nothing about its removal into the ledger. The others know it from each other, cut
// it off, and write again within ten seconds.
func TestALyingLeaderIsCut(t *testing.T) {
	var lies func(ledger.Entry) bool
	nodes, _ := jurisdiction(t, 3, func(i int, c *node.Config) {
		c.Withhold(func(e ledger.Entry) bool { return i == 0 && lies != nil && lies(e) })
	})
	if r := role(t, nodes[0]); r != "leader" {
		t.Fatalf("the founder is %s", r)
	}
	for i := range nodes {
		nodetest.Until(t, "three voters", func() bool { return role(t, nodes[i]) != "non-voter" })
	}
	lies = func(e ledger.Entry) bool {
		rec, err := e.Open()
		return err == nil && rec.Kind == ledger.KindGovernance
	}
	lab := nodes[1].As(t, api.RoleLab)

	proposed := make(chan error, 1)
	go func() {
		_, err := nodes[1].Operator.Remove(t.Context(), api.Removal{Agency: "in/a0"})
		proposed <- err
	}()
	var outside api.Proposal
	nodetest.Until(t, "the other knows of the proposal", func() bool {
		for _, p := range agencies(t, nodes[2]).Proposals {
			outside = p
		}
		return outside.Outside
	})
	if len(outside.Approvals) != 1 || outside.Needs != 2 || !strings.Contains(outside.Text, "removes in/a0") {
		t.Fatalf("%+v", outside)
	}
	started := time.Now()
	approved := make(chan error, 1)
	go func() { _, err := nodes[2].Operator.Approve(t.Context(), outside.ID); approved <- err }()
	nodetest.Until(t, "the removal is carried out", func() bool { return len(agencies(t, nodes[1]).Agencies) == 2 })
	nodetest.Until(t, "it is written to again", func() bool {
		_, err := lab.Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(7)})
		return err == nil
	})
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("written to again %s after the approval", took)
	} else {
		t.Logf("written to again %s after the approval", took)
	}
	if err := errors.Join(<-proposed, <-approved); err != nil {
		t.Error(err)
	}
	nodetest.Until(t, "the liar knows that the others have gone on", func() bool {
		s, err := nodes[0].Operator.Status(t.Context())
		return err == nil && !s.Ready && s.Leader == ""
	})
}

// TestAKeyIsRotated: the old key signs nothing more and opens what it opened; nothing is lost on the way, nor with all the
// disks but the newest key.
func TestAKeyIsRotated(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	lab := nodes[2].As(t, api.RoleLab)
	before, err := lab.Raise(t.Context(), "before", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	private, err := lab.Raise(t.Context(), "private", api.RaiseAlert{Signals: md5(2), Audience: []string{"in/a2"}})
	if err != nil {
		t.Fatal(err)
	}
	rotation, err := nodes[2].Operator.RotateKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := nodes[2].Operator.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].State != "in force" || keys[1].Fingerprint != rotation.Fingerprint {
		t.Fatalf("%+v %v", keys, err)
	}
	if _, err := nodes[2].Operator.Approve(t.Context(), rotation.ID); status(err) != 409 {
		t.Errorf("the target approved: %v", err)
	}
	stop := make(chan struct{})
	writing := make(chan error, 1)
	go func() { // writes go on, signed with whichever key is in force
		for i := 0; ; i++ {
			select {
			case <-stop:
				writing <- nil
				return
			default:
			}
			if _, err := lab.Raise(t.Context(), fmt.Sprintf("during-%d", i), api.RaiseAlert{Signals: md5(byte(10 + i%200))}); err != nil && status(err) != 503 {
				writing <- err
				return
			}
		}
	}()
	approve(t, nodes[0], rotation.ID)
	approve(t, nodes[1], rotation.ID)
	nodetest.Until(t, "the new key is in force", func() bool {
		keys, err := nodes[2].Operator.Keys(t.Context())
		return err == nil && keys[1].State == "in force" && keys[1].Generation == 2
	})
	nodetest.Until(t, "the next epoch", func() bool { a := agencies(t, nodes[2]).Audiences[0]; return !a.Stale && a.Epoch == 4 })
	close(stop)
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	after, err := lab.Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(3)})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{before.ID, private.ID, after.ID}
	readable := func(what string, c *api.Client) {
		for _, id := range all {
			nodetest.Until(t, what+" reads "+id, func() bool { _, err := c.Alert(t.Context(), id); return err == nil })
		}
	}
	readable("the rotated agency", lab)
	former := func() bool {
		for i := uint64(0); ; i++ {
			e, err := lab.Entry(t.Context(), "", i)
			if err != nil {
				return false
			}
			if strings.Contains(e.Note, "holds a key") && len(e.Events) == 0 {
				return true
			}
		}
	}
	nodetest.Until(t, "the old key is handed to the new one, and not shown", former)

	nodes[2].Stop()
	again := nodetest.Run(t, configs[2])
	readable("the restarted node", again.As(t, api.RoleLab))

	// The machine is lost; what is left is the newest key. A new node made of it reads everything.
	r, err := node.ReplacingFrom(t.Context(), configs[2])
	if err != nil {
		t.Fatal(err)
	}
	again.Stop()
	if err := os.RemoveAll(configs[2].Dir); err != nil {
		t.Fatal(err)
	}
	r.Keys = r.Keys[len(r.Keys)-1:]
	c := nodetest.Config(t, filepath.Join(t.TempDir(), "new"))
	if _, err := node.Replace(t.Context(), c, r); err != nil {
		t.Fatal(err)
	}
	fresh := nodetest.Run(t, c)
	readable("the new node", fresh.As(t, api.RoleLab))
	if keys, err := fresh.Operator.Keys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%+v %v", keys, err)
	}
}

func TestANodeReplacesItsOldOne(t *testing.T) {
	nodes, configs := jurisdiction(t, 1, nil)
	w, err := nodes[0].As(t, api.RoleLab).Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := node.ReplacingFrom(t.Context(), configs[0]) // it runs
	if err != nil {
		t.Fatal(err)
	}
	c := nodetest.Config(t, filepath.Join(t.TempDir(), "new"))
	if _, err := node.Replace(t.Context(), c, r); err != nil {
		t.Fatal(err)
	}
	fresh := nodetest.Run(t, c)
	nodetest.Until(t, "the new node leads", func() bool { return role(t, fresh) == "leader" })
	nodetest.Until(t, "the old node knows", func() bool { return strings.Contains(role(t, nodes[0]), "replaced") })
	nodes[0].Stop()
	lab := fresh.As(t, api.RoleLab)
	nodetest.Until(t, "it reads what was", func() bool { _, err := lab.Alert(t.Context(), w.ID); return err == nil })
	if _, err := lab.Raise(t.Context(), "k2", api.RaiseAlert{Signals: md5(2)}); err != nil {
		t.Error(err)
	}

	// Whoever holds no key of the agency replaces nothing, and a node key that left does not return.
	stranger, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	r, err = node.ReplacingFrom(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r.Keys = []*crypto.AgencyKey{stranger}
	if _, err := node.Replace(t.Context(), nodetest.Config(t, filepath.Join(t.TempDir(), "x")), r); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("a stranger's node was taken: %v", err)
	}
}

// TestANewcomerReadsWhatItIsGranted: nothing of the past before, then exactly what was granted, also on a board built anew.
// A further audience is read by those in it, and a support body reads only what names it.
func TestANewcomerReadsWhatItIsGranted(t *testing.T) {
	nodes, configs := jurisdiction(t, 2, nil)
	lab := nodes[0].As(t, api.RoleLab)
	raise := func(key string, b byte, to ...string) string {
		t.Helper()
		var id string
		nodetest.Until(t, "raised", func() bool {
			w, err := lab.Raise(t.Context(), key, api.RaiseAlert{Signals: md5(b), Audience: to})
			id = w.ID
			return err == nil
		})
		return id
	}
	old := raise("old", 1)
	for _, c := range []struct {
		agency    string
		audiences []string
	}{{"in/a2", nil}, {"in/support", []string{"none"}}} {
		inv, err := nodes[0].Operator.Invite(t.Context(), api.Invite{Agency: c.agency, Audiences: c.audiences})
		if err != nil {
			t.Fatal(err)
		}
		config := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
		joined, err := node.Join(t.Context(), config, node.Joining{Token: inv.Token, Suite: crypto.SuiteClassic})
		if err != nil {
			t.Fatal(err)
		}
		approve(t, nodes[1], joined.Proposal)
		nodes, configs = append(nodes, nodetest.Run(t, config)), append(configs, config)
	}
	newcomer, support := nodes[2].As(t, api.RoleLab), nodes[3].As(t, api.RoleLab)
	nodetest.Until(t, "the next epoch", func() bool { a := agencies(t, nodes[2]).Audiences[0]; return a.Epoch == 3 && len(a.Members) == 3 })
	set, err := nodes[0].Operator.SetAudience(t.Context(), api.SetAudience{Name: "in/@desk", Members: []string{"in/a0", "in/a2"}})
	if err != nil {
		t.Fatal(err)
	}
	approve(t, nodes[1], set.ID)
	desk, named := raise("desk", 2, "in/@desk"), raise("named", 3, "in/a0", "in/support")
	after := raise("after", 4)

	reads := func(c *api.Client, id string) bool { _, err := c.Alert(t.Context(), id); return err == nil }
	nodetest.Until(t, "the newcomer reads what came after it", func() bool { return reads(newcomer, desk) && reads(newcomer, after) })
	nodetest.Until(t, "the support body reads what names it", func() bool { return reads(support, named) })
	if reads(newcomer, old) || reads(newcomer, named) || reads(support, after) || reads(support, desk) || reads(nodes[1].As(t, api.RoleLab), desk) {
		t.Fatal("somebody reads what is not for it")
	}

	if _, err := nodes[2].Operator.Grant(t.Context(), api.Grant{Agency: "in/a1", Audience: "in/*", First: 1, Last: 1}); status(err) != 409 {
		t.Errorf("an agency proposed to give what it does not hold: %v", err)
	}
	grant, err := nodes[0].Operator.Grant(t.Context(), api.Grant{Agency: "in/a2", Audience: "in/*", Last: 2})
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the approval says what it opens", func() bool {
		for _, p := range agencies(t, nodes[1]).Proposals {
			if strings.Contains(p.Text, "epochs 1 to 2 of in/*") && strings.Contains(p.Text, "of partners") {
				return true
			}
		}
		return false
	})
	if reads(newcomer, old) {
		t.Fatal("opened before it was approved")
	}
	approve(t, nodes[1], grant.ID)
	nodetest.Until(t, "the newcomer reads what it was granted", func() bool { return reads(newcomer, old) })
	if reads(newcomer, named) {
		t.Error("it reads more than that")
	}
	nodes[2].Stop()
	if err := os.RemoveAll(filepath.Join(configs[2].Dir, "board")); err != nil {
		t.Fatal(err)
	}
	again := nodetest.Run(t, configs[2]).As(t, api.RoleLab)
	nodetest.Until(t, "a board built anew reads it, too", func() bool { return reads(again, old) && reads(again, after) })
}

// TestALeaderThatShowsAnotherTail: the leader, with its real keys, leaves one member's entry out of what it sends another
// member. What was acknowledged stands, that member signs nothing of the other history, stops by itself as soon as it sees what
// the others have signed, and says what to do; the others go on.
func TestALeaderThatShowsAnotherTail(t *testing.T) {
	var lie atomic.Pointer[func(to crypto.NodeID, command []byte) []byte]
	nodes, _ := jurisdiction(t, 3, func(i int, c *node.Config) {
		c.Tail(func(to crypto.NodeID, command []byte) []byte {
			if f := lie.Load(); f != nil && i == 0 {
				return (*f)(to, command)
			}
			return command
		})
	})
	for i := range nodes {
		nodetest.Until(t, "three voters", func() bool { return role(t, nodes[i]) != "non-voter" })
	}
	if r := role(t, nodes[0]); r != "leader" {
		t.Fatalf("the founder is %s", r)
	}
	victim := nodes[2].Node.TestKeys().Node.Public().ID()
	var left atomic.Bool // once
	leaveOut := func(to crypto.NodeID, command []byte) []byte {
		entries := cluster.EntriesIn(command)
		if to != victim || left.Load() || len(entries) == 0 {
			return command
		}
		kept := slices.DeleteFunc(slices.Clone(entries), func(e ledger.Entry) bool {
			rec, err := e.Open()
			return err == nil && rec.Author == "in/a1" && rec.Kind == ledger.KindSealed
		})
		if len(kept) == len(entries) {
			return command
		}
		left.Store(true)
		return cluster.CommandOf(kept)
	}
	lab, other, shown := nodes[1].As(t, api.RoleLab), nodes[0].As(t, api.RoleLab), nodes[2].As(t, api.RoleLab)
	lie.Store(&leaveOut)

	first, err := lab.Raise(t.Context(), "left out", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	nodetest.Until(t, "the member that was shown another history stops", func() bool {
		n++
		if _, err := other.Raise(t.Context(), fmt.Sprint("after ", n), api.RaiseAlert{Signals: md5(byte(1 + n))}); err != nil {
			t.Fatalf("the others do not go on: %v", err)
		}
		s, err := nodes[2].Operator.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Problems, func(p api.NodeProblem) bool {
			return strings.Contains(p.What, "another history") && strings.Contains(p.Fix, "vigil node replace")
		})
	})
	if _, err := shown.Raise(t.Context(), "here", api.RaiseAlert{Signals: md5(99)}); status(err) != 503 {
		t.Errorf("it still writes: %v", err)
	}
	if a, err := lab.Alert(t.Context(), first.ID); err != nil || a.ID != first.ID {
		t.Errorf("what was acknowledged: %v", err)
	}
	if err := nodes[2].End(); err == nil {
		t.Error("it ends as if nothing were wrong")
	}
}
