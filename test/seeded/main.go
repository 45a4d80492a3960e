// Command seeded takes one safeguard after another out of the code and proves that the tests notice: every promise has a test
// that fails when it is broken.
//
//	go run ./test/seeded                 # every bug
//	go run ./test/seeded -run checksum   # those whose name matches
//	go run ./test/seeded -list           # their names and what each takes away
//
// A bug is a change of a few lines of one file, put in the file's place while its tests are built (go test -overlay): nothing
// of it is in the code that ships, and no build tag can bring it there. One that does not apply any more, because its lines were
// rewritten, is an error, as is one whose tests fail without it. It exits with 1 where a bug was missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	pattern := flag.String("run", "", "only bugs whose name matches this regular expression")
	list := flag.Bool("list", false, "say what there is, and run nothing")
	flag.Parse()
	match, err := regexp.Compile(*pattern)
	if err != nil {
		fmt.Fprintln(os.Stderr, "seeded:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := all(ctx, match, *list)
	if err != nil {
		fmt.Fprintln(os.Stderr, "seeded:", err)
		os.Exit(1)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

// all runs the bugs that match, prints a line for each, and returns how many were missed.
func all(ctx context.Context, match *regexp.Regexp, list bool) (missed int, err error) {
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	r, err := newRunner()
	if err != nil {
		return 0, err
	}
	defer r.close()
	caught := 0
	for _, b := range bugs {
		if !match.MatchString(b.name) {
			continue
		}
		if list {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.name, b.takes, b.pkg, b.test)
			continue
		}
		began := time.Now()
		v, err := r.try(ctx, b)
		word := "caught"
		switch {
		case ctx.Err() != nil:
			return missed, ctx.Err()
		case err != nil: // said at once; the others are still tried
			missed++
			word = "UNTRIED"
			fmt.Fprintf(os.Stderr, "seeded: %s: %v\n", b.name, err)
		case !v.caught:
			missed++
			word = "MISSED"
		default:
			caught++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.0f s\n", word, b.name, b.takes, v.by, time.Since(began).Seconds())
		if err := table.Flush(); err != nil {
			return missed, err
		}
	}
	if !list {
		fmt.Printf("%d caught, %d missed or untried\n", caught, missed)
	}
	return missed, table.Flush()
}
