package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed faiss.py
var faissProgram string

// faissVersion is what the peer is: of PyPI, whose build uses POPCNT.
const (
	faissVersion = "faiss-cpu==1.15.1"
	numpyVersion = "numpy==2.4.6"
)

// python makes an environment with FAISS in the cache directory, once, and returns its interpreter.
func python(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "vigil-bench-faiss")
	interpreter := filepath.Join(dir, "bin", "python")
	if exec.CommandContext(ctx, interpreter, "-c", "import faiss").Run() == nil {
		return interpreter, nil
	}
	fmt.Println("installing", faissVersion)
	for _, c := range [][]string{{"python3", "-m", "venv", dir}, {interpreter, "-m", "pip", "install", "--quiet", faissVersion, numpyVersion}} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(c, " "), err, out)
		}
	}
	return interpreter, nil
}

// faiss is the peer with the rows in its index.
type faiss struct {
	in       io.WriteCloser
	out      *bufio.Reader
	cmd      *exec.Cmd
	version  string
	built    time.Duration
	resident int
}

func startFaiss(ctx context.Context, dir string, radius int) (*faiss, error) {
	interpreter, err := python(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, interpreter, "-c", faissProgram, rowsFile(dir), queriesFile(dir), strconv.Itoa(radius))
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, err
	}
	f := &faiss{in: in, out: bufio.NewReaderSize(out, 1<<20), cmd: cmd}
	line, err := f.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the peer does not start: %w", errors.Join(err, f.close()))
	}
	var seconds float64
	if _, err := fmt.Sscan(line, &f.version, &seconds, &f.resident); err != nil {
		return nil, err
	}
	f.built = time.Duration(seconds * float64(time.Second))
	return f, nil
}

// search answers the queries from to to, and how long it took inside the peer.
func (f *faiss) search(from, to int) (time.Duration, [][]uint32, error) {
	if _, err := fmt.Fprintln(f.in, from, to); err != nil {
		return 0, nil, err
	}
	line, err := f.out.ReadString('\n')
	if err != nil {
		return 0, nil, err
	}
	took, answers, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	seconds, err := strconv.ParseFloat(took, 64)
	if err != nil {
		return 0, nil, err
	}
	var found [][]uint32
	for _, a := range strings.Split(answers, ";") {
		var ids []uint32
		for _, id := range strings.FieldsFunc(a, func(r rune) bool { return r == ',' }) {
			n, err := strconv.ParseUint(id, 10, 32)
			if err != nil {
				return 0, nil, err
			}
			ids = append(ids, uint32(n))
		}
		found = append(found, ids)
	}
	return time.Duration(seconds * float64(time.Second)), found, nil
}

func (f *faiss) close() error { return errors.Join(f.in.Close(), f.cmd.Wait()) }
