package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestTheVerifierNamesAFork gives the offline verifier a proof that a member signed two histories.
func TestTheVerifierNamesAFork(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "vigil-verify")
	if out, err := exec.Command("go", "build", "-o", bin, "vigil/cmd/vigil-verify").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	j := ledgertest.Found(t, "in", 2)
	m := j.Members[1]
	var sides [][]byte
	for _, root := range []byte{1, 2} {
		c := ledger.Checkpoint{Origin: j.Origin(), Size: 9}
		c.Root[0] = root
		line, err := ledger.Cosign(c, m.ID, m.Checkpoint, j.Now)
		if err != nil {
			t.Fatal(err)
		}
		sides = append(sides, ledger.Assemble(c, line))
	}
	trust, err := ledger.TrustOf(j.State).Encode()
	if err != nil {
		t.Fatal(err)
	}
	proof, pins := filepath.Join(dir, "proof"), filepath.Join(dir, "trust.json")
	if err := errors.Join(os.WriteFile(proof, ledger.ProveFork(m.ID, m.Checkpoint.Public(), sides[0], sides[1]).Encode(), 0o600), os.WriteFile(pins, trust, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{proof, "--trust", pins}, 12, "RESULT: FORK PROVED (in/a1 signed two histories of " + string(j.Origin())},
		{[]string{proof}, 13, "who that is, is not established"},
	} {
		out, err := exec.Command(bin, c.args...).Output()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
}
