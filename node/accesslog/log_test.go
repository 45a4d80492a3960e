package accesslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

func listed(anchors []Anchor) Anchors {
	return func(context.Context) ([]Anchor, error) { return anchors, nil }
}

func TestDirectories(t *testing.T) {
	c := config(t)
	c.Dir = filepath.Join(t.TempDir(), "access")
	if _, err := Open(c); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	l := must[*Log](t)(Create(c))
	if _, err := Open(c); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	fill(t, l, 3)
	if err := errors.Join(l.CloseSegment(t.Context()), l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), record(0)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := Create(c); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	l = must[*Log](t)(Open(c))
	fill(t, l, 2)
	sound(t, l)
	if got := everything(t, l); len(got) != 5 || got[4].Index != 4 {
		t.Fatal(got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	to := must[string](t)(SetAside(c.Dir, time.Now()))
	if _, err := Open(c); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	aside := must[*Log](t)(Open(Config{Dir: to, Key: c.Key}))
	sound(t, aside)
	if err := aside.Close(); err != nil {
		t.Fatal(err)
	}
	if info := must[os.FileInfo](t)(os.Stat(filepath.Join(to, headName))); info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode())
	}
}

// A directory that cannot be written any more, on the disk that nodes use.
func TestDirectoryThatFails(t *testing.T) {
	c := config(t)
	c.Dir = t.TempDir()
	l := must[*Log](t)(Create(c))
	fill(t, l, 1)
	if err := os.Mkdir(filepath.Join(c.Dir, headName+newSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.Append(t.Context(), record(1)); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(c.Dir, headName+newSuffix)), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = must[*Log](t)(Open(c))
	fill(t, l, 1)
	sound(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedRecords(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	long := func(n int) string { return secret + strings.Repeat("x", n) }
	for name, change := range map[string]func(r *Record){
		"no actor":          func(r *Record) { r.Actor = "" },
		"long actor":        func(r *Record) { r.Actor = Actor(long(MaxActorBytes)) },
		"long role":         func(r *Record) { r.Role = Role(long(MaxRoleBytes)) },
		"no verb":           func(r *Record) { r.Verb = "" },
		"a verb of words":   func(r *Record) { r.Verb = secret + " show" },
		"long verb":         func(r *Record) { r.Verb = Verb(strings.Repeat("x", MaxVerbBytes+1)) },
		"too many objects":  func(r *Record) { r.Objects, r.Count = slices.Repeat([]Object{"o"}, MaxObjects+1), 99 },
		"fewer than listed": func(r *Record) { r.Count = 1 },
		"count over bound":  func(r *Record) { r.Count = 1 << 63 },
		"empty object":      func(r *Record) { r.Objects[0] = "" },
		"object of words":   func(r *Record) { r.Objects[0] = secret + " o" },
		"long object":       func(r *Record) { r.Objects[0] = Object(long(MaxObjectBytes)) },
		"long purpose":      func(r *Record) { r.Purpose = long(MaxPurposeBytes) },
		"purpose of lines":  func(r *Record) { r.Purpose = secret + "\n" },
		"long case":         func(r *Record) { r.Case = long(MaxCaseBytes) },
		"long reason":       func(r *Record) { r.Reason = long(MaxReasonBytes) },
		"not UTF-8":         func(r *Record) { r.Reason = secret + "\xff" },
		"no outcome":        func(r *Record) { r.Outcome = 0 },
		"unknown outcome":   func(r *Record) { r.Outcome = 3 },
	} {
		r := record(0)
		change(&r)
		if _, err := l.Append(t.Context(), r); !errors.Is(err, ErrRecord) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.Status().Size != 0 {
		t.Fatal("one of them is in the log")
	}
}

// The largest record there can be fits its bounds, and comes back.
func TestLargestRecord(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	full := func(n int) string { return strings.Repeat("x", n) }
	r := Record{
		Actor: Actor(full(MaxActorBytes)), Role: Role(full(MaxRoleBytes)), Verb: Verb(full(MaxVerbBytes)),
		Objects: slices.Repeat([]Object{Object(full(MaxObjectBytes))}, MaxObjects), Count: 1<<63 - 1,
		Purpose: full(MaxPurposeBytes), Case: full(MaxCaseBytes), Outcome: Answered, Reason: full(MaxReasonBytes),
	}
	for range 200 {
		must[uint64](t)(l.Append(t.Context(), r))
	}
	sound(t, l)
	if got := everything(t, l); len(got) != 200 || fmt.Sprint(got[0].Record) != fmt.Sprint(r) {
		t.Fatal(len(got))
	}
	h := l.now.Load().history
	if len(h.segments) == 0 {
		t.Fatal("256 KiB did not close a segment")
	}
	s := must[*Segment](t)(l.export(h.segments[0]))
	if n := len(s.Encode()); n > maxSegmentBytes {
		t.Fatalf("a segment of %d bytes", n)
	}
}

// Appends that wait while the disk is busy share the next write.
func TestAppendsShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := must[*Log](t)(create(config(t), m))
		start := m.writes()
		m.hold = make(chan struct{})
		var g errgroup.Group
		indices := make([]uint64, 100)
		for i := range indices {
			g.Go(func() (err error) {
				indices[i], err = l.Append(t.Context(), record(i))
				return err
			})
		}
		synctest.Wait() // one has the turn and waits for the disk, the others for the turn
		close(m.hold)
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := m.writes() - start; n != 4 {
			t.Fatalf("%d writes for 100 records", n)
		}
		for i, e := range everything(t, l) {
			if n := slices.Index(indices, uint64(i)); e.Record.Objects[1] != Object(fmt.Sprintf("event-%d", n)) {
				t.Fatalf("record %d is not the one that was told so", i)
			}
		}
		slices.Sort(indices)
		if len(slices.Compact(indices)) != 100 {
			t.Fatal("an index twice")
		}
	})
}

func TestCancelledAppendLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := must[*Log](t)(create(config(t), m))
		m.hold = make(chan struct{})
		var g errgroup.Group
		g.Go(func() error { _, err := l.Append(t.Context(), record(0)); return err })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		g.Go(func() error {
			if _, err := l.Append(ctx, record(1)); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("cancelled, and %w", err)
			}
			return nil
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(m.hold)
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		fill(t, l, 1)
		if got := everything(t, l); len(got) != 2 || got[1].Record.Objects[1] != "event-1" {
			t.Fatal(len(got))
		}
		if _, err := l.Append(ctx, record(1)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestBusy(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	l.waiting = make([]*request, maxWaiting)
	if _, err := l.Append(t.Context(), record(0)); !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
}

// Many append while others query and verify; with -race.
func TestConcurrentUse(t *testing.T) {
	c := config(t)
	c.Dir = t.TempDir()
	var taken ledgerFake
	c.OnSegment = taken.take
	l := must[*Log](t)(Create(c))
	ctx, cancel := context.WithCancel(t.Context())
	var run, g errgroup.Group
	run.Go(func() error { return l.Run(ctx) })
	for i := range 8 {
		g.Go(func() error {
			for n := range 40 {
				if _, err := l.Append(t.Context(), record(n)); err != nil {
					return err
				}
				if n%20 == i {
					if err := l.CloseSegment(t.Context()); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for range 10 {
			r, err := l.Verify(t.Context(), taken.anchors)
			if err = errors.Join(err, r.Err()); err != nil {
				return err
			}
			if _, err := l.Query(t.Context(), Query{Actor: "nobody"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := run.Wait(); err != nil {
		t.Fatal(err)
	}
	if r := sound(t, l, taken.list...); r.Size != 320 {
		t.Fatal(r)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, at := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			l := must[*Log](b)(Create(Config{Dir: b.TempDir(), Key: testKey}))
			b.SetParallelism(at)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := l.Append(b.Context(), record(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	m := newMemory()
	l := must[*Log](b)(create(Config{Key: testKey}, m))
	for range 20 {
		batch := make([]*request, 200)
		for i := range batch {
			batch[i] = &request{record: record(i), done: make(chan struct{})}
		}
		l.commit(batch)
	}
	b.ResetTimer()
	for range b.N {
		if r, err := l.Verify(b.Context(), nil); err != nil || r.Err() != nil {
			b.Fatal(err, r.Err())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4000, "ns/record")
}
