package accesslog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// acknowledged is what a caller knew after so many writes of the disk.
type acknowledged struct {
	writes int
	size   uint64
}

// Whatever happened, and at whichever moment the machine stopped: what was acknowledged is there, what is there verifies,
// and the log goes on.
func TestCrashAtAnyMoment(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMemory()
		p := player{r: r, l: must[*Log](r)(create(config(t), m)), now: time.Hour.Milliseconds()}
		known := []acknowledged{{m.writes(), 0}}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			p.step()
			known = append(known, acknowledged{m.writes(), p.l.Status().Size})
		}
		written := everything(t, p.l)

		n := rapid.IntRange(1, m.writes()).Draw(r, "crash")
		after := m.crash(r, n)
		again, err := open(config(t), after)
		if err != nil {
			r.Fatalf("after a crash at write %d of %d: %v", n, m.writes(), err)
		}
		least := uint64(0)
		for _, k := range known {
			if k.writes <= n {
				least = k.size
			}
		}
		found := everything(t, again)
		if uint64(len(found)) < least || len(found) > len(written) {
			r.Fatalf("%d records; %d were acknowledged, %d written", len(found), least, len(written))
		}
		for i, e := range found {
			if fmt.Sprint(e) != fmt.Sprint(written[i]) {
				r.Fatalf("record %d is another one", i)
			}
		}
		p.l = again
		p.step()
		sound(t, again)
		sound(t, must[*Log](r)(open(config(t), after.clone())))
	})
}

// player does what callers and Run do, one thing after another, by a clock of its own.
type player struct {
	r   *rapid.T
	l   *Log
	now int64
}

func (p *player) step() {
	p.l.turn <- struct{}{}
	defer func() { <-p.l.turn }()
	var err error
	switch rapid.SampledFrom([]string{"append", "append", "close", "anchor", "time"}).Draw(p.r, "step") {
	case "append":
		batch := make([]*request, rapid.IntRange(1, 5).Draw(p.r, "records"))
		for i := range batch {
			batch[i] = &request{record: record(i)}
		}
		_, err = p.l.write(batch, p.now)
	case "close":
		if !p.l.now.Load().empty() {
			err = p.l.closeSegment()
		}
	case "anchor":
		if pending := p.l.now.Load().history.pending(); len(pending) > 0 {
			c := rapid.SampledFrom(pending).Draw(p.r, "segment")
			err = p.l.mark(mark{Kind: markAnchored, First: c.first, Position: 7})
		}
	case "time":
		p.now += rapid.SampledFrom([]time.Duration{time.Second, time.Hour, -time.Minute, -2 * time.Hour}).Draw(p.r, "pass").Milliseconds()
		_, err = p.l.closeIfDue(p.now)
	}
	if err != nil {
		p.r.Fatal(err)
	}
}

// A disk that fails, whatever it kept of the write: the read is refused, and every later one, without touching the disk.
func TestFailedDisk(t *testing.T) {
	for _, how := range []failure{failed, failedButStored, failedHalf} {
		for at := range 8 {
			m := newMemory()
			l := must[*Log](t)(create(config(t), m))
			fill(t, l, 2)
			start := m.writes()
			m.fault = func(n int) failure {
				if n == start+at {
					return how
				}
				return works
			}
			var acked uint64 = 2
			var err error
			for err == nil {
				if _, err = l.Append(t.Context(), record(int(acked))); err == nil {
					acked++
				}
				if err == nil && acked == 4 {
					err = l.CloseSegment(t.Context())
				}
			}
			if !errors.Is(err, ErrFailed) || strings.Contains(err.Error(), secret) {
				t.Fatal(err)
			}
			writes := m.writes()
			if _, err := l.Append(t.Context(), record(9)); !errors.Is(err, ErrFailed) || m.writes() != writes {
				t.Fatalf("after a failure: %v, %d more writes", err, m.writes()-writes)
			}
			if err := l.CloseSegment(t.Context()); !errors.Is(err, ErrFailed) {
				t.Fatal(err)
			}
			if !errors.Is(l.Status().Err, ErrFailed) {
				t.Fatal("the status hides it")
			}
			again := must[*Log](t)(open(config(t), m.clone()))
			if got := everything(t, again); uint64(len(got)) < acked {
				t.Fatalf("%d of %d records", len(got), acked)
			}
			fill(t, again, 1)
			sound(t, again)
		}
	}
}
