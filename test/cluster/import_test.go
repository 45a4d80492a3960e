package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/node/api"
)

// TestAnInterruptedImportIsGoneOnWith kills the command, then the node, in the middle of a file: run again, every row is
// there once.
func TestAnInterruptedImportIsGoneOnWith(t *testing.T) {
	n := start(t, "in/a")
	x := n.Node("in/a")
	const rows = 40_000
	var list bytes.Buffer
	for i := range rows {
		h := sha256.Sum256(fmt.Append(nil, "row ", i))
		list.WriteString(hex.EncodeToString(h[:]) + "\n")
	}
	file, token := filepath.Join(t.TempDir(), "list.txt"), filepath.Join(t.TempDir(), "token")
	for path, b := range map[string][]byte{file: list.Bytes(), token: []byte(x.Token)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func() *exec.Cmd {
		return exec.CommandContext(t.Context(), binary, "--server", "https://"+x.Config.API.Listen, "--pin", x.Pin, "--token-file", token, "--json", "alert", "import", file)
	}
	begun := func(rows int) {
		t.Helper()
		err := network.Eventually(t.Context(), time.Minute, func() error {
			if have := len(board(t, x)); have < rows {
				return fmt.Errorf("%d rows", have)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	first := command()
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	begun(1)
	_ = first.Process.Kill()
	_ = first.Wait() // killed
	had := len(board(t, x))
	if had == rows {
		t.Fatal("the import was over before it was interrupted")
	}

	second := command()
	var out bytes.Buffer
	second.Stdout = &out
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	begun(had + 1)
	x.Kill()
	restart(t, x)
	_ = second.Wait() // it may have given up while the node was away

	third := command()
	third.Stdout = &out
	out.Reset()
	if err := third.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	var result struct{ Accepted, Refused int }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || result.Accepted != rows || result.Refused != 0 {
		t.Errorf("%+v %v", result, err)
	}
	settled(t, n, "in")
	if have := len(board(t, x)); have != rows {
		t.Errorf("%d rows of %d are there", have, rows)
	}
	answer, err := x.Work.LookUp(t.Context(), api.LookUp{Signals: []api.Signal{{Algorithm: "sha256", Value: list.String()[:64]}}})
	if err != nil || len(answer.Results[0].Alerts) != 1 {
		t.Errorf("the first row: %+v %v", answer, err)
	}
}
