package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vigil/node"
	"vigil/node/api"
)

// TestBackupUnderLoadAndRestore: by the commands people type, while others write: a node is backed up, its machine is destroyed, a
// damaged copy of the backup is refused, and the backup with the kit makes a new node that has everything, also what came after.
func TestBackupUnderLoadAndRestore(t *testing.T) {
	n := start(t, three...)
	x := n.Node("in/c")
	vigil := func(args ...string) ([]byte, int) {
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			return out, ended.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out, 0
	}
	dir := t.TempDir()
	pass, kit, backup := filepath.Join(dir, "pass"), filepath.Join(dir, "in-c.kit"), filepath.Join(dir, "in-c.backup")
	if err := os.WriteFile(pass, []byte("kept in another safe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := x.Config.Dir + ".toml"
	if out, code := vigil("agency", "kit", "--config", config, "--kit-passphrase-file", pass, "-o", kit); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	w := &written{}
	stop := w.load(t, "load", []string{"in/*"}, n.Node("in/a").Work, n.Node("in/b").Work)
	w.more(t, 30)
	for range 2 { // a second one takes the first's place
		if out, code := vigil("backup", "--config", config, "-o", backup); code != 0 {
			t.Fatalf("%d\n%s", code, out)
		}
	}
	chain := filepath.Join(dir, "chain")
	if err := os.Mkdir(chain, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // each with what came since the last one
		out, code := vigil("backup", "--config", config, "-o", chain, "--json", "--quiet")
		var report node.BackupReport
		if err := json.Unmarshal(out, &report); code != 0 || err != nil || report.Parts != i+1 {
			t.Fatalf("%d %v\n%s", code, err, out)
		}
		w.more(t, 10)
	}
	out, code := vigil("backup", "verify", chain, "--kit", kit, "--kit-passphrase-file", pass, "--json", "--quiet")
	var report node.BackupReport
	if err := json.Unmarshal(out, &report); code != 0 || err != nil || report.Entries < 30 || report.Sealed == 0 {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	w.more(t, 30)
	x.Kill()
	if err := os.RemoveAll(x.Config.Dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	damaged := backup + ".damaged"
	if err := os.WriteFile(damaged, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = n.Rebuild(t.Context(), "in/c", func(c node.Config) error {
		encoded, err := c.Encode()
		if err != nil {
			return err
		}
		fresh := filepath.Join(dir, "new.toml")
		if err := os.WriteFile(fresh, encoded, 0o600); err != nil {
			return err
		}
		if out, code := vigil("restore", damaged, "--config", fresh, "--kit", kit, "--kit-passphrase-file", pass); code != 16 {
			return fmt.Errorf("a damaged backup: %d\n%s", code, out)
		}
		if _, err := os.Stat(filepath.Join(c.Dir, "keys.pgp")); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("of a damaged backup something was made: %w", err)
		}
		if out, code := vigil("restore", chain, "--config", fresh, "--kit", kit, "--kit-passphrase-file", pass); code != 0 {
			return fmt.Errorf("%d\n%s", code, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.more(t, 10)
	stop()
	settled(t, n, "in")
	fresh := n.Node("in/c")
	w.check(t, fresh)
	var last api.VerifyLine
	if err := fresh.Operator.Verify(t.Context(), func(l api.VerifyLine) { last = l }); err != nil || !last.OK {
		t.Errorf("verify: %+v %v", last, err)
	}
}
