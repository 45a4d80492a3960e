// Command bench measures Vigil, where there is one against a peer in the same run. Nothing here is gated on time.
//
//	go run ./test/bench ledger     # 1, 16 and 128 writers at three voters against raft and raft-boltdb as they come, and etcd
//	go run ./test/bench peer       # acknowledged at home until visible on every node of the partner
//	go run ./test/bench import     # 100,000 hashes through the command line into three nodes
//	go run ./test/bench catchup    # a fresh node and a fresh partner have a whole ledger, verified
//	go run ./test/bench start      # a node with a full ledger, started again, until it answers
//	go run ./test/bench match      # PDQ and exact look-up against FAISS
//	go run ./test/bench idle       # memory and processor of nodes that do nothing
//	go run ./test/bench console    # pages: weight, server time beside the plain answer, memory of open ones, acknowledged until on screen
//	go test -run '^$' -bench . -benchtime 3s ./test/bench     # hashing images and films
//
// -profile FILE before the name writes where the processor time of the process went.
//
// The figures to read are the ratios between neighbours of one run; absolute numbers are the machine's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
)

// commands are what can be measured by name.
var commands = map[string]func(ctx context.Context, args []string) error{
	"catchup": runCatchup,
	"console": runConsole,
	"start":   runStart,
	"ledger":  runLedger,
	"peer":    runPeer,
	"import":  runImport,
	"idle":    runIdle,
	"match":   runMatch,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	profile := flag.String("profile", "", "write a profile of this process's processor time to this file")
	flag.Parse()
	if commands[flag.Arg(0)] == nil {
		fmt.Fprintf(os.Stderr, "bench: name what to measure: %s\n", strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
		os.Exit(2)
	}
	if err := profiled(*profile, func() error { return commands[flag.Arg(0)](ctx, flag.Args()[1:]) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs f, and writes where its processor time went to a file where one is named.
func profiled(path string, f func() error) error {
	if path == "" {
		return f()
	}
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(w); err != nil {
		return errors.Join(err, w.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, w.Close())
}
