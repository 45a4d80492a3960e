// Command sim lets whole jurisdictions live through histories of faults, in simulated time: real raft, ledger, author,
// cosigning, board and peer code with real keys and real TLS and QUIC, on simulated networks and disks that a crash turns
// into images of themselves. It runs the tests beside it, one process a seed, on every core, until its time is up or a
// history does not hold; then it prints what happened and how to see it again.
//
// What is done to them stands in faults_test.go, what is checked in check_test.go, what a disk loses in disk_test.go. A
// seed draws what is done and when; keys, raft's own timers and the order of goroutines are not drawn from it, so that the
// same seed is the same schedule and not the same history: -seed N -times 20 makes it again and again.
//
//	go run ./test/sim -for 1h
//	go run ./test/sim -seed 7 -times 20
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.DurationVar(&o.duration, "for", 5*time.Minute, "how long to go on, in real time")
	flag.DurationVar(&o.length, "length", 30*time.Minute, "simulated time of one history")
	flag.Uint64Var(&o.seed, "seed", 0, "make histories of this seed only; 0 draws them from the clock and counts on")
	flag.IntVar(&o.times, "times", 0, "end after so many histories; 0 is when the time is up")
	flag.BoolVar(&o.liars, "liars", false, "of the seeds that are counted, take those in whose histories a member lies")
	flag.IntVar(&o.cores, "cores", runtime.NumCPU(), "histories at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	duration, length time.Duration
	seed             uint64
	times, cores     int
	liars            bool
}

// lies says whether a member lies in a seed's history.
func lies(seed uint64) bool { return seed/18%2 == 1 }

// totals are what all histories came to.
type totals struct {
	mu        sync.Mutex
	histories int
	simulated time.Duration
	lying     time.Duration // of simulated, with a member that lies
	processor time.Duration // of the histories' processes
	faults    int
	kinds     map[string]int // of faults
	acked     int
	unknown   int
}

// run makes histories on every core until the time is up, ctx ends, or one does not hold.
func run(ctx context.Context, o options) error {
	dir, err := memory()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "sim.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "vigil/test/sim")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	first := o.seed
	if first == 0 {
		first = uint64(time.Now().Unix())
	}
	fmt.Printf("seeds from %d, %s simulated each, %d at once\n", first, o.length, o.cores)
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		next := first
		for i := 0; o.times == 0 || i < o.times; i++ {
			seed := first
			if o.seed == 0 {
				for o.liars && !lies(next) {
					next++
				}
				seed = next
				next++
			}
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return
			}
		}
	}()
	var t totals
	err = t.all(ctx, cancel, o, binary, seeds)
	t.print()
	return err
}

func (t *totals) all(ctx context.Context, cancel func(), o options, binary string, seeds <-chan uint64) error {
	var workers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range o.cores {
		workers.Go(func() {
			for seed := range seeds {
				if err := t.history(ctx, binary, seed, o.length); err != nil && ctx.Err() == nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					cancel()
				}
			}
		})
	}
	workers.Wait()
	return failed
}

// memory makes a directory in memory, where there is memory to be had like that: what a sync costs says nothing here.
func memory() (string, error) {
	in := "/dev/shm"
	if _, err := os.Stat(in); err != nil {
		in = ""
	}
	return os.MkdirTemp(in, "vigil-sim-")
}

// inside is set in the environment of a process that makes one history and ends.
const inside = "VIGIL_SIM_INSIDE"

// environment is what such a process runs in: its files in a directory that is removed after it, one core, little collecting
// of garbage, and libraries that say nothing.
func environment(dir string) []string {
	return append(os.Environ(), inside+"=1", "TMPDIR="+dir, "GOMAXPROCS=1", "GOGC=400", "GOLOG_LOG_LEVEL=error+8", "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING=true")
}

var summary = regexp.MustCompile(`simulated (\d+) s, faults (\d+), acknowledged (\d+), unknown (\d+)((?:; [^;:]+: \d+)*)\.`)

// history runs one seed in a process of its own.
func (t *totals) history(ctx context.Context, binary string, seed uint64, length time.Duration) error {
	c := exec.CommandContext(ctx, binary, "-test.run=^TestHistory$", "-test.timeout=2h", "-seed="+strconv.FormatUint(seed, 10), "-length="+length.String())
	c.Env = environment(filepath.Dir(binary))
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("seed %d does not hold: %w\n%s\nsee it again: go run ./test/sim -seed %d -length %s -times 20", seed, err, out, seed, length)
	}
	found := summary.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("seed %d: no summary:\n%s", seed, out)
	}
	number := func(i int) int { n, _ := strconv.Atoi(string(found[i])); return n }
	t.mu.Lock()
	defer t.mu.Unlock()
	t.histories++
	lived := time.Duration(number(1)) * time.Second
	t.simulated += lived
	if lies(seed) {
		t.lying += lived
	}
	spent := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	t.processor += spent
	t.faults += number(2)
	t.acked += number(3)
	t.unknown += number(4)
	if t.kinds == nil {
		t.kinds = map[string]int{}
	}
	for _, kind := range strings.Split(string(found[5]), "; ")[1:] {
		name, n, _ := strings.Cut(kind, ": ")
		count, _ := strconv.Atoi(n)
		t.kinds[name] += count
	}
	fmt.Printf("seed %d holds: simulated %s s, faults %s, acknowledged %s, unknown %s, in %.1f s of one core\n", seed, found[1], found[2], found[3], found[4], spent.Seconds())
	return nil
}

func (t *totals) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(t.kinds)) {
		fmt.Printf("%6d  %s\n", t.kinds[name], name)
	}
	fmt.Printf("%d histories hold: %.1f hours simulated, %.1f of them with a member that lies, in %.0f s of one core (%.0f times real time), %d faults, %d acknowledged writes checked, %d whose outcome nobody was told\n",
		t.histories, t.simulated.Hours(), t.lying.Hours(), t.processor.Seconds(), t.simulated.Seconds()/max(t.processor.Seconds(), 0.001), t.faults, t.acked, t.unknown)
}
