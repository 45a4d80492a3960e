package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/ledger"
)

func TestReleasedEntriesCrossTheBorder(t *testing.T) {
	for name, listen := range map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, listen)
			a.link(t, b)
			b.link(t, a)
			a.write(3)
			until(t, "the partner has it", func() bool { return b.has(a) })
			b.write(2)
			until(t, "and the other way", func() bool { return a.has(b) })
			until(t, "their cosignature came back", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return len(a.lines) > 0 && strings.HasPrefix(a.lines[0], "— uk/a0 ")
			})

			a.set(nil) // no partner any more: the live connection is cut
			until(t, "the connection is cut", func() bool { return len(a.peer.host.Network().Peers()) == 0 })
			a.write(1000)
			if b.has(a) {
				t.Fatal("an unlinked partner still gets entries")
			}
			a.link(t, b)
			until(t, "healed, a thousand entries later", func() bool { return b.has(a) })
		})
	}
}

func TestAStrangerIsNotServed(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	b.link(t, a) // a does not know b
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	info := gatewayOf(t, a, a.j.Members[0].Node).Gateways[0]
	err := b.peer.host.Connect(ctx, info)
	if err == nil { // the refusal may come with the first stream
		var s network.Stream
		if s, err = b.peer.host.NewStream(ctx, info.ID, protocolID); err == nil {
			err = send(s, frameRequest, ledger.Marshal(request{Version: 1, Origin: a.own}))
			if err == nil {
				_, _, err = readFrame(s, maxFrameBytes)
			}
		}
	}
	if err == nil {
		t.Fatal("a stranger was served")
	}
}

func TestOnlyTheRostersAddressesAreDialled(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	link, err := net.Listen("tcp", "127.0.0.1:0") // what the roster names: it leads nowhere
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Close(); err != nil {
		t.Fatal(err)
	}
	key := a.j.Members[0].Node
	elsewhere, err := Gateway(key.Public(), []string{"/ip4/127.0.0.1/tcp/" + strconv.Itoa(link.Addr().(*net.TCPAddr).Port)})
	if err != nil {
		t.Fatal(err)
	}
	known := gatewayOf(t, b, b.j.Members[0].Node)
	known.Gateways[0].Addrs = nil // a lets b in and does not dial it
	a.set([]Partner{known})
	b.link(t, a)
	a.write(3)
	until(t, "it follows", func() bool { return b.has(a) })
	if learned := b.peer.host.Peerstore().Addrs(elsewhere.ID); len(learned) > 1 {
		t.Errorf("it knows %v", learned)
	}
	b.peer.host.Peerstore().AddAddrs(elsewhere.ID, gatewayOf(t, a, key).Gateways[0].Addrs, time.Hour) // as a peer could tell it
	b.set([]Partner{{Origin: a.own, Gateways: []libp2p.AddrInfo{elsewhere}}})
	if err := b.peer.host.Network().ClosePeer(elsewhere.ID); err != nil {
		t.Fatal(err)
	}
	a.write(3)
	until(t, "it tries what the roster names", func() bool { return strings.Contains(b.peer.Status(a.own).Error, "peer: connect: ") || b.has(a) })
	if b.has(a) {
		t.Error("it dialled an address that is not in the roster")
	}
}

func TestALyingGatewayIsNamedAndChangesNothing(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.lie = true
	before := b.Cursor(a.own)
	a.write(2)
	a.link(t, b)
	b.link(t, a)
	until(t, "the lie is noticed", func() bool { return b.peer.Status(a.own).Refused > 0 })
	if b.Cursor(a.own) != before {
		t.Fatal("a forged batch moved the mirror")
	}
	until(t, "the gateway is named", func() bool {
		return strings.Contains(b.peer.Status(a.own).Error, a.peer.host.ID().String())
	})
	a.mu.Lock()
	a.lie = false
	a.mu.Unlock()
	until(t, "the truth is taken", func() bool { return b.has(a) })
}

func TestAGatewayStandsByWhileAnotherFollows(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.link(t, b)
	b.link(t, a)
	a.write(3)
	until(t, "it follows", func() bool { return b.has(a) && len(b.peer.Follows()) == 1 })
	b.taken.Store(true) // a gateway of lower rank is back
	until(t, "it stands by", func() bool { return len(b.peer.Follows()) == 0 })
	a.write(3)
	if b.has(a) {
		t.Fatal("it followed beside the other")
	}
	b.taken.Store(false)
	until(t, "it takes over", func() bool { return b.has(a) })
}

// TestAClaimToFollowIsJudgedByTheMirror: a gateway of ours says that it follows and does nothing. While the partner has
// nothing new it is believed; once the mirror does not move though there is more, another follows and names it.
func TestAClaimToFollowIsJudgedByTheMirror(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	b.taken.Store(true)
	a.link(t, b)
	b.link(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	until(t, "nothing is missing", func() bool { return b.has(a) && len(b.peer.Remembered(ctx)) == 1 })
	if by := b.idle.Load(); by != nil {
		t.Fatalf("%v was named while there was nothing to do", by)
	}
	if got := b.peer.Follows(); len(got) > 0 {
		t.Fatalf("it follows %v beside the other", got)
	}
	a.write(3)
	until(t, "another follows after all", func() bool { return b.has(a) })
	if by := b.idle.Load(); by != "another" {
		t.Errorf("named: %v", by)
	}
	a.write(3)
	until(t, "and goes on", func() bool { return b.has(a) })
}

// TestAPartnerSaysWhatItHasOfUs: the newest of our checkpoints that it mirrors, and nothing to whom it does not know.
func TestAPartnerSaysWhatItHasOfUs(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.link(t, b)
	b.link(t, a)
	a.write(2)
	until(t, "it is mirrored", func() bool { return b.has(a) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := a.peer.Remembered(ctx)[b.own]
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if cp, _, err := ledger.ParseSigned(got[0]); err != nil || cp.Origin != a.own || cp.Size != a.j.State.Size() {
		t.Errorf("%+v %v", cp, err)
	}
	b.set(nil) // nobody's partner any more
	if got := a.peer.Remembered(ctx); len(got) > 0 {
		t.Errorf("a stranger was told: %v", got)
	}
}

func TestAWrongClockIsNamed(t *testing.T) {
	wrong := errors.New("failed to negotiate security protocol: tls: certificate verification failed: x509: certificate has expired or is not yet valid: current time 2026-11-26T02:09:32Z is before 2026-11-26T03:09:27Z")
	if err := dialError(wrong); !errors.Is(err, ErrClock) || !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	if err := dialError(io.EOF); errors.Is(err, ErrClock) || !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// TestASilentGatewayIsLeft: one that was removed, or lies, keeps its stream and sends nothing; the partner's next is asked.
func TestASilentGatewayIsLeft(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	silent := &side{t: t, mu: a.mu, j: a.j, own: a.own, partner: a.partner, changed: make(chan struct{}), silent: true}
	start(t, silent, "/ip4/127.0.0.1/tcp/0", a.j.Members[1].Node)
	a.link(t, b)
	silent.link(t, b)
	first, second := gatewayOf(t, silent, a.j.Members[1].Node), gatewayOf(t, a, a.j.Members[0].Node)
	b.set([]Partner{{Origin: a.own, Gateways: append(first.Gateways, second.Gateways...)}})
	a.write(3)
	until(t, "the other gateway is asked", func() bool { return b.has(a) })
}

// TestADeadConnectionIsGivenUp: a machine that lost its power says nothing, not even that it is gone; it is dialled anew.
func TestADeadConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t, listen)
			a.link(t, b)
			b.link(t, a)
			until(t, "both follow", func() bool { return a.has(b) && b.has(a) })
			var mu sync.Mutex
			connections := map[string]bool{}
			a.peer.host.SetStreamHandler(protocolID, func(s network.Stream) { // as a dead one: it takes, and never answers
				mu.Lock()
				defer mu.Unlock()
				connections[s.Conn().ID()] = true
			})
			for _, c := range a.peer.host.Network().Conns() {
				_ = c.Close()
			}
			until(t, "it is dialled anew", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(connections) > 2
			})
		})
	}
}

func TestFramesAreBounded(t *testing.T) {
	if _, _, err := readFrame(strings.NewReader("B\xff\xff\xff\xff"), maxFrameBytes); !errors.Is(err, ErrFrame) {
		t.Fatalf("4 GiB: %v", err)
	}
	if _, _, err := readFrame(strings.NewReader("B\x00\x00\x00\x05abc"), maxFrameBytes); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("cut off: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x02ab"))
	f.Add([]byte("B\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		kind, body, err := readFrame(bytes.NewReader(raw), 1<<16)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, kind, body); err != nil || !bytes.HasPrefix(raw, again.Bytes()) {
			t.Fatal("accepted in another framing")
		}
		var q request
		if ledger.Unmarshal(body, &q, maxRequestBytes) == nil && !bytes.Equal(ledger.Marshal(q), body) {
			t.Fatal("a request accepted in another encoding")
		}
	})
}
