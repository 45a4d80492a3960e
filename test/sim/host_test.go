package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

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
