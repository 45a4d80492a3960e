package hashing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// pool decodes images: in workers, or in this process where there is no command for them.
type pool struct {
	command   []string
	killAfter time.Duration
	budget    *semaphore.Weighted // bytes

	mu     sync.Mutex
	idle   []*worker // guarded by mu; the one used last is last
	closed bool      // guarded by mu
}

func newPool(command []string) *pool {
	return &pool{command: command, killAfter: killAfter, budget: semaphore.NewWeighted(budgetBytes)}
}

// hash decodes and hashes an image, whose bytes it may change.
func (p *pool) hash(ctx context.Context, kind Kind, data []byte) (Image, error) {
	if p.command == nil {
		return p.hashHere(ctx, kind, data)
	}
	w, err := p.take()
	if err != nil {
		return Image{}, err
	}
	m, err := p.ask(ctx, w, kind, data)
	if ctx.Err() != nil {
		w.kill()
		return Image{}, ctx.Err()
	}
	if refused, ok := errors.AsType[*refusal](err); ok || err == nil {
		p.put(w)
		if ok {
			return Image{}, refused
		}
		return m, nil
	}
	return Image{}, w.died()
}

func (p *pool) hashHere(ctx context.Context, kind Kind, data []byte) (Image, error) {
	var taken int64
	defer func() { p.budget.Release(taken) }()
	return hashImage(kind, data, maxDecodeTime, func(need uint64) error {
		if err := p.budget.Acquire(ctx, int64(need)); err != nil {
			return err
		}
		taken = int64(need)
		return nil
	})
}

// ask has one image decoded. Any error but a refusal is the worker's end.
func (p *pool) ask(ctx context.Context, w *worker, kind Kind, data []byte) (Image, error) {
	defer context.AfterFunc(ctx, w.kill)()
	timer := time.AfterFunc(p.killAfter, func() {
		w.late.Store(true)
		w.kill()
	})
	defer timer.Stop()
	if err := writeRequest(w.in, kind, data); err != nil {
		return Image{}, err
	}
	m, err := readMessage(w.out)
	if err != nil {
		return Image{}, err
	}
	if m.Need > 0 {
		need := int64(min(m.Need, budgetBytes))
		if err := p.budget.Acquire(ctx, need); err != nil {
			return Image{}, err
		}
		defer p.budget.Release(need)
		timer.Reset(p.killAfter)
		if _, err := w.in.Write([]byte{1}); err != nil {
			return Image{}, err
		}
		if m, err = readMessage(w.out); err != nil {
			return Image{}, err
		}
	}
	switch {
	case m.Code != "":
		return Image{}, decodeRefusal(m)
	case m.Image == nil:
		return Image{}, errIncomplete
	}
	return *m.Image, nil
}

func (p *pool) take() (*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return w, nil
	}
	return startWorker(p.command)
}

func (p *pool) put(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.end()
		return
	}
	p.idle = append(p.idle, w)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		w.end()
	}
	p.idle = nil
}

// worker is a running process.
type worker struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	out       *bufio.Reader
	complaint *tail
	late      atomic.Bool
}

func startWorker(command []string) (*worker, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	w := &worker{cmd: cmd, complaint: &tail{}}
	cmd.Stderr = w.complaint
	cmd.WaitDelay = killWait
	var err error
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	return w, cmd.Start()
}

func (w *worker) kill() { _ = w.cmd.Process.Kill() } // already gone is as good

// end lets an idle worker go.
func (w *worker) end() {
	_ = w.in.Close()
	_ = w.cmd.Wait()
}

// died ends a worker and says what it died of.
func (w *worker) died() error {
	w.kill()
	_ = w.in.Close()
	_ = w.cmd.Wait()
	switch {
	case w.late.Load():
		return ErrTooLong
	case strings.Contains(w.complaint.String(), "out of memory"), strings.Contains(w.complaint.String(), "failed to allocate"):
		return ErrMemory
	}
	return ErrDied
}

// tail keeps the first bytes that are written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b[:min(len(b), maxComplaintBytes-t.buf.Len())])
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
