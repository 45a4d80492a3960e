package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// out is where tables go.
var out io.Writer = os.Stdout

// table is what a measurement prints: a title, aligned columns, and what they mean below.
type table struct {
	title string
	rows  [][]string
	notes []string
}

func (t *table) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, line)
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

func (t *table) print() {
	fmt.Fprintf(out, "\n%s (%d processors)\n\n", t.title, runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // a closed pipe ends the program anyway
	fmt.Fprintln(out)
	for _, n := range t.notes {
		fmt.Fprintln(out, "  "+n)
	}
}

func at(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// syncs writes and syncs 4 KiB at a time for a moment: what the disk under the temporary directory can do now.
func syncs() (p50, most time.Duration, err error) {
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(at))
	}
	return at(took, 0.5), slices.Max(took), nil
}

func noteDisk(t *table, when string) error {
	p50, most, err := syncs()
	if err == nil {
		t.note("disk %s: 4 KiB written and synced in %s (median), %s (longest)", when, ms(p50), ms(most))
	}
	return err
}

// effort is how busy the processors were with what is measured, and with everything together.
type effort struct{ own, all float64 }

// meter measures the effort of whatever used tells of.
type meter struct {
	used        func() time.Duration
	began       time.Time
	own, system time.Duration
}

func startMeter(used func() time.Duration) *meter {
	return &meter{used: used, began: time.Now(), own: used(), system: systemTime()}
}

func (m *meter) effort() effort {
	wall := time.Since(m.began).Seconds()
	return effort{(m.used() - m.own).Seconds() / wall, (systemTime() - m.system).Seconds() / wall}
}

// systemTime returns the processor time that the whole machine has spent on anything.
func systemTime() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(string(b), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return 0
	}
	return time.Duration(user+nice+system+irq+soft+steal) * time.Second / ticks
}

// written is how many bytes a process has had written to disk, as far as the system tells.
func written(pid string) (n int64) {
	b, err := os.ReadFile("/proc/" + pid + "/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	return 0
}

// limit says what limits something.
func (e effort) limit() string {
	cores := float64(runtime.NumCPU())
	switch {
	case e.own > 0.8*cores:
		return fmt.Sprintf("the processors: %.1f of %.0f busy with it", e.own, cores)
	case e.all > 0.8*cores:
		return fmt.Sprintf("the processors: %.1f of %.0f busy with it, %.1f with others", e.own, cores, e.all-e.own)
	}
	return fmt.Sprintf("syncs and rounds: %.1f of %.0f processors busy with it", e.own, cores)
}
