package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/store"
)

// config is a node's, without starting it, on an address of its own choice.
func (w *network) config(i int, dir, address string) (Config, func()) {
	w.t.Helper()
	m := w.members[i]
	s, err := store.Open(filepath.Join(dir, "ledger"), store.Identity{Origin: w.j.Origin(), Node: m.Node.Public().ID().String()})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	pins := map[crypto.NodeID]string{}
	for _, p := range w.members {
		pins[p.Node.Public().ID()] = p.Address
	}
	return Config{
		Dir: filepath.Join(dir, "raft"), Agency: m.ID, Key: m.Node, Store: s, Listener: l, Pins: pins, Heartbeat: 200 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Alarm: func(crypto.NodeID, string) {}, Fatal: func(err error) { w.t.Error(err) },
	}, func() { _ = errors.Join(l.Close(), s.Close()) }
}

func (w *network) write(i, n int) {
	w.t.Helper()
	for range n {
		w.propose(i, w.seal(i))
	}
}

// rememberedAt waits until node j remembers of node i what i has on disk.
func (w *network) rememberedAt(j, i int) {
	w.t.Helper()
	id := w.members[i].Node.Public().ID()
	w.until("it is remembered", func() bool {
		now, err := w.nodes[i].durable()
		r, ok := w.nodes[j].memory.of(id)
		return err == nil && ok && !r.was.behind(now)
	})
}

// TestARolledBackNodeTakesNoPart: with an older disk a node is refused before raft begins, whoever of the others is there,
// also when they were started again meanwhile.
func TestARolledBackNodeTakesNoPart(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.write(0, 3)
	w.until("all have it", w.equal)
	w.stop(2)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(w.dirs[2])); err != nil {
		t.Fatal(err)
	}
	w.start(2)
	w.write(0, 3)
	w.until("all have it", w.equal)
	w.rememberedAt(0, 2)
	w.rememberedAt(1, 2)
	w.stop(2)
	for _, again := range []int{0, 1} { // what they remember is on disk
		w.until("it is kept", func() bool {
			w.nodes[again].memory.mu.Lock()
			defer w.nodes[again].memory.mu.Unlock()
			return !w.nodes[again].memory.dirty
		})
		w.stop(again)
		w.start(again)
	}
	w.until("they lead", func() bool { return w.leader() >= 0 })

	c, closed := w.config(2, old, w.members[2].Address)
	_, err := Open(c)
	if !errors.Is(err, ErrRolledBack) {
		t.Fatalf("the older disk was taken: %v", err)
	}
	closed()
	w.start(2) // the right one is as good as ever
	w.write(0, 1)
	w.until("all have it", w.equal)
}

// TestNobodyTakesPartUnheard: a node that reaches no majority does not vote, and does not refuse for ever.
func TestNobodyTakesPartUnheard(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	for i := range 3 {
		w.stop(i)
	}
	first := w.start(0)
	if err := first.Unheard(); !errors.Is(err, ErrUnheard) {
		t.Fatalf("alone of three: %v", err)
	}
	term, _, _ := first.Progress()
	w.start(1)
	w.until("two of three lead", func() bool { return first.Unheard() == nil && w.leader() >= 0 })
	if now, _, _ := first.Progress(); now < term {
		t.Errorf("term %d after %d", now, term)
	}
}

// TestACopyBesideItsOriginal: a second process with a node's key, at another address, is refused, and the first goes on; also where
// the copy's clock is ahead.
func TestACopyBesideItsOriginal(t *testing.T) {
	t.Run("with its clock", func(t *testing.T) { copyBeside(t, 0) })
	t.Run("with a clock that is ahead", func(t *testing.T) { copyBeside(t, time.Hour) })
}

func copyBeside(t *testing.T, ahead time.Duration) {
	w := newNetwork(t, 3)
	w.found()
	w.write(0, 2)
	w.until("all have it", w.equal)
	w.rememberedAt(0, 2)
	w.stop(2)
	beside := t.TempDir()
	if err := os.CopyFS(beside, os.DirFS(w.dirs[2])); err != nil {
		t.Fatal(err)
	}
	w.start(2)
	w.rememberedAt(0, 2)
	c, closed := w.config(2, beside, "127.0.0.1:0")
	defer closed()
	c.Clock = func() time.Time { return time.Now().Add(ahead) }
	copied, err := Open(c)
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err = copied.Run(ctx) // which it must end by itself
		if closeErr := copied.Close(); closeErr != nil {
			t.Error(closeErr)
		}
		if copied.Unheard() == nil {
			t.Error("it took part")
		}
	}
	if !errors.Is(err, ErrTwin) && !errors.Is(err, ErrRolledBack) { // that, where the others elected since it was made
		t.Fatalf("the copy: %v", err)
	}
	w.write(0, 1)
	w.until("all have it", w.equal)
	select {
	case err := <-w.nodes[2].ended:
		t.Errorf("the original ended: %v", err)
	default:
	}
}

// TestAClockThatWasSetAccusesNobody: what others remember of a process that has ended is no process beside this one, whatever the
// clock was when that spoke; a process that goes on speaking is.
func TestAClockThatWasSetAccusesNobody(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.stop(2)
	for name, says := range map[string]struct {
		at   []time.Duration // after this start, by the clock, that another process spoke
		by   []int           // of whom each was heard
		twin bool
	}{
		"a word each of one that ended, before the clock was set back": {[]time.Duration{time.Hour, time.Hour + time.Second}, []int{0, 1}, false},
		"the same again and again":                                     {[]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}, []int{0, 0, 0, 0}, false},
		"one that was on its way":                                      {[]time.Duration{time.Hour, time.Hour + time.Second}, []int{0, 0}, false},
		"old words in turn":                                            {[]time.Duration{time.Hour, 2 * time.Hour, time.Hour, 2 * time.Hour}, []int{0, 1, 0, 1}, false},
		"one member plays those from before":                           {[]time.Duration{-3 * time.Second, -2 * time.Second, -time.Second}, []int{0, 0, 0}, false},
		"one that goes on":                                             {[]time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, []int{0, 0, 0}, true},
		"one that goes on behind this node's clock":                    {[]time.Duration{-6 * time.Second, -5 * time.Second, -5 * time.Second, -4 * time.Second, -4 * time.Second, -3 * time.Second}, []int{0, 0, 1, 0, 1, 1}, true},
		"strangers play what goes on":                                  {[]time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, []int{-1, -1, -1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, closed := w.config(2, w.dirs[2], "127.0.0.1:0")
			defer closed()
			c, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			now, err := c.durable()
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range says.at {
				other := now
				other.Instance, other.Started, other.At = [16]byte{1}, now.Started-time.Hour.Milliseconds(), now.Started+d.Milliseconds()
				var by crypto.NodeID
				if says.by[i] >= 0 {
					by = w.members[says.by[i]].Node.Public().ID()
				}
				if !c.reflect(by, signStanding(other, cfg.Key)) {
					t.Fatal("its own word is not taken")
				}
			}
			if twin := len(c.condemned) > 0; twin != says.twin {
				t.Errorf("another process lives: %t", twin)
			}
		})
	}
}

// TestWhoSaysLessForAWhileIsNamed: by how long it says so here, whatever its clock says meanwhile.
func TestWhoSaysLessForAWhileIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, err := crypto.GenerateNodeKey()
		if err != nil {
			t.Fatal(err)
		}
		id, origin := key.Public().ID(), ledger.Origin("vigil.in.example/ledger")
		m := &memory{origin: origin, nodes: map[crypto.NodeID]remembered{}}
		clock := time.Now()
		named := func(last uint64) bool {
			return m.note(id, signStanding(standing{Origin: origin, Term: 1, LogTerm: 1, Last: last, At: clock.UnixMilli()}, key), false)
		}
		for name, back := range map[string]time.Duration{"a clock that is right": 0, "one that was set forward": time.Hour, "one that was set back": -2 * time.Hour} {
			if named(9) {
				t.Errorf("%s: named as it goes on", name)
			}
			clock = clock.Add(back)
			if named(8) {
				t.Errorf("%s: named as its log gives way", name)
			}
			time.Sleep(backAfter / 2)
			if named(9) || named(8) {
				t.Errorf("%s: named, and it has gone on meanwhile", name)
			}
			time.Sleep(backAfter + time.Second)
			if !named(8) {
				t.Errorf("%s: not named", name)
			}
		}
	})
}

// TestItsOwnWordIsGivenBack: a node rolled back to before the others came knows nobody to ask; they give it its own word.
func TestItsOwnWordIsGivenBack(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.write(0, 2)
	w.until("all have it", w.equal)
	now, err := w.nodes[0].durable()
	if err != nil {
		t.Fatal(err)
	}
	now.Last += 5
	word := signStanding(now, w.members[0].Node)
	peer := w.members[1]
	for name, raw := range map[string][]byte{
		"of another": signStanding(now, peer.Node),
		"of another ledger": signStanding(func() standing {
			o := now
			o.Origin += "x"
			return o
		}(), w.members[0].Node),
		"altered": append(append([]byte{}, word[:len(word)-1]...), word[len(word)-1]^1),
		"nothing": nil,
	} {
		if _, err := PostTo(t.Context(), peer.Node, w.members[0].Node.Public().ID(), w.members[0].Address, "/cluster/remembered", raw); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	ended := w.nodes[0].ended
	var result error
	w.until("it ends", func() bool {
		_, _ = PostTo(t.Context(), peer.Node, w.members[0].Node.Public().ID(), w.members[0].Address, "/cluster/remembered", word)
		select {
		case result = <-ended:
			return true
		default:
			return false
		}
	})
	if !errors.Is(result, ErrRolledBack) {
		t.Errorf("it ended with %v", result)
	}
	if err := errors.Join(w.nodes[0].Close(), w.nodes[0].store.Close()); err != nil {
		t.Error(err)
	}
	w.nodes[0] = nil
}

// TestBehind is the order that roll-back is judged by.
func TestBehind(t *testing.T) {
	at := standing{Term: 4, LogTerm: 3, Last: 10, Signed: 7}
	for _, c := range []struct {
		name   string
		now    standing
		behind bool
	}{
		{"the same", at, false},
		{"further", standing{Term: 5, LogTerm: 5, Last: 11, Signed: 8}, false},
		{"an entry gave way to one of a newer term", standing{Term: 4, LogTerm: 4, Last: 9, Signed: 7}, false},
		{"an older term: it may vote twice", standing{Term: 3, LogTerm: 3, Last: 10, Signed: 7}, true},
		{"a shorter log", standing{Term: 4, LogTerm: 3, Last: 9, Signed: 7}, true},
		{"a log of an older term", standing{Term: 4, LogTerm: 2, Last: 12, Signed: 7}, true},
		{"it may sign twice", standing{Term: 4, LogTerm: 3, Last: 10, Signed: 6}, true},
		{"nothing", standing{}, true},
	} {
		if got := c.now.behind(at); got != c.behind {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestOneWordForAll: what a node says of itself is signed once for all others, not kept when it is old or was overtaken, and what
// was verified is not taken for another's or for what was changed.
func TestOneWordForAll(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.write(0, 1)
	n := w.nodes[0]
	opened := func(raw []byte) standing {
		t.Helper()
		s, err := openStanding(raw, n.self, w.j.Origin())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var raw []byte
	w.until("two that ask at once get the same word", func() bool {
		raw = n.signed()
		return bytes.Equal(raw, n.signed())
	})
	first := opened(raw)
	w.until("an old word is said anew", func() bool {
		asked := time.Now().Add(-heightEvery).UnixMilli()
		word := opened(n.signed())
		if word.At < asked {
			t.Fatalf("a word of %d ms ago", asked-word.At+heightEvery.Milliseconds())
		}
		return word.At > first.At
	})
	w.write(0, 3)
	before := opened(raw)
	w.until("what was written since is said", func() bool { return before.Last < opened(n.signed()).Last })

	m := &memory{origin: w.j.Origin(), nodes: map[crypto.NodeID]remembered{}}
	m.note(n.self, raw, false)
	if m.note(n.self, raw, false); len(m.nodes) != 1 || m.nodes[n.self].was != first {
		t.Errorf("remembered: %v", m.nodes)
	}
	changed := bytes.Clone(raw)
	changed[len(changed)-1] ^= 1
	other := w.nodes[1].self
	m.note(n.self, changed, false)
	m.note(other, raw, false)
	if _, known := m.nodes[other]; known || !bytes.Equal(m.nodes[n.self].raw, raw) {
		t.Error("a changed or another node's word is kept")
	}
}
