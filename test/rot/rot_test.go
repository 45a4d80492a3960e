// Package rot damages what a node left on disk, thousands of times over, and asks every time what is served of it: the same as
// before, a refusal, or something else, which must never be.
//
//	go test ./test/rot                                      # a slice
//	go test ./test/rot -v -timeout 0 -args -flips 100000    # a long run, with a table by file
package rot

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	flips = flag.Int("flips", 250, "how many times something is damaged")
	only  = flag.String("only", "", "the one file that is damaged, by its name; empty: all")
	seed  = flag.Uint64("seed", 0, "of the random numbers; 0 draws one")
)

// subject is one file, with what it was some time before, and the part of a node that owns it.
type subject struct {
	name   string
	path   string
	now    []byte
	older  []byte   // nil where there was none yet
	weight int      // how many of a hundred thousand damages
	beside []string // other files that the part may write to, put back after each damage
	// answers opens the part and returns everything that it serves; refused is why it serves nothing, or says that something of what
	// it serves is damaged.
	answers func() (served []string, refused error)
	// scrubbed says whether the scrub finds the damage; nil where that is not asked.
	scrubbed func() bool
	// mended repairs the damage and returns what is served then; nil where nothing repairs it but a new node.
	mended func() ([]string, error)
	// prefix says that what is served is an earlier state, whole, which raft's replay or the others' memory makes good.
	prefix func(before, now []string) bool
}

type tally struct{ damages, harmless, refused, scrubbed, earlier, repaired, notRepaired, wrong int }

func (t *tally) row(name string) string {
	return fmt.Sprintf("%-16s %8d %9d %9d %9d %9d %9d %9d %6d", name, t.damages, t.harmless, t.refused, t.earlier, t.scrubbed, t.repaired, t.notRepaired, t.wrong)
}

const header = "FILE              DAMAGES  HARMLESS  DETECTED   EARLIER  BY SCRUB  REPAIRED UNREPAIRED WRONG"

const (
	pageBytes   = 4096
	repairEvery = 8

	leastControl = 150 // damages of raft-boltdb as it comes
)

// TestRot damages every file a node owns. Nothing is ever served that is not what was written; what the scrub promises to repair is
// repaired.
func TestRot(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	subjects, bare := prepare(t)
	subjects = slices.DeleteFunc(subjects, func(s subject) bool { return *only != "" && s.name != *only })
	total := 0
	for _, s := range subjects {
		total += s.weight
	}
	rows, sum, control := []string{header}, tally{}, tally{}
	for _, s := range subjects {
		n := tally{}
		before, err := s.answers()
		if err != nil || len(before) == 0 {
			t.Fatalf("%s: undamaged: %d answers, %v", s.name, len(before), err)
		}
		if again, err := s.answers(); err != nil || !slices.Equal(before, again) {
			t.Fatalf("%s: undamaged, and answers something else the second time: %s %v", s.name, first(before, again), err)
		}
		kept := s.keep(t)
		for range max(2, (*flips*s.weight+total-1)/total) {
			s.round(t, random, before, &n)
			if s.name == "raft.db" {
				bare(&control)
			}
			s.restore(t, kept)
		}
		for s.name == "raft.db" && control.damages < leastControl {
			damaged, _ := s.damage(random)
			if err := os.WriteFile(s.path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			bare(&control)
			s.restore(t, kept)
		}
		rows = append(rows, n.row(s.name))
		sum.add(n)
	}
	rows = append(rows, sum.row("all"))
	t.Logf("\n%s\ncontrol, raft-boltdb as it comes: of %d damages it served %d as good data", strings.Join(rows, "\n"), control.damages, control.wrong)
	if sum.damages < *flips {
		t.Errorf("only %d damages", sum.damages)
	}
	if control.damages > 0 && control.wrong == 0 { // about one in eight is served
		t.Errorf("the control served none of %d as good data: does this test see anything?", control.damages)
	}
}

func (n *tally) add(o tally) {
	n.damages, n.harmless, n.refused, n.scrubbed = n.damages+o.damages, n.harmless+o.harmless, n.refused+o.refused, n.scrubbed+o.scrubbed
	n.earlier, n.repaired, n.notRepaired, n.wrong = n.earlier+o.earlier, n.repaired+o.repaired, n.notRepaired+o.notRepaired, n.wrong+o.wrong
}

// round damages once and judges.
func (s *subject) round(t *testing.T, random *rand.Rand, before []string, n *tally) {
	t.Helper()
	damaged, how := s.damage(random)
	if err := os.WriteFile(s.path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	n.damages++
	now, refused := s.answers()
	same, differs := compare(before, now)
	switch {
	case refused != nil:
		n.refused++
	case same:
		n.harmless++
	case !differs:
		n.refused++
	case s.prefix != nil && s.prefix(before, now):
		n.earlier++
		return
	case s.scrubbed != nil && s.scrubbed():
		n.scrubbed++
	default:
		n.wrong++
		t.Errorf("%s: %s: served: %s", s.name, how, first(before, now))
		return
	}
	if same && refused == nil || s.mended == nil || n.damages%repairEvery != 0 {
		return
	}
	again, err := s.mended()
	if ok, _ := compare(before, again); err == nil && ok {
		n.repaired++
		return
	}
	n.notRepaired++
	t.Errorf("%s: %s: refused (%v), and not repaired: %v %s", s.name, how, refused, err, first(before, again))
}

// compare says whether answers are the same, and whether one is neither the same nor a refusal.
func compare(before, now []string) (same, differs bool) {
	if len(before) != len(now) {
		return false, true
	}
	same = true
	for i := range before {
		if before[i] != now[i] {
			same = false
			differs = differs || !strings.HasPrefix(now[i], refusal)
		}
	}
	return same, differs
}

const refusal = "! "

func first(before, now []string) string {
	if len(before) != len(now) {
		return fmt.Sprintf("%d answers, not %d", len(now), len(before))
	}
	for i := range before {
		if before[i] != now[i] && !strings.HasPrefix(now[i], refusal) {
			return fmt.Sprintf("%.200s in place of %.200s", now[i], before[i])
		}
	}
	return ""
}

// damage returns the file as a disk might have left it, and in words how.
func (s *subject) damage(random *rand.Rand) (b []byte, how string) {
	for {
		b = slices.Clone(s.now)
		switch random.IntN(10) {
		case 0: // two pages in each other's place
			unit := min(pageBytes, max(len(b)/4, 1))
			x, y := random.IntN(max(len(b)/unit, 1))*unit, random.IntN(max(len(b)/unit, 1))*unit
			if x == y || max(x, y)+unit > len(b) {
				continue
			}
			for i := range unit {
				b[x+i], b[y+i] = b[y+i], b[x+i]
			}
			how = fmt.Sprintf("%d bytes at %d and %d swapped", unit, x, y)
		case 1:
			n := random.IntN(len(b))
			b, how = b[:n], fmt.Sprintf("cut to %d of %d bytes", n, len(s.now))
		case 2: // a write that was lost: what was there before
			if s.older == nil {
				continue
			}
			at := random.IntN(max(len(b)/pageBytes, 1)) * pageBytes
			end := min(at+pageBytes, len(b), len(s.older))
			if end <= at {
				continue
			}
			copy(b[at:end], s.older[at:end])
			how = fmt.Sprintf("%d bytes at %d as they were before", end-at, at)
		case 3:
			at := random.IntN(len(b))
			n := min(512, len(b)-at)
			clear(b[at : at+n])
			how = fmt.Sprintf("%d bytes at %d empty", n, at)
		default:
			at, bit := random.IntN(len(b)), random.IntN(8)
			b[at] ^= 1 << bit
			how = fmt.Sprintf("bit %d of byte %d flipped", bit, at)
		}
		if !slices.Equal(b, s.now) {
			return b, how
		}
	}
}

// keep remembers the file and those beside it.
func (s *subject) keep(t *testing.T) map[string][]byte {
	t.Helper()
	kept := map[string][]byte{}
	for _, path := range append([]string{s.path}, s.beside...) {
		b, err := os.ReadFile(path)
		if err == nil {
			kept[path] = b
		} else if !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return kept
}

func (s *subject) restore(t *testing.T, kept map[string][]byte) {
	t.Helper()
	for _, path := range append([]string{s.path}, s.beside...) {
		b, was := kept[path]
		var err error
		if was {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
			if err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		} else if err = os.Remove(path); os.IsNotExist(err) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
