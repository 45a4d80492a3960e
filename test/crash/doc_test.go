// Package crash kills the process that keeps a ledger, and the power of its disk, again and again, at moments drawn from a
// seed, and counts what was acknowledged before and is not there after.
//
//	go test ./test/crash                                             # the slice of every run
//	go test ./test/crash -count 1 -timeout 0 -run Kill -kills 20000
//	go test ./test/crash -count 1 -timeout 0 -run Power -cuts 5000   # as root, where a loop device can be mounted
//	go test ./test/crash -count 1 -timeout 0 -run Call -calls        # every call of the write path, failed by strace
//	go test ./test/crash -count 1 -timeout 0 -run Pair -pairs 1000   # a call fails, and then one that is made over it
//
// What is killed is a process of its own (worker_test.go) with what a node writes: raft's log, the ledger with its payload
// segments, what was signed last, the access log. Expungements are among what it writes, so that raft's log and segments are
// written anew while kills come. The power of a disk is cut by ext4's shutdown, which drops what was not synced and the journal
// with it. Both are decided by the parent, which only counts what the worker had said before.
package crash

import (
	"encoding/gob"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

var (
	kills = flag.Int("kills", 60, "how often the process is killed")
	cuts  = flag.Int("cuts", 25, "how often the disk loses its power")
	seed  = flag.Uint64("seed", 0, "of the moments; 0 draws one")
	lanes = flag.Int("lanes", 2, "how many nodes at once")
	pairs = flag.Int("pairs", 6, "how often a call fails, and then one of those that are made over it")
	calls = flag.Bool("calls", false, "let every call of the write path fail, one at a time, instead of some")
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerDir); dir != "" {
		work(dir, os.Getenv(workerScript))
		return
	}
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	os.Exit(m.Run())
}

// script is what a worker writes, from the first entry to the last, and what must be true after each.
type script struct {
	Origin  ledger.Origin
	Node    []byte // the node key's seed
	Entries []ledger.Entry
	After   []truth // by size-1
	Gone    []int   // whose payload is expunged at the end
}

// truth is what every replica must compute once it has as many entries.
type truth struct{ Root, Line tlog.Hash }

const (
	scriptEntries = 400
	expungeEvery  = 60
)

// writeScript makes a ledger of one agency and keeps it in a file.
// Every so many entries, one that lies half as many back is expunged.
func writeScript(t *testing.T, entries, expunge int) (string, *script) {
	t.Helper()
	j := ledgertest.Found(t, "in", 1)
	s := &script{Origin: j.Origin(), Node: j.Members[0].Node.Seed()}
	home := []ledger.AudienceName{"in/*"}
	random := rand.New(rand.NewPCG(*seed, 1))
	note := func() { s.After = append(s.After, truth{j.State.Root(), j.State.Line()}) }
	note()
	for n := 1; n < entries; n++ {
		if n%expunge == 0 {
			target := n - expunge/2
			j.Naming(t, 0, ledger.KindExpungement, ledger.Index(target), nil, nil, home, ledgertest.Event("order"))
			s.Gone = append(s.Gone, target)
		} else {
			row := make([]byte, 32+random.IntN(600))
			for i := range row {
				row[i] = byte(random.Uint32())
			}
			j.Seal(t, 0, home, ledgertest.Event(string(row)))
		}
		note()
	}
	s.Entries = j.Entries
	path := filepath.Join(t.TempDir(), "script")
	f, err := os.Create(path)
	if err == nil {
		err = gob.NewEncoder(f).Encode(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, s
}

func readScript(path string) (*script, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := new(script)
	if err := gob.NewDecoder(f).Decode(s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
