package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"vigil/cmd/network"
)

// runImport measures an import of a hash list through the command line into a jurisdiction of three nodes.
func runImport(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("import", flag.ContinueOnError)
	rows := f.Int("rows", 100_000, "hashes in the list")
	nodes := nodesFlag(f, "in/a,in/b,in/c")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := startNetwork(ctx, *nodes)
	if err != nil {
		return err
	}
	defer n.close()
	t := &table{title: fmt.Sprintf("Import of %d hashes through the command line into the nodes of %s", *rows, *nodes)}
	t.row("node", "until", "seconds", "hashes/s", "limited by")
	if err := noteDisk(t, "before"); err != nil {
		return err
	}
	leader, err := n.Leader(ctx, n.Order()[0])
	if err != nil {
		return err
	}
	follower := n.Node(n.Order()[0])
	if follower == leader {
		follower = n.Node(n.Order()[1])
	}
	for _, at := range []struct {
		name string
		node *network.Node
	}{{"leader", leader}, {"follower", follower}} {
		if err := n.importAt(ctx, t, at.name, at.node, *rows); err != nil {
			return err
		}
	}
	t.note("each row is another list; the command, HTTPS, the nodes that check, open and index everything share this machine")
	t.print()
	return nil
}

// importAt imports a list of its own at one node and waits until every board has it.
func (n *running) importAt(ctx context.Context, t *table, name string, x *network.Node, rows int) error {
	list, token := filepath.Join(n.dir, "list.txt"), filepath.Join(n.dir, "token")
	if err := errors.Join(writeList(list, rows), os.WriteFile(token, []byte(x.Token), 0o600)); err != nil {
		return err
	}
	began, meter := time.Now(), startMeter(n.processor)
	cmd := exec.CommandContext(ctx, n.binary, "--server", "https://"+x.Config.API.Listen, "--pin", x.Pin, "--token-file", token, "--json", "alert", "import", list)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	acknowledged := time.Since(began)
	if err := n.Settled(ctx, "in"); err != nil {
		return err
	}
	everywhere := time.Since(began)
	e := meter.effort()
	e.own += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / everywhere.Seconds()
	t.row(name, "acknowledged", fmt.Sprintf("%.1f", acknowledged.Seconds()), fmt.Sprintf("%.0f", float64(rows)/acknowledged.Seconds()), "")
	t.row("", "on every board", fmt.Sprintf("%.1f", everywhere.Seconds()), fmt.Sprintf("%.0f", float64(rows)/everywhere.Seconds()), e.limit())
	return nil
}

func writeList(path string, rows int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for range rows {
		fmt.Fprintf(w, "%016x%016x%016x%016x\n", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())
	}
	return errors.Join(w.Flush(), f.Close())
}
