package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// slice is what one slice of a run measured.
type slice struct {
	rate    float64 // alerts a second
	took    []time.Duration
	effort  effort
	written int64 // alerts
	bytes   int64 // written to disk
}

// driver lets so many writers write as fast as they are answered for a while.
type driver func(ctx context.Context, writers int, d time.Duration) (slice, error)

// load is what is written to, and what tells how much that takes.
type load struct {
	weight int // alerts that one write holds
	write  func(ctx context.Context, n int64) error
	used   func() time.Duration // of a processor
	wrote  func() int64         // bytes
	settle func() error         // writes to disk what is acknowledged and was to be written later

	next atomic.Int64
}

// inProcess is a load of what runs in this process; nothing of it is written later.
func inProcess(weight int, write func(ctx context.Context, n int64) error) *load {
	return &load{weight: weight, write: write, used: processor, wrote: func() int64 { return written("self") }, settle: func() error { return nil }}
}

// drive implements driver.
func (l *load) drive(ctx context.Context, writers int, d time.Duration) (slice, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var s slice
	var failed error
	began, meter, bytes := time.Now(), startMeter(l.used), l.wrote()
	for range writers {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(began) < d && ctx.Err() == nil {
				at := time.Now()
				if err := l.write(ctx, l.next.Add(1)); err != nil {
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
	s.written = int64(len(s.took) * l.weight)
	s.rate, s.effort = float64(s.written)/wall.Seconds(), meter.effort()
	err := l.settle() // so that it counts here, and not with what is driven next
	s.bytes = l.wrote() - bytes
	return s, errors.Join(failed, err, ctx.Err())
}

// contender is one line of a table.
type contender struct {
	name   string
	drive  driver
	slices []slice
}

func (c *contender) rates() (out []float64) {
	for _, s := range c.slices {
		out = append(out, s.rate)
	}
	return out
}

// runLedger measures commits of alerts, sealed, signed and checked by every replica, against the raw loop and etcd's plain
// puts and rqlite's rows of the same number of bytes, in the same run.
func runLedger(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("ledger", flag.ContinueOnError)
	loads := f.String("writers", "1,16,128", "numbers of concurrent writers")
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
	ours, err := startVoters(ctx, dir)
	if err != nil {
		return err
	}
	defer ours.close()
	value, err := ours.entryBytes(ctx)
	if err != nil {
		return err
	}
	peer, err := startRaw(ctx, dir, value)
	if err != nil {
		return err
	}
	defer peer.close() // what it did is measured
	kv, err := startEtcd(ctx, value)
	if err != nil {
		return err
	}
	defer kv.close()
	sql, err := startRqlite(ctx, value)
	if err != nil {
		return err
	}
	defer sql.close()
	for text := range strings.SplitSeq(*loads, ",") {
		writers, err := strconv.Atoi(text)
		if err != nil || writers < 1 {
			return fmt.Errorf("%q is no number of writers", text)
		}
		all := []*contender{
			{name: fmt.Sprintf("raft + raft-boltdb, %d B", value), drive: inProcess(1, peer.write).drive},
			{name: "Vigil, single alerts", drive: ours.load(1).drive},
			{name: fmt.Sprintf("Vigil, %d alerts a request", *rows), drive: ours.load(*rows).drive},
		}
		if sql != nil {
			all = append(all, &contender{name: fmt.Sprintf("rqlite, rows of %d B", value), drive: sql.load().drive})
		}
		if kv != nil {
			all = append(all, &contender{name: fmt.Sprintf("etcd, puts of %d B", value), drive: kv.drive})
		}
		if err := measure(ctx, all, writers, *pairs, *d); err != nil {
			return err
		}
	}
	return nil
}

// measure drives each in turn, so many rounds, and prints the table.
func measure(ctx context.Context, all []*contender, writers, rounds int, d time.Duration) error {
	t := &table{title: fmt.Sprintf("Commits at three voters, %d writers", writers)}
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	for range rounds {
		for _, c := range all {
			s, err := c.drive(ctx, writers, d)
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

// compare fills the table: rates, ratios round by round, and what limits each. The raw loop is first; etcd, where it is there,
// last.
func compare(t *table, all []*contender) {
	kv := all[len(all)-1]
	if !strings.HasPrefix(kv.name, "etcd") {
		kv = nil
		t.note("etcd is not here: install it (Debian: etcd-server) for its line and ratio")
	}
	if !slices.ContainsFunc(all, func(c *contender) bool { return strings.HasPrefix(c.name, "rqlite") }) {
		t.note("rqlite is not here: build rqlited (github.com/rqlite/rqlite, MIT up to version 8) into the PATH for its line")
	}
	t.row("", "alerts/s", "against raw", "against etcd", "median", "p99", "median against etcd", "processor/alert", "disk/alert", "limited by")
	for _, c := range all {
		var took []time.Duration
		var own, whole, disk []float64
		for _, s := range c.slices {
			took, own, whole = append(took, s.took...), append(own, s.effort.own), append(whole, s.effort.all)
			disk = append(disk, float64(s.bytes)/float64(max(1, s.written)))
		}
		rate, e := median(c.rates()), effort{median(own), median(whole)}
		t.row(c.name, fmt.Sprintf("%.0f", rate), ratio(c, all[0]), ratio(c, kv), ms(at(took, 0.5)), ms(at(took, 0.99)), wait(c, kv),
			fmt.Sprintf("%.1f us", e.own/rate*1e6), fmt.Sprintf("%.0f B", median(disk)), e.limit())
	}
	t.note("ratios are the medians of rounds; all nodes, the writers and the peers share this machine; only their own processes are counted as etcd's and rqlite's processor time, not their writers")
	if drift := drift(all[0]); drift < 0.9 || drift > 1.1 {
		t.note("the raw loop against itself, later rounds against earlier ones: %.2f: outside 0.9 to 1.1, so measure again when the machine is quiet", drift)
	} else {
		t.note("the raw loop against itself, later rounds against earlier ones: %.2f", drift)
	}
}

func ratio(c, to *contender) string {
	if to == nil {
		return "-"
	}
	var all []float64
	for i, s := range c.slices {
		all = append(all, s.rate/to.slices[i].rate)
	}
	return fmt.Sprintf("%.2fx", median(all))
}

// wait is the median wait for an answer against another's.
func wait(c, to *contender) string {
	if to == nil {
		return "-"
	}
	var all []float64
	for i, s := range c.slices {
		all = append(all, float64(at(s.took, 0.5))/float64(at(to.slices[i].took, 0.5)))
	}
	return fmt.Sprintf("%.2fx", median(all))
}

func drift(c *contender) float64 {
	rates := c.rates()
	half := (len(rates) + 1) / 2
	return median(rates[len(rates)-half:]) / median(rates[:half])
}
