package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const lineBytes = 64

// resident returns how much memory the process holds, after what is free was given back.
func resident() int {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0 // no figure where the system gives none
	}
	var total, pages int
	if _, err := fmt.Sscan(string(b), &total, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

// processor returns how much processor time this process has used: on a machine that others use too, wall time says
// more of them than of us.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it knows no error for this process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadTime returns how much processor time this thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has it
	}
	return time.Duration(t.Nano())
}

// stopwatch measures wall and processor time.
type stopwatch struct {
	wall time.Time
	used time.Duration
}

func start() stopwatch { return stopwatch{time.Now(), processor()} }

func (s stopwatch) read() (wall, used time.Duration) { return time.Since(s.wall), processor() - s.used }

func (s stopwatch) String() string {
	wall, used := s.read()
	return fmt.Sprintf("%.1f s (%.1f s of processor time)", wall.Seconds(), used.Seconds())
}

// memory is how long a read at random takes.
type memory struct{ dependent, independent time.Duration }

func measureMemory() memory {
	const lines = 1 << 23 // 512 MiB
	next := make([]uint64, lines*lineBytes/8)
	order := rand.New(rand.NewPCG(3, 3)).Perm(lines)
	for i, at := range order {
		next[at*lineBytes/8] = uint64(order[(i+1)%lines])
	}
	const reads = 1 << 21
	at, used := uint64(0), processor()
	for range reads {
		at = next[at*lineBytes/8]
	}
	dependent := (processor() - used) / reads
	used = processor()
	sum := at
	for _, line := range order[:reads] {
		sum += next[line*lineBytes/8]
	}
	independent := (processor() - used) / reads
	if sum == 0 {
		fmt.Println() // what was read must be used
	}
	return memory{dependent, independent}
}

func middle(f []float64) float64 {
	f = slices.Clone(f)
	slices.Sort(f)
	return f[len(f)/2]
}

func spread(f []float64) string { return fmt.Sprintf("%.0f to %.0f", slices.Min(f), slices.Max(f)) }

func shuffle(h []hash) {
	rand.New(rand.NewPCG(4, 4)).Shuffle(len(h), func(i, j int) { h[i], h[j] = h[j], h[i] })
}
