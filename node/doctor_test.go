package node_test

import (
	"os"
	"strings"
	"testing"

	"vigil/node"
	"vigil/test/nodetest"
)

// finds returns what the doctor says of one check, as "severity: what".
func finds(t *testing.T, c node.Config, check string) (out []string) {
	t.Helper()
	last := 0
	for _, f := range node.Examine(t.Context(), c) {
		rank := strings.Index("failure warning ok", f.Severity)
		if rank < last || f.What == "" || f.Severity == "failure" && f.Fix == "" && f.Check != "keys" {
			t.Errorf("out of order, or nothing to do about it: %+v", f)
		}
		if last = rank; f.Check == check {
			out = append(out, f.Severity+": "+f.What)
		}
	}
	return out
}

func one(t *testing.T, got []string, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(got, "\n"), want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTheDoctor examines nodes that run, that are stopped, and directories that cannot be started.
func TestTheDoctor(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	nodetest.Until(t, "it votes", func() bool { return role(t, nodes[2]) == "voter" })
	c := configs[2]
	nodetest.Until(t, "all are heard", func() bool { return strings.Contains(strings.Join(finds(t, c, "quorum"), ""), "ok: 3 of 3") })
	one(t, finds(t, c, "node"), "ok: voter, ready")
	one(t, finds(t, c, "sync"), "a synced write takes")
	one(t, finds(t, c, "key"), "ok: this agency's key was made on")

	nodes[2].Stop()
	one(t, finds(t, c, "node"), "warning: it does not run")
	one(t, finds(t, c, "keys"), "ok: they open and are of in/a2")
	one(t, finds(t, c, "heights"), "ok: here are term")
	one(t, finds(t, c, "quorum"), "ok: 3 of 3 voters are heard, 1 may go")
	one(t, finds(t, c, "ports"), "ok: node.listen")

	taken := c
	taken.API.Listen = nodes[0].Addresses.API
	one(t, finds(t, taken, "ports"), "failure: api.listen")

	open := c
	if err := os.Chmod(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	one(t, finds(t, open, "directory"), "failure: "+c.Dir+" can be read by others")
	if err := os.Chmod(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}

	wrong := c
	wrong.PassphraseFile = c.PassphraseFile + "-other"
	if err := os.WriteFile(wrong.PassphraseFile, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one(t, finds(t, wrong, "keys"), "failure: ")

	old := t.TempDir() + "/old"
	if err := os.CopyFS(old, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(old, 0o700)
	again := nodetest.Run(t, c)
	_ = again.As(t, "lab") // a token is an entry
	nodetest.Until(t, "the others remember more", func() bool {
		back := c
		back.Dir, back.API.Socket = old, ""
		return strings.Contains(strings.Join(finds(t, back, "heights"), ""), "failure: cluster: the disk of this node was rolled back")
	})

	nodes[0].Stop()
	nodes[1].Stop()
	again.Stop()
	one(t, finds(t, c, "quorum"), "failure: 1 of 3 voters are heard")
	one(t, finds(t, c, "peers"), "warning: the voter of in/a0 does not answer at 127.0.0.1:")

	nowhere := c
	nowhere.Dir = c.Dir + "-nowhere"
	one(t, finds(t, nowhere, "directory"), "failure: ")
}
