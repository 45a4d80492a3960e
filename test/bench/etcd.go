package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// etcd is the peer that the field knows: three servers driven by a program of its own (test/bench/etcd), so that its client is no
// dependency of ours.
type etcd struct {
	value   int // bytes
	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
	dir     string
}

// etcdAnswer is what the program says of one slice.
type etcdAnswer struct {
	Took      []time.Duration
	Processor time.Duration
	Written   int64
}

const etcdAnswerBytes = 64 << 20

// startEtcd returns nil where there is no etcd on this machine.
func startEtcd(ctx context.Context, value int) (*etcd, error) {
	if _, err := exec.LookPath("etcd"); err != nil {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "vigil-bench-etcd-")
	if err != nil {
		return nil, err
	}
	e := &etcd{value: value, dir: dir}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "driver"), ".")
	if build.Dir, err = moduleDir("test/bench/etcd"); err == nil {
		var said []byte
		if said, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("build the driver of etcd: %w: %s", err, said)
		}
	}
	if err == nil {
		err = e.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return e, nil
}

func (e *etcd) start(ctx context.Context) (err error) {
	e.command = exec.CommandContext(ctx, filepath.Join(e.dir, "driver"))
	e.command.Cancel = func() error { return e.command.Process.Signal(os.Interrupt) }
	e.command.Stderr = os.Stderr
	if e.orders, err = e.command.StdinPipe(); err != nil {
		return err
	}
	answers, err := e.command.StdoutPipe()
	if err != nil {
		return err
	}
	e.answers = bufio.NewReader(io.LimitReader(answers, 1<<40))
	if err := e.command.Start(); err != nil {
		return err
	}
	_, err = e.answer() // it says when it is ready
	return err
}

func (e *etcd) answer() (a etcdAnswer, err error) {
	line, err := e.answers.ReadBytes('\n')
	if err == nil && len(line) > etcdAnswerBytes {
		err = errors.New("an answer over the bound")
	}
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if err != nil {
		return a, fmt.Errorf("the driver of etcd: %w", err)
	}
	return a, nil
}

// drive implements driver.
func (e *etcd) drive(_ context.Context, writers int, d time.Duration) (slice, error) {
	began, meter := time.Now(), startMeter(func() time.Duration { return 0 })
	if _, err := fmt.Fprintf(e.orders, "{\"writers\":%d,\"millis\":%d,\"bytes\":%d}\n", writers, d.Milliseconds(), e.value); err != nil {
		return slice{}, err
	}
	a, err := e.answer()
	if err != nil {
		return slice{}, err
	}
	wall, effort := time.Since(began).Seconds(), meter.effort()
	effort.own = a.Processor.Seconds() / wall
	n := int64(len(a.Took))
	return slice{rate: float64(n) / wall, took: a.Took, effort: effort, written: n, bytes: a.Written}, nil
}

func (e *etcd) close() {
	if e == nil {
		return
	}
	_ = e.orders.Close() // it ends when there are no more orders
	_ = e.command.Wait()
	_ = os.RemoveAll(e.dir)
}

// moduleDir finds a directory below the module's root.
func moduleDir(below string) (string, error) {
	b, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(b))), below), nil
}
