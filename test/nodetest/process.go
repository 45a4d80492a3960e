package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"vigil/cmd/network"
)

// The commands of this project.
const (
	Vigil  = "vigil/cmd/vigil"
	Verify = "vigil/cmd/vigil-verify"
)

// Build builds a command as it is shipped.
func Build(file, command string, flags ...string) error {
	build := exec.Command("go", slices.Concat([]string{"build"}, flags, []string{"-o", file, command})...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", command, err, out)
	}
	return nil
}

// Built builds a command for one test and returns its file.
func Built(t testing.TB, command string, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), path.Base(command))
	if err := Build(file, command, flags...); err != nil {
		t.Fatal(err)
	}
	return file
}

// Main runs tests that share one binary of vigil, whose file it writes to binary, and returns their status.
func Main(m *testing.M, binary *string) int {
	dir, err := os.MkdirTemp("", "vigil-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		*binary = filepath.Join(dir, path.Base(Vigil))
		err = os.Chmod(dir, 0o755) // some run it as nobody
	}
	if err == nil {
		err = Build(*binary, Vigil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// logBytes is how much of a node's log is shown where a test fails.
const logBytes = 4000

// Network is a network of processes without a node yet. It ends with the test, which shows the nodes' logs where it has failed.
func Network(t testing.TB, binary string) *network.Network {
	t.Helper()
	dir, err := os.MkdirTemp("", "vigil-net-") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	n, err := network.New(dir, binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Stop()
		if t.Failed() {
			for _, id := range n.Order() {
				log, _ := os.ReadFile(n.Node(id).Config.Dir + ".log")
				t.Logf("%s:\n%s", id, log[max(0, len(log)-logBytes):])
			}
		}
		_ = os.RemoveAll(dir)
	})
	return n
}
