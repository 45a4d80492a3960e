// Command bench measures Vigil, where there is one against a peer in the same run. Nothing here is gated on time.
//
//	go run ./test/bench ledger     # 1, 16 and 128 writers at three voters against raft and raft-boltdb as they come, and etcd
//	go run ./test/bench peer       # acknowledged at home until visible on every node of the partner
//	go run ./test/bench import     # 100,000 hashes through the command line into three nodes
//	go run ./test/bench match      # PDQ and exact look-up against FAISS
//	go run ./test/bench idle       # memory and processor of nodes that do nothing
//	go run ./test/bench console    # pages: weight, server time beside the plain answer, memory of open ones, acknowledged until on screen
//	go test -run '^$' -bench . -benchtime 3s ./test/bench     # hashing images and films
//
// The figures to read are the ratios between neighbours of one run; absolute numbers are the machine's.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// commands are what can be measured by name.
var commands = map[string]func(ctx context.Context, args []string) error{
	"console": runConsole,
	"ledger":  runLedger,
	"peer":    runPeer,
	"import":  runImport,
	"idle":    runIdle,
	"match":   runMatch,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "bench: name what to measure: %s\n", strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
