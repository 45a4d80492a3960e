package node_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// readable checks that a node whose disk failed answers what it has, refuses every write at once and says why.
func readable(t *testing.T, r *nodetest.Running, analyst *api.Client, why string) {
	t.Helper()
	ctx := t.Context()
	answer, err := analyst.LookUp(ctx, api.LookUp{Signals: md5(1)})
	if err != nil || len(answer.Results[0].Alerts) != 1 {
		t.Errorf("not readable: %+v %v", answer, err)
	}
	var refusal *api.Refusal
	_, err = analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(2)})
	if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable || refusal.Code != "disk" {
		t.Errorf("a write: %v", err)
	}
	if _, err := r.Operator.Invite(ctx, api.Invite{Agency: "in/x"}); err != nil {
		t.Errorf("an invitation writes nothing: %v", err)
	}
	if _, err := r.Operator.CreateToken(ctx, api.NewToken{Name: "x", Role: "analyst"}); status(err) != http.StatusServiceUnavailable {
		t.Errorf("a token: %v", err)
	}
	s, err := r.Operator.Status(ctx)
	if err != nil || s.Ready || !strings.Contains(s.Problems[0].What, why) {
		t.Errorf("the status: %+v %v", s.Problems, err)
	}
	var last api.VerifyLine
	if err := r.Operator.Verify(ctx, func(l api.VerifyLine) { last = l }); err != nil || !last.OK {
		t.Errorf("what is there is not verified: %+v %v", last, err)
	}
}

func TestTheNodeStopsBeforeTheDiskIsFull(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	analyst := r.As(t, "analyst")
	if _, err := analyst.Raise(t.Context(), "", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	target := r.Target(t, "analyst")
	r.Stop()
	n, err := node.Open(c, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	n.SetSpaceFloor(math.MaxUint64)
	full := nodetest.Serve(t, c, n)
	target.Server = "https://" + full.Addresses.API
	readable(t, full, client(t, target), "the data disk is full")
	if err := full.End(); err == nil || !strings.Contains(err.Error(), "the data disk is full") {
		t.Errorf("it ended with %v", err)
	}
}

func client(t *testing.T, target api.Target) *api.Client {
	t.Helper()
	c, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestADamagedRaftLogLeavesTheNodeReadable flips bits in the log while the node is down.
func TestADamagedRaftLogLeavesTheNodeReadable(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	target := r.Target(t, "analyst")
	if _, err := client(t, target).Raise(context.WithoutCancel(t.Context()), "", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	path := filepath.Join(c.Dir, "raft", "raft.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("alert.raised")) // sealed: it is nowhere in clear
	if at >= 0 {
		t.Fatal("an event is in clear in raft's log")
	}
	if at = bytes.Index(b, []byte("in/*")); at < 0 {
		t.Fatal("no entry is in raft's log")
	}
	for ; at >= 0; at = bytes.Index(b, []byte("in/*")) { // a page that was given up may hold a copy
		b[at] ^= 1
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(c, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	damaged := nodetest.Serve(t, c, n)
	target.Server = "https://" + damaged.Addresses.API
	readable(t, damaged, client(t, target), "the raft log is damaged")
	if err := damaged.End(); err == nil {
		t.Error("it ended as if nothing had happened")
	}
}

// TestVerifyTellsWhatTheDiskHasLost damages a payload while the node is down: the rest is served, and verify names it.
func TestVerifyTellsWhatTheDiskHasLost(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	w, err := r.As(t, "analyst").Raise(t.Context(), "", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	path := filepath.Join(c.Dir, "ledger", "current", "payload-00000000")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 1 // of the last entry
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	var findings []string
	var last api.VerifyLine
	err = r.Operator.Verify(t.Context(), func(l api.VerifyLine) {
		if last = l; l.Finding != "" {
			findings = append(findings, l.Finding)
		}
	})
	if err != nil || last.OK || !last.Finished || len(findings) == 0 || !strings.Contains(findings[0], "payload of entry") {
		t.Errorf("entry %d was damaged; found %q, %+v, %v", w.Index, findings, last, err)
	}
}
