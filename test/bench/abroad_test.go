package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil/node/api"
)

// network is the demo's seven processes, up and linked.
type network struct {
	binary string
	nodes  map[string]api.Target
}

// startNetwork runs the demo and leaves it up until the benchmark ends.
func startNetwork(b *testing.B) *network {
	b.Helper()
	n := &network{binary: filepath.Join(b.TempDir(), "vigil"), nodes: map[string]api.Target{}}
	if out, err := exec.Command("go", "build", "-o", n.binary, "vigil/cmd/vigil").CombinedOutput(); err != nil {
		b.Fatalf("%s: %v", out, err)
	}
	cmd := exec.Command(n.binary, "demo", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+b.TempDir())
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct {
			Step, Agency, URL, Pin, Token string
			OK                            bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || !line.OK {
			b.Fatalf("the demo did not hold: %s", lines.Text())
		}
		switch line.Step {
		case "node":
			n.nodes[line.Agency] = api.Target{Server: line.URL, Pin: line.Pin, Token: line.Token}
		case "ready":
			return n
		}
	}
	b.Fatal("the demo ended early")
	return nil
}

func (n *network) client(b *testing.B, agency string) *api.Client {
	b.Helper()
	c, err := api.NewClient(n.nodes[agency])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// seen notes when alerts were first on a node's board.
type seen struct {
	mu sync.Mutex
	at map[string]time.Time // guarded by mu
}

func (s *seen) watch(ctx context.Context, c *api.Client) error {
	return c.Events(ctx, 0, func(x api.Change) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, known := s.at[x.Object]; !known {
			s.at[x.Object] = time.Now()
		}
		return nil
	})
}

func (s *seen) all(ids []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(ids, func(id string) bool { _, ok := s.at[id]; return !ok })
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds()) / 1000
}

// BenchmarkVisibleAbroad: eight writers of single alerts at one node; how long until each is acknowledged, and from then
// until it is on the board of every node of the partner. The same run gives both, so their ratio is the figure.
func BenchmarkVisibleAbroad(b *testing.B) {
	n := startNetwork(b)
	ctx, stop := context.WithCancel(b.Context())
	var watching sync.WaitGroup
	abroad := map[string]*seen{}
	for agency := range n.nodes {
		if strings.HasPrefix(agency, "uk/") {
			s := &seen{at: map[string]time.Time{}}
			abroad[agency] = s
			watching.Go(func() {
				if err := s.watch(ctx, n.client(b, agency)); err != nil && !errors.Is(err, context.Canceled) {
					b.Error(err)
				}
			})
		}
	}
	defer watching.Wait()
	defer stop()

	c := n.client(b, "in/mh-cyber")
	var mu sync.Mutex
	var ids []string
	var acknowledged []time.Duration
	when := map[string]time.Time{}
	next := make(chan int)
	var writing sync.WaitGroup
	b.ResetTimer()
	for range 8 {
		writing.Go(func() {
			for i := range next {
				began := time.Now()
				w, err := c.Raise(ctx, fmt.Sprintf("bench-%d-%d", b.N, i), api.RaiseAlert{
					Signals: []api.Signal{{Algorithm: "sha256", Value: fmt.Sprintf("%064x", uint64(i)<<20|uint64(b.N)|1<<62)}}, Audience: []string{"in/*", "uk/*"},
				})
				if err != nil {
					b.Error(err)
					continue
				}
				mu.Lock()
				ids, acknowledged, when[w.ID] = append(ids, w.ID), append(acknowledged, time.Since(began)), time.Now()
				mu.Unlock()
			}
		})
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	writing.Wait()
	deadline := time.Now().Add(time.Minute)
	for agency, s := range abroad {
		for !s.all(ids) {
			if time.Now().After(deadline) {
				b.Fatalf("%s has not got everything", agency)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	b.StopTimer()
	var visible []time.Duration
	for _, id := range ids {
		var last time.Duration
		for _, s := range abroad {
			last = max(last, s.at[id].Sub(when[id]))
		}
		visible = append(visible, last)
	}
	commit, far := median(acknowledged), median(visible)
	b.ReportMetric(commit, "commit-ms")
	b.ReportMetric(far, "abroad-ms")
	b.ReportMetric(far/commit, "abroad/commit")
}

// BenchmarkImport: 100,000 hashes through the command line into a running network.
func BenchmarkImport(b *testing.B) {
	n := startNetwork(b)
	file := filepath.Join(b.TempDir(), "list.txt")
	for round := 0; b.Loop(); round++ {
		f, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriter(f)
		for i := range 100_000 {
			fmt.Fprintf(w, "%064x\n", uint64(round)<<40|uint64(i)|1<<62)
		}
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			b.Fatal(err)
		}
		t := n.nodes["in/forensic-lab"]
		token := filepath.Join(b.TempDir(), "token")
		if err := os.WriteFile(token, []byte(t.Token), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(n.binary, "--server", t.Server, "--pin", t.Pin, "--token-file", token, "--json", "alert", "import", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v", out, err)
		}
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
}
