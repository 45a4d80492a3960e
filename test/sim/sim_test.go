package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "the seed of one history; 0 makes a few short ones")
	lengthFlag = flag.Duration("length", 30*time.Minute, "simulated time of that history")
	profile    = flag.String("profile", "", "write a profile of the processor's time of one history to a file")
)

// drawn is the shape of a history that a seed stands for.
func drawn(seed uint64, length time.Duration) shape {
	shapes := [][]int{{3}, {4}, {5}, {3, 3}, {3, 2}, {4, 3}}
	rates := []time.Duration{20 * time.Second, time.Minute, 5 * time.Minute}
	return shape{seed: seed, sides: shapes[seed%uint64(len(shapes))], length: length, rate: rates[seed/6%3], liar: lies(seed)}
}

// live makes one history and returns it with what was wrong about it.
func live(t *testing.T, s shape) *world {
	t.Helper()
	w := newWorld(t, s)
	if w.rng.IntN(2) == 0 {
		n := w.nodes()[w.rng.IntN(len(w.nodes()))]
		n.drift = 1.2 + 3*w.rng.Float64()
	}
	if s.liar {
		w.beLiar(w.nodes()[w.rng.IntN(len(w.nodes()))])
	}
	err := w.found()
	if err == nil {
		w.began = time.Now()
		w.plan.founded.Store(true)
		w.plan.resting.Store(false)
		w.torment(w.began.Add(s.length))
		w.plan.resting.Store(true)
		w.note("all is healed")
		w.introduce()
		err = w.until(5*time.Minute, "all is well after healing", w.settled)
	}
	if err != nil {
		w.fail("%v", err)
	} else {
		w.check()
	}
	if err := w.stop(); err != nil {
		w.fail("%v", err)
	}
	return w
}

// TestHistory makes one history of a seed, or a few short ones.
func TestHistory(t *testing.T) {
	if *seedFlag != 0 {
		history(t, drawn(*seedFlag, *lengthFlag))
		return
	}
	for _, seed := range []uint64{1, 3, 24} { // one jurisdiction, two, and one with a liar
		history(t, drawn(seed, time.Minute))
	}
}

func history(t *testing.T, s shape) {
	t.Helper()
	t.Run(fmt.Sprintf("seed %d", s.seed), func(t *testing.T) {
		alone(t, func(t *testing.T) error {
			w := live(t, s)
			fmt.Println(w.summary())
			if len(w.wrong) == 0 {
				return nil
			}
			return fmt.Errorf("see it again with: go test ./test/sim -count=1 -run TestHistory -seed %d -length %s\n%s", s.seed, s.length, w.report())
		})
	})
}

// alone runs f in a bubble in a process of its own, which ends with the bubble: hashicorp/raft leaves goroutines behind that
// wait for ever for proposals that were queued when it was shut down, and a bubble must not end before its goroutines.
func alone(t *testing.T, f func(*testing.T) error) {
	t.Helper()
	if os.Getenv(inside) != "" {
		stop := profiled(t)
		synctest.Test(t, func(t *testing.T) {
			err := f(t)
			stop()
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(held)
			os.Exit(0)
		})
		return
	}
	dir, err := memory()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var args []string
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "seed" || f.Name == "length" || f.Name == "cases" || f.Name == "profile" {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	c := exec.CommandContext(t.Context(), os.Args[0], append(args, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.timeout=1h")...)
	c.Env = environment(dir)
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), held) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// profiled begins a profile where one is wanted; stop ends it.
func profiled(t *testing.T) (stop func()) {
	if *profile == "" {
		return func() {}
	}
	f, err := os.Create(*profile)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that is cut off says so
	}
}

// held is the last line of a process whose history holds: one that never ran says nothing.
const held = "sim: all holds"

func (w *world) summary() string {
	acknowledged, faults := 0, 0
	for _, x := range w.writes {
		if x.acknowledged {
			acknowledged++
		}
	}
	for _, n := range w.faults {
		faults += n
	}
	kinds := ""
	for _, name := range slices.Sorted(maps.Keys(w.faults)) {
		kinds += fmt.Sprintf("; %s: %d", name, w.faults[name])
	}
	return fmt.Sprintf("simulated %.0f s, faults %d, acknowledged %d, unknown %d%s.", time.Since(w.began).Seconds(), faults, acknowledged, len(w.writes)-acknowledged, kinds)
}
