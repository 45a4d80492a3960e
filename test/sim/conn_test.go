package main

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

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
