package network

import (
	"net"
	"net/netip"
	"sync"
)

// datagrams pass between a socket of ours and a gateway, for QUIC: each sender gets a socket of its own towards the
// gateway, so that answers find their way back. While the link is cut they are lost, as on a cut wire.
type datagrams struct {
	outer *net.UDPConn
	to    netip.AddrPort

	mu    sync.Mutex
	cut   bool                            // guarded by mu
	inner map[netip.AddrPort]*net.UDPConn // guarded by mu; by sender
}

const maxDatagram = 64 << 10

// NewDatagramLink makes a link that passes datagrams on to an address.
func NewDatagramLink(to string) (*Link, error) {
	address, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, err
	}
	outer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	d := &datagrams{outer: outer, to: address, inner: map[netip.AddrPort]*net.UDPConn{}}
	go d.forward()
	return &Link{d: d}, nil
}

// forward passes on what arrives until the link is closed.
func (d *datagrams) forward() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := d.outer.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if inner := d.towards(from); inner != nil {
			_, _ = inner.Write(b[:n]) // a datagram may be lost
		}
	}
}

func (d *datagrams) towards(from netip.AddrPort) *net.UDPConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return nil
	}
	if inner := d.inner[from]; inner != nil {
		return inner
	}
	inner, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(d.to))
	if err != nil {
		return nil
	}
	d.inner[from] = inner
	go d.back(inner, from)
	return inner
}

func (d *datagrams) back(inner *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, maxDatagram)
	for {
		n, err := inner.Read(b)
		if err != nil {
			if d.over(inner, to) {
				return
			}
			continue // the gateway is not there just now
		}
		d.mu.Lock()
		cut := d.cut
		d.mu.Unlock()
		if !cut {
			_, _ = d.outer.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

// over says whether a socket towards the gateway has been closed.
func (d *datagrams) over(inner *net.UDPConn, from netip.AddrPort) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inner[from] != inner
}

func (d *datagrams) setCut(cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = cut
}

func (d *datagrams) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.outer.Close()
	for from, inner := range d.inner {
		delete(d.inner, from)
		_ = inner.Close()
	}
}
