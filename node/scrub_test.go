package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// scrubOf has a node scrub itself and returns the parts read and what was found.
func scrubOf(t *testing.T, c *api.Client) (parts map[string]uint64, found []api.ScrubLine) {
	t.Helper()
	parts = map[string]uint64{}
	finished := false
	err := c.Scrub(t.Context(), false, func(l api.ScrubLine) {
		if l.Part != "" {
			parts[l.Part] = max(parts[l.Part], l.Bytes)
		}
		if l.Damage != "" {
			found = append(found, l)
		}
		finished = finished || l.Finished
	})
	if err != nil || !finished {
		t.Fatalf("not finished: %v", err)
	}
	return parts, found
}

// harm changes bytes of a file in place.
func harm(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 0xff
	}
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestScrubOfANode: a node in which much has happened is found whole; what is damaged while it runs is found, mended where its memory
// or a start mends it, and otherwise stays in the status with the command that does.
func TestScrubOfANode(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	one, _ := nodetest.Varied(t, r)
	for range 3 { // samples are drawn
		parts, found := scrubOf(t, r.Operator)
		for _, want := range []string{"ledger", "raft log", "access log", "board", "keys"} {
			if parts[want] == 0 {
				t.Errorf("nothing was read of the %s", want)
			}
		}
		if len(found) > 0 {
			t.Fatalf("found in a whole node: %+v", found)
		}
	}
	if _, err := r.As(t, api.RoleAnalyst).Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.As(t, api.RoleAnalyst).Scrub(t.Context(), false, func(api.ScrubLine) {}); status(err) != 403 {
		t.Errorf("an analyst scrubs: %v", err)
	}

	harm(t, filepath.Join(c.Dir, "keys.pgp"), 200)
	harm(t, filepath.Join(c.Dir, "identity.json"), 20)
	harm(t, filepath.Join(c.Dir, "ledger", "signed.json"), 20)
	if _, found := scrubOf(t, r.Operator); len(found) < 2 || slices.ContainsFunc(found, func(l api.ScrubLine) bool { return l.Repaired == "" }) { // a signature mends signed.json, too
		t.Errorf("the small files: %+v", found)
	}
	if _, found := scrubOf(t, r.Operator); len(found) > 0 {
		t.Errorf("mended, and still: %+v", found)
	}

	harm(t, filepath.Join(c.Dir, "ledger", "current", "payload-00000000"), 10)
	_, found := scrubOf(t, r.Operator)
	if len(found) != 1 || found[0].Part != "ledger" || found[0].Repaired != "" || !strings.Contains(found[0].Fix, "vigil ledger scrub --dir "+c.Dir) {
		t.Errorf("a payload that nobody else has: %+v", found)
	}
	s, err := r.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, p := range s.Problems {
		named = named || strings.Contains(p.What, "damage on this node's disk: ledger") && p.Fix == found[0].Fix
	}
	if !named {
		t.Errorf("the status does not name it: %+v", s.Problems)
	}
	harm(t, filepath.Join(c.Dir, "ledger", "current", "payload-00000000"), 10) // back
	r.Stop()

	harm(t, filepath.Join(c.Dir, "board", "board.db"), 3*4096+100)
	r = nodetest.Run(t, c) // quick_check may or may not have seen it: SQLite reads what it needs
	nodetest.Until(t, "the board is made anew", func() bool {
		_, err := r.As(t, api.RoleAnalyst).Alert(t.Context(), one)
		return err == nil
	})
	if _, found := scrubOf(t, r.Operator); len(found) > 0 {
		t.Errorf("after a new board: %+v", found)
	}
}
