// Command fuzz runs every fuzz target of the module, one after the other, and says how many inputs each was given.
//
//	go run ./test/fuzz                        # each for 4000 inputs, as in every run of the tests
//	go run ./test/fuzz -each 10m              # each for ten minutes
//	go run ./test/fuzz -each 1m -save 20      # and twenty of the inputs that each found are kept beside its tests
//	go run ./test/fuzz -run 'ledger .*Leaf'   # only those whose package and name match
//	go run ./test/fuzz -blind -each 1m        # what is kept, altered without looking at what it reaches: fifty times as many
//	go run ./test/fuzz -bounds -blind -each 5s # and each input is measured: none may take more than 50 ms or 64 MiB
//
// What is kept is run by every go test. It exits with 1 where a target failed; the input that did it lies in testdata/fuzz then.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

type options struct {
	each          string
	save          int
	blind, bounds bool
	run           *regexp.Regexp
}

func main() {
	var o options
	flag.StringVar(&o.each, "each", "4000x", "how long each target runs: inputs, as 4000x, or a time, as 10m")
	flag.IntVar(&o.save, "save", 0, "keep so many of the inputs that each target found")
	flag.BoolVar(&o.blind, "blind", false, "build without the instruments that tell which inputs reach something new")
	flag.BoolVar(&o.bounds, "bounds", false, "measure each input, and fail where one takes too long or too much memory")
	pattern := flag.String("run", "", "only targets that match this regular expression, as \"package name\"")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(*pattern); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := all(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// target is one fuzz function.
type target struct{ pkg, name string }

var function = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// targets finds those below the working directory, which is the module's root.
func targets() (out []target, err error) {
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(b, -1) {
			out = append(out, target{"./" + filepath.ToSlash(filepath.Dir(path)), string(m[1])})
		}
		return err
	})
	slices.SortFunc(out, func(a, b target) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name)) })
	return out, err
}

func all(ctx context.Context, o options) error {
	found, err := targets()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	var total int64
	var failed []string
	work, err := os.MkdirTemp("", "vigil-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b, err := newBuilder(ctx, o, work)
	if err != nil {
		return err
	}
	var hungriest most
	ran := 0
	for _, t := range found {
		if !o.run.MatchString(t.pkg + " " + t.name) {
			continue
		}
		began := time.Now()
		n, out, err := b.fuzz(ctx, t, o.each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		word := "ok"
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n%s", t.pkg, t.name, err, out)
			word = "FAILED"
			failed = append(failed, t.pkg+" "+t.name)
		} else if o.save > 0 {
			if err := b.keep(t, o.save); err != nil {
				return err
			}
		}
		total += n
		ran++
		fmt.Fprintf(table, "%s\t%s\t%s\t%d inputs\t%.1f s", word, t.pkg, t.name, n, time.Since(began).Seconds())
		if o.bounds {
			m, err := taken(b.measures())
			if err != nil {
				return err
			}
			fmt.Fprintf(table, "\tat most %s", m)
			hungriest.Nanoseconds, hungriest.Bytes = max(hungriest.Nanoseconds, m.Nanoseconds), max(hungriest.Bytes, m.Bytes)
		}
		fmt.Fprintln(table)
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if o.bounds {
		fmt.Printf("an input took at most %s\n", hungriest)
	}
	fmt.Printf("%d targets, %d inputs, %d failed\n", ran, total, len(failed))
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	if ran == 0 {
		return errors.New("no target matches")
	}
	return nil
}

var executed = regexp.MustCompile(`execs: (\d+)`)

// builder keeps the binary of one package, so that its targets, which stand one after the other, are linked once.
type builder struct {
	blind       bool
	overlay     string // where inputs are measured: what is put in the place of the standard library's source
	work, cache string // the inputs that fuzzing found lie below cache
	pkg, binary string
	err         error // why there is none
}

func newBuilder(ctx context.Context, o options, work string) (*builder, error) {
	var env struct{ GOCACHE, GOROOT string }
	out, err := exec.CommandContext(ctx, "go", "env", "-json", "GOCACHE", "GOROOT").Output()
	if err == nil {
		err = json.Unmarshal(out, &env)
	}
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	b := &builder{blind: o.blind, work: work, cache: filepath.Join(env.GOCACHE, "fuzz", "vigil")}
	if o.bounds {
		if b.overlay, err = measuring(env.GOROOT, work); err == nil {
			err = os.Mkdir(b.measures(), 0o700)
		}
	}
	return b, err
}

// measures is where workers write what their inputs took.
func (b *builder) measures() string { return filepath.Join(b.work, "measures") }

func (b *builder) build(ctx context.Context, pkg string) (string, error) {
	if b.pkg == pkg {
		return b.binary, b.err
	}
	b.pkg, b.binary = pkg, filepath.Join(b.work, "fuzz.test")
	args := []string{"test", "-c", "-o", b.binary}
	if !b.blind {
		args = append(args, "-fuzz", ".")
	}
	if b.overlay != "" {
		args = append(args, "-overlay", b.overlay)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	if b.err = err; err != nil {
		b.err = fmt.Errorf("build: %w: %s", err, out)
	}
	return b.binary, b.err
}

// found is where go test keeps what it found for a target, too.
func (b *builder) found(t target) string {
	return filepath.Join(b.cache, filepath.FromSlash(strings.TrimPrefix(t.pkg, "./")))
}

// fuzz runs one target and returns how many inputs it was given and what it printed.
func (b *builder) fuzz(ctx context.Context, t target, each string) (n int64, out []byte, err error) {
	binary, err := b.build(ctx, t.pkg)
	if err != nil {
		return 0, nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.fuzz", "^"+t.name+"$", "-test.fuzztime", each,
		"-test.fuzzminimizetime", "1x", "-test.fuzzcachedir", b.found(t))
	cmd.Dir = filepath.FromSlash(t.pkg)
	cmd.Env = append(os.Environ(), measuresIn+"="+b.measures())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err = cmd.CombinedOutput()
	if m := executed.FindAllSubmatch(out, -1); len(m) > 0 {
		n, _ = strconv.ParseInt(string(m[len(m)-1][1]), 10, 64)
	}
	if err != nil && endedLate(out) {
		err = nil
	}
	return n, out, err
}

// endedLate says whether nothing failed but the end of a time that was given: before Go 1.27 a worker that is busy then counts as
// a failure (https://go.dev/issue/75804), for which no input is written.
func endedLate(out []byte) bool {
	return bytes.Contains(out, []byte("\n    context deadline exceeded\nFAIL\n")) && !bytes.Contains(out, []byte("Failing input written"))
}

// mostKept bounds a kept input, in bytes of its file.
const mostKept = 4 << 10

// keep copies inputs that fuzzing found, from the shortest to the longest, from the cache to where every test runs them.
func (b *builder) keep(t target, most int) error {
	from := filepath.Join(b.found(t), t.name)
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing new was found
	}
	if err != nil {
		return err
	}
	type input struct {
		name string
		size int64
	}
	var inputs []input
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		if info.Size() <= mostKept {
			inputs = append(inputs, input{f.Name(), info.Size()})
		}
	}
	slices.SortFunc(inputs, func(a, b input) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	to := filepath.Join(filepath.FromSlash(t.pkg), "testdata", "fuzz", t.name)
	for i := range min(most, len(inputs)) {
		in := inputs[i*len(inputs)/min(most, len(inputs))]
		input, err := os.ReadFile(filepath.Join(from, in.name))
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(to, 0o755), os.WriteFile(filepath.Join(to, in.name), input, 0o644)); err != nil {
			return err
		}
	}
	return nil
}
