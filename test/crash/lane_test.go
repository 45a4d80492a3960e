package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lane is one node that lives, is killed and lives again. It is used by one goroutine.
type lane struct {
	script  string
	root    string // holds the directories of the nodes
	random  *rand.Rand
	before  []string     // a command that runs the worker; empty where it is run as it is
	patient bool         // it is not killed, and may end by itself
	cut     func() error // takes the disk's power before the kill, and
	restore func() error // gives it back; nil where only the process is killed

	node  int    // of this lane: a new one begins where the script ended
	heard heard  // what this node said is durable
	count counts // over all
	pace  pace   // of the last life that got so far
}

// heard is how far a worker said that what it writes is durable.
type heard struct{ written, signed, read uint64 }

// counts is what a lane has to show.
type counts struct {
	Deaths, Starting, Whole int
	Written, Lost           uint64
}

// pace is how long a start takes, and the slower of what a life does one after another: a death is drawn from what the
// machine makes of them now, so that on a busy one not every death comes before anything was written.
type pace struct{ start, step time.Duration }

const (
	firstStart = 80 * time.Millisecond // until a start was seen
	firstStep  = 10 * time.Millisecond
	mostSteps  = 12 // a death while it writes comes after at most so many of its lines
	lifeWait   = 2 * time.Minute
)

func (l *lane) dir() string { return filepath.Join(l.root, fmt.Sprintf("node-%d", l.node)) }

// live starts the worker and kills it at some moment. An error is a broken promise or a harness that does not work.
func (l *lane) live(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), lifeWait)
	defer cancel()
	if err := os.MkdirAll(l.dir(), 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	run := append(slices.Clone(l.before), self)
	cmd := exec.CommandContext(ctx, run[0], run[1:]...)
	cmd.Env = append(os.Environ(), workerDir+"="+l.dir(), workerScript+"="+l.script)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	end := l.listen(lines, func() error { return l.kill(cmd) })
	err = cmd.Wait()
	if end.err == nil && !end.killed && !end.done {
		end.err = fmt.Errorf("%w: %w: %s", errEnded, err, complaint.String())
	}
	if end.err == nil && end.killed && l.restore != nil {
		end.err = l.restore()
	}
	if end.err == nil && end.done {
		l.count.Whole++
		if end.err = os.RemoveAll(l.dir()); end.err == nil {
			l.node, l.heard = l.node+1, heard{}
		}
	}
	return end.err
}

var errEnded = errors.New("the node ended by itself")

// ending is how a life went.
type ending struct {
	killed, done bool
	err          error
}

// listen takes down what the worker says and kills it at a moment of its own choice: while it starts, or some lines after it has,
// before or within what would make the next.
func (l *lane) listen(lines <-chan string, kill func() error) (e ending) {
	early := l.random.IntN(4) == 0
	moment := time.NewTimer(l.within(l.pace.start, firstStart))
	defer moment.Stop()
	if !early || l.patient {
		moment.Stop()
	}
	steps, last := l.random.IntN(mostSteps), time.Now()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return e
			}
			if err := l.take(line, &e); err != nil && e.err == nil {
				e.err = err
				_ = kill() // the error is the one to tell; the rest is read
			}
			took := time.Since(last)
			last = last.Add(took)
			if strings.HasPrefix(line, "found") {
				l.pace.start = took
			} else {
				l.pace.step = max(took, l.pace.step*3/4)
			}
			if steps--; !early && !l.patient && steps == -1 {
				moment.Reset(l.within(l.pace.step, firstStep))
			}
		case <-moment.C:
			e.killed = true
			l.count.Deaths++
			if early {
				l.count.Starting++
			}
			if err := kill(); err != nil && e.err == nil {
				e.err = err
			}
		}
	}
}

// within draws a moment of what takes so long.
func (l *lane) within(took, first time.Duration) time.Duration {
	if took <= 0 {
		took = first
	}
	return time.Duration(l.random.Int64N(int64(took) * 5 / 4))
}

// take takes one line.
func (l *lane) take(line string, e *ending) error {
	var now heard
	switch {
	case strings.HasPrefix(line, saidWrong):
		if e.killed && l.cut != nil || len(l.before) > 0 {
			return nil // a disk without power, or with errors, lets a start fail in many ways; what counts is what is found after
		}
		return fmt.Errorf("%s", line)
	case scan(line, saidFound, &now.written, &now.signed, &now.read):
		if now.written < l.heard.written || now.signed < l.heard.signed || now.read < l.heard.read {
			l.count.Lost++
			return fmt.Errorf("lost: said to be durable %+v, found after the start %+v", l.heard, now)
		}
		l.heard = now
	case scan(line, saidWritten, &now.written):
		l.count.Written += now.written - l.heard.written
		l.heard.written = now.written
	case scan(line, saidSigned, &l.heard.signed), scan(line, saidRead, &l.heard.read):
	case scan(line, saidDone, &now.written):
		e.done = true
	default:
		return fmt.Errorf("the worker says %q", line)
	}
	return nil
}

func scan(line, form string, to ...any) bool {
	n, err := fmt.Sscanf(line, form, to...)
	return err == nil && n == len(to)
}

func (l *lane) kill(cmd *exec.Cmd) error {
	if l.cut != nil {
		if err := l.cut(); err != nil {
			return err
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && err != os.ErrProcessDone {
		return err
	}
	return nil
}
