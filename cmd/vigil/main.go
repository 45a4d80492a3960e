// Command vigil is Vigil's one binary: it serves a node and it is every client command. Client commands speak only
// through the HTTP API's Go client.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	text, hint, code := explain(ctx, err)
	fmt.Fprintln(os.Stderr, "error: "+text)
	if hint != "" {
		fmt.Fprintln(os.Stderr, "hint:  "+hint)
	}
	return code
}
