package node

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/node/author"
)

// TestPromisesOutliveTheirProcess: what was made and not settled is there again, encrypted and bounded; a damaged record costs
// itself.
func TestPromisesOutliveTheirProcess(t *testing.T) {
	path, quiet := filepath.Join(t.TempDir(), "promises"), slog.New(slog.NewTextHandler(io.Discard, nil))
	open := func(key byte) *promises {
		t.Helper()
		p, err := openPromises(path, [32]byte{key}, crypto.NodeID{7}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.close() })
		return p
	}
	at := time.UnixMilli(1_800_000_000_123)
	made := func(n int) author.Receipt {
		return author.Receipt{Index: uint64(n), Leaf: [32]byte(bytes.Repeat([]byte{byte(n)}, 32)), Writer: crypto.NodeID{7}, Sequence: 1<<63 + uint64(n), AuthoredAt: at.UnixMilli(), Acknowledged: at}
	}
	p := open(1)
	for n := range 5 {
		p.Made(made(n))
	}
	p.Settled(made(3))
	p.Sync()
	same := func(p *promises, want ...int) {
		t.Helper()
		got := p.Open()
		if len(got) != len(want) {
			t.Fatalf("%d are open, %d were", len(got), len(want))
		}
		for i, n := range want {
			if got[i] != made(n) {
				t.Errorf("%+v, made was %+v", got[i], made(n))
			}
		}
	}
	same(p, 0, 1, 2, 4)
	same(open(1), 0, 1, 2, 3, 4) // what was settled is looked for once more: it is there
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, bytes.Repeat([]byte{4}, 8)) {
		t.Error("a hash stands in the file in clear")
	}
	raw[promiseBytes+20] ^= 1
	if err := os.WriteFile(path, raw[:len(raw)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	same(open(1), 0, 2, 3)
	same(open(2)) // another node's

	p = open(2)
	for n := range 3 * maxPromises {
		p.Made(made(n))
		p.Settled(made(n))
	}
	for n := range 2 * maxOpenPromise {
		p.Made(made(n))
	}
	if n := len(p.Open()); n != maxOpenPromise {
		t.Errorf("%d are kept", n)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > (maxPromises+1)*promiseBytes {
		t.Errorf("the file has %d bytes: %v", info.Size(), err)
	}
}
