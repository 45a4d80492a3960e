package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"vigil/crypto"
)

// transport is raft's transport: one stream layer and one library transport a peer, so that it is known from whom each
// RPC comes. Addresses in raft's configuration are node ids; where a node is, the roster says.
//
// SetHeartbeatHandler does nothing: heartbeats handled on the library's fast path can make two nodes commit different
// entries at one index (hashicorp/raft issue 695).
type transport struct {
	self     crypto.NodeID
	own      tls.Certificate
	address  func(crypto.NodeID) (string, bool)
	guard    *guard
	closedBy func() error // why nothing may pass yet; nil once it may
	lies     Lies
	log      hclog.Logger
	out      chan raft.RPC
	dial     dialer
	fast     bool // see Config.FastHeartbeats

	mu     sync.Mutex
	peers  map[crypto.NodeID]*peerTransport // guarded by mu
	closed bool                             // guarded by mu
	// handler is raft's for heartbeats where fast; guarded by mu.
	handler func(raft.RPC)
	done    chan struct{}
	wg      sync.WaitGroup
}

type peerTransport struct {
	*raft.NetworkTransport
	layer *stream
}

func newTransport(self crypto.NodeID, own tls.Certificate, address func(crypto.NodeID) (string, bool), g *guard, closedBy func() error, log hclog.Logger) *transport {
	return &transport{
		self: self, own: own, address: address, guard: g, closedBy: closedBy, log: log, out: make(chan raft.RPC),
		peers: map[crypto.NodeID]*peerTransport{}, done: make(chan struct{}), dial: dialTCP,
	}
}

var errClosed = errors.New("cluster: closed")

func (t *transport) peer(id crypto.NodeID) (*peerTransport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	if p := t.peers[id]; p != nil {
		return p, nil
	}
	layer := &stream{t: t, peer: id, conns: make(chan net.Conn), done: make(chan struct{}), live: map[net.Conn]struct{}{}}
	p := &peerTransport{layer: layer, NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: peerConns, MaxRPCsInFlight: 2, Timeout: rpcWait, MsgpackUseNewTimeFormat: true, Logger: t.log,
	})}
	if t.handler != nil {
		p.NetworkTransport.SetHeartbeatHandler(t.handler)
	}
	t.peers[id] = p
	t.wg.Add(1)
	go t.forward(id, p)
	return p, nil
}

// forward hands a peer's RPCs to raft after the guard has looked at them.
func (t *transport) forward(id crypto.NodeID, p *peerTransport) {
	defer t.wg.Done()
	for {
		var rpc raft.RPC
		select {
		case <-t.done:
			return
		case rpc = <-p.Consumer():
		}
		if err := t.closedBy(); err != nil {
			rpc.Respond(nil, err)
			continue
		}
		if _, ok := t.address(id); !ok { // it left, or is about to, and may not know
			rpc.Respond(nil, fmt.Errorf("%w: node %s", ErrPin, id.Short()))
			continue
		}
		if err := t.guard.check(id, rpc.Command); err != nil {
			rpc.Respond(nil, err)
			continue
		}
		if _, ok := rpc.Command.(*raft.InstallSnapshotRequest); ok {
			rpc.RespChan = t.judged(id, rpc.RespChan)
		}
		select {
		case <-t.done:
			return
		case t.out <- rpc:
		}
	}
}

// judged passes raft's answer to a snapshot on, and tells the guard whether it was taken.
func (t *transport) judged(id crypto.NodeID, to chan<- raft.RPCResponse) chan<- raft.RPCResponse {
	answers := make(chan raft.RPCResponse, 1)
	t.wg.Go(func() {
		select {
		case <-t.done:
		case a := <-answers:
			resp, ok := a.Response.(*raft.InstallSnapshotResponse)
			t.guard.sent(id, ok && resp.Success, a.Error)
			to <- a
		}
	})
	return answers
}

// accepted takes a raft connection that a member opened.
func (t *transport) accepted(id crypto.NodeID, conn net.Conn) {
	p, err := t.peer(id)
	if err != nil {
		_ = conn.Close()
		return
	}
	p.layer.put(&metered{Conn: conn, all: &p.layer.unanswered, refuse: func(err error) { t.guard.alarm(id, err.Error()) }, patience: snapshotSilence})
}

// cut closes everything to and from nodes that are no members any more.
func (t *transport) cut(member func(crypto.NodeID) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.peers {
		if !member(id) {
			p.CloseStreams()
			p.layer.closeLive()
		}
	}
}

func (t *transport) to(id raft.ServerID) (*peerTransport, error) {
	n, err := crypto.ParseNodeID(string(id))
	if err != nil {
		return nil, err
	}
	return t.peer(n)
}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.out }

// LocalAddr implements raft.Transport.
func (t *transport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(t.self.String()) }

// EncodePeer implements raft.Transport.
func (t *transport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// DecodePeer implements raft.Transport.
func (t *transport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler does nothing; see the type.
func (t *transport) SetHeartbeatHandler(h func(raft.RPC)) {
	if !t.fast {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handler = h
	for _, p := range t.peers {
		p.NetworkTransport.SetHeartbeatHandler(h)
	}
}

// AppendEntriesPipeline implements raft.Transport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.to(id)
	if err != nil {
		return nil, err
	}
	inner, err := p.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return pipeline{AppendPipeline: inner, most: pipelineWait, lies: t.lies, to: p.layer.peer}, nil
}

// pipeline ends a send that nobody will take any more. Where a follower refuses entries while others are on their way, the
// library stops to read its answers and goes on to wait for room, for ever: the follower would get nothing from this leader
// again, and raft could not be shut down.
type pipeline struct {
	raft.AppendPipeline
	most time.Duration
	lies Lies
	to   crypto.NodeID
}

// AppendEntries implements raft.AppendPipeline.
func (p pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	stuck := time.AfterFunc(p.most, func() { _ = p.Close() }) // the send returns, and replication begins anew
	defer stuck.Stop()
	return p.AppendPipeline.AppendEntries(p.lies.tail(p.to, args), resp)
}

// AppendEntries implements raft.Transport.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	p, err := t.to(id)
	if err != nil {
		return err
	}
	return p.NetworkTransport.AppendEntries(id, target, t.lies.tail(p.layer.peer, args), resp)
}

// RequestVote implements raft.Transport.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	p, err := t.to(id)
	if err != nil {
		return err
	}
	if err := p.NetworkTransport.RequestVote(id, target, args, resp); err != nil {
		return err
	}
	return t.guard.answered(p.layer.peer, args.Term, &resp.Term)
}

// RequestPreVote implements raft.WithPreVote; without it pre-vote would be off, silently.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	p, err := t.to(id)
	if err != nil {
		return err
	}
	if err := p.NetworkTransport.RequestPreVote(id, target, args, resp); err != nil {
		return err
	}
	return t.guard.answered(p.layer.peer, args.Term, &resp.Term)
}

// InstallSnapshot implements raft.Transport.
func (t *transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	p, err := t.to(id)
	if err != nil {
		return err
	}
	return p.NetworkTransport.InstallSnapshot(id, target, args, resp, data)
}

// TimeoutNow implements raft.Transport.
func (t *transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	p, err := t.to(id)
	if err != nil {
		return err
	}
	return p.NetworkTransport.TimeoutNow(id, target, args, resp)
}

// Close implements raft.WithClose. Raft calls it too.
func (t *transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	close(t.done)
	var err error
	for _, p := range t.peers {
		p.layer.closeLive()
		err = errors.Join(err, p.Close())
	}
	t.mu.Unlock()
	t.wg.Wait()
	return err
}

// stream is one peer's raft.StreamLayer.
type stream struct {
	t     *transport
	peer  crypto.NodeID
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	unanswered atomic.Int64 // bytes of the peer's requests

	mu       sync.Mutex
	live     map[net.Conn]struct{} // guarded by mu
	incoming []net.Conn            // guarded by mu; those of live that the peer opened, the oldest first
}

// put hands over a connection that the peer opened. Its newest ones count: who opens without end ends only its own.
func (s *stream) put(conn net.Conn) {
	tracked := s.track(conn)
	s.mu.Lock()
	s.incoming = slices.DeleteFunc(s.incoming, func(c net.Conn) bool { _, alive := s.live[c]; return !alive })
	var old net.Conn
	if len(s.incoming) >= raftConns {
		old, s.incoming = s.incoming[0], s.incoming[1:]
	}
	s.incoming = append(s.incoming, conn)
	s.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
	select {
	case s.conns <- tracked:
	case <-s.done:
		_ = tracked.Close()
	case <-time.After(handshakeWait):
		_ = tracked.Close()
	}
}

func (s *stream) track(conn net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[conn] = struct{}{}
	return &trackedConn{Conn: conn, closed: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, conn)
	}}
}

func (s *stream) closeLive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.live {
		_ = conn.Close()
	}
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(_ raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if err := s.t.closedBy(); err != nil {
		return nil, err
	}
	address, ok := s.t.address(s.peer)
	if !ok {
		return nil, fmt.Errorf("%w: node %s is not in the roster", ErrPin, s.peer.Short())
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, dialWait))
	defer cancel()
	raw, err := s.t.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, clientConfig(s.t.own, raftProtocol, s.peer))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return s.track(&answered{Conn: conn}), nil
}

// Accept implements net.Listener.
func (s *stream) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *stream) Addr() net.Addr { return nodeAddr(s.t.self.String()) }

type nodeAddr string

func (a nodeAddr) Network() string { return "vigil" }
func (a nodeAddr) String() string  { return string(a) }
