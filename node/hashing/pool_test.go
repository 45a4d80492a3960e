package hashing

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/node/hashing/synthetic"
)

func pngOf(t testing.TB, seed uint64) []byte {
	t.Helper()
	return encoded(t, synthetic.Shapes(120, 90, seed))[PNG]
}

// TestAWorkerAnswersAsThisProcessWould, and goes on after a refusal.
func TestAWorkerAnswersAsThisProcessWould(t *testing.T) {
	p := newPool(workerCommand(t, "worker"))
	defer p.close()
	for seed := range uint64(3) {
		data := pngOf(t, seed)
		want, err := here(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.hash(t.Context(), PNG, data)
		if err != nil || got != want {
			t.Errorf("%v, %v", got.Forms[0], err)
		}
		for _, bad := range [][]byte{data[:len(data)/2], pngHeader(100_000, 100_000)} {
			_, want := here(bad)
			if _, err := p.hash(t.Context(), PNG, bad); err == nil || err.Error() != want.Error() || !errors.Is(err, errors.Unwrap(want)) && !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	}
	if len(p.idle) != 1 {
		t.Errorf("%d workers for one image at a time", len(p.idle))
	}
}

func TestWorkersThatGoWrong(t *testing.T) {
	for name, want := range map[string]error{
		"worker-exits": ErrDied, "worker-panics": ErrDied, "worker-talks": ErrDied, "worker-lies": ErrDied, "worker-says-nothing": ErrDied,
		"worker-eats": ErrMemory, "worker-hangs": ErrTooLong,
	} {
		p := newPool(workerCommand(t, name))
		if name == "worker-hangs" {
			p.killAfter = 200 * time.Millisecond
		}
		if _, err := p.hash(t.Context(), PNG, pngOf(t, 1)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if len(p.idle) != 0 {
			t.Errorf("%s is kept", name)
		}
		p.close()
	}
	p := newPool([]string{"/nonexistent/worker"})
	if _, err := p.hash(t.Context(), PNG, pngOf(t, 1)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestAWorkerCanOpenNothing: no file, no connection, and no way to be allowed to again. Root could lift its own limits by a
// capability; nobody should hash as root.
func TestAWorkerCanOpenNothing(t *testing.T) {
	p := newPool(workerCommand(t, "worker-reaches-out"))
	defer p.close()
	_, err := p.hash(t.Context(), PNG, pngOf(t, 1))
	if !errors.Is(err, ErrBounds) || err.Error() != "opened: " {
		t.Error(err)
	}
}

func TestAWorkerThatNobodyWaitsForIsKilled(t *testing.T) {
	p := newPool(workerCommand(t, "worker-hangs"))
	defer p.close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.hash(ctx, PNG, pngOf(t, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestTheBudgetIsShared: an image waits while others hold the memory, here and in workers, and is hashed afterwards.
func TestTheBudgetIsShared(t *testing.T) {
	for name, command := range map[string][]string{"here": nil, "worker": workerCommand(t, "worker")} {
		p := newPool(command)
		if !p.budget.TryAcquire(budgetBytes) {
			t.Fatal("budget")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := p.hash(ctx, PNG, pngOf(t, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: did not wait: %v", name, err)
		}
		cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := p.hash(t.Context(), PNG, pngOf(t, 1)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		p.budget.Release(budgetBytes)
		wg.Wait()
		if !p.budget.TryAcquire(budgetBytes) {
			t.Errorf("%s: the budget did not come back", name)
		}
		p.close()
	}
}

func TestRequestsAndAnswersAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"over the bound": "\x03png\x00\x00\x00\x01\x00\x00\x00\x00",
		"no length":      "\x03png\x00",
		"cut short":      "\x03png\x00\x00\x00\x00\x00\x00\x00\x09abc",
	} {
		if _, _, err := readRequest(bufio.NewReader(strings.NewReader(text))); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readMessage(strings.NewReader("\xff\xff\xff\xff")); !errors.Is(err, ErrBounds) {
		t.Errorf("over the bound: %v", err)
	}
	for name, text := range map[string]string{
		"cut short":    "\x00\x00\x00\x09{}",
		"no json":      "\x00\x00\x00\x02{]",
		"bad hash":     "\x00\x00\x00\x1c" + `{"image":{"Forms":["0123"]}}`,
		"over quality": "\x00\x00\x00\x19" + `{"image":{"Quality":1000}}`[:25],
	} {
		if m, err := readMessage(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
