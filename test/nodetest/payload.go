package nodetest

import (
	"os"
	"path/filepath"
	"testing"

	"vigil/node"
	"vigil/node/store"
)

// Payloads returns 64 bytes from the middle of the sealed payload of each entry of a stopped node's own ledger, read from a
// copy: what no file may hold once they are expunged.
func Payloads(t testing.TB, c node.Config, indexes ...uint64) (out [][]byte) {
	t.Helper()
	id, err := node.ReadIdentity(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(c.Dir, "ledger"))); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(dir, store.Identity{Origin: id.Origin, Node: id.Node})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, i := range indexes {
		e, _, _, err := s.Entry(id.Origin, i)
		if err != nil || len(e.Payload) < 128 {
			t.Fatalf("entry %d: %v", i, err)
		}
		out = append(out, e.Payload[len(e.Payload)/2:len(e.Payload)/2+64])
	}
	return out
}
