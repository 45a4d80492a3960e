package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"

	"vigil/crypto"
)

// ErrPin says that the other side of a connection did not show the key it must.
var ErrPin = errors.New("cluster: the other side's key is not the pinned one")

// certificate makes the node's own certificate. Its dates say nothing: the key is pinned by the roster.
func certificate(key *crypto.NodeKey) (tls.Certificate, error) {
	private := key.Private()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: key.Public().ID().String()},
		NotBefore: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cluster: certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}

// peerOf returns whose key the other side showed.
func peerOf(s tls.ConnectionState) (crypto.NodeID, error) {
	if len(s.PeerCertificates) != 1 {
		return crypto.NodeID{}, fmt.Errorf("%w: %d certificates", ErrPin, len(s.PeerCertificates))
	}
	key, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return crypto.NodeID{}, fmt.Errorf("%w: not an Ed25519 key", ErrPin)
	}
	return crypto.NodePublic(key).ID(), nil
}

func baseConfig(own tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // authorities say nothing here; VerifyConnection pins the key
		SessionTicketsDisabled: true,
	}
}

// serverConfig accepts members for either protocol, and strangers for h2 only, where each handler decides.
func serverConfig(own tls.Certificate, member func(crypto.NodeID) bool) *tls.Config {
	c := baseConfig(own)
	c.NextProtos = []string{raftProtocol, httpProtocol}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		id, err := peerOf(s)
		switch {
		case err != nil:
			return err
		case s.NegotiatedProtocol == httpProtocol, s.NegotiatedProtocol == raftProtocol && member(id):
			return nil
		}
		return fmt.Errorf("%w: node %s, protocol %q", ErrPin, id.Short(), s.NegotiatedProtocol)
	}
	return c
}

// clientConfig connects to exactly one node.
func clientConfig(own tls.Certificate, protocol string, to crypto.NodeID) *tls.Config {
	c := baseConfig(own)
	c.NextProtos = []string{protocol}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		id, err := peerOf(s)
		if err == nil && (id != to || s.NegotiatedProtocol != protocol) {
			err = fmt.Errorf("%w: node %s instead of %s", ErrPin, id.Short(), to.Short())
		}
		return err
	}
	return c
}

// listener accepts TLS connections and hands them on by protocol. It keeps the live ones, so that those of a node that
// left the roster can be cut.
type listener struct {
	inner  net.Listener
	config *tls.Config
	member func(crypto.NodeID) bool
	raft   func(crypto.NodeID, net.Conn)
	http   *connQueue

	once      sync.Once
	mu        sync.Mutex
	live      map[net.Conn]crypto.NodeID // guarded by mu; the zero id during the handshake
	strangers []net.Conn                 // guarded by mu; those of live that are named and no member's, the oldest first
}

func (l *listener) run() error {
	for {
		conn, err := l.inner.Accept()
		if err != nil {
			return err
		}
		if !l.add(conn) {
			_ = conn.Close() // over the bound: the dialler tries again
			continue
		}
		go l.handshake(conn)
	}
}

func (l *listener) add(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.live) >= maxConnections || l.shaking(conn.RemoteAddr()) >= handshakesEach {
		return false
	}
	l.live[conn] = crypto.NodeID{}
	return true
}

// shaking counts connections of an address that nobody knows yet; mu is held.
func (l *listener) shaking(from net.Addr) (n int) {
	for conn, id := range l.live {
		if id == (crypto.NodeID{}) && sameHost(conn.RemoteAddr(), from) {
			n++
		}
	}
	return n
}

func sameHost(a, b net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	other, _, otherErr := net.SplitHostPort(b.String())
	return err == nil && otherErr == nil && host == other
}

// named notes whose a connection is. A node that has too many loses all others: it is broken or lies.
func (l *listener) named(conn net.Conn, id crypto.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var others []net.Conn
	for other, of := range l.live {
		if of == id {
			others = append(others, other)
		}
	}
	l.live[conn] = id
	if !l.member(id) {
		l.crowd(conn)
	}
	if len(others) < nodeConns {
		return
	}
	for _, other := range others {
		_ = other.Close()
	}
}

// crowd adds a stranger's connection; mu is held. Over the bound the oldest from there, or of all, makes room: who asks to join is soon
// answered, and who holds connections open keeps nobody out.
func (l *listener) crowd(conn net.Conn) {
	gone := func(c net.Conn) bool { id, alive := l.live[c]; return !alive || l.member(id) }
	l.strangers = append(slices.DeleteFunc(l.strangers, gone), conn)
	near := slices.DeleteFunc(slices.Clone(l.strangers), func(c net.Conn) bool { return !sameHost(c.RemoteAddr(), conn.RemoteAddr()) })
	oldest := l.strangers[0]
	switch {
	case len(near) > strangerConns:
		oldest = near[0]
	case len(l.strangers) <= strangersConns:
		return
	}
	l.strangers = slices.DeleteFunc(l.strangers, func(c net.Conn) bool { return c == oldest })
	_ = oldest.Close()
}

func (l *listener) drop(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, conn)
}

func (l *listener) handshake(raw net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeWait)
	defer cancel()
	tracked := &trackedConn{Conn: raw, closed: func() { l.drop(raw) }}
	conn := tls.Server(tracked, l.config)
	if conn.HandshakeContext(ctx) != nil {
		_ = conn.Close()
		return
	}
	state := conn.ConnectionState()
	id, err := peerOf(state)
	if err != nil {
		_ = conn.Close()
		return
	}
	l.named(raw, id)
	if state.NegotiatedProtocol == raftProtocol {
		l.raft(id, conn)
		return
	}
	l.http.put(conn)
}

// cut closes the connections of every node that does not stay.
func (l *listener) cut(stays func(crypto.NodeID) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn, id := range l.live {
		if id != (crypto.NodeID{}) && !stays(id) {
			_ = conn.Close()
		}
	}
}

// close ends everything; a second call does nothing.
func (l *listener) close() (err error) {
	l.once.Do(func() {
		err = l.inner.Close()
		l.http.close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for conn := range l.live {
			_ = conn.Close()
		}
	})
	return err
}

// trackedConn tells when it is closed.
type trackedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *trackedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// connQueue is a net.Listener whose connections have been accepted elsewhere.
type connQueue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newConnQueue(addr net.Addr) *connQueue {
	return &connQueue{addr: addr, conns: make(chan net.Conn, 16), done: make(chan struct{})}
}

func (q *connQueue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	case <-time.After(handshakeWait):
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (q *connQueue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *connQueue) close() { q.once.Do(func() { close(q.done) }) }

// Close implements net.Listener.
func (q *connQueue) Close() error {
	q.close()
	return nil
}

// Addr implements net.Listener.
func (q *connQueue) Addr() net.Addr { return q.addr }
