package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/node/cluster"
)

var casesFlag = flag.Int("cases", 4, "how often a disk is rolled back")

// casesOfWorld is how many cases one jurisdiction lives through: its ledger grows, and images with it.
const casesOfWorld = 40

const (
	leastBack   = 2500 * time.Millisecond // the word of a second ago is what others remember
	mostBack    = 20 * time.Second
	noticedSoon = 10 * time.Second
)

// TestEveryRollBackIsNoticed puts disks back to what they were a drawn time ago, more than two seconds: the node says so by
// itself before it votes or signs, and nobody else is accused. With its newest disk it goes on.
func TestEveryRollBackIsNoticed(t *testing.T) {
	for first := 0; first < *casesFlag; first += casesOfWorld {
		t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
			alone(t, func(t *testing.T) error {
				w := newWorld(t, shape{seed: uint64(first)*7919 + 11, sides: []int{3 + first/casesOfWorld%3}, rate: 2 * time.Second})
				if err := w.found(); err != nil {
					return err
				}
				w.plan.founded.Store(true)
				w.plan.resting.Store(false)
				var slowest time.Duration
				for i := range min(casesOfWorld, *casesFlag-first) {
					took, err := w.rollBack()
					if err != nil {
						return fmt.Errorf("case %d: %w\n%s", first+i, err, w.report())
					}
					slowest = max(slowest, took)
				}
				fmt.Printf("%d roll-backs of %s to %s noticed, the slowest after %s of simulated time; none voted or signed, nobody else was accused\n",
					min(casesOfWorld, *casesFlag-first), leastBack, mostBack, slowest)
				return nil
			})
		})
	}
}

// rollBack is one case; it returns how long the node took to notice.
func (w *world) rollBack() (took time.Duration, err error) {
	n := w.nodes()[w.rng.IntN(len(w.nodes()))]
	older, newest := filepath.Join(n.disk.root, "older"), filepath.Join(n.disk.root, "newest")
	if err := w.whileStill(func() error { return n.disk.image(older, w.rng) }); err != nil {
		return 0, err
	}
	before := n.live().store.Size(n.side.origin)
	w.rest(w.between(leastBack, mostBack))
	err = w.until(time.Minute, "something is written, and the others hear how far it is", func() error {
		if n.live().store.Size(n.side.origin) == before {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	w.rest(2 * time.Second)
	n.host.crash()
	if err := w.whileStill(func() error { return n.disk.image(newest, w.rng) }); err != nil {
		return 0, err
	}
	_ = n.live().end() // it is dead
	if err := n.disk.crash(older); err != nil {
		return 0, err
	}
	if len(w.wrong) > 0 {
		return 0, errors.New("something is wrong already")
	}
	began := time.Now()
	n.again()
	p := n.live() // nil where it was noticed before anything ran
	progress := func() string {
		if p == nil {
			return ""
		}
		term, _, _ := p.cluster.Progress()
		return fmt.Sprintf("term %d, signed %d", term, p.store.LastSigned())
	}
	then := progress()
	own := func(s string) bool {
		return strings.Contains(s, string(n.member.ID)+" ") && strings.Contains(s, cluster.ErrRolledBack.Error())
	}
	seen := func() (others []string, noticed bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		others = slices.DeleteFunc(slices.Clone(w.wrong), own)
		return others, len(others) < len(w.wrong)
	}
	err = w.until(noticedSoon, "the roll-back is noticed", func() error {
		if _, noticed := seen(); !noticed {
			return errNotYet
		}
		return nil
	})
	took = time.Since(began)
	if err != nil {
		return took, err
	}
	if others, _ := seen(); len(others) > 0 {
		return took, fmt.Errorf("others are accused, too: %q", others)
	}
	if now := progress(); now != then {
		return took, fmt.Errorf("it took part: %s, then %s", then, now)
	}
	n.host.crash()
	if p != nil {
		_ = p.end() // it has said why
	}
	if err := errors.Join(n.disk.crash(newest), os.RemoveAll(older)); err != nil {
		return took, err
	}
	w.mu.Lock()
	w.wrong = nil
	w.mu.Unlock()
	n.again()
	return took, w.until(time.Minute, "it goes on with its newest disk", func() error {
		if size := n.live().store.Size(n.side.origin); size <= before || !n.host.up() {
			return errNotYet
		}
		return n.live().cluster.Unheard()
	})
}
