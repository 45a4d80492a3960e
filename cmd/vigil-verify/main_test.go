package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// full takes nothing, as a full disk does.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A program that reads the JSON is not told that a proof holds of which it was told nothing.
func TestAReportThatCannotBeWrittenIsNotVerified(t *testing.T) {
	bundle, trust := verifiable(t)
	var out, errs bytes.Buffer
	if code := run([]string{"--json", bundle, "--trust", trust}, &out, io.Discard); code != 0 || !strings.Contains(out.String(), `"verified": true`) {
		t.Fatalf("%d: %s", code, out.String())
	}
	if code := run([]string{"--json", bundle, "--trust", trust}, full{}, &errs); code != exitFailure || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("it ended with %d: %s", code, errs.String())
	}
}

func TestWhatABundleSaysSteersNoTerminal(t *testing.T) {
	if got := clean("a\x1b[2J\u009b2J\u202eb\u2066é\tक"); got != "a\ufffd[2J\ufffd2J\ufffdb\ufffdé\ufffdक" {
		t.Errorf("%q", got)
	}
}

// verifiable writes an evidence bundle and the trust file that it verifies with.
func verifiable(t *testing.T) (bundle, trust string) {
	t.Helper()
	j := ledgertest.Found(t, "in", 2)
	e := j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("row"))
	rec, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(e.Payload, rec, j.Ring(1))
	if err != nil {
		t.Fatal(err)
	}
	index := j.State.Size() - 1
	c, err := ledger.Carry(j.Origin(), index, e.Leaf, p, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	var hashes []tlog.Hash
	for _, x := range j.Entries {
		hashes = append(hashes, ledger.LeafHash(x.Leaf))
	}
	c.Path = ledger.PathOf(hashes, int(index))
	b, err := ledger.MakeBundle(c, j.Checkpoint(t), j.State.Governance, rec.Author, j.State.Evidence())
	if err != nil {
		t.Fatal(err)
	}
	pins, err := ledger.TrustOf(j.State).Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bundle, trust = filepath.Join(dir, "bundle"), filepath.Join(dir, "trust.json")
	if err := errors.Join(os.WriteFile(bundle, b.Encode(), 0o600), os.WriteFile(trust, pins, 0o600)); err != nil {
		t.Fatal(err)
	}
	return bundle, trust
}
