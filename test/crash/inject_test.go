package crash

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// syscalls are those of the write path: what bbolt, segments, the access log and replaced files make of a write.
var syscalls = []string{"pwrite64", "write", "fdatasync", "fsync", "ftruncate", "renameat", "openat", "unlinkat", "mkdirat"}

// faults are what strace makes of a call: an error in its place, or the end of the process at it.
var faults = []string{"error=EIO", "error=ENOSPC", "signal=KILL"}

// injection is one fault at the n-th call of each thread.
type injection struct {
	syscall, fault string
	n              int
}

func (i injection) String() string { return fmt.Sprintf("%s:%s:when=%d", i.syscall, i.fault, i.n) }

// injected runs the worker under strace with one fault, then without any: all that the first was told is durable is there.
// hit says that the fault came; beyond the last call of a kind none does.
func injected(t *testing.T, script string, i injection) (hit bool, err error) {
	said, err := under(t, script, []string{i.syscall}, i.String())
	hit = bytes.Contains(said, []byte("(INJECTED)")) || bytes.Contains(said, []byte("killed by SIGKILL"))
	return hit, err
}

// under runs the worker under strace with faults, then without any, and returns what strace said of the first.
func under(t *testing.T, script string, trace []string, faults ...string) (said []byte, err error) {
	l := &lane{script: script, root: t.TempDir(), random: rand.New(rand.NewPCG(*seed, 2)), patient: true}
	defer os.RemoveAll(l.root)
	log := filepath.Join(l.root, "strace")
	l.before = []string{"strace", "-f", "-q", "-o", log, "-e", "trace=" + strings.Join(trace, ",")}
	for _, f := range faults {
		l.before = append(l.before, "-e", "inject="+f)
	}
	first := l.live(t) // a node may end over it, start or no start; what it may not is lose anything
	if first != nil && !errors.Is(first, errEnded) {
		return nil, first
	}
	if said, err = os.ReadFile(log); err != nil {
		return nil, err
	}
	if l.count.Whole > 0 {
		return said, nil // it went on to the end, and verified everything itself
	}
	l.before = nil
	if err := l.live(t); err != nil {
		return said, fmt.Errorf("started again without a fault: %w", err)
	}
	if l.count.Whole != 1 {
		return said, errors.New("it does not come to its end again")
	}
	return said, nil
}

// TestEveryCallMayFail lets calls of the write path fail, or the process end at them, and counts what is lost: some drawn from the
// seed, or with -calls every one.
func TestEveryCallMayFail(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("install strace")
	}
	script, _ := writeScript(t, 60, 25)
	var tried, hits int
	try := func(i injection) bool {
		hit, err := injected(t, script, i)
		if err != nil {
			t.Errorf("%s: %v", i, err)
		}
		tried++
		if hit {
			hits++
		}
		return hit
	}
	if *calls {
		for _, call := range syscalls {
			for _, fault := range faults {
				for n := 1; try(injection{call, fault, n}) && !t.Failed(); n++ {
				}
			}
			t.Logf("%s: %d injections so far, %d came", call, tried, hits)
		}
	} else {
		random := rand.New(rand.NewPCG(*seed, 3))
		for _, call := range syscalls[:6] {
			try(injection{call, faults[random.IntN(len(faults))], 1 + random.IntN(6)})
		}
	}
	t.Logf("%d injections, %d of them came; nothing lost; seed %d", tried, hits, *seed)
	if hits == 0 {
		t.Error("no fault ever came")
	}
}
