package network

import (
	"io"
	"net"
	"sync"
)

// Link passes connections, or datagrams, on to a gateway until it is cut.
type Link struct {
	d *datagrams // nil for connections

	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool                  // guarded by mu
	conns map[net.Conn]struct{} // guarded by mu
}

// NewLink makes a link that passes connections on to an address.
func NewLink(to string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Link{l: l, to: to, conns: map[net.Conn]struct{}{}}
	go c.accept()
	return c, nil
}

func (c *Link) port() int {
	if c.d != nil {
		return c.d.outer.LocalAddr().(*net.UDPAddr).Port
	}
	return c.l.Addr().(*net.TCPAddr).Port
}

func (c *Link) accept() {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return
		}
		if !c.keep(conn) {
			_ = conn.Close()
			continue
		}
		go c.pass(conn)
	}
}

func (c *Link) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut {
		c.conns[conn] = struct{}{}
	}
	return !c.cut
}

func (c *Link) pass(in net.Conn) {
	defer c.drop(in)
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	if !c.keep(out) {
		_ = out.Close()
		return
	}
	defer c.drop(out)
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // the other direction ends with it
			done <- struct{}{}
		}()
	}
	<-done
}

func (c *Link) drop(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	_ = conn.Close()
}

// Cut cuts or heals the link.
func (c *Link) Cut(cut bool) {
	if c.d != nil {
		c.d.setCut(cut)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			_ = conn.Close()
		}
	}
}

// Close ends the link.
func (c *Link) Close() {
	if c.d != nil {
		c.d.close()
		return
	}
	c.Cut(true)
	_ = c.l.Close()
}

// Address is where the link listens.
func (c *Link) Address() string { return c.l.Addr().String() }
