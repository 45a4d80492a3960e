package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/interop/synthetic"
)

func demoCommand(o *options) *cobra.Command {
	d := &demo{o: o}
	cmd := &cobra.Command{
		Use: "demo", Short: "Two jurisdictions on this machine: one alert crosses a border, and what stops it does not", Args: cobra.NoArgs,
		Long: "Starts seven real nodes in two jurisdictions on this machine (loopback, real disk in a temporary directory) and shows, with\n" +
			"measured figures, three acts: one alert crosses a border, and what stops it does not; a platform's report becomes a case and has\n" +
			"an outcome; an agency is removed, and a node comes back from its kit. Then it stays up until interrupted. All hashes are synthetic: random bytes.",
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.exit, "exit", false, "end after the scenario; status 0 only if every step held")
	cmd.Flags().StringVar(&d.dir, "dir", "", "keep the data in this directory")
	return cmd
}

// demo is the whole scenario.
type demo struct {
	o    *options
	exit bool
	dir  string

	net    *network.Network
	failed []string
	start  time.Time
	alert  string // the id of the alert that crosses the border
	act2   casework
}

// figures are what a step measured.
type figures map[string]any

func (d *demo) run(ctx context.Context) error {
	d.start = time.Now()
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "vigil-demo-")
		if err != nil {
			return err
		}
		d.dir = dir
		defer os.RemoveAll(dir)
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	defer func() {
		if d.net != nil {
			d.net.Stop()
		}
	}()
	steps := []struct {
		name, what string
		do         func(context.Context) (figures, error)
	}{
		{"found", "two jurisdictions are founded, seven agencies join by invitation and approval", d.found},
		{"link", "the two sides exchange cards and link, with approvals on both", d.link},
		{"import", "the lab imports a synthetic hash set in VICS form", d.importSet},
		{"alert", "an alert raised in one state is opened and verified on every node, at home and abroad", d.raise},
		{"closed", "an alert not released abroad stays closed there, and the tree still verifies", d.closed},
		{"leader", "the leader is killed mid-write; nothing acknowledged is lost", d.killLeader},
		{"border", "the link is cut, both write on; healed, both sides are equal", d.cutBorder},
		{"evidence", "an evidence bundle verifies offline; one flipped byte is refused with its reason", d.evidence},
		{"report", "a platform reports a file by its hashes and has a signed receipt at once", d.reported},
		{"triage", "the lab takes it from its queue: one action raises an alert and opens a referral", d.triaged},
		{"watch", "it hits another state's watch list, seen there alone; that state takes the referral", d.met},
		{"sighting", "a partner meets the file abroad; who raised the alert learns how often", d.sighted},
		{"recall", "a wrong alert is called back; everyone who held it answers, at home and abroad", d.recalled},
		{"outcome", "the case is closed; the platform learns the outcome, and can prove its report", d.outcome},
		{"removal", "a partner's members remove one of them; it is cut off, and everyone knows", d.removed},
		{"kit", "a machine is destroyed and comes back from its agency's kit; its old disk turns up and is nobody", d.rebuilt},
		{"forgery", "a thief signs another history with a node's own keys; it is refused, and a partner verifies the proof", d.forged},
	}
	for _, s := range steps {
		began := time.Now()
		f, err := s.do(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.report(s.name, s.what, f, err, time.Since(began))
		if err != nil {
			d.failed = append(d.failed, s.name)
			break // what follows stands on it
		}
	}
	ok := len(d.failed) == 0
	d.line("demo", ok, figures{"seconds": seconds(time.Since(d.start)), "failed": d.failed}, fmt.Sprintf("everything held: %v, after %s", ok, time.Since(d.start).Round(100*time.Millisecond)))
	if !ok {
		return &resultError{text: "the demo did not hold: " + strings.Join(d.failed, ", "), code: exitFailure}
	}
	if d.exit {
		return nil
	}
	d.stay()
	<-ctx.Done()
	return nil
}

func seconds(t time.Duration) float64 { return float64(t.Milliseconds()) / 1000 }

func (d *demo) report(name, what string, f figures, err error, took time.Duration) {
	if f == nil {
		f = figures{}
	}
	f["seconds"] = seconds(took)
	text := fmt.Sprintf("ok    %-9s %s", name, what)
	if err != nil {
		f["error"] = err.Error()
		text = fmt.Sprintf("FAIL  %-9s %s: %v", name, what, err)
	}
	var keys []string
	for k := range f {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if k != "error" {
			text += fmt.Sprintf("\n        %s: %v", strings.ReplaceAll(k, "_", " "), f[k])
		}
	}
	d.line(name, err == nil, f, text)
}

func (d *demo) line(step string, ok bool, f figures, text string) {
	if !d.o.json {
		fmt.Fprintln(d.o.out.out, text)
		return
	}
	out := map[string]any{"step": step, "ok": ok}
	for k, v := range f {
		out[k] = v
	}
	_ = json.NewEncoder(d.o.out.out).Encode(out) // a closed pipe ends the demo at its end
}

func (d *demo) stay() {
	if d.o.json {
		for _, id := range d.net.Order() {
			n := d.net.Node(id)
			d.line("node", true, figures{"agency": id, "url": "https://" + n.Config.API.Listen, "pin": n.Pin, "token": n.Token, "socket": n.Config.SocketPath()}, "")
		}
		d.line("ready", true, figures{}, "")
		return
	}
	fmt.Fprintln(d.o.out.out, "\nThe network stays up until Ctrl-C. Keys and data are synthetic.")
	for _, id := range d.net.Order() {
		n := d.net.Node(id)
		fmt.Fprintf(d.o.out.out, "  %-16s https://%s  --pin %s\n  %-16s token %s  socket unix://%s\n", id, n.Config.API.Listen, n.Pin, "", n.Token, n.Config.SocketPath())
	}
}

// demoAgencies are the two jurisdictions; the first of each founds it.
var demoAgencies = []ledger.AgencyID{"in/ncrb", "in/mh-cyber", "in/ka-cyber", "in/forensic-lab", "uk/nca", "uk/met", "uk/psni"}

// found founds both jurisdictions and admits everyone else.
func (d *demo) found(ctx context.Context) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if d.net, err = network.New(d.dir, self); err != nil {
		return nil, err
	}
	for _, id := range demoAgencies {
		if err := d.net.Add(ctx, id); err != nil {
			return nil, err
		}
	}
	return figures{"agencies": len(demoAgencies)}, d.net.Voters(ctx, "in")
}

// link exchanges cards and links both ways.
func (d *demo) link(ctx context.Context) (figures, error) {
	return figures{}, d.net.Connect(ctx, "in", "uk")
}

// importSet imports the bundled synthetic set at the lab and waits for it everywhere at home.
func (d *demo) importSet(ctx context.Context) (figures, error) {
	path := filepath.Join(d.dir, "synthetic.json")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(synthetic.WriteDemo(f), f.Close()); err != nil {
		return nil, err
	}
	lab := d.net.Node("in/forensic-lab")
	im, err := alertImporter(d.o, lab.Work, api.AlertFacts{Title: "synthetic set", Handling: &api.Handling{TLP: "green"}}, nil)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out, err := im.file(ctx, path)
	if err != nil {
		return nil, err
	}
	committed := time.Since(began)
	if err := d.net.Settled(ctx, "in"); err != nil {
		return nil, err
	}
	return figures{"rows": out.Rows, "alerts": out.Accepted, "alerts_per_second": int(float64(out.Accepted) / committed.Seconds()), "everywhere_ms": time.Since(began).Milliseconds()}, nil
}

// raise raises one alert in one state and waits until every node has opened it.
func (d *demo) raise(ctx context.Context) (figures, error) {
	a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}}
	a.Title, a.Urgency, a.Handling = "demonstration", "priority", &api.Handling{TLP: "amber"}
	began := time.Now()
	w, err := d.net.Node("in/mh-cyber").Work.Raise(ctx, "demo-alert", a)
	if err != nil {
		return nil, err
	}
	d.alert = w.ID
	f := figures{"committed_ms": time.Since(began).Milliseconds()}
	type seen struct {
		id  ledger.AgencyID
		ms  int64
		err error
	}
	results := make(chan seen, len(d.net.Order()))
	for _, id := range d.net.Order() {
		go func() {
			err := network.Eventually(ctx, 20*time.Second, func() error {
				answer, err := d.net.Node(id).Work.LookUp(ctx, api.LookUp{Signals: a.Signals[:1]})
				if err == nil && (len(answer.Results) != 1 || len(answer.Results[0].Alerts) != 1 || answer.Results[0].Alerts[0].ID != w.ID) {
					err = errors.New("the alert has not arrived")
				}
				return err
			})
			results <- seen{id, time.Since(began).Milliseconds(), err}
		}()
	}
	times := map[string]int64{}
	for range d.net.Order() {
		s := <-results
		err = errors.Join(err, s.err)
		times[string(s.id)] = s.ms
	}
	f["arrived_ms"] = times
	return f, err
}

// closed raises an alert for home only and shows that abroad it is a hash in a tree that verifies.
func (d *demo) closed(ctx context.Context) (figures, error) {
	a := api.RaiseAlert{Signals: network.RandomSignals()}
	a.Title = "not released"
	w, err := d.net.Node("in/ka-cyber").Work.Raise(ctx, "demo-closed", a)
	if err != nil {
		return nil, err
	}
	if err := d.net.Settled(ctx, "in", "uk"); err != nil {
		return nil, err
	}
	for _, id := range []ledger.AgencyID{"uk/nca", "uk/met", "uk/psni"} {
		answer, err := d.net.Node(id).Work.LookUp(ctx, api.LookUp{Signals: a.Signals})
		if err != nil {
			return nil, err
		}
		e, err := d.net.Node(id).Work.Entry(ctx, w.Ledger, w.Index)
		if err != nil {
			return nil, err
		}
		if len(answer.Results[0].Alerts)+len(answer.Results[1].Alerts) > 0 || !e.Bare || e.Leaf != w.Leaf {
			return nil, fmt.Errorf("%s sees more than the hash of what was not released", id)
		}
	}
	var last api.VerifyLine
	findings := 0
	err = d.net.Node("uk/psni").Work.Verify(ctx, func(l api.VerifyLine) {
		last = l
		if l.Finding != "" {
			findings++
		}
	})
	if err == nil && (!last.OK || findings > 0) {
		err = fmt.Errorf("%d findings", findings)
	}
	return figures{"findings": findings}, err
}

// killLeader kills the leader while alerts are being raised and counts what was acknowledged.
func (d *demo) killLeader(ctx context.Context) (figures, error) {
	s, err := d.net.Node("in/forensic-lab").Operator.Status(ctx)
	if err != nil {
		return nil, err
	}
	leader := d.net.Node(ledger.AgencyID(s.Leader))
	if leader == nil {
		return nil, fmt.Errorf("no leader known: %q", s.Leader)
	}
	var writer *network.Node
	for _, id := range []ledger.AgencyID{"in/ka-cyber", "in/mh-cyber"} {
		if d.net.Node(id) != leader {
			writer = d.net.Node(id)
		}
	}
	const alerts = 60
	acknowledged := make([][]api.Signal, 0, alerts)
	var longest time.Duration
	for i := range alerts {
		if i == alerts/3 {
			leader.Kill()
		}
		a := api.RaiseAlert{Signals: network.RandomSignals()}
		a.Title = "during a failure"
		began := time.Now()
		err := network.Eventually(ctx, 30*time.Second, func() error {
			_, err := writer.Work.Raise(ctx, fmt.Sprintf("demo-leader-%d", i), a)
			return err
		})
		if err != nil {
			return nil, err
		}
		longest = max(longest, time.Since(began))
		acknowledged = append(acknowledged, a.Signals)
	}
	if err := leader.Start(ctx); err != nil {
		return nil, err
	}
	if err := d.net.Settled(ctx, "in"); err != nil {
		return nil, err
	}
	lost, doubled := 0, 0
	for _, signals := range acknowledged {
		answer, err := leader.LookUp(ctx, signals)
		if err != nil {
			return nil, err
		}
		if n := len(answer.Results[0].Alerts); n == 0 {
			lost++
		} else if n > 1 {
			doubled++
		}
	}
	f := figures{"killed": string(leader.Agency), "acknowledged": len(acknowledged), "lost": lost, "doubled": doubled, "longest_write_ms": longest.Milliseconds()}
	if lost+doubled > 0 {
		return f, fmt.Errorf("%d lost, %d doubled", lost, doubled)
	}
	return f, nil
}

// cutBorder cuts every link between the jurisdictions, writes on both sides, heals and compares.
func (d *demo) cutBorder(ctx context.Context) (figures, error) {
	d.net.Cut(true)
	const each = 40
	for i := range each {
		for _, id := range []ledger.AgencyID{"in/mh-cyber", "uk/met"} {
			a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}}
			if err := network.Eventually(ctx, 20*time.Second, func() error {
				_, err := d.net.Node(id).Work.Raise(ctx, fmt.Sprintf("demo-border-%d", i), a)
				return err
			}); err != nil {
				d.net.Cut(false)
				return nil, err
			}
		}
	}
	healed := time.Now()
	d.net.Cut(false)
	err := d.net.Settled(ctx, "in", "uk")
	if err == nil {
		err = d.mirrored(ctx)
	}
	return figures{"written_on_each_side": each, "equal_after_ms": time.Since(healed).Milliseconds()}, err
}

// mirrored checks that each side's mirror is the other side's whole ledger.
func (d *demo) mirrored(ctx context.Context) error {
	return network.Eventually(ctx, 60*time.Second, func() error {
		a, err := d.net.Node("in/ncrb").Operator.Status(ctx)
		if err != nil {
			return err
		}
		b, err := d.net.Node("uk/nca").Operator.Status(ctx)
		if err != nil {
			return err
		}
		for _, l := range a.Ledgers {
			for _, m := range b.Ledgers {
				if l.Origin == m.Origin && (l.Size != m.Size || l.Root != m.Root) {
					return fmt.Errorf("%s: %d entries here, %d there", l.Origin, l.Size, m.Size)
				}
			}
		}
		return nil
	})
}

// evidence writes a bundle and has the other binary verify it, whole and with one byte flipped.
func (d *demo) evidence(ctx context.Context) (figures, error) {
	n := d.net.Node("in/mh-cyber")
	var bundle, trust []byte
	err := network.Eventually(ctx, 20*time.Second, func() (err error) {
		if bundle, err = n.Work.Bundle(ctx, d.alert); err == nil {
			trust, err = n.Work.Trust(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	good, bad, trustFile := filepath.Join(d.dir, "alert.bundle"), filepath.Join(d.dir, "flipped.bundle"), filepath.Join(d.dir, "trust.json")
	flipped := bytes.Clone(bundle)
	flipped[len(flipped)/3] ^= 1
	if err := errors.Join(os.WriteFile(good, bundle, 0o600), os.WriteFile(bad, flipped, 0o600), os.WriteFile(trustFile, trust, 0o600)); err != nil {
		return nil, err
	}
	verifier, err := d.verifier(ctx)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, verifier, "--trust", trustFile, good).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the bundle does not verify: %w: %s", err, out)
	}
	out, err = exec.CommandContext(ctx, verifier, "--trust", trustFile, bad).CombinedOutput()
	if err == nil {
		return nil, errors.New("a bundle with a flipped byte verified")
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return figures{"bundle_bytes": len(bundle), "flipped": lines[len(lines)-1]}, nil
}

// verifier returns the other binary: beside this one, or built now.
func (d *demo) verifier(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(self), "vigil-verify")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	path := filepath.Join(d.dir, "vigil-verify")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "vigil/cmd/vigil-verify").CombinedOutput(); err != nil {
		return "", fmt.Errorf("vigil-verify is neither beside this binary nor can it be built: %w: %s", err, out)
	}
	return path, nil
}
