package storm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"vigil/cmd/network"
	"vigil/node/api"
)

// history is what writers saw: when each alert was asked for first, when it was acknowledged, and where the ledger has it.
type history struct {
	began time.Time
	serve func(n int) *api.Client // of the n-th node, as it is now

	mu       sync.Mutex
	ops      []porcupine.Operation // guarded by mu
	signals  map[string]api.Signal // guarded by mu; by the alert's id
	attempts atomic.Int64
}

const (
	askWait = 5 * time.Second   // for one answer
	ackWait = 120 * time.Second // for an acknowledgement, asked for again and again
	nodes   = 3
)

// write raises alerts at one node until done; each is asked for with the same key until it is acknowledged.
func (h *history) write(ctx context.Context, node, writer, round int, done <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-done:
			return nil
		default:
		}
		a := api.RaiseAlert{Signals: network.RandomSignals()}
		key := fmt.Sprintf("storm-%d-%d-%d-%d", round, node, writer, n)
		called := time.Since(h.began)
		err := network.Eventually(ctx, ackWait, func() error {
			ask, cancel := context.WithTimeout(ctx, askWait)
			defer cancel()
			h.attempts.Add(1)
			w, err := h.serve(node).Raise(ask, key, a)
			if err != nil {
				backOff(ctx)
				return err
			}
			h.acknowledged(node**writers+writer, called, w, a.Signals[0])
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s is not acknowledged: %w", key, err)
		}
	}
}

// backOff is what a writer that is refused leaves the machine to others for.
func backOff(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(25 * time.Millisecond):
	}
}

func (h *history) acknowledged(client int, called time.Duration, w api.Written, s api.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: w.ID, Call: called.Nanoseconds(), Output: w.Index, Return: time.Since(h.began).Nanoseconds()})
	h.signals[w.ID] = s
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// more waits until n more are acknowledged: no fault counts, and no healing, while nothing is written.
func (h *history) more(ctx context.Context, n int) error {
	target := h.len() + n
	return network.Eventually(ctx, ackWait, func() error {
		if have := h.len(); have < target {
			return fmt.Errorf("%d acknowledged, %d wanted", have, target)
		}
		return nil
	})
}

// after waits for an acknowledgement of what was asked for after a moment, and returns how long that took: what was on its way
// already says nothing of who leads now.
func (h *history) after(ctx context.Context, at time.Time) (time.Duration, error) {
	from := at.Sub(h.began).Nanoseconds()
	var took time.Duration
	err := network.Eventually(ctx, ackWait, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, o := range h.ops {
			if back := time.Duration(o.Return - from); o.Call >= from && (took == 0 || back < took) {
				took = back
			}
		}
		if took == 0 {
			return errors.New("nothing asked for after the fault is acknowledged")
		}
		return nil
	})
	return took, err
}

// appends is a log to which one operation at a time appends: each is told an index not below that of any before it. Alerts that
// one node sealed into one entry share an index, and were asked for at one time. As no operation may come after one of a higher
// index, the next is always one of the lowest index that is left; a step refuses every other, so that nothing is tried twice.
func appends(ops []porcupine.Operation) porcupine.Model {
	indexes := make([]uint64, len(ops))
	for i, o := range ops {
		indexes[i] = o.Output.(uint64)
	}
	slices.Sort(indexes)
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, _, output any) (bool, any) {
			n := state.(int)
			return indexes[n] == output.(uint64), n + 1
		},
	}
}

const checkWait = time.Minute

// linearizable says what is wrong with the order of what was acknowledged, and returns how much that was.
func (h *history) linearizable() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch porcupine.CheckOperationsTimeout(appends(h.ops), h.ops, checkWait) {
	case porcupine.Illegal:
		return len(h.ops), errors.New("the order of the ledger contradicts the clocks of those who wrote to it")
	case porcupine.Unknown:
		return len(h.ops), errors.New("the order could not be checked in time")
	}
	return len(h.ops), nil
}

// everywhere looks every alert up at a node: it is there exactly once.
func (h *history) everywhere(ctx context.Context, x *network.Node) error {
	const most = 1000
	h.mu.Lock()
	defer h.mu.Unlock()
	var q api.LookUp
	var ids []string
	look := func() error {
		if len(ids) == 0 {
			return nil
		}
		answer, err := x.Work.LookUp(ctx, q)
		if err != nil {
			return fmt.Errorf("%s: %w", x.Agency, err)
		}
		for i, r := range answer.Results {
			if len(r.Alerts) != 1 || r.Alerts[0].ID != ids[i] {
				return fmt.Errorf("%s: %s was acknowledged and is there %d times", x.Agency, ids[i], len(r.Alerts))
			}
		}
		q, ids = api.LookUp{}, nil
		return nil
	}
	for id, s := range h.signals {
		if q.Signals, ids = append(q.Signals, s), append(ids, id); len(ids) == most {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return look()
}

// TestAHistoryOutOfOrderIsSeen is the control: an acknowledgement that came after another one's, below it in the ledger.
func TestAHistoryOutOfOrderIsSeen(t *testing.T) {
	at := func(call, back int64, index uint64) porcupine.Operation {
		return porcupine.Operation{Input: "", Call: call, Return: back, Output: index}
	}
	for name, c := range map[string]struct {
		ops []porcupine.Operation
		ok  bool
	}{
		"in order":      {[]porcupine.Operation{at(0, 1, 4), at(2, 3, 5)}, true},
		"at one time":   {[]porcupine.Operation{at(0, 5, 9), at(1, 4, 5)}, true},
		"out of order":  {[]porcupine.Operation{at(0, 1, 5), at(2, 3, 4)}, false},
		"among several": {[]porcupine.Operation{at(0, 9, 7), at(1, 3, 5), at(4, 6, 3)}, false},
	} {
		_, err := (&history{ops: c.ops}).linearizable()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
