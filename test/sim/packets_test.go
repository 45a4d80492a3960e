package main

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/quic-go/quic-go"
	"go.uber.org/fx"
)

// packetConn is a host's UDP socket.
type packetConn struct {
	h    *host
	addr *net.UDPAddr

	mu       sync.Mutex
	queue    []packet      // guarded by mu, in the order of arrival
	deadline time.Time     // guarded by mu
	closed   bool          // guarded by mu
	wake     chan struct{} // guarded by mu
}

type packet struct {
	at   time.Time
	from net.Addr
	b    []byte
}

func (h *host) listenPackets(addr *net.UDPAddr) *packetConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.packets = &packetConn{h: h, addr: addr, wake: make(chan struct{})}
	return h.packets
}

func (c *packetConn) rouse() { // mu is held
	close(c.wake)
	c.wake = make(chan struct{})
}

// WriteTo implements net.PacketConn. What a cut way, bad luck or nobody takes is lost.
func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errNoHost
	}
	w := way{c.h.ip, udp.IP.String()}
	n := c.h.n
	n.mu.Lock()
	lost := n.cuts[w] > 0 || n.rng.Float64() < n.loss[w]
	n.mu.Unlock()
	if lost {
		return len(b), nil
	}
	h := n.host(w.to)
	h.mu.Lock()
	peer := h.packets
	h.mu.Unlock()
	if peer != nil {
		peer.arrive(packet{at: time.Now().Add(n.delay(w)), from: c.addr, b: append([]byte{}, b...)})
	}
	return len(b), nil
}

func (c *packetConn) arrive(p packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.queue) >= maxPackets {
		return
	}
	i := len(c.queue)
	for i > 0 && c.queue[i-1].at.After(p.at) {
		i--
	}
	c.queue = append(c.queue[:i], append([]packet{p}, c.queue[i:]...)...)
	c.rouse()
}

// ReadFrom implements net.PacketConn.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		c.mu.Lock()
		wake, wait := c.wake, time.Duration(-1)
		switch {
		case c.closed:
			c.mu.Unlock()
			return 0, nil, net.ErrClosed
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			c.mu.Unlock()
			return 0, nil, os.ErrDeadlineExceeded
		case len(c.queue) > 0:
			p := c.queue[0]
			if wait = time.Until(p.at); wait <= 0 {
				c.queue = c.queue[1:]
				c.mu.Unlock()
				return copy(b, p.b), p.from, nil
			}
		}
		if until := time.Until(c.deadline); !c.deadline.IsZero() && (wait < 0 || until < wait) {
			wait = until
		}
		c.mu.Unlock()
		if wait < 0 {
			<-wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Close implements net.PacketConn.
func (c *packetConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed, c.queue = true, nil
	c.rouse()
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *packetConn) LocalAddr() net.Addr { return c.addr }

// SetDeadline implements net.PacketConn.
func (c *packetConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if !c.closed {
		c.rouse()
	}
	return nil
}

// SetWriteDeadline implements net.PacketConn.
func (c *packetConn) SetWriteDeadline(time.Time) error { return nil }

// source says which address packets leave from.
type source struct{ ip net.IP }

// PreferredSourceIPForDestination implements quicreuse.SourceIPSelector.
func (s source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) { return s.ip, nil }

// quicOver makes libp2p's QUIC speak over the simulated network.
func quicOver(h *host) libp2p.Option {
	ip := net.ParseIP(h.ip)
	return libp2p.QUICReuse(
		func(l fx.Lifecycle, reset quic.StatelessResetKey, token quic.TokenGeneratorKey, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
			cm, err := quicreuse.NewConnManager(reset, token, opts...)
			if err == nil {
				l.Append(fx.StopHook(cm.Close))
			}
			return cm, err
		},
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return source{ip}, nil }),
		quicreuse.OverrideListenUDP(func(_ string, addr *net.UDPAddr) (net.PacketConn, error) {
			return h.listenPackets(&net.UDPAddr{IP: ip, Port: 1}), nil
		}),
	)
}
