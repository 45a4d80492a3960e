package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// network connects the hosts of a simulation: streams as TCP makes them and packets as UDP does, each direction between two
// hosts on its own. What is written to a stream while its way is cut is kept and comes some time after the way is free
// again, as if sent anew; packets are lost. Nothing here blocks but on channels and timers that a bubble knows.
type network struct {
	rng *rand.Rand // guarded by mu

	mu      sync.Mutex
	hosts   map[string]*host
	cuts    map[way]int           // guarded by mu; how many faults cut it
	since   map[way]time.Time     // guarded by mu; when a way that is cut was
	delays  map[way]time.Duration // guarded by mu; beside the usual
	loss    map[way]float64       // guarded by mu; of packets
	pipes   map[*pipe]struct{}    // guarded by mu
	changed chan struct{}         // guarded by mu; closed and replaced when ways or hosts change
}

// way is one direction between two hosts.
type way struct{ from, to string }

const (
	usualDelay = 2 * time.Millisecond // one way
	resendMost = 10 * time.Second     // after a cut, until what was kept is sent again
	maxPackets = 4096                 // that wait at one host; more are lost
)

func newNetwork(seed uint64) *network {
	return &network{
		rng: rand.New(rand.NewPCG(seed, 1)), hosts: map[string]*host{}, cuts: map[way]int{}, since: map[way]time.Time{}, delays: map[way]time.Duration{},
		loss: map[way]float64{}, pipes: map[*pipe]struct{}{}, changed: make(chan struct{}),
	}
}

// host returns the host of an address, which is made when it is asked for.
func (n *network) host(ip string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[ip] == nil {
		n.hosts[ip] = &host{n: n, ip: ip, conns: map[*conn]struct{}{}}
	}
	return n.hosts[ip]
}

// wake is called with mu held.
func (n *network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// cut makes a way carry nothing until it is healed as often as it was cut.
func (n *network) cut(w way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[w]++; n.cuts[w] == 1 {
		n.since[w] = time.Now()
	}
}

func (n *network) heal(w way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[w]--; n.cuts[w] > 0 {
		return
	}
	delete(n.cuts, w)
	again := time.Duration(n.rng.Int64N(int64(min(time.Since(n.since[w]), resendMost)) + 1))
	for p := range n.pipes {
		if p.way == w {
			p.resend(again)
		}
	}
	n.wake()
}

// slow adds to what a way takes; none takes it away again.
func (n *network) slow(w way, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delays[w] = d
}

// lose makes a way lose a share of packets.
func (n *network) lose(w way, share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss[w] = share
}

func (n *network) open(w way) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[w] == 0
}

func (n *network) delay(w way) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return usualDelay + n.delays[w]
}

// host is one machine. Its process may be dead: then streams to it are refused.
type host struct {
	n  *network
	ip string

	mu       sync.Mutex
	idle     time.Duration      // guarded by mu; before it dials
	listener *simListener       // guarded by mu; nil while the process is dead
	packets  *packetConn        // guarded by mu
	conns    map[*conn]struct{} // guarded by mu
}

// crash ends every stream of the host at once: the other sides learn it as their way from here allows.
func (h *host) crash() {
	h.mu.Lock()
	listener, packets := h.listener, h.packets
	var conns []*conn
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.listener, h.packets, h.conns = nil, nil, map[*conn]struct{}{}
	h.mu.Unlock()
	if listener != nil {
		_ = listener.Close()
	}
	if packets != nil {
		_ = packets.Close()
	}
	for _, c := range conns {
		c.reset()
	}
}

// drop resets every stream of the host, whose process lives on and waits before it dials again.
func (h *host) drop(idle time.Duration) {
	h.mu.Lock()
	h.idle = idle
	var conns []*conn
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		c.reset()
	}
}

// up says whether a process listens.
func (h *host) up() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.listener != nil
}

func (h *host) listen() net.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listener = &simListener{h: h, conns: make(chan net.Conn, 1024), done: make(chan struct{})}
	return h.listener
}

// dial connects to another host. It waits while the way there or back is cut.
func (h *host) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ip, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	idle := h.idle
	h.mu.Unlock()
	if idle > 0 {
		if err := pause(ctx, idle); err != nil {
			return nil, err
		}
	}
	there, back := way{h.ip, ip}, way{ip, h.ip}
	for waited := false; ; waited = true {
		h.n.mu.Lock()
		changed := h.n.changed
		h.n.mu.Unlock()
		if h.n.open(there) && h.n.open(back) {
			d := h.n.delay(there) + h.n.delay(back)
			if waited {
				d += time.Second // the next attempt
			}
			if err := pause(ctx, d); err != nil {
				return nil, err
			}
			return h.connect(ip)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("dial %s: %w", address, ctx.Err())
		case <-changed:
		}
	}
}

func (h *host) connect(ip string) (net.Conn, error) {
	to := h.n.host(ip)
	to.mu.Lock()
	l := to.listener
	to.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: %w", ip, syscall.ECONNREFUSED)
	}
	there, back := newPipe(h.n, way{h.ip, ip}), newPipe(h.n, way{ip, h.ip})
	ours, theirs := &conn{host: h, to: to, in: back, out: there}, &conn{host: to, to: h, in: there, out: back}
	ours.keep()
	theirs.keep()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
	default:
	}
	_ = theirs.Close()
	_ = ours.Close()
	return nil, fmt.Errorf("dial %s: %w", ip, syscall.ECONNREFUSED)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

type simListener struct {
	h     *host
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Accept implements net.Listener.
func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *simListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.h.mu.Lock()
		if l.h.listener == l {
			l.h.listener = nil
		}
		l.h.mu.Unlock()
		for {
			select {
			case c := <-l.conns:
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *simListener) Addr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(l.h.ip), Port: 1} }

// pipe is one direction of a stream.
type pipe struct {
	n   *network
	way way

	mu    sync.Mutex
	queue []chunk       // guarded by mu
	last  time.Time     // guarded by mu; when the last of it arrives
	end   error         // guarded by mu; io.EOF or a reset, behind what is queued
	deaf  bool          // guarded by mu; nobody reads any more: who writes learns it once both ways are free
	wake  chan struct{} // guarded by mu
}

type chunk struct {
	at time.Time
	b  []byte
}

func newPipe(n *network, w way) *pipe {
	p := &pipe{n: n, way: w, wake: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pipes[p] = struct{}{}
	return p
}

func (p *pipe) rouse() { // mu is held
	close(p.wake)
	p.wake = make(chan struct{})
}

// resend delays what was written while the way was cut; the network's mu is held.
func (p *pipe) resend(again time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now().Add(again)
	for i := range p.queue {
		if p.queue[i].at.Before(at) {
			p.queue[i].at = at
		}
	}
	if p.last.Before(at) && len(p.queue) > 0 {
		p.last = at
	}
	p.rouse()
}

func (p *pipe) write(b []byte) (int, error) {
	delay, known := p.n.delay(p.way), p.n.open(p.way) && p.n.open(way{p.way.to, p.way.from})
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.end != nil:
		return 0, net.ErrClosed
	case p.deaf && known:
		return 0, syscall.ECONNRESET
	case p.deaf:
		return len(b), nil
	}
	at := time.Now().Add(delay)
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	p.queue = append(p.queue, chunk{at, append([]byte{}, b...)})
	p.rouse()
	return len(b), nil
}

// finish ends the direction: io.EOF lets what is queued arrive, a reset does not.
func (p *pipe) finish(end error) {
	p.mu.Lock()
	if p.end == nil {
		p.end = end
	}
	if end != io.EOF {
		p.end, p.queue = end, nil
	}
	p.rouse()
	p.mu.Unlock()
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	delete(p.n.pipes, p)
}

// take returns what has arrived, or how long to wait: at most until wake is closed.
func (p *pipe) take(b []byte) (n int, wait time.Duration, wake <-chan struct{}, err error) {
	open := p.n.open(p.way)
	p.mu.Lock()
	defer p.mu.Unlock()
	wake = p.wake
	if !open {
		return 0, -1, wake, nil
	}
	if len(p.queue) == 0 {
		return 0, -1, wake, p.end
	}
	if wait := time.Until(p.queue[0].at); wait > 0 {
		return 0, wait, wake, nil
	}
	n = copy(b, p.queue[0].b)
	if p.queue[0].b = p.queue[0].b[n:]; len(p.queue[0].b) == 0 {
		p.queue = p.queue[1:]
	}
	return n, 0, wake, nil
}

// conn is one end of a stream.
type conn struct {
	host, to *host
	in, out  *pipe

	mu       sync.Mutex
	closed   bool          // guarded by mu
	deadline time.Time     // guarded by mu; of reads: a write never waits
	moved    chan struct{} // guarded by mu; closed when one of these changes
}

func (c *conn) keep() {
	c.moved = make(chan struct{})
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.host.conns[c] = struct{}{}
}

func (c *conn) state() (closed bool, deadline time.Time, moved <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed, c.deadline, c.moved
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	for {
		closed, deadline, moved := c.state()
		switch {
		case closed:
			return 0, net.ErrClosed
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return 0, os.ErrDeadlineExceeded
		}
		c.in.n.mu.Lock()
		changed := c.in.n.changed
		c.in.n.mu.Unlock()
		n, wait, wake, err := c.in.take(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if until := time.Until(deadline); !deadline.IsZero() && (wait < 0 || until < wait) {
			wait = until
		}
		var timer *time.Timer
		var tick <-chan time.Time
		if wait >= 0 {
			timer = time.NewTimer(wait)
			tick = timer.C
		}
		select {
		case <-wake:
		case <-moved:
		case <-changed:
		case <-tick:
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if closed, _, _ := c.state(); closed {
		return 0, net.ErrClosed
	}
	return c.out.write(b)
}

func (c *conn) shut(end error) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	close(c.moved)
	c.moved = make(chan struct{})
	c.mu.Unlock()
	c.host.mu.Lock()
	delete(c.host.conns, c)
	c.host.mu.Unlock()
	c.out.finish(end)
	c.in.mu.Lock()
	c.in.deaf, c.in.queue = true, nil
	c.in.mu.Unlock()
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error { return c.shut(io.EOF) }

func (c *conn) reset() { _ = c.shut(syscall.ECONNRESET) }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.host.ip), Port: 1} }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.to.ip), Port: 1} }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if !c.closed {
		close(c.moved)
		c.moved = make(chan struct{})
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

var errNoHost = errors.New("sim: no such host")
