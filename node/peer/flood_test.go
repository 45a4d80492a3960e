package peer

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"vigil/ledger"
)

// TestAFloodOfAPartner: a gateway with valid keys opens streams and connections without end, asks for everything again and again
// and takes nothing, says what is no request, and answers with what is no cosignature. Others are served, memory stays within its
// bound, and once the partner is cut it is not let in any more.
func TestAFloodOfAPartner(t *testing.T) {
	x := newTheatre(t)
	for name, listen := range transports {
		t.Run(name, func(t *testing.T) {
			x.open(t, listen)
			x.goesOn(1)
			for name, flood := range map[string]func(*testing.T, *theatre){
				"streams": floodOfStreams, "requests": floodOfRequests, "connections": floodOfConnections, "half-open connections": floodOfHalfOpen,
				"no requests": floodOfJunk, "answers": floodOfAnswers,
			} {
				t.Run(name, func(t *testing.T) {
					x.watched(func() {
						flood(t, x)
						x.goesOn(2)
					})
				})
			}
			x.uk.set(x.partners()[1:]) // the link is suspended
			until(t, "the liar is cut", func() bool { _, conns := x.held(); return conns == 0 })
			if s, err := x.raw(x.liar); err == nil {
				_ = send(s, frameRequest, ledger.Marshal(request{Version: 1, Origin: x.uk.own}))
				if _, _, err := readFrame(s, maxFrameBytes); err == nil {
					t.Error("who was cut is served")
				}
			}
			until(t, "nothing of it stays", func() bool {
				x.uk.peer.mu.Lock()
				defer x.uk.peer.mu.Unlock()
				_, conns := x.held()
				return conns == 0 && len(x.uk.peer.guests[x.liar.ID()].all()) == 0
			})
			x.goesOn(1)
		})
	}
}

func (g *guest) all() []*context.CancelFunc {
	if g == nil {
		return nil
	}
	return g.streams
}

// floodOfStreams opens streams and says nothing on them.
func floodOfStreams(t *testing.T, x *theatre) {
	opened := 0
	for range 500 {
		if s, err := x.raw(x.liar); err == nil {
			opened++
			_, _ = s.Write([]byte{frameRequest}) // libp2p opens lazily
		}
	}
	if opened == 0 {
		t.Error("no stream was opened")
	}
}

// floodOfRequests asks for everything on each stream and reads nothing.
func floodOfRequests(t *testing.T, x *theatre) {
	asked := 0
	for range 300 {
		if s, err := x.raw(x.liar); err == nil && send(s, frameRequest, ledger.Marshal(request{Version: 1, Origin: x.uk.own})) == nil {
			asked++
		}
	}
	if asked == 0 {
		t.Error("nothing was asked")
	}
}

// floodOfConnections opens as many as it can, each with the valid key.
func floodOfConnections(t *testing.T, x *theatre) {
	var hosts []host.Host
	for range 3 * maxConnections {
		h := liarsHost(t, x.in.j.Members[0].Node)
		hosts = append(hosts, h)
		_, _ = x.raw(h) // it is refused, or one more
	}
	if _, conns := x.held(); conns > maxConnections {
		t.Errorf("%d connections of one key", conns)
	}
	for _, h := range hosts {
		_ = h.Close()
	}
}

// floodOfHalfOpen opens TCP connections and never begins with TLS.
func floodOfHalfOpen(t *testing.T, x *theatre) {
	address := strings.Split(x.uk.peer.Addresses()[0], "/")
	if address[3] != "tcp" {
		return
	}
	for range 200 {
		c, err := net.Dial("tcp", net.JoinHostPort(address[2], address[4]))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
	}
}

// floodOfJunk says on each stream what is no request.
func floodOfJunk(_ *testing.T, x *theatre) {
	for i := range 100 {
		s, err := x.raw(x.liar)
		if err != nil {
			continue
		}
		raw := [][]byte{
			[]byte("Q\xff\xff\xff\xff"), []byte("Q\x00\x00\x00\x02\xff\xff"), []byte("GET / HTTP/1.1\r\n\r\n"),
			{frameBatch, 0, 0, 0, 0},
			append([]byte("Q\x00\x00\x00\x20"), ledger.Marshal(request{Version: 9, Origin: x.uk.own})...),
		}[i%5]
		_, _ = s.Write(raw)
		_ = s.CloseWrite()
	}
}

// floodOfAnswers takes what it asked for and answers with what is no cosignature, or where none is due.
func floodOfAnswers(t *testing.T, x *theatre) {
	x.uk.mu.Lock()
	before := len(x.uk.lines)
	x.uk.mu.Unlock()
	for range 10 {
		s, err := x.raw(x.liar)
		if err != nil || send(s, frameRequest, ledger.Marshal(request{Version: 1, Origin: x.uk.own})) != nil {
			continue
		}
		_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
		if kind, _, err := readFrame(s, maxFrameBytes); err != nil || kind != frameBatch {
			_ = s.Reset()
			continue
		}
		for range 100 { // one is due
			if send(s, frameCosigned, []byte("— in/a0 garbage")) != nil {
				break
			}
		}
		if _, err := io.Copy(io.Discard, s); err == nil {
			t.Error("who answers what is not due is served on")
		}
	}
	x.uk.mu.Lock()
	defer x.uk.mu.Unlock()
	if n := len(x.uk.lines) - before; n > 10 {
		t.Errorf("%d answers to 10 batches are looked at", n)
	}
}
