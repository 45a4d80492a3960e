// Package cluster breaks networks of real processes while they are written to, and accounts for everything they
// acknowledged: nothing lost, nothing twice, on every node that may read it.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

var binary string

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m, &binary)) }

func start(t *testing.T, agencies ...ledger.AgencyID) *network.Network {
	t.Helper()
	n := nodetest.Network(t, binary)
	for _, id := range agencies {
		if err := n.Add(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Voters(t.Context(), agencies[0].Jurisdiction()); err != nil {
		t.Fatal(err)
	}
	return n
}

var three = []ledger.AgencyID{"in/a", "in/b", "in/c"}

// written is everything that was acknowledged: the first signal of each alert, by its id.
type written struct {
	mu  sync.Mutex
	ids map[string]api.Signal // guarded by mu
}

func (w *written) add(id string, s api.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids == nil {
		w.ids = map[string]api.Signal{}
	}
	w.ids[id] = s
}

func (w *written) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ids)
}

// raise asks until it is acknowledged, with the same key each time.
func (w *written) raise(ctx context.Context, c *api.Client, key string, audience ...string) error {
	a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: audience}
	return network.Eventually(ctx, 60*time.Second, func() error {
		x, err := c.Raise(ctx, key, a)
		if err == nil {
			w.add(x.ID, a.Signals[0])
		}
		return err
	})
}

// load raises alerts from several writers at each client until stopped, and returns how to stop.
func (w *written) load(t *testing.T, name string, audience []string, clients ...*api.Client) (stop func()) {
	t.Helper()
	var writing sync.WaitGroup
	done := make(chan struct{})
	for i, c := range clients {
		for writer := range 3 {
			writing.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					default:
					}
					if err := w.raise(t.Context(), c, fmt.Sprintf("%s-%d-%d-%d", name, i, writer, n), audience...); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	return func() { close(done); writing.Wait() }
}

// more waits until n more alerts are acknowledged.
func (w *written) more(t *testing.T, n int) {
	t.Helper()
	target := w.len() + n
	if err := network.Eventually(t.Context(), 60*time.Second, func() error {
		if w.len() < target {
			return fmt.Errorf("%d acknowledged, %d wanted", w.len(), target)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// check looks every acknowledged alert up at a node: there exactly once, as soon as the node has read that far.
func (w *written) check(t *testing.T, n *network.Node) {
	t.Helper()
	w.mu.Lock()
	all := maps.Clone(w.ids)
	w.mu.Unlock()
	left := slices.Collect(maps.Keys(all))
	if err := network.Eventually(t.Context(), 60*time.Second, func() error {
		if err := n.Lab(t.Context()); err != nil {
			return err
		}
		var missing []string
		for ids := range slices.Chunk(left, 1000) {
			var q api.LookUp
			for _, id := range ids {
				q.Signals = append(q.Signals, all[id])
			}
			answer, err := n.Work.LookUp(t.Context(), q)
			if err != nil {
				return err
			}
			for i, r := range answer.Results {
				switch {
				case len(r.Alerts) == 0:
					missing = append(missing, ids[i])
				case len(r.Alerts) > 1 || r.Alerts[0].ID != ids[i]:
					t.Errorf("%s: %s was acknowledged once and is there as %+v", n.Agency, ids[i], r.Alerts)
				}
			}
		}
		if left = missing; len(left) > 0 {
			return fmt.Errorf("%d alerts were acknowledged and are not there, %s among them", len(left), left[0])
		}
		return nil
	}); err != nil {
		t.Fatalf("%s: %v", n.Agency, err)
	}
}

func settled(t *testing.T, n *network.Network, jurisdictions ...ledger.JurisdictionID) {
	t.Helper()
	if err := n.Settled(t.Context(), jurisdictions...); err != nil {
		t.Fatal(err)
	}
}

func restart(t *testing.T, n *network.Node) {
	t.Helper()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// others returns the nodes that are not x.
func others(n *network.Network, x *network.Node) []*network.Node {
	var out []*network.Node
	for _, id := range n.Order() {
		if n.Node(id) != x {
			out = append(out, n.Node(id))
		}
	}
	return out
}

func leader(t *testing.T, n *network.Network, by ledger.AgencyID) *network.Node {
	t.Helper()
	l, err := n.Leader(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNothingAcknowledgedIsLostOrDoubled(t *testing.T) {
	n := start(t, three...)
	w := &written{}
	l := leader(t, n, "in/a")
	rest := others(n, l)

	// The leader is killed while alerts are being raised at the other two, and comes back.
	stop := w.load(t, "leader", nil, rest[0].Work, rest[1].Work)
	w.more(t, 100)
	l.Kill()
	w.more(t, 100)
	restart(t, l)
	w.more(t, 50)
	stop()
	settled(t, n, "in")
	for _, id := range three {
		w.check(t, n.Node(id))
	}

	// A follower is killed and back, a few hundred entries later.
	l = leader(t, n, "in/a")
	follower := others(n, l)[0]
	stop = w.load(t, "follower", nil, l.Work)
	follower.Kill()
	w.more(t, 300)
	restart(t, follower)
	stop()
	settled(t, n, "in")
	w.check(t, follower)

	// The leader is paused, so that the others elect another; when it goes on it may acknowledge nothing that is not kept.
	l = leader(t, n, "in/a")
	rest = others(n, l)
	stopOld, stopNew := w.load(t, "old", nil, l.Work), w.load(t, "new", nil, rest[0].Work, rest[1].Work)
	w.more(t, 60)
	if err := l.Pause(); err != nil {
		t.Fatal(err)
	}
	w.more(t, 60)
	if err := l.Resume(); err != nil {
		t.Fatal(err)
	}
	w.more(t, 60)
	stopOld()
	stopNew()
	settled(t, n, "in")
	for _, id := range three {
		w.check(t, n.Node(id))
	}

	// Two of three are cut off: the third serves reads and says how old they are, and refuses writes; then all goes on.
	x := n.Node("in/a")
	for _, other := range others(n, x) {
		if err := other.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	err := network.Eventually(t.Context(), 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := x.Work.Raise(ctx, "minority", api.RaiseAlert{Signals: network.RandomSignals()})
		var refusal *api.Refusal
		if !errors.As(err, &refusal) || refusal.Status != 503 || refusal.RetryAfter == 0 {
			return fmt.Errorf("a minority answered %w", err)
		}
		page, err := x.Work.Alerts(ctx, api.ListQuery{Limit: 5})
		if err == nil && (len(page.Alerts) != 5 || page.StaleFor == 0) {
			err = fmt.Errorf("%d alerts, stale for %.1f s", len(page.Alerts), page.StaleFor)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, other := range others(n, x) {
		if err := other.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.raise(t.Context(), x.Work, "after"); err != nil {
		t.Fatal(err)
	}

	// An agency is admitted under load and reads what comes from then on.
	stop = w.load(t, "admission", nil, n.Node("in/b").Work)
	w.more(t, 50)
	if err := n.Add(t.Context(), "in/late"); err != nil {
		t.Fatal(err)
	}
	stop()
	after := &written{}
	for i := range 20 {
		if err := after.raise(t.Context(), n.Node("in/b").Work, fmt.Sprintf("for-late-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, n, "in")
	after.check(t, n.Node("in/late"))
	w.check(t, n.Node("in/c"))

	// A board is deleted and comes back the same.
	before := board(t, n.Node("in/c"))
	n.Node("in/c").Stop()
	if err := os.RemoveAll(filepath.Join(n.Node("in/c").Config.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	restart(t, n.Node("in/c"))
	settled(t, n, "in")
	w.check(t, n.Node("in/c"))
	if again := board(t, n.Node("in/c")); !maps.Equal(again, before) {
		t.Errorf("%d alerts before, %d after, or others", len(before), len(again))
	}

	// A copy of a directory does not start beside the original, and what is not a node's says what to do.
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", n.Node("in/b").Config.Dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	refused(t, "already runs", "serve", "--dir", copied, "--passphrase-file", n.Node("in/b").Config.PassphraseFile)
}

// board is every alert's standing at a node.
func board(t *testing.T, n *network.Node) map[string]string {
	t.Helper()
	if err := network.Eventually(t.Context(), 20*time.Second, func() error { return n.Lab(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for q := (api.ListQuery{Limit: 500}); ; {
		page, err := n.Work.Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Alerts {
			out[a.ID] = fmt.Sprint(a.Standing, a.Author, a.Index, a.Position, a.Signals)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return out
		}
	}
}

// refused runs the binary and expects a refusal.
func refused(t *testing.T, why string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil || ctx.Err() != nil || !strings.Contains(out.String(), why) {
		t.Errorf("%v: not refused: %v\n%s", args, err, out.String())
	}
}

func TestTheBorderHoldsWhatItIsGiven(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "uk/a", "uk/b", "uk/c")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	both := []string{"in/*", "uk/*"}
	w := &written{}

	// A gateway is killed on each side while alerts cross; others take over.
	stop := w.load(t, "gateway", both, n.Node("in/c").Work, n.Node("uk/c").Work)
	w.more(t, 50)
	n.Node("in/a").Kill()
	n.Node("uk/a").Kill()
	w.more(t, 100)
	restart(t, n.Node("in/a"))
	restart(t, n.Node("uk/a"))
	w.more(t, 50)
	stop()
	settled(t, n, "in", "uk")
	for _, id := range n.Order() {
		w.check(t, n.Node(id))
	}

	// The border is cut for a thousand entries on one side, and some on the other.
	n.Cut(true)
	lists := &written{}
	for i := range 1000 {
		if err := lists.raise(t.Context(), n.Node("in/b").Work, fmt.Sprintf("cut-%d", i), both...); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			if err := lists.raise(t.Context(), n.Node("uk/b").Work, fmt.Sprintf("cut-%d", i), both...); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.Cut(false)
	settled(t, n, "in", "uk")
	for _, id := range n.Order() {
		lists.check(t, n.Node(id))
	}
}

// TestLostAnswers cuts the client's connection off at random moments: the same key asked again never writes twice.
func TestLostAnswers(t *testing.T) {
	n := start(t, "in/a")
	x := n.Node("in/a")
	link, err := network.NewLink(x.Config.API.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	c, err := api.NewClient(api.Target{Server: "https://" + link.Address(), Token: x.Token, Pin: x.Pin})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := &written{}
	stop := w.load(t, "lost", nil, c)
	for range 40 {
		w.more(t, 5)
		link.Cut(true)
		link.Cut(false)
	}
	stop()
	settled(t, n, "in")
	w.check(t, x)
	if all := board(t, x); len(all) != w.len() {
		t.Errorf("%d alerts for %d acknowledged", len(all), w.len())
	}
}
