package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// seen notes when alerts were first on a node's board.
type seen struct {
	mu sync.Mutex
	at map[string]time.Time // guarded by mu
}

func (s *seen) watch(ctx context.Context, c *api.Client) error {
	err := c.Events(ctx, api.OldestEvent, func(x api.Change) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, known := s.at[x.Object]; !known {
			s.at[x.Object] = time.Now()
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *seen) when(id string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.at[id]
	return at, ok
}

// acknowledged is one alert: how long its commit took, and when it was answered.
type acknowledged struct {
	id   string
	took time.Duration
	at   time.Time
}

// runPeer measures how long an acknowledged alert takes until it is on the board of every node of the partner, against
// how long its commit took under the same load.
func runPeer(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("peer", flag.ContinueOnError)
	alerts := f.Int("alerts", 2000, "alerts for each number of writers")
	loads := f.String("writers", "1,8,64", "numbers of concurrent writers")
	nodes := nodesFlag(f, "in/a,in/b,in/c,uk/a,uk/b,uk/c")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := startNetwork(ctx, *nodes)
	if err != nil {
		return err
	}
	defer n.close()
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	abroad := map[ledger.AgencyID]*seen{}
	failed := make(chan error, len(n.Order()))
	for _, id := range n.Order() {
		if id.Jurisdiction() == "uk" {
			s := &seen{at: map[string]time.Time{}}
			abroad[id] = s
			watching.Go(func() { failed <- s.watch(ctx, n.Node(id).Work) })
		}
	}
	t := &table{title: "Acknowledged at one node of in, visible on every node of uk: " + *nodes}
	t.row("writers", "alerts/s", "commit median", "p99", "then abroad median", "p99", "abroad/commit", "limited by")
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*loads, ",") {
		writers, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := n.load(ctx, t, writers, *alerts, abroad); err != nil {
			return err
		}
	}
	if err := noteDisk(t, "after"); err != nil {
		return err
	}
	t.note("all nodes and the clients share this machine; commit is from the request to its answer, over HTTPS")
	t.print()
	stop()
	for range abroad {
		err = errors.Join(err, <-failed)
	}
	return err
}

// load raises alerts from so many writers and adds one row.
func (n *running) load(ctx context.Context, t *table, writers, alerts int, abroad map[ledger.AgencyID]*seen) error {
	began, meter := time.Now(), startMeter(n.processor)
	all, err := raise(ctx, n.Node(n.Order()[0]), writers, alerts, "in/*", "uk/*")
	if err != nil {
		return err
	}
	wall, e := time.Since(began), meter.effort()
	var commits, visible []time.Duration
	for _, a := range all {
		last := a.at
		for id, s := range abroad {
			err := until(ctx, func() bool { _, ok := s.when(a.id); return ok })
			if err != nil {
				return fmt.Errorf("%s has not got %s: %w", id, a.id, err)
			}
			if at, _ := s.when(a.id); at.After(last) {
				last = at
			}
		}
		commits, visible = append(commits, a.took), append(visible, last.Sub(a.at))
	}
	commit, far := at(commits, 0.5), at(visible, 0.5)
	t.row(writers, fmt.Sprintf("%.0f", float64(len(all))/wall.Seconds()), ms(commit), ms(at(commits, 0.99)), ms(far), ms(at(visible, 0.99)),
		fmt.Sprintf("%.2fx", far.Seconds()/commit.Seconds()), e.limit())
	return nil
}

// raise raises alerts to an audience, from so many writers.
func raise(ctx context.Context, x *network.Node, writers, alerts int, audience ...string) ([]acknowledged, error) {
	var mu sync.Mutex
	var all []acknowledged
	var failed error
	next := make(chan int)
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range next {
				at := time.Now()
				w, err := x.Work.Raise(ctx, "", api.RaiseAlert{Signals: network.RandomSignals(), Audience: audience})
				mu.Lock()
				failed = errors.Join(failed, err)
				all = append(all, acknowledged{w.ID, time.Since(at), time.Now()})
				mu.Unlock()
			}
		})
	}
	for i := range alerts {
		next <- i
	}
	close(next)
	writing.Wait()
	return all, failed
}
