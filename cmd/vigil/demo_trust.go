package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// removed lets two agencies abroad remove the third: its node is cut off, home knows, and the others write on.
func (d *demo) removed(ctx context.Context) (figures, error) {
	gone, proposer := d.net.Node("uk/psni"), d.net.Node("uk/nca")
	w, err := proposer.Operator.Remove(ctx, api.Removal{Agency: string(gone.Agency)})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := d.net.Approve(ctx, "uk/met", w.ID); err != nil {
		return nil, err
	}
	err = network.Eventually(ctx, 30*time.Second, func() error {
		s, err := gone.Operator.Status(ctx)
		if err == nil && (s.Ready || !strings.Contains(fmt.Sprint(s.Problems), "removed")) {
			err = errors.New("the agency that was removed does not know it")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f := figures{"cut_off_after_ms": time.Since(began).Milliseconds()}
	if _, err := gone.Work.Raise(ctx, "demo-removed", api.RaiseAlert{Signals: network.RandomSignals()}); err == nil {
		return f, errors.New("the agency that was removed writes")
	}
	d.net.Forget(gone.Agency)
	return f, d.everywhere(ctx, "uk/met", "demo-after-removal")
}

// everywhere raises an alert for both sides and waits for it on every node.
func (d *demo) everywhere(ctx context.Context, by ledger.AgencyID, key string) error {
	a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}}
	err := network.Eventually(ctx, 30*time.Second, func() error {
		n := d.net.Node(by)
		err := n.Lab(ctx) // its certificate is another after a start
		if err == nil {
			_, err = n.Work.Raise(ctx, key, a)
		}
		return err
	})
	for _, id := range d.net.Order() {
		err = errors.Join(err, d.finds(ctx, id, a.Signals))
	}
	return err
}

func (d *demo) finds(ctx context.Context, id ledger.AgencyID, signals []api.Signal) error {
	return network.Eventually(ctx, 30*time.Second, func() error {
		answer, err := d.net.Node(id).LookUp(ctx, signals)
		if err == nil && len(answer.Results[0].Alerts) != 1 {
			err = fmt.Errorf("%s does not have the alert", id)
		}
		return err
	})
}

// rebuilt destroys a machine and makes its node again from the kit alone, by the commands people type.
func (d *demo) rebuilt(ctx context.Context) (figures, error) {
	const id = "in/mh-cyber"
	lost := d.net.Node(id)
	pass, kit := filepath.Join(d.dir, "kit.pass"), filepath.Join(d.dir, "mh-cyber.kit")
	if err := os.WriteFile(pass, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := d.vigil(ctx, "agency", "kit", "--config", lost.Config.Dir+".toml", "--kit-passphrase-file", pass, "-o", kit); err != nil {
		return nil, err
	}
	before, err := lost.Operator.Status(ctx)
	if err != nil {
		return nil, err
	}
	lost.Kill()
	kept := lost.Config.Dir + "-kept"
	if err := os.Rename(lost.Config.Dir, kept); err != nil {
		return nil, err
	}
	began := time.Now()
	old, err := d.net.Rebuild(ctx, id, func(c node.Config) error {
		b, err := c.Encode()
		if err != nil {
			return err
		}
		config := filepath.Join(d.dir, "mh-cyber-new.toml")
		if err := os.WriteFile(config, b, 0o600); err != nil {
			return err
		}
		return d.vigil(ctx, "node", "replace", "--config", config, "--kit", kit, "--kit-passphrase-file", pass)
	})
	if err != nil {
		return nil, err
	}
	f := figures{"back_after_ms": time.Since(began).Milliseconds(), "entries": own(before)}
	if err := d.everywhere(ctx, id, "demo-after-kit"); err != nil {
		return f, err
	}
	if old.Link != nil {
		old.Link.Close()
	}
	old.Config.Dir = kept
	if err := old.Start(ctx); err != nil {
		return f, err
	}
	defer old.Stop()
	return f, network.Eventually(ctx, 30*time.Second, func() error {
		s, err := old.Operator.Status(ctx)
		if err == nil && (s.Ready || len(s.Problems) == 0) {
			err = errors.New("the old disk does not know that it was replaced")
		}
		return err
	})
}

// forged has a thief of one node's disk and passphrase sign another history and show it to another member. That one refuses it
// and keeps the proof; a partner verifies that with the other binary and what it pins itself, and everybody writes on.
func (d *demo) forged(ctx context.Context) (figures, error) {
	thief, shown, judge := d.net.Node("in/ka-cyber"), d.net.Node("in/ncrb"), d.net.Node("uk/met")
	began := time.Now()
	if err := thief.Forge(ctx, shown); err != nil {
		return nil, err
	}
	var proof string
	err := network.Eventually(ctx, 20*time.Second, func() error {
		s, err := shown.Operator.Status(ctx)
		for _, p := range s.Problems {
			if _, rest, ok := strings.Cut(p.Fix, "vigil-verify "); ok && strings.Contains(p.What, string(thief.Agency)+" signed two histories") {
				proof = strings.Fields(rest)[0]
			}
		}
		if err == nil && proof == "" {
			err = errors.New("the forgery is not exposed")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f := figures{"exposed_after_ms": time.Since(began).Milliseconds()}
	trust, err := judge.Operator.Trust(ctx)
	if err != nil {
		return f, err
	}
	pins := filepath.Join(d.dir, "uk-met.trust.json")
	if err := os.WriteFile(pins, trust, 0o600); err != nil {
		return f, err
	}
	verifier, err := d.verifier(ctx)
	if err != nil {
		return f, err
	}
	out, err := exec.CommandContext(ctx, verifier, "--trust", pins, proof).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != ledger.CodeFork {
		return f, fmt.Errorf("a partner does not take the proof: %w: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	f["a_partner_finds"] = lines[len(lines)-1]
	return f, d.everywhere(ctx, "uk/met", "demo-after-forgery")
}

// own is the size of our ledger.
func own(s api.Status) uint64 {
	for _, l := range s.Ledgers {
		if l.Own {
			return l.Size
		}
	}
	return 0
}

// vigil runs a command of this binary as a person would.
func (d *demo) vigil(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, self, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("vigil %s: %w: %s", strings.Join(args[:2], " "), err, out)
	}
	return nil
}
