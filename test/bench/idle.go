package main

import (
	"context"
	"flag"
	"fmt"
	"time"
)

// runIdle measures what nodes need that have nothing to do: one alone with its founding, and three that vote and are linked.
func runIdle(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("idle", flag.ContinueOnError)
	d := f.Duration("for", 20*time.Second, "how long they idle")
	nodes := nodesFlag(f, "in/a,in/b,in/c,uk/a")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := startNetwork(ctx, *nodes)
	if err != nil {
		return err
	}
	defer n.close()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(*d / 2): // what founding left behind is given back
	}
	used := map[int]time.Duration{}
	for _, id := range n.Order() {
		used[n.Node(id).Process()] = usedBy(n.Node(id).Process())
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(*d / 2):
	}
	t := &table{title: "Idle nodes: " + *nodes}
	t.row("node", "memory", "processor")
	for _, id := range n.Order() {
		pid := n.Node(id).Process()
		m, err := residentMiB(pid)
		if err != nil {
			return err
		}
		share := (usedBy(pid) - used[pid]).Seconds() / (*d / 2).Seconds()
		t.row(id, fmt.Sprintf("%.0f MiB", m), fmt.Sprintf("%.1f %%", 100*share))
	}
	t.note("resident memory: the program itself, its libraries (libp2p most of all), the board's and raft's caches, Go's head-room")
	t.print()
	return nil
}
