package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/crypto"
	"vigil/node/store"
)

// open is a node that a test reaches over pipes.
type open struct {
	*Cluster
	t     *testing.T
	own   tls.Certificate
	queue *connQueue
}

func newOpen(t *testing.T, ledgers *store.Store, member crypto.NodeID) *open {
	t.Helper()
	key := nodeKey(t)
	own, err := certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{
		cfg:  Config{Store: ledgers, Pins: map[crypto.NodeID]string{member: ""}, Log: slog.New(slog.DiscardHandler)},
		self: key.Public().ID(), routes: http.NewServeMux(),
	}
	return &open{c, t, own, newConnQueue(&net.TCPAddr{})}
}

// client asks the node with a key of its own, as long as it likes.
func (o *open) client(key *crypto.NodeKey) *http.Client {
	own, err := certificate(key)
	if err != nil {
		o.t.Fatal(err)
	}
	dial := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		conn := tls.Server(there, serverConfig(o.own, o.Member))
		go func() {
			if conn.Handshake() == nil {
				o.queue.put(conn)
			}
		}()
		return here, nil
	}
	c := pinnedClient(own, o.self, dial, func() (string, bool) { return "", true }, func(conn net.Conn) net.Conn { return conn })
	c.Timeout = 0
	return c
}

// TestStrangersBodies: keys cost nothing. However many of them hold requests open, members and then strangers are answered again.
func TestStrangersBodies(t *testing.T) {
	ledgers, err := store.Open(filepath.Join(t.TempDir(), "ledger"), store.Identity{Origin: "in", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer ledgers.Close()
	member := nodeKey(t)
	synctest.Test(t, func(t *testing.T) {
		o := newOpen(t, ledgers, member.Public().ID())
		reading := make(chan error, 2*strangersAtOnce)
		o.HandleOpen("POST /join", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				reading <- err
				http.Error(w, "cut off", http.StatusBadRequest)
			}
		})
		server := o.newServer()
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(o.queue) }()
		ctx, cancel := context.WithCancel(t.Context())
		ask := func(client *http.Client, body io.Reader) int {
			defer client.CloseIdleConnections()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://node/join", body)
			if err != nil {
				t.Error(err)
				return 0
			}
			resp, err := client.Do(r)
			if err != nil {
				return 0
			}
			defer resp.Body.Close()
			return resp.StatusCode
		}
		hold := func(client *http.Client) {
			r, w := io.Pipe()
			context.AfterFunc(ctx, func() { _ = w.Close() })
			go ask(client, r)
			synctest.Wait()
		}
		is := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d, not %d", what, got, want)
			}
		}

		one := o.client(nodeKey(t))
		for range strangerAtOnce {
			hold(one)
		}
		is("one more of a stranger", ask(one, strings.NewReader("x")), http.StatusServiceUnavailable)
		is("another stranger", ask(o.client(nodeKey(t)), strings.NewReader("x")), http.StatusOK)
		for range strangersAtOnce - strangerAtOnce {
			hold(o.client(nodeKey(t)))
		}
		is("one more stranger", ask(o.client(nodeKey(t)), strings.NewReader("x")), http.StatusServiceUnavailable)
		is("a member", ask(o.client(member), strings.NewReader("x")), http.StatusOK)

		time.Sleep(requestWait)
		synctest.Wait()
		is("bodies that are cut off", len(reading), strangersAtOnce)
		is("a stranger afterwards", ask(o.client(nodeKey(t)), strings.NewReader(strings.Repeat("x", maxOpenBytes))), http.StatusOK)
		is("a longer body", ask(o.client(nodeKey(t)), strings.NewReader(strings.Repeat("x", maxOpenBytes+1))), http.StatusBadRequest)

		cancel()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if o.asked.strangers != 0 || len(o.asked.now) > 0 {
			t.Errorf("afterwards: %d, %v", o.asked.strangers, o.asked.now)
		}
	})
}

// from is a connection from an address, which notes that it is closed.
type from struct {
	net.Conn
	host   string
	closed bool
}

func (c *from) RemoteAddr() net.Addr { return nodeAddr(net.JoinHostPort(c.host, "1")) }

func (c *from) Close() error {
	c.closed = true
	return nil
}

// TestStrangersConnections: of those from one address, and of all, the newest stay; members' do not count.
func TestStrangersConnections(t *testing.T) {
	member, admitted := nodeKey(t).Public().ID(), nodeKey(t).Public().ID()
	is := map[crypto.NodeID]bool{member: true}
	l := &listener{member: func(id crypto.NodeID) bool { return is[id] }, live: map[net.Conn]crypto.NodeID{}}
	var all []*from
	connect := func(host string, id crypto.NodeID) {
		c := &from{host: host}
		all = append(all, c)
		if !l.add(c) {
			t.Fatal("it is full")
		}
		l.named(c, id)
		for _, c := range all {
			if c.closed {
				l.drop(c)
			}
		}
	}
	lives := func(host string) (n int) {
		for c := range l.live {
			if c.(*from).host == host {
				n++
			}
		}
		return n
	}
	stranger := func() crypto.NodeID {
		var id crypto.NodeID
		id[0], id[1] = byte(len(all)>>8)+1, byte(len(all))
		return id
	}
	connect("10.0.0.1", admitted)
	connect("10.0.0.1", member)
	for range 10 * strangerConns {
		connect("10.0.0.1", stranger())
	}
	if n := lives("10.0.0.1"); n != strangerConns+1 || all[1].closed || !all[0].closed || all[len(all)-1].closed {
		t.Errorf("%d from one address", n)
	}
	is[admitted] = true
	connect("10.0.0.2", admitted)
	for i := range 10 * strangersConns {
		connect(fmt.Sprintf("10.1.%d.%d", i/256, i%256), stranger())
	}
	if len(l.live) != strangersConns+2 || lives("10.0.0.2") != 1 || lives("10.0.0.1") != 1 || all[len(all)-1].closed {
		t.Errorf("%d in all", len(l.live))
	}
	for range nodeConns / 2 {
		connect("10.0.0.2", member)
	}
	if n := lives("10.0.0.2"); n != nodeConns/2+1 {
		t.Errorf("%d of members", n)
	}
}
