// Command vigil is Vigil's one binary: it serves a node and it is every client command. Client commands speak only
// through the HTTP API's Go client.
package main

import (
	"context"
	"fmt"
	"io"
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
	complain(os.Stderr, text, hint)
	return code
}

// complain says what went wrong, which may name what others wrote.
func complain(w io.Writer, text, hint string) {
	fmt.Fprintln(w, "error: "+safeLines(text))
	if hint != "" {
		fmt.Fprintln(w, "hint:  "+safeLines(hint))
	}
}
