package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"vigil/ledger"
)

// serve answers one stream: batches after the receiver's cursor as they become ready.
func (p *Peer) serve(ctx context.Context, s network.Stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	partner, ok := p.partnerOf(s.Conn().RemotePeer())
	if !ok {
		_ = s.Reset()
		return
	}
	leave, ok := p.admit(s.Conn().RemotePeer(), cancel)
	if !ok {
		_ = s.Reset()
		return
	}
	defer leave()
	err := p.push(ctx, cancel, s, partner)
	if err == nil {
		return // a question that was answered
	}
	if ctx.Err() == nil {
		p.logOf(s.Conn().RemotePeer())("a partner's stream ended", "partner", partner.Origin, "peer", s.Conn().RemotePeer(), "error", err)
		_ = s.Reset()
	}
}

func (p *Peer) push(ctx context.Context, cancel context.CancelFunc, s network.Stream, partner Partner) error {
	_ = s.SetReadDeadline(time.Now().Add(requestWait))
	r := bufio.NewReader(s)
	kind, body, err := readFrame(r, maxRequestBytes)
	var q request
	if err == nil {
		err = ledger.Unmarshal(body, &q, maxRequestBytes)
	}
	if err == nil && kind == frameAsk && q.Version == 1 && q.Origin == p.cfg.Own {
		return p.tell(s, partner)
	}
	if err != nil || kind != frameRequest || q.Version != 1 || !p.cfg.Source.Serves(q.Origin) {
		_ = send(s, frameRefusal, []byte("not a request for this ledger"))
		return fmt.Errorf("%w: request", ErrFrame)
	}
	_ = s.SetReadDeadline(time.Time{})

	pending := &sizes{}
	go p.takeLines(ctx, cancel, r, q.Origin, partner, s.Conn().RemotePeer(), pending)
	told := map[ledger.Origin]uint64{}
	for from := q.From; ; {
		if err := p.tellThirds(s, told); err != nil {
			return err
		}
		batch, err := p.next(ctx, s, q.Origin, partner, from, told)
		if err != nil {
			return err
		}
		cp, _, err := ledger.ParseSigned(batch.Checkpoint)
		if err != nil {
			return err
		}
		if !pending.push(cp.Size) {
			return fmt.Errorf("%w: batches are not answered", ErrFrame)
		}
		if err := send(s, frameBatch, batch.Encode()); err != nil {
			return err
		}
		from += uint64(len(batch.Items))
	}
}

// tellThirds passes on what this side has verified of other ledgers since it was told last.
func (p *Peer) tellThirds(s network.Stream, told map[ledger.Origin]uint64) error {
	for _, signed := range p.cfg.Source.Thirds() {
		cp, _, err := ledger.ParseSigned(signed)
		if err != nil || cp.Size <= told[cp.Origin] || cp.Origin == p.cfg.Own {
			continue
		}
		if err := send(s, frameThird, signed); err != nil {
			return err
		}
		told[cp.Origin] = cp.Size
	}
	return nil
}

// next waits for the next batch and says meanwhile that we are alive, however long the batch takes to be read.
func (p *Peer) next(ctx context.Context, s network.Stream, origin ledger.Origin, partner Partner, from uint64, told map[ledger.Origin]uint64) (*ledger.MirrorBatch, error) {
	ctx, cancel := context.WithCancel(ctx)
	var batch *ledger.MirrorBatch
	var err error
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		batch, err = p.cfg.Source.Next(ctx, origin, partner.Origin.Jurisdiction(), from)
	}()
	defer func() { cancel(); <-ready }()
	alive := time.NewTicker(p.cfg.Silent / alives)
	defer alive.Stop()
	for {
		select {
		case <-ready:
			return batch, err
		case <-alive.C:
			if err := errors.Join(send(s, frameAlive, nil), p.tellThirds(s, told)); err != nil {
				return nil, err
			}
		}
	}
}

func send(s network.Stream, kind byte, body []byte) error {
	return sendWithin(s, sendWait, kind, body)
}

func sendWithin(s network.Stream, d time.Duration, kind byte, body []byte) error {
	_ = s.SetWriteDeadline(time.Now().Add(d))
	return writeFrame(s, kind, body)
}

// sizes are the checkpoints sent whose cosignature has not come back, in order.
type sizes struct {
	mu   sync.Mutex
	list []uint64 // guarded by mu
}

// push says whether there is room: who takes batches and answers none is owed no memory.
func (s *sizes) push(n uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= maxUnanswered {
		return false
	}
	s.list = append(s.list, n)
	return true
}

func (s *sizes) pop() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return 0, false
	}
	n := s.list[0]
	s.list = s.list[1:]
	return n, true
}

// takeLines reads the receiver's cosignatures; the end of the stream ends the pushing too.
func (p *Peer) takeLines(ctx context.Context, cancel context.CancelFunc, r io.Reader, origin ledger.Origin, partner Partner, id peer.ID, pending *sizes) {
	defer cancel()
	for {
		kind, line, err := readFrame(r, maxLineBytes)
		if err != nil || kind != frameCosigned {
			return
		}
		size, ok := pending.pop()
		if !ok {
			return
		}
		if len(line) == 0 || origin != p.cfg.Own { // what is closed gets no more signatures
			continue
		}
		if err := p.cfg.Source.TakeCosignature(ctx, partner.Origin, size, string(line)); err != nil && ctx.Err() == nil {
			p.logOf(id)("a partner's cosignature is not taken", "partner", partner.Origin, "size", size, "error", err)
		}
	}
}
