package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"vigil/cmd/network"
	"vigil/node/api"
)

// mostMinutes is how long it may take until all that is written is on the board.
const mostMinutes = 60

// runStart measures how long a node takes from its start to its first answer: stopped in order, and killed. Between the two it
// was idle, so that what it keeps in memory is as it would be after a night.
func runStart(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("start", flag.ContinueOnError)
	entries := f.Int("entries", 2_000, "entries of one alert")
	rows := f.Int("rows", 50_000, "files in lists beside them, with two signals each")
	times := f.Int("times", 3, "how often it is started")
	nodes := nodesFlag(f, "in/a")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := startNetwork(ctx, *nodes)
	if err != nil {
		return err
	}
	defer n.close()
	x := n.Node(n.Order()[0])
	settled := func() (err error) {
		for range mostMinutes { // the board follows for long where there is much
			if err = n.Settled(ctx, "in"); err == nil || ctx.Err() != nil {
				return err
			}
		}
		return err
	}
	if err := raiseMany(ctx, x, *rows, mostAtOnce); err != nil {
		return err
	}
	if err := settled(); err != nil {
		return err
	}
	all, err := raise(ctx, x, 64, *entries)
	if err != nil {
		return err
	}
	if err := settled(); err != nil {
		return err
	}
	t := &table{title: fmt.Sprintf("A node with %d entries of one alert and %d signals in lists is started", *entries, 2**rows)}
	t.row("", "until it answers a look-up of the last alert: median", "longest")
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		end  func()
	}{{"after it was stopped", x.Stop}, {"after it was killed", x.Kill}} {
		var took []time.Duration
		for range *times {
			c.end()
			began := time.Now()
			if err := x.Start(ctx); err != nil {
				return err
			}
			if err := answers(ctx, x, all[len(all)-1].id); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		t.row(c.name, ms(at(took, 0.5)), ms(at(took, 1)))
	}
	t.print()
	return nil
}

// answers waits until a node shows an alert.
func answers(ctx context.Context, x *network.Node, id string) error {
	return until(ctx, func() bool {
		a, err := x.Work.Alerts(ctx, api.ListQuery{Limit: 1})
		if err != nil || len(a.Alerts) == 0 {
			return false
		}
		_, err = x.Work.Alert(ctx, id)
		return err == nil
	})
}
