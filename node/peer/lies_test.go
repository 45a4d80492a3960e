package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
)

// lies are what a followed gateway sends in place of the truth, and by what it is named.
func lies() map[string]struct {
	lie func(x *theatre, b *ledger.MirrorBatch)
	why error
} {
	last := func(b *ledger.MirrorBatch) *ledger.MirrorItem { return &b.Items[len(b.Items)-1] }
	flip := func(raw []byte) []byte {
		out := slices.Clone(raw)
		out[len(out)-1] ^= 1
		return out
	}
	return map[string]struct {
		lie func(x *theatre, b *ledger.MirrorBatch)
		why error
	}{
		"a signature that is none, in a history that all members signed": {func(x *theatre, b *ledger.MirrorBatch) {
			last(b).Leaf = flip(last(b).Leaf)
			x.sign(b, x.in.j.Members...)
		}, ledger.ErrMirrorEntry},
		"an entry of another ledger": {func(x *theatre, b *ledger.MirrorBatch) {
			x.ke.mu.Lock()
			*last(b) = ledger.Full(x.ke.j.Entries[len(x.ke.j.Entries)-1])
			x.ke.mu.Unlock()
			x.sign(b, x.in.j.Members...)
		}, ledger.ErrMirrorEntry},
		"a payload that is not the signed one": {func(_ *theatre, b *ledger.MirrorBatch) { last(b).Payload = flip(last(b).Payload) }, ledger.ErrMirrorEntry},
		"good entries in another order":        {func(_ *theatre, b *ledger.MirrorBatch) { b.Items[0], b.Items[1] = b.Items[1], b.Items[0] }, ledger.ErrMirrorRoot},
		"a sequence twice":                     {func(_ *theatre, b *ledger.MirrorBatch) { b.Items[1] = b.Items[0] }, ledger.ErrMirrorRoot},
		"a sequence left out":                  {func(_ *theatre, b *ledger.MirrorBatch) { b.Items = slices.Delete(b.Items, 1, 2) }, ledger.ErrMirrorSize},
		"an entry withheld":                    {func(_ *theatre, b *ledger.MirrorBatch) { *last(b) = ledger.Bare(last(b).LeafHash()) }, ledger.ErrMirrorState},
		"another root, signed by one": {func(x *theatre, b *ledger.MirrorBatch) {
			*last(b) = ledger.Bare([32]byte{7})
			x.sign(b, x.in.j.Members[0])
		}, ledger.ErrMirrorQuorum},
		"another root, signed by all": {func(x *theatre, b *ledger.MirrorBatch) {
			*last(b) = ledger.Bare([32]byte{7})
			x.sign(b, x.in.j.Members...)
		}, ledger.ErrMirrorState},
		"garbage for cosignatures": {func(_ *theatre, b *ledger.MirrorBatch) {
			text, _, _ := bytes.Cut(b.Checkpoint, []byte("\n\n"))
			b.Checkpoint = append(slices.Clone(text), []byte("\n\n— in/a0 AAAA\n— in/a1 "+strings.Repeat("/", 400)+"\n")...)
		}, ledger.ErrCheckpoint},
		"a checkpoint that is none": {func(_ *theatre, b *ledger.MirrorBatch) { b.Checkpoint = []byte("none") }, ledger.ErrCheckpoint},
		"what comes later":          {func(_ *theatre, b *ledger.MirrorBatch) { b.From++ }, ErrBatch},
		"a batch of another ledger": {func(x *theatre, b *ledger.MirrorBatch) { b.Origin = x.ke.own }, ErrFrame},
		"a batch without items":     {func(_ *theatre, b *ledger.MirrorBatch) { b.Items = nil }, ErrFrame},
	}
}

var transports = map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"}

// TestALyingPartnersBatches: a gateway with valid keys sends what does not hold. Nothing of it is stored or cosigned, the gateway
// is named with the reason, the honest partner's entries go on arriving, and the truth is taken afterwards.
func TestALyingPartnersBatches(t *testing.T) {
	x := newTheatre(t)
	for name, listen := range transports {
		t.Run(name, func(t *testing.T) {
			x.open(t, listen)
			before, signed := x.uk.Cursor(x.in.own), 0
			for name, l := range lies() {
				b := x.batch()
				l.lie(x, b)
				answered := make(chan []byte, 1)
				x.watched(func() {
					x.lying(b, answered)
					until(t, name+": it is named", func() bool { return len(x.accused()) > 0 })
					x.goesOn(1)
				})
				for _, a := range x.accused() {
					if a.who != x.liar.ID() || !errors.Is(a.why, l.why) {
						t.Errorf("%s: %s is named for %v", name, a.who, a.why)
					}
				}
				if x.uk.Cursor(x.in.own) != before || len(answered) > 0 {
					t.Fatalf("%s: it is taken", name)
				}
				signed++
			}
			if signed != len(lies()) {
				t.Errorf("%d lies told", signed)
			}
			x.again(nil)
		})
	}
	x.open(t, transports["tcp"])
	x.lying(x.batch(), make(chan []byte, 1))
	until(t, "the truth is taken", func() bool { return x.uk.has(x.in) })
}

// lying has the liar send a batch to whoever follows, and starts what follows anew so that no pause is waited for.
func (x *theatre) lying(b *ledger.MirrorBatch, answered chan []byte) {
	x.again(func(a *attack) {
		if a.frame(frameBatch, b.Encode()) != nil {
			return
		}
		if kind, line, err := readFrame(a.s, maxLineBytes); err == nil && kind == frameCosigned && len(line) > 0 {
			answered <- line
		}
	})
}

// again has the liar behave in some way from here on; the honest side's pauses are forgotten, and whom it has named.
func (x *theatre) again(behave func(*attack)) {
	x.uk.set(x.partners()[1:])
	until(x.t, "the liar is left", func() bool { return len(x.uk.peer.host.Network().ConnsToPeer(x.liar.ID())) == 0 })
	x.uk.peer.mu.Lock()
	clear(x.uk.peer.liars)
	x.uk.peer.mu.Unlock()
	x.uk.mu.Lock()
	x.uk.accused = nil
	x.uk.mu.Unlock()
	x.mu.Lock()
	x.behave = behave
	x.mu.Unlock()
	x.uk.set(x.partners())
}

// TestALyingPartnersFrames: a followed gateway sends what is no message, promises what does not come, repeats itself without end,
// or trickles. It is left, named where an honest one could not have done it, and costs no more than limits.go says.
func TestALyingPartnersFrames(t *testing.T) {
	x := newTheatre(t)
	head := func(kind byte, n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{kind}, n) }
	write := func(raw []byte) func(*attack) {
		return func(a *attack) { _, _ = a.s.Write(raw) }
	}
	endless := func(kind byte, body []byte) func(*attack) {
		return func(a *attack) {
			for a.frame(kind, body) == nil {
			}
		}
	}
	old := x.batch()
	old.From = 0
	tests := map[string]struct {
		behave func(*attack)
		named  bool
	}{
		"4 GiB promised":                  {write(head(frameBatch, 1<<32-1)), true},
		"a frame a byte too long":         {write(head(frameBatch, maxFrameBytes+1)), true},
		"a checkpoint as long as a batch": {write(head(frameThird, maxFrameBytes)), true},
		"a keep-alive with a body":        {write(head(frameAlive, 1)), true},
		"a refusal without end":           {write(head(frameRefusal, maxFrameBytes)), true},
		"an unknown frame":                {write(head('Z', 0)), true},
		"no CBOR":                         {func(a *attack) { _ = a.frame(frameBatch, []byte("\xff\xff\xff")) }, true},
		"CBOR that promises 2^60 items":   {func(a *attack) { _ = a.frame(frameBatch, []byte("\x85\x61a\x00\x9b\x10\x00\x00\x00\x00\x00\x00\x00")) }, true},
		"CBOR a million arrays deep":      {func(a *attack) { _ = a.frame(frameBatch, bytes.Repeat([]byte{0x81}, 1<<20)) }, true},
		"a batch and a byte more":         {func(a *attack) { _ = a.frame(frameBatch, append(a.batch().Encode(), 0)) }, true},
		"keep-alives without end":         {endless(frameAlive, nil), true},
		"checkpoints without end":         {endless(frameThird, bytes.Repeat([]byte("x"), ledger.MaxCheckpointBytes)), true},
		"what is long known without end": {func(a *attack) {
			go func() { _, _ = io.Copy(io.Discard, a.s) }() // its answers
			endless(frameBatch, old.Encode())(a)
		}, true},
		"what is long known, and answers unread": {endless(frameBatch, old.Encode()), true},
		"the end in the middle of a frame": {func(a *attack) {
			_, _ = a.s.Write(append(head(frameBatch, maxFrameBytes), make([]byte, 1000)...))
			_ = a.s.Close()
		}, false},
		"a byte now and then": {func(a *attack) {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for _, b := range append(head(frameBatch, maxFrameBytes), make([]byte, maxFrameBytes)...) {
				if _, err := a.s.Write([]byte{b}); err != nil {
					return
				}
				<-tick.C
			}
		}, false},
		"nothing": {func(*attack) {}, false},
	}
	for name, listen := range transports {
		t.Run(name, func(t *testing.T) {
			x.open(t, listen)
			for name, tt := range tests {
				t.Logf("%s", name)
				before, left := x.uk.Cursor(x.in.own), make(chan struct{}, 64)
				x.watched(func() {
					x.again(func(a *attack) {
						tt.behave(a)
						_, _ = io.Copy(io.Discard, a.s) // returns once the honest side has left
						select {
						case left <- struct{}{}:
						default:
						}
					})
					until(t, name+": the liar is left", func() bool { return len(left) > 0 })
					x.goesOn(1)
				})
				if tt.named {
					until(t, name+": it is named", func() bool { return len(x.accused()) > 0 })
				}
				for _, a := range x.accused() {
					if a.who != x.liar.ID() || !errors.Is(a.why, ErrFrame) || !tt.named {
						t.Errorf("%s: %s is named for %v", name, a.who, a.why)
					}
				}
				if x.uk.Cursor(x.in.own) != before {
					t.Fatalf("%s: it is taken", name)
				}
			}
			if x.uk.thirds.Load() > 4*thirdBurst {
				t.Errorf("%d checkpoints were looked at", x.uk.thirds.Load())
			}
		})
	}
}

// TestAGatewayThatWithholdsIsRoutedRound: it says that it is alive and hands nothing on, while another of the partner's has more.
func TestAGatewayThatWithholdsIsRoutedRound(t *testing.T) {
	x := newTheatre(t)
	honest := &side{t: t, mu: x.in.mu, j: x.in.j, own: x.in.own, partner: x.uk.own, changed: make(chan struct{})}
	start(t, honest, transports["tcp"], x.in.j.Members[1].Node)
	x.uk.quiet = time.Hour
	x.open(t, transports["quic"])
	known := gatewayOf(t, x.uk, x.uk.j.Members[0].Node)
	known.Gateways[0].Addrs = nil
	honest.set([]Partner{known})
	followed := make(chan struct{}, 64)
	x.again(func(a *attack) {
		followed <- struct{}{}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for a.frame(frameAlive, nil) == nil {
			<-tick.C
		}
	})
	until(t, "it is followed", func() bool { return len(followed) > 0 }) // else it may be the honest one's turn
	both := x.partners()
	both[0].Gateways = append(both[0].Gateways, gatewayOf(t, honest, x.in.j.Members[1].Node).Gateways...)
	x.uk.set(both)
	until(t, "it is left", func() bool { return x.uk.has(x.in) })
	until(t, "it is named", func() bool { return len(x.accused()) > 0 })
	for _, named := range x.accused() {
		if named.who != x.liar.ID() || !errors.Is(named.why, errHeld) {
			t.Errorf("named: %v", named)
		}
	}
	honest.write(3)
	until(t, "and the other goes on", func() bool { return x.uk.has(x.in) })
}
