package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"vigil/crypto"
)

type peerKey struct{}

// withPeer notes in a connection's context whose key it showed.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return ctx
	}
	id, err := peerOf(t.ConnectionState())
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, id)
}

// PeerFromContext returns the node at the other end of a request.
func PeerFromContext(ctx context.Context) (crypto.NodeID, bool) {
	id, ok := ctx.Value(peerKey{}).(crypto.NodeID)
	return id, ok
}

// Handle adds a route for members of the roster.
func (c *Cluster) Handle(pattern string, h http.HandlerFunc) {
	c.routes.HandleFunc(pattern, c.member(h))
}

// newServer answers on HTTP/2: each request's body is due within requestWait, which is all the time that who asks gives it.
func (c *Cluster) newServer() *http.Server {
	return &http.Server{
		Handler: c.routes, ReadHeaderTimeout: handshakeWait, ReadTimeout: requestWait, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeadBytes,
		ErrorLog: slog.NewLogLogger(c.cfg.Log.Handler(), slog.LevelDebug), ConnContext: withPeer,
	}
}

// HandleOpen adds a route for anybody who shows a key; the handler decides.
func (c *Cluster) HandleOpen(pattern string, h http.HandlerFunc) {
	c.handleOpen(pattern, maxOpenBytes, h)
}

// handleOpen is HandleOpen for requests of so many bytes. A key costs nothing, so that all who are no members share what they may ask at
// once; members have as much as anywhere.
func (c *Cluster) handleOpen(pattern string, most int64, h http.HandlerFunc) {
	c.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		id, ok := PeerFromContext(r.Context())
		if !ok {
			http.Error(w, "no key", http.StatusForbidden)
			return
		}
		member := c.Member(id)
		if !c.asked.enter(id, member) {
			http.Error(w, tooMany, http.StatusServiceUnavailable)
			return
		}
		defer c.asked.leave(id, member)
		r.Body = http.MaxBytesReader(w, r.Body, most)
		h(w, r)
	})
}

// member refuses requests of nodes that are no members, on every request and not only when they connected.
func (c *Cluster) member(h http.HandlerFunc) http.HandlerFunc { return c.guarded(c.Member, h) }

// notMember is what a node hears that does not belong, or not any more.
const notMember = "not a member of this ledger"

const tooMany = "too many requests at once"

func (c *Cluster) guarded(allowed func(crypto.NodeID) bool, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := PeerFromContext(r.Context())
		if !ok || !allowed(id) {
			http.Error(w, notMember, http.StatusForbidden)
			return
		}
		if !c.asked.enter(id, true) {
			http.Error(w, tooMany, http.StatusServiceUnavailable)
			return
		}
		defer c.asked.leave(id, true)
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		h(w, r)
	}
}

// asked counts the requests of each node that are being answered.
type asked struct {
	mu  sync.Mutex
	now map[crypto.NodeID]int // guarded by mu

	strangers int // guarded by mu; requests of all who are no members
}

func (a *asked) enter(id crypto.NodeID, member bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now == nil {
		a.now = map[crypto.NodeID]int{}
	}
	if a.now[id] >= requestsAtOnce || !member && (a.now[id] >= strangerAtOnce || a.strangers >= strangersAtOnce) {
		return false
	}
	if !member {
		a.strangers++
	}
	a.now[id]++
	return true
}

func (a *asked) leave(id crypto.NodeID, member bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !member {
		a.strangers--
	}
	if a.now[id]--; a.now[id] == 0 {
		delete(a.now, id)
	}
}

// clients keeps one pinned HTTP/2 client a node, and its connections, so that those to a node that left can be cut in the
// middle of a request.
type clients struct {
	own     tls.Certificate
	address func(crypto.NodeID) (string, bool)
	dial    dialer

	mu    sync.Mutex
	nodes map[crypto.NodeID]*http.Client          // guarded by mu
	live  map[crypto.NodeID]map[net.Conn]struct{} // guarded by mu
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func newClients(own tls.Certificate, address func(crypto.NodeID) (string, bool), dial dialer) *clients {
	return &clients{own: own, address: address, dial: dial, nodes: map[crypto.NodeID]*http.Client{}, live: map[crypto.NodeID]map[net.Conn]struct{}{}}
}

func (c *clients) get(id crypto.NodeID) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client := c.nodes[id]; client != nil {
		return client
	}
	client := pinnedClient(c.own, id, c.dial, func() (string, bool) { return c.address(id) }, func(conn net.Conn) net.Conn { return c.track(id, conn) })
	c.nodes[id] = client
	return client
}

func (c *clients) track(id crypto.NodeID, conn net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[id] == nil {
		c.live[id] = map[net.Conn]struct{}{}
	}
	c.live[id][conn] = struct{}{}
	return &trackedConn{Conn: conn, closed: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.live[id], conn)
	}}
}

// pinnedClient makes a client for one node; track is told of every connection before TLS begins on it.
func pinnedClient(own tls.Certificate, id crypto.NodeID, connect dialer, address func() (string, bool), track func(net.Conn) net.Conn) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		to, ok := address()
		if !ok {
			return nil, fmt.Errorf("%w: node %s is not in the roster", ErrPin, id.Short())
		}
		ctx, cancel := context.WithTimeout(ctx, dialWait)
		defer cancel()
		raw, err := connect(ctx, "tcp", to)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(track(raw), clientConfig(own, httpProtocol, id))
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
	return &http.Client{
		Transport: &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: dial, MaxResponseHeaderBytes: maxHeadBytes}, Timeout: requestWait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // nobody sends this node elsewhere, in clear
	}
}

func (c *clients) cut(member func(crypto.NodeID) bool) {
	c.mu.Lock()
	var gone []*http.Client
	var conns []net.Conn
	for id, client := range c.nodes {
		if member(id) {
			continue
		}
		gone = append(gone, client)
		for conn := range c.live[id] {
			conns = append(conns, conn)
		}
		delete(c.nodes, id)
	}
	c.mu.Unlock()
	for _, client := range gone {
		client.CloseIdleConnections()
	}
	for _, conn := range conns {
		_ = conn.Close() // closed already is as good
	}
}

func (c *clients) close() { c.cut(func(crypto.NodeID) bool { return false }) }

// ErrRemote is what another node answered instead of what was asked for.
var ErrRemote = errors.New("cluster: the other node refused")

// Post sends body to a route of another member and returns the answer, at most answerBytes of it.
func (c *Cluster) Post(ctx context.Context, to crypto.NodeID, route string, body []byte) ([]byte, error) {
	return post(ctx, c.clients.get(to), to, route, body)
}

// PostTo sends body to a node that is not (yet) in the roster, pinned to its id.
func PostTo(ctx context.Context, key *crypto.NodeKey, to crypto.NodeID, address, route string, body []byte) ([]byte, error) {
	own, err := certificate(key)
	if err != nil {
		return nil, err
	}
	client := pinnedClient(own, to, dialTCP, func() (string, bool) { return address, true }, func(conn net.Conn) net.Conn { return conn })
	defer client.CloseIdleConnections()
	return post(ctx, client, to, route, body)
}

func post(ctx context.Context, client *http.Client, to crypto.NodeID, route string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.Short()+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %d: %.200s", ErrRemote, resp.StatusCode, bytes.TrimSpace(out))
	}
	return out, nil
}
