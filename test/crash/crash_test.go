package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestKilledAtAnyMoment: whatever was acknowledged, signed or recorded before the process was killed is there after it, once
// and in its place, and the node goes on by itself.
func TestKilledAtAnyMoment(t *testing.T) {
	path, _ := writeScript(t, scriptEntries, expungeEvery)
	drive(t, *kills, func(n int) (*lane, error) {
		return &lane{script: path, root: t.TempDir(), random: rand.New(rand.NewPCG(*seed, uint64(n)))}, nil
	})
}

// TestPowerCutAtAnyMoment: the same where the disk forgets what was not synced.
func TestPowerCutAtAnyMoment(t *testing.T) {
	path, _ := writeScript(t, scriptEntries, expungeEvery)
	drive(t, *cuts, func(n int) (*lane, error) {
		i, err := newImage(t)
		if err != nil {
			return nil, err
		}
		return &lane{script: path, root: i.mount, random: rand.New(rand.NewPCG(*seed, uint64(n))), cut: i.cut, restore: i.restore}, nil
	})
}

// drive lets lanes live until there were so many deaths, and prints what was seen.
func drive(t *testing.T, deaths int, open func(n int) (*lane, error)) {
	t.Helper()
	all := make([]*lane, *lanes)
	for n := range all {
		l, err := open(n)
		if errors.Is(err, errNoMounts) {
			t.Logf("not tried: %v", err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		all[n] = l
	}
	var group sync.WaitGroup
	for n, l := range all {
		group.Go(func() {
			for l.count.Deaths < (deaths+n)/len(all) && !t.Failed() {
				if err := l.live(t); err != nil {
					t.Errorf("lane %d, death %d, seed %d: %v", n, l.count.Deaths, *seed, err)
				}
				if l.count.Deaths > 0 && l.count.Deaths%500 == 0 {
					t.Logf("lane %d: %d deaths, %d entries acknowledged so far", n, l.count.Deaths, l.count.Written)
				}
			}
		})
	}
	group.Wait()
	var sum counts
	for _, l := range all {
		sum.Deaths, sum.Starting, sum.Whole = sum.Deaths+l.count.Deaths, sum.Starting+l.count.Starting, sum.Whole+l.count.Whole
		sum.Written, sum.Lost = sum.Written+l.count.Written, sum.Lost+l.count.Lost
	}
	t.Logf("%d deaths, %d of them while it started; %d entries acknowledged, %d lost; %d ledgers to their end; seed %d", sum.Deaths, sum.Starting, sum.Written, sum.Lost, sum.Whole, *seed)
	if lived := sum.Deaths - sum.Starting; sum.Written < uint64(lived) {
		t.Errorf("%d lives wrote %d entries: they were too short to lose anything", lived, sum.Written)
	}
}

// TestLossIsSeen is the control: a node whose disk is an older one is told of as a loss.
func TestLossIsSeen(t *testing.T) {
	path, _ := writeScript(t, scriptEntries, expungeEvery)
	l := &lane{script: path, root: t.TempDir(), random: rand.New(rand.NewPCG(*seed, 0))}
	older := fmt.Sprintf("%s/older", t.TempDir())
	for l.heard.written < 50 {
		if err := l.live(t); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(older, os.DirFS(l.dir())); err != nil {
		t.Fatal(err)
	}
	for before := l.heard.written; l.heard.written < before+50; {
		if err := l.live(t); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.RemoveAll(l.dir()), os.Rename(older, l.dir())); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 20 { // it may be killed before it says what it found
		if err = l.live(t); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "lost") {
		t.Fatalf("an older disk: %v", err)
	}
}
