// Command tally reads `go test -json` on standard input, prints a line a package and the whole output of every test
// that failed, and adds the counts to the file named by -sum, so that ./test/run can close with one honest line.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
	Elapsed                       float64
}

func main() {
	sum := flag.String("sum", "", "file to append `passed failed skipped` to")
	flag.Parse()

	t := tally{output: map[string]*strings.Builder{}}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // what go itself prints, such as a build error
			continue
		}
		t.take(e)
	}
	if err := t.append(*sum); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if t.failed > 0 || in.Err() != nil {
		os.Exit(1)
	}
}

type tally struct {
	passed, failed, skipped int
	output                  map[string]*strings.Builder // of tests still running, by package and name
}

func (t *tally) take(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "output":
		if t.output[key] == nil {
			t.output[key] = &strings.Builder{}
		}
		t.output[key].WriteString(e.Output)
		return
	case "build-output":
		fmt.Print(e.Output)
		return
	case "build-fail":
		t.failed++
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	text := t.output[key]
	delete(t.output, key)
	if e.Action == "fail" && text != nil {
		fmt.Print(text.String())
	}
	if e.Test == "" {
		if e.Action == "skip" {
			e.Action = "none" // a package without tests of its own
		}
		fmt.Printf("%-4s %-40s %6.1fs\n", e.Action, e.Package, e.Elapsed)
		return
	}
	t.count(e.Action)
}

func (t *tally) count(action string) {
	switch action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
	case "skip":
		t.skipped++
	}
}

func (t *tally) append(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, t.passed, t.failed, t.skipped); err != nil {
		return err
	}
	return f.Close()
}
