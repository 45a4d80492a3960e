package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
)

// These are histories in which something is amiss on purpose: the simulation must say so.

// TestADivergenceIsSeen: with heartbeats on the library's fast path, a leader that was cut off takes the term of the next one
// beside its main loop, and writes what it is handed under that term: hashicorp/raft issue 695. The same history with
// Vigil's safeguard holds.
func TestADivergenceIsSeen(t *testing.T) {
	for name, fast := range map[string]bool{"without the safeguard": true, "with it": false} {
		t.Run(name, func(t *testing.T) {
			alone(t, func(t *testing.T) error {
				w := newWorld(t, shape{seed: 1, sides: []int{3}, rate: time.Hour, fast: fast})
				seen, err := w.twoLeaders()
				if err != nil {
					return err
				}
				if seen != fast {
					return fmt.Errorf("fast %v, divergence seen %v\n%s", fast, seen, w.report())
				}
				return nil
			})
		})
	}
}

// twoLeaders makes the history and says whether a divergence was seen.
func (w *world) twoLeaders() (bool, error) {
	var stubborn atomic.Bool
	old := w.sides[0].members()[0]
	old.drift, old.lies = 8, cluster.Lies{Stubborn: stubborn.Load}
	if err := w.found(); err != nil {
		return false, err
	}
	if w.sides[0].leader() != old {
		return false, errors.New("the founder does not lead")
	}
	term, _, _ := old.live().cluster.Progress()
	ways := old.ways(w.nodes())
	for _, x := range ways {
		w.net.cut(x)
	}
	other := func() *node {
		i := slices.IndexFunc(w.sides[0].members()[1:], func(n *node) bool { return n.live().cluster.Leads() })
		if i < 0 {
			return nil
		}
		return w.sides[0].members()[1+i]
	}
	err := w.until(7*time.Second, "the others elect", func() error {
		if other() == nil {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	old.host.drop(6 * time.Second) // it learns nothing by itself for a while
	for _, x := range ways {
		w.net.heal(x)
	}
	err = w.until(5*time.Second, "the old leader hears the next one", func() error {
		if now, _, _ := old.live().cluster.Progress(); now == term {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	stubborn.Store(true)
	write := func(n *node, most time.Duration) error {
		x, err := n.next()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), most)
		defer cancel()
		n.submit(ctx, n.live(), x)
		return nil
	}
	if err := write(old, time.Second); err != nil {
		return false, err
	}
	stubborn.Store(false)
	for range 20 {
		if err := write(other(), 2*time.Second); err != nil {
			return false, err
		}
		w.rest(time.Second)
	}
	return slices.ContainsFunc(w.wrong, func(s string) bool { return strings.Contains(s, divergence) }), nil
}

// TestAnOlderImageIsNoticed: a disk that was rolled back ends its node, before it votes or signs.
func TestAnOlderImageIsNoticed(t *testing.T) {
	alone(t, func(t *testing.T) error {
		w := newWorld(t, shape{seed: 2, sides: []int{3}, rate: 2 * time.Second})
		if err := w.found(); err != nil {
			return err
		}
		n := w.nodes()[w.rng.IntN(3)]
		image := filepath.Join(n.disk.root, "older")
		if err := w.whileStill(func() error { return n.disk.image(image, w.rng) }); err != nil {
			return err
		}
		w.plan.resting.Store(false)
		w.rest(time.Minute)
		n.host.crash()
		_ = n.live().end() // it is dead
		if err := n.disk.crash(image); err != nil {
			return err
		}
		n.again()
		w.rest(10 * time.Second)
		if !slices.ContainsFunc(w.wrong, func(s string) bool { return strings.Contains(s, cluster.ErrRolledBack.Error()) }) {
			return fmt.Errorf("a rolled back disk is not noticed\n%s", w.report())
		}
		return nil
	})
}

// TestTheCheckNotices: after a history that holds, each thing that must not be is made to be, in the books of the check.
func TestTheCheckNotices(t *testing.T) {
	alone(t, func(t *testing.T) error {
		w := newWorld(t, shape{seed: 3, sides: []int{3, 2}, rate: 8 * time.Second})
		if err := w.found(); err != nil {
			return err
		}
		w.plan.founded.Store(true)
		w.plan.resting.Store(false)
		w.rest(time.Minute)
		w.plan.resting.Store(true)
		if err := w.until(time.Minute, "rest", w.settled); err != nil {
			return err
		}
		if w.check(); len(w.wrong) > 0 {
			return errors.New(w.report())
		}
		i := slices.IndexFunc(w.writes, func(x *write) bool { return x.acknowledged && x.raised && len(x.audience) == 2 })
		if i < 0 {
			return errors.New("nothing was acknowledged for both")
		}
		x, state := w.writes[i], w.sides[0].members()[0].live().store.State()
		whole := *x
		for _, amiss := range []struct {
			word string
			make func()
			undo func()
		}{
			{lost, func() { x.receipt.Leaf[0] ^= 1 }, func() { *x = whole }},
			{lost, func() { x.receipt.Index = 1 << 20 }, func() { *x = whole }},
			{lost, func() { x.event.ID[0] ^= 1 }, func() { *x = whole }},
			{leaked, func() { x.audience = x.audience[:1] }, func() { *x = whole }},
			{divergence, func() { w.lines[fmt.Sprintf("%s %d", w.sides[0].origin, state.Size())] = "another" }, func() {}},
			{divergence, func() { w.opened("in/a0", &ledger.Record{Origin: w.sides[0].origin, Writer: crypto.NodeID{1}}) }, func() { clear(w.opens) }},
			{leaked, func() {
				e, _, _, err := w.sides[0].members()[0].live().store.Entry(w.sides[0].origin, 0)
				rec, err1 := e.Open()
				if err == nil && err1 == nil {
					w.opened("in/a0", rec) // an act of governance is for nobody
				}
			}, func() {}},
		} {
			w.wrong = nil
			amiss.make()
			w.witness()
			w.checkBooks()
			if !slices.ContainsFunc(w.wrong, func(s string) bool { return strings.Contains(s, amiss.word) }) {
				return fmt.Errorf("not noticed: %s: %q", amiss.word, w.wrong)
			}
			amiss.undo()
		}
		return nil
	})
}

// TestWhoHasTheSecondOnly: an alert that was written twice stands at its second place where the first cannot be opened, and nowhere else.
func TestWhoHasTheSecondOnly(t *testing.T) {
	early, late := place{"in/x", 4}, place{"in/x", 9}
	before, after := ledger.AudienceRef{Name: "in/*", Epoch: 1}, ledger.AudienceRef{Name: "in/*", Epoch: 2}
	r := &readers{
		given: map[ledger.AudienceRef][]ledger.AgencyID{before: {"in/a0"}, after: {"in/a0", "in/a1"}},
		named: map[place][]ledger.AudienceRef{early: {before}, late: {after}},
	}
	for _, tt := range []struct {
		by   ledger.AgencyID
		seen shown
		want bool
	}{
		{"in/a0", shown{early, "1 of 1"}, true},
		{"in/a0", shown{late, "1 of 1"}, false},
		{"in/a1", shown{late, "1 of 1"}, true},
		{"in/a1", shown{late, "0 of 1"}, false},
		{"in/a0", shown{early, "0 of 1"}, false},
	} {
		if got := r.alike(tt.by, tt.seen, shown{early, "1 of 1"}); got != tt.want {
			t.Errorf("%s shows %v: %v", tt.by, tt.seen, got)
		}
	}
}
