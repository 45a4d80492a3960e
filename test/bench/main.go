// Command bench measures Vigil against a peer in the same run. Nothing here is a test and nothing is gated on time.
//
//	go run ./test/bench match                                     # PDQ and exact look-up against FAISS
//	go test -run '^$' -bench . -benchtime 3s ./test/bench         # commits, import, delivery abroad, hashing
//
// The figures to read are the ratios between neighbours of one run; absolute numbers are the machine's.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// commands are what can be measured by name.
var commands = map[string]func(ctx context.Context, args []string) error{
	"match": runMatch,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "bench: name what to measure: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
