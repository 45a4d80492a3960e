package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// slice is what one slice of a run measured.
type slice struct {
	rate    float64 // alerts a second
	took    []time.Duration
	effort  effort
	written int64
}

// drive lets writers write as fast as they are answered for a while; weight is how many alerts one write holds.
func drive(ctx context.Context, writers int, d time.Duration, weight int, next *atomic.Int64, write func(ctx context.Context, n int64) error) (slice, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var s slice
	var failed error
	began, meter := time.Now(), startMeter(processor)
	for range writers {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(began) < d && ctx.Err() == nil {
				at := time.Now()
				if err := write(ctx, next.Add(1)); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				own = append(own, time.Since(at))
			}
			mu.Lock()
			s.took = append(s.took, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	wall := time.Since(began)
	s.written = int64(len(s.took) * weight)
	s.rate, s.effort = float64(s.written)/wall.Seconds(), meter.effort()
	return s, errors.Join(failed, ctx.Err())
}

// contender is one line of the table.
type contender struct {
	name   string
	weight int
	write  func(ctx context.Context, n int64) error
	slices []slice
}

func (c *contender) rates() (out []float64) {
	for _, s := range c.slices {
		out = append(out, s.rate)
	}
	return out
}

// runLedger measures commits of alerts, sealed, signed and checked by every replica, against the raw loop of the same run.
func runLedger(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("ledger", flag.ContinueOnError)
	writers := f.Int("writers", 128, "concurrent writers")
	pairs := f.Int("pairs", 5, "rounds of slices")
	d := f.Duration("slice", 3*time.Second, "how long one slice takes")
	rows := f.Int("rows", 1000, "alerts in a request of the batches")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	peer, err := startRaw(ctx, dir)
	if err != nil {
		return err
	}
	defer peer.close() // what it did is measured
	ours, err := startVoters(ctx, dir)
	if err != nil {
		return err
	}
	defer ours.close()
	t := &table{title: fmt.Sprintf("Commits at three voters, %d writers", *writers)}
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	all := []*contender{
		{name: "raft + raft-boltdb, 512 B", weight: 1, write: peer.write},
		{name: "Vigil, single alerts", weight: 1, write: func(ctx context.Context, n int64) error { return ours.write(ctx, n, 1) }},
		{name: fmt.Sprintf("Vigil, %d alerts a request", *rows), weight: *rows, write: func(ctx context.Context, n int64) error { return ours.write(ctx, n, *rows) }},
	}
	var next atomic.Int64
	for range *pairs {
		for _, c := range all {
			s, err := drive(ctx, *writers, *d, c.weight, &next, c.write)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.slices = append(c.slices, s)
		}
	}
	if err := noteDisk(t, "after"); err != nil {
		return err
	}
	compare(t, all)
	t.print()
	return nil
}

// compare fills the table: rates, ratios round by round, and what limits each.
func compare(t *table, all []*contender) {
	t.row("", "alerts/s", "against raw", "against single", "median", "p99", "processor/alert", "limited by")
	for _, c := range all {
		var took []time.Duration
		var own, whole []float64
		for _, s := range c.slices {
			took, own, whole = append(took, s.took...), append(own, s.effort.own), append(whole, s.effort.all)
		}
		rate, e := median(c.rates()), effort{median(own), median(whole)}
		t.row(c.name, fmt.Sprintf("%.0f", rate), ratio(c, all[0]), ratio(c, all[1]), ms(at(took, 0.5)), ms(at(took, 0.99)),
			fmt.Sprintf("%.1f us", e.own/rate*1e6), e.limit())
	}
	t.note("ratios are the medians of rounds; all three nodes, the writers and the peer share this machine")
	if drift := drift(all[0]); drift < 0.9 || drift > 1.1 {
		t.note("the peer against itself, later rounds against earlier ones: %.2f: outside 0.9 to 1.1, so measure again when the machine is quiet", drift)
	} else {
		t.note("the peer against itself, later rounds against earlier ones: %.2f", drift)
	}
}

func ratio(c, to *contender) string {
	var all []float64
	for i, s := range c.slices {
		all = append(all, s.rate/to.slices[i].rate)
	}
	return fmt.Sprintf("%.2fx", median(all))
}

func drift(c *contender) float64 {
	rates := c.rates()
	half := (len(rates) + 1) / 2
	return median(rates[len(rates)-half:]) / median(rates[:half])
}
