package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vigil/cmd/network"
)

// TestADamagedDiskIsMended: of one of three nodes a payload is damaged while it runs, then a leaf, and then the state while it is
// stopped; by the command people type it has back from the others what it lost, and everything verifies. A damaged raft log refuses
// with the command that replaces the node.
func TestADamagedDiskIsMended(t *testing.T) {
	n := start(t, three...)
	x := n.Node("in/c")
	w := &written{}
	for i := range 8 {
		if err := w.raise(t.Context(), x.Work, fmt.Sprint("before ", i), "in/*"); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, n, "in")
	type result struct {
		Found    int `json:"found"`
		Repaired int `json:"repaired"`
	}
	scrub := func() (r result, out string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, "ledger", "scrub", "--config", x.Config.Dir+".toml", "--json")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			code = ended.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(stdout, &r) // a refusal writes none
		return r, string(stdout) + stderr.String(), code
	}
	flip := func(path string, what []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		f, openErr := os.OpenFile(path, os.O_WRONLY, 0)
		if err := errors.Join(err, openErr); err != nil {
			t.Fatal(err)
		}
		flipped := 0
		for at := bytes.Index(b, what); at >= 0; flipped++ { // some of them lie in pages that nothing leads to
			if _, err := f.WriteAt([]byte{b[at] ^ 1}, int64(at)); err != nil {
				t.Fatal(err)
			}
			b[at] ^= 1
			at = bytes.Index(b, what)
		}
		if flipped == 0 {
			t.Fatalf("nothing to flip in %s", path)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	verifies := func() {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), binary, "--server", "unix://"+x.Config.SocketPath(), "ledger", "verify").CombinedOutput(); err != nil {
			t.Errorf("verify: %v\n%s", err, out)
		}
		w.check(t, x)
	}
	current := filepath.Join(x.Config.Dir, "ledger", "current")

	if r, out, code := scrub(); code != 0 || r.Found != 0 {
		t.Fatalf("a whole node: %d\n%s", code, out)
	}
	payload, err := os.ReadFile(filepath.Join(current, "payload-00000000"))
	if err != nil {
		t.Fatal(err)
	}
	flip(filepath.Join(current, "payload-00000000"), payload[len(payload)/2:])
	flip(filepath.Join(current, "payload-00000000"), payload[len(payload)-20:])
	if r, out, code := scrub(); code != 0 || r.Found != 2 || r.Repaired != 2 {
		t.Errorf("two payloads: %d\n%s", code, out)
	}
	verifies()

	x.Stop()
	flip(filepath.Join(current, "ledger.db"), []byte("in/c")) // stands in leaves, and in the state
	if r, out, code := scrub(); code != 0 || r.Found == 0 || r.Repaired != r.Found {
		t.Errorf("a value: %d\n%s", code, out)
	}
	head, err := os.ReadFile(filepath.Join(current, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	for page := range 2 { // both heads: nothing of it can be opened
		flip(filepath.Join(current, "ledger.db"), head[page*4096+16:page*4096+96])
	}
	if out, code := serves(t, x.Config); code == 0 || !bytes.Contains([]byte(out), []byte("vigil ledger scrub --dir "+x.Config.Dir)) {
		t.Errorf("a ledger that cannot be opened: %d\n%s", code, out)
	}
	if r, out, code := scrub(); code != 0 || r.Found == 0 || r.Repaired != r.Found {
		t.Errorf("made anew: %d\n%s", code, out)
	}
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error { return w.raise(t.Context(), x.Work, "after", "in/*") }); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in")
	verifies()

	x.Stop()
	flip(filepath.Join(x.Config.Dir, "raft", "raft.db"), []byte("in/c"))
	if r, out, code := scrub(); code != 16 || r.Found == 0 || !bytes.Contains([]byte(out), []byte("vigil node replace --from "+x.Config.Dir)) {
		t.Errorf("a raft log: %d\n%s", code, out)
	}
}
