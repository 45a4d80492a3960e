package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// bug is one safeguard taken away.
type bug struct {
	name  string
	takes string // what is no longer done
	file  string // below the module's root
	from  string // occurs once in it
	to    string
	more  []change
	pkg   string // whose tests notice
	test  string // regular expression of those that must
	args  string // more flags for the test
}

type verdict struct {
	caught bool
	by     string // the first test that failed
}

// runner builds tests with a bug in them.
type runner struct {
	root    string // of the module
	scratch string
	sound   map[string]bool // package and tests that pass without a bug
}

var (
	errApplies = errors.New("the lines it changes are not there once")
	errBuild   = errors.New("it does not build")
	errUnsound = errors.New("its tests fail without it, or none ran")
)

func newRunner() (*runner, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	scratch, err := os.MkdirTemp("", "vigil-seeded-")
	if err != nil {
		return nil, err
	}
	return &runner{root: filepath.Dir(strings.TrimSpace(string(out))), scratch: scratch, sound: map[string]bool{}}, nil
}

func (r *runner) close() { _ = os.RemoveAll(r.scratch) }

// change is one of several that a bug makes.
type change struct{ file, from, to string }

// mutated returns the files with the bug in them.
func (r *runner) mutated(b bug) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, c := range append([]change{{b.file, b.from, b.to}}, b.more...) {
		source, have := out[c.file]
		if !have {
			var err error
			if source, err = os.ReadFile(filepath.Join(r.root, c.file)); err != nil {
				return nil, err
			}
		}
		if n := bytes.Count(source, []byte(c.from)); n != 1 {
			return nil, fmt.Errorf("%w in %s, but %d times: %q", errApplies, c.file, n, c.from)
		}
		out[c.file] = bytes.Replace(source, []byte(c.from), []byte(c.to), 1)
	}
	return out, nil
}

// try runs the tests of a bug without it, once, and with it.
func (r *runner) try(ctx context.Context, b bug) (verdict, error) {
	files, err := r.mutated(b)
	if err != nil {
		return verdict{}, err
	}
	if key := b.pkg + " " + b.test + " " + b.args; !r.sound[key] {
		out, err := r.test(ctx, b, "")
		if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			return verdict{}, fmt.Errorf("%w: %s", errUnsound, tail(out))
		}
		r.sound[key] = true
	}
	overlay, err := r.overlay(b, files)
	if err != nil {
		return verdict{}, err
	}
	out, err := r.test(ctx, b, overlay)
	switch {
	case ctx.Err() != nil:
		return verdict{}, ctx.Err()
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return verdict{}, fmt.Errorf("%w: %s", errBuild, tail(out))
	}
	return verdict{caught: err != nil, by: firstFailure(out)}, nil
}

// overlay writes the changed files and the list that puts them in the place of the sound ones.
func (r *runner) overlay(b bug, files map[string][]byte) (string, error) {
	replace := map[string]string{}
	for name, source := range files {
		file := filepath.Join(r.scratch, fmt.Sprintf("%s-%d.go", b.name, len(replace)))
		replace[filepath.Join(r.root, name)] = file
		if err := os.WriteFile(file, source, 0o600); err != nil {
			return "", err
		}
	}
	content, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(r.scratch, b.name+".json")
	return list, os.WriteFile(list, content, 0o600)
}

// test runs the tests; binaries that they build themselves get the overlay as well.
func (r *runner) test(ctx context.Context, b bug, overlay string) ([]byte, error) {
	args := []string{"test", "-vet=off", "-v", "-timeout", "5m", "-run", b.test}
	if overlay != "" {
		args = append(args, "-failfast", "-count=1")
	}
	args = append(args, "./"+b.pkg)
	if b.args != "" {
		args = append(append(args, "-args"), strings.Fields(b.args)...)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	if overlay != "" {
		cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return out, fmt.Errorf("go test: %w", err)
	}
	return out, err
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

func firstFailure(out []byte) string {
	if m := failure.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	if bytes.Contains(out, []byte("panic: test timed out")) {
		return "(time)"
	}
	return ""
}

// tail is the end of what a command printed.
func tail(out []byte) string {
	const most = 1500
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
