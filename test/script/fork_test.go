package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/test/nodetest"
)

// TestTheVerifierNamesTheLiar gives the offline verifier proofs that a member signed two histories, and did not keep a receipt.
func TestTheVerifierNamesTheLiar(t *testing.T) {
	dir := t.TempDir()
	bin := nodetest.Built(t, nodetest.Verify)
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
	foreign, err2 := ledger.TrustOf(ledgertest.Found(t, "in", 1).State).Encode()
	due := j.Now.Add(-time.Minute)
	var hashes []tlog.Hash
	for _, e := range j.Entries {
		hashes = append(hashes, ledger.LeafHash(e.Leaf))
	}
	leaf := hashes[0]
	receipt := ledger.SignReceipt(ledger.Receipt{Origin: j.Origin(), Index: 0, Hash: [32]byte{1}, Deadline: due.UnixMilli(), Agency: m.ID}, m.Node)
	unkept, err3 := ledger.MakeUnkept(receipt, j.Checkpoint(t), j.State.Governance, j.State.Evidence(), leaf[:], ledger.PathOf(hashes, 0))
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	proof, pins, others := file("proof", ledger.ProveFork(m.ID, m.Checkpoint.Public(), sides[0], sides[1]).Encode()), file("trust.json", trust), file("others.json", foreign)
	promise, broken := file("promise", receipt), file("broken", unkept.Encode())
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{proof, "--trust", pins}, 12, "RESULT: FORK PROVED (in/a1 signed two histories of " + string(j.Origin())},
		{[]string{proof}, 13, "who that is, is not established"},
		{[]string{proof, "--trust", others}, 18, "the trust file is of another ledger"},
		{[]string{promise}, 13, "promised entry 0"},
		{[]string{promise, "--trust", pins}, 13, "with --receipt and the bundle"},
		{[]string{broken, "--trust", pins}, 19, "RESULT: RECEIPT NOT KEPT (in/a1 acknowledged entry 0 of " + string(j.Origin())},
		{[]string{broken, "--trust", others}, 18, "the trust file is of another ledger"},
		{[]string{broken}, 13, "trust not established"},
	} {
		out, err := exec.Command(bin, c.args...).Output()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
}
