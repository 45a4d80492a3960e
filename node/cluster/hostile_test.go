package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"vigil/crypto"
)

// TestTheMeterFollowsRequests: what is more than an honest member sends is noticed at the byte that makes it so, however the bytes
// are cut; what is not passes.
func TestTheMeterFollowsRequests(t *testing.T) {
	entry := append([]byte{0x82, 0xa4, 'D', 'a', 't', 'a', 0xc6, 0, 0x10, 0, 0}, make([]byte, 1<<20)...)
	entry = append(entry, 0xa2, 'A', 't', 0xc7, 12, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	request := func(entries int) []byte {
		return append([]byte{0, 0x81, 0xa7, 'E', 'n', 't', 'r', 'i', 'e', 's', 0xdc, 0, byte(entries)}, bytes.Repeat(entry, entries)...)
	}
	tests := map[string]struct {
		sent []byte
		ok   bool
	}{
		"requests, one behind the other":  {append(request(3), request(16)...), true},
		"numbers":                         {[]byte{1, 0x96, 0x05, 0xff, 0xcd, 1, 2, 0xd3, 1, 2, 3, 4, 5, 6, 7, 8, 0xcb, 1, 2, 3, 4, 5, 6, 7, 8, 0xd6, 1, 2, 3, 4, 5, 1, 0xc0}, true},
		"a snapshot of any size":          {append([]byte{rpcSnapshot, 0x81, 0xa1, 'S', 0xc0}, make([]byte, maxRPCBytes+1)...), true},
		"as many bytes as nobody sends":   {request(100), false},
		"4 GiB promised":                  {[]byte{0, 0xc6, 0xff, 0xff, 0xff, 0xff}, false},
		"a snapshot's head without end":   {append([]byte{rpcSnapshot, 0x81, 0xa1, 'C', 0xc6, 0x10, 0, 0, 0}, make([]byte, 100)...), false},
		"four thousand million entries":   {[]byte{0, 0xdd, 0xff, 0xff, 0xff, 0xff}, false},
		"four thousand million fields":    {[]byte{0, 0xdf, 0xff, 0xff, 0xff, 0xff}, false},
		"lists in lists":                  {append([]byte{0}, bytes.Repeat([]byte{0x91}, maxRPCValues+1)...), false},
		"more values than entries have":   {append([]byte{0, 0xdc, 0xff, 0xff}, bytes.Repeat([]byte{0x80}, 1<<16)...), false},
		"bytes of a size that is no size": {[]byte{0, 0xc9, 0xff, 0xff, 0xff, 0xff, 0}, false},
	}
	for name, tt := range tests {
		for _, step := range []int{1, 3, 4096, len(tt.sent)} {
			if step < 4096 && len(tt.sent) > 20<<20 {
				continue
			}
			m, sent := &meter{}, tt.sent
			var err error
			for len(sent) > 0 && err == nil {
				n := min(step, len(sent))
				err, sent = m.take(sent[:n]), sent[n:]
			}
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrRPC) {
				t.Errorf("%s, %d at a time: %v", name, step, err)
			}
			if tt.ok && m.phase != phaseRaw && (m.phase != phaseName || m.due != 0) {
				t.Errorf("%s, %d at a time: it ends in phase %d", name, step, m.phase)
			}
		}
	}
}

// TestASnapshotMustKeepComing: who stops in the middle of one, or trickles, is not waited for, however much came before. A slow link, a
// pause and a disk that is slow here do no harm.
func TestASnapshotMustKeepComing(t *testing.T) {
	const slow = snapshotSpeed + snapshotSpeed/16
	for name, tt := range map[string]struct {
		bytes, each int64
		every       time.Duration // until the next are sent
		takes       time.Duration // until they are on disk
		pause       time.Duration // after all of them
		most        time.Duration // until it is given up; zero for never
	}{
		"all at once":                  {bytes: 64 << 20, each: 1 << 20},
		"as slowly as raft lets it":    {bytes: 100 * slow, each: slow, every: time.Second},
		"a few at a time":              {bytes: 1 << 20, each: 64 << 10, every: 2 * time.Second},
		"to a slow disk":               {bytes: 1 << 20, each: 256 << 10, takes: time.Minute},
		"with a pause":                 {bytes: 8 << 20, each: 1 << 20, pause: snapshotSilence - time.Second},
		"nothing":                      {pause: time.Hour, most: snapshotSilence},
		"nothing after a lot":          {bytes: 64 << 20, each: 1 << 20, pause: time.Hour, most: snapshotSilence},
		"one byte a second":            {bytes: 1 << 20, each: 1, every: time.Second, most: 2 * snapshotSilence},
		"half as fast as raft lets it": {bytes: 1 << 20, each: snapshotSpeed / 2, every: time.Second, most: 3 * snapshotSilence},
		"one byte in every silence":    {bytes: 1 << 10, each: 1, every: snapshotSilence - time.Second, most: 3 * snapshotSilence},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				c, done := &metered{Conn: here, all: &atomic.Int64{}, patience: snapshotSilence, meter: meter{phase: phaseRaw}}, make(chan struct{})
				go func() {
					defer close(done)
					defer there.Close()
					b := make([]byte, tt.each)
					for sent := int64(0); sent < tt.bytes; sent += tt.each {
						if _, err := there.Write(b); err != nil {
							return
						}
						time.Sleep(tt.every)
					}
					time.Sleep(tt.pause)
				}()
				began, b := time.Now(), make([]byte, 256<<10)
				var err error
				for err == nil {
					_, err = c.Read(b)
					time.Sleep(tt.takes)
				}
				took := time.Since(began)
				_ = here.Close()
				<-done
				if tt.most == 0 && !errors.Is(err, io.EOF) || tt.most > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > tt.most) {
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

// dialAs dials a node with a member's key, for raft.
func (w *network) dialAs(member, to int) (net.Conn, error) {
	own, err := certificate(w.members[member].Node)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := net.Dial("tcp", w.members[to].Address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, clientConfig(own, raftProtocol, w.members[to].Node.Public().ID()))
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	return conn, conn.HandshakeContext(ctx)
}

// heapBytes is what live objects took when they were counted last.
func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func drain(c chan string) {
	for len(c) > 0 {
		<-c
	}
}

// connections counts those that a member has to a node; with -1 those that are nobody's yet.
func (w *network) connections(at, member int) (n int) {
	var id crypto.NodeID
	if member >= 0 {
		id = w.members[member].Node.Public().ID()
	}
	l := w.nodes[at].listener
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.live {
		if of == id {
			n++
		}
	}
	return n
}

// goesOn has an entry committed by who is left.
func (w *network) goesOn(at int) {
	w.t.Helper()
	w.propose(at, w.seal(at))
	w.until("all that run have it", w.equal)
}

// TestALyingMembersBytes: a member with its real key sends what the library would decode as long as memory lasts, opens connections
// without end, and half of them. Each is cut and the member named, memory stays within its bound, and the others write on.
func TestALyingMembersBytes(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.until("the leader", func() bool { return w.leader() >= 0 })
	at := w.leader()
	member := (at + 1) % 3
	w.stop(member)
	w.goesOn(at)
	zeros := make([]byte, 64<<10)
	const justLet = "as much as just is let"
	for name, head := range map[string][]byte{
		"bytes without end":       {0, 0x81, 0xa6, 'L', 'e', 'a', 'd', 'e', 'r', 0xc6, 0xff, 0xff, 0xff, 0xff},
		"entries without end":     {0, 0x81, 0xa7, 'E', 'n', 't', 'r', 'i', 'e', 's', 0xdd, 0xff, 0xff, 0xff, 0xff},
		"a head without end":      {rpcSnapshot, 0x81, 0xad, 'C', 'o', 'n', 'f', 'i', 'g', 'u', 'r', 'a', 't', 'i', 'o', 'n', 0xc6, 0x7f, 0, 0, 0},
		justLet:                   {0, 0x81, 0xa6, 'L', 'e', 'a', 'd', 'e', 'r', 0xc6, 0x05, 0xf0, 0, 0},
		"votes with long fields":  {1, 0x81, 0xa9, 'C', 'a', 'n', 'd', 'i', 'd', 'a', 't', 'e', 0xc6, 0x06, 0xff, 0xff, 0xff},
		"a snapshot of no leader": {rpcSnapshot, 0x81, 0xa4, 'S', 'i', 'z', 'e', 0xcf, 0x7f, 0, 0, 0, 0, 0, 0, 0},
	} {
		drain(w.nodes[at].alarms)
		before, most := heapBytes(), uint64(0)
		bound := before + 3*maxMemberBytes // what comes, and its copy while it grows
		var all sync.WaitGroup
		for range 2 {
			conn, err := w.dialAs(member, at)
			if err != nil {
				t.Fatal(name, err)
			}
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				_, err := conn.Write(head)
				for sent := 0; err == nil && sent < 2*maxMemberBytes; sent += len(zeros) {
					_, err = conn.Write(zeros)
				}
				if err == nil {
					_, err = conn.Read(make([]byte, 1<<10))
				}
				if err == nil && !strings.Contains(name, "snapshot") {
					t.Errorf("%s: it is answered", name)
				}
			})
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		tick := time.NewTicker(2 * time.Millisecond)
		for waiting := true; waiting; {
			now := heapBytes()
			if now > bound { // all that was taken while a collection ran counts as live, which on a busy machine is more than is
				runtime.GC()
				now = heapBytes()
			}
			most = max(most, now)
			select {
			case <-done:
				waiting = false
			case <-tick.C:
			}
		}
		tick.Stop()
		w.goesOn(at)
		if most > bound {
			t.Errorf("%s: %d MiB more than before", name, (most-before)>>20)
		}
		if name != justLet { // one after the other, both are
			w.until(name+": it is named", func() bool { return len(w.nodes[at].alarms) > 0 })
		}
	}
	for range 100 {
		conn, err := w.dialAs(member, at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	w.until("its newest connections count", func() bool { return w.connections(at, member) <= nodeConns })
	for range 2 * handshakesEach {
		conn, err := net.Dial("tcp", w.members[at].Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if n := w.connections(at, -1); n > handshakesEach {
		t.Errorf("%d connections of nobody", n)
	}
	w.goesOn(at)
}

// TestAPoisonedSnapshotIsNotTaken: a member sends snapshots of a newer term whose journal is junk. Nobody's ledger changes, nothing of them
// stays, the next is not heard at once, and the others go on.
func TestAPoisonedSnapshotIsNotTaken(t *testing.T) {
	w := newNetwork(t, 3)
	w.found()
	w.until("the leader", func() bool { return w.leader() >= 0 })
	member := (w.leader() + 1) % 3
	id := w.members[member].Node.Public().ID()
	configuration := w.nodes[member].raft.GetConfiguration().Configuration()
	term := w.nodes[member].raft.CurrentTerm()
	w.stop(member)
	own, err := certificate(w.members[member].Node)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := testGuard(0, raft.NewInmemStore(), "")
	address := func(of crypto.NodeID) (string, bool) {
		for _, m := range w.members {
			if m.Node.Public().ID() == of {
				return m.Address, true
			}
		}
		return "", false
	}
	tr := newTransport(id, own, address, g, func() error { return nil }, hclog.NewNullLogger())
	defer tr.Close()
	junk := bytes.Repeat([]byte("junk"), 1<<18)
	for i := range w.nodes {
		if i == member {
			continue
		}
		to := w.members[i].Node.Public().ID().String()
		req := &raft.InstallSnapshotRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(id.String()), Addr: []byte(id.String())}, SnapshotVersion: 1, Term: term + 1,
			LastLogIndex: 1 << 20, LastLogTerm: term + 1, Configuration: raft.EncodeConfiguration(configuration), ConfigurationIndex: 1, Size: int64(len(junk)),
		}
		resp := &raft.InstallSnapshotResponse{}
		if err := tr.InstallSnapshot(raft.ServerID(to), raft.ServerAddress(to), req, resp, bytes.NewReader(junk)); err == nil && resp.Success {
			t.Errorf("node %d took it", i)
		}
		if left, err := filepath.Glob(w.nodes[i].snapshots.path("*")); err != nil || len(left) > 0 || w.nodes[i].snapshots.coming() {
			t.Errorf("node %d keeps %v, %v", i, left, err)
		}
		req.Size = 4
		if err := tr.InstallSnapshot(raft.ServerID(to), raft.ServerAddress(to), req, resp, bytes.NewReader(junk[:4])); err == nil || !strings.Contains(err.Error(), "another snapshot") {
			t.Errorf("node %d hears the next at once: %v", i, err)
		}
	}
	w.until("the others lead again", func() bool { return w.leader() >= 0 })
	w.goesOn(w.leader())
	w.start(member)
	w.until("and it is with them again", w.equal)
}

// TestAFloodOfRequestsOfAMember: more than so many at once are refused unread; others' are answered.
func TestAFloodOfRequestsOfAMember(t *testing.T) {
	liar, honest := nodeKey(t).Public().ID(), nodeKey(t).Public().ID()
	in, release := make(chan struct{}), make(chan struct{})
	c := &Cluster{}
	h := c.guarded(func(crypto.NodeID) bool { return true }, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case in <- struct{}{}:
			<-release
		case <-r.Context().Done():
		}
	})
	ask := func(id crypto.NodeID) int {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		h(w, r.WithContext(context.WithValue(ctx, peerKey{}, id)))
		return w.Code
	}
	var all sync.WaitGroup
	for range requestsAtOnce {
		all.Go(func() { ask(liar) })
		<-in
	}
	if code := ask(liar); code != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", code)
	}
	all.Go(func() {
		if code := ask(honest); code != http.StatusOK {
			t.Errorf("another node: %d", code)
		}
	})
	<-in
	close(release)
	all.Wait()
	all.Go(func() { <-in })
	if code := ask(liar); code != http.StatusOK || len(c.asked.now) > 0 {
		t.Errorf("afterwards: %d, %v", code, c.asked.now)
	}
	all.Wait()
}

// TestAMemberSendsNobodyElsewhere: a member that redirects, or whose answer's head has no end, gets no more than the request it was sent.
func TestAMemberSendsNobodyElsewhere(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(elsewhere.Close)
	key, liar := nodeKey(t), nodeKey(t)
	own, err := certificate(liar)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"302":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"head": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) },
	} {
		listener, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig(own, func(crypto.NodeID) bool { return true }))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		if _, err := PostTo(t.Context(), key, liar.Public().ID(), listener.Addr().String(), "/cluster/height", []byte("word")); err == nil {
			t.Errorf("%s: taken for an answer", name)
		}
	}
	if reached.Load() {
		t.Error("it went there")
	}
}
