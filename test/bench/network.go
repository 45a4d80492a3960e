package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/test/nodetest"
)

// running is a network of real processes, voting and linked.
type running struct {
	*network.Network
	binary, dir string
}

// nodesFlag says whose nodes there are.
func nodesFlag(f *flag.FlagSet, agencies string) *string {
	return f.String("nodes", agencies, "agencies whose nodes are started")
}

// startNetwork builds the binary and starts a node for every agency; two jurisdictions are linked.
func startNetwork(ctx context.Context, names string) (*running, error) {
	var agencies []ledger.AgencyID
	for name := range strings.SplitSeq(names, ",") {
		agencies = append(agencies, ledger.AgencyID(name))
	}
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return nil, err
	}
	r := &running{dir: dir, binary: filepath.Join(dir, "vigil")}
	if err := nodetest.Build(r.binary, nodetest.Vigil); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if r.Network, err = network.New(dir, r.binary); err == nil {
		err = r.start(ctx, agencies)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *running) start(ctx context.Context, agencies []ledger.AgencyID) error {
	var jurisdictions []ledger.JurisdictionID
	for _, id := range agencies {
		if err := r.Add(ctx, id); err != nil {
			return err
		}
		if j := id.Jurisdiction(); len(jurisdictions) == 0 || jurisdictions[len(jurisdictions)-1] != j {
			jurisdictions = append(jurisdictions, j)
		}
	}
	for _, j := range jurisdictions {
		if err := r.Voters(ctx, j); err != nil {
			return err
		}
	}
	if len(jurisdictions) == 2 {
		return r.Connect(ctx, jurisdictions[0], jurisdictions[1])
	}
	return nil
}

func (r *running) close() {
	if r.Network != nil {
		r.Stop()
	}
	_ = os.RemoveAll(r.dir) // it is temporary
}

// processor returns the processor time that the network's processes have used.
func (r *running) processor() (sum time.Duration) {
	for _, id := range r.Order() {
		if n := r.Node(id); n.Running() {
			sum += usedBy(n.Process())
		}
	}
	return sum
}

const ticks = 100 // a second, of the processor times in /proc

func usedBy(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) // from the state on
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * time.Second / ticks
}

// residentMiB returns how much memory a process holds.
func residentMiB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var total, pages int
	if _, err := fmt.Sscan(string(b), &total, &pages); err != nil {
		return 0, err
	}
	return float64(pages*os.Getpagesize()) / (1 << 20), nil
}
