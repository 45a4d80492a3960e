package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// errorPath is how many calls after the one that failed are looked at: those of the error's handling are among them.
const errorPath = 24

// call is a line of strace's: the thread, and the name.
var call = regexp.MustCompile(`^(\d+) +([a-z0-9]+)\(`)

// after returns the calls that were made after the first fault, each as the n-th of its name in its thread.
func after(said []byte) (out []injection) {
	made, failed := map[string]int{}, false
	for line := range bytes.Lines(said) {
		m := call.FindSubmatch(line)
		if m == nil {
			continue
		}
		key := string(m[1]) + " " + string(m[2])
		made[key]++
		if failed && len(out) < errorPath {
			out = append(out, injection{syscall: string(m[2]), n: made[key]})
		}
		failed = failed || bytes.Contains(line, []byte("(INJECTED)"))
	}
	return out
}

// both are two faults as strace takes them: of one kind of call it takes one, so that the second comes again at its distance.
func both(first, second injection) []string {
	if first.syscall != second.syscall {
		return []string{first.String(), second.String()}
	}
	return []string{fmt.Sprintf("%s:%s:when=%d+%d", first.syscall, first.fault, first.n, max(second.n-first.n, 1))}
}

// TestPairsOfCallsMayFail lets a call of the write path fail, and then one of those that follow, where the first error is handled:
// drawn from the seed, -pairs of them that came both.
func TestPairsOfCallsMayFail(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("install strace")
	}
	script, _ := writeScript(t, 60, 25)
	random := rand.New(rand.NewPCG(*seed, 4))
	var tried, came int
	kinds := map[string]int{}
	for came < *pairs && tried < 20*(*pairs+1) && !t.Failed() {
		first := injection{syscalls[random.IntN(len(syscalls))], faults[random.IntN(2)], 1 + random.IntN(24)}
		said, err := under(t, script, syscalls, first.String())
		if err != nil {
			t.Errorf("%s: %v", first, err)
		}
		tried++
		next := after(said)
		random.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
		for _, second := range next[:min(4, len(next))] {
			second.fault = faults[random.IntN(len(faults))]
			said, err := under(t, script, syscalls, both(first, second)...)
			if err != nil {
				t.Errorf("%s, then %s: %v", first, second, err)
			}
			hits := bytes.Count(said, []byte("(INJECTED)")) + strings.Count(string(said), "killed by SIGKILL")
			if hits > 1 {
				came++
				kinds[first.syscall+", "+second.syscall]++
			}
			if tried++; came%100 == 0 && hits > 1 {
				t.Logf("%d pairs so far, in %d attempts", came, tried)
			}
		}
	}
	t.Logf("%d pairs of failing calls in %d attempts; nothing lost; by calls: %v; seed %d", came, tried, kinds, *seed)
	if came == 0 {
		t.Error("no pair ever came")
	}
}
