package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"vigil/ledger"
)

// ErrBatch marks what Sink.Commit answers where a batch does not verify: the gateway that sent it lies or is damaged.
var ErrBatch = errors.New("peer: the batch does not verify")

// following is one gateway of a partner while it is followed.
type following struct {
	*Peer
	origin ledger.Origin
	from   peer.ID
	claim  claim // of this gateway, that it hands on what there is; of the goroutine that looks at it only
	// patience is how long after one question, whether the others have more, the second comes.
	patience time.Duration

	others atomic.Pointer[[]peer.AddrInfo] // the partner's other gateways, as the roster names them now
	last   atomic.Pointer[time.Time]       // when it brought something new
	busy   atomic.Bool                     // a batch comes or is committed
}

// receive takes what the gateway sends. Where the partner has others, a quiet one is left after a while, whatever else it says.
func (f *following) receive(ctx context.Context, s network.Stream) error {
	buffered := bufio.NewReaderSize(s, 64<<10)
	r := &paced{r: buffered, deadline: s.SetReadDeadline, grace: f.cfg.Silent}
	idle, thirds := rate.NewLimiter(idleEach, idleBurst), rate.NewLimiter(thirdEach, thirdBurst)
	for {
		if err := f.await(s, buffered); err != nil {
			return err
		}
		r.begin()
		kind, body, err := f.next(r, buffered)
		if err != nil {
			return fmt.Errorf("peer: read from gateway %s: %w", f.from, err)
		}
		f.note(f.origin, func(x *Status) { x.Gateway, x.Error = f.from.String(), "" })
		fresh, costs := false, idleFrame+len(body)
		switch kind {
		case frameThird:
			if thirds.Allow() {
				f.cfg.Sink.Third(f.origin, body)
			}
		case frameRefusal:
			return fmt.Errorf("peer: refused: %.200q", body)
		case frameBatch:
			if fresh, err = f.take(ctx, s, body); err != nil {
				return err
			}
			costs += idleBatch
		}
		if !fresh && !idle.AllowN(time.Now(), costs) {
			return fmt.Errorf("%w: gateway %s sends without end what says nothing new", ErrFrame, f.from)
		}
	}
}

// await waits for the next frame to begin.
func (f *following) await(s network.Stream, r *bufio.Reader) error {
	f.busy.Store(false)
	silent, quiet := time.Now().Add(f.cfg.Silent), f.last.Load().Add(f.cfg.Quiet)
	others := len(*f.others.Load()) > 0
	deadline := silent
	if others && quiet.Before(deadline) {
		deadline = quiet
	}
	if !time.Now().Before(deadline) {
		return errQuiet // however much of what is nothing new waits to be read
	}
	_ = s.SetReadDeadline(deadline)
	_, err := r.Peek(1)
	switch {
	case err != nil && others && !time.Now().Before(quiet):
		return errQuiet
	case err != nil && !time.Now().Before(silent):
		_ = s.Conn().Close() // else the next stream would be opened over it
		return errSilent
	}
	return nil
}

// brought notes that the gateway brings something new, now.
func (f *following) brought() {
	now := time.Now() // with a reading that setting the clock does not move
	f.last.Store(&now)
}

// next reads a frame; while it is a batch, nobody says that the gateway withholds.
func (f *following) next(r *paced, buffered *bufio.Reader) (kind byte, body []byte, err error) {
	if head, err := buffered.Peek(1); err == nil {
		f.busy.Store(head[0] == frameBatch)
	}
	return readFrameOf(r, mostFollowed)
}

// take takes a batch and answers it; fresh where it moved the mirror.
func (f *following) take(ctx context.Context, s network.Stream, body []byte) (fresh bool, err error) {
	before := f.cfg.Sink.Cursor(f.origin)
	line, next, err := f.takeBatch(ctx, body)
	if err != nil {
		return false, fmt.Errorf("peer: batch from gateway %s: %w", f.from, err)
	}
	if fresh = next > before; fresh {
		f.brought()
	}
	f.mu.Lock()
	delete(f.liars, f.from)
	f.mu.Unlock()
	return fresh, sendWithin(s, f.cfg.Silent, frameCosigned, []byte(line)) // who does not read answers is not waited for
}

// refused names a gateway that sent what no honest one sends.
func (p *Peer) refused(origin ledger.Origin, gateway peer.ID, why error) {
	p.mu.Lock()
	known := p.liars[gateway] || len(p.liars) >= maxLiars
	if !known {
		p.liars[gateway] = true
	}
	p.mu.Unlock()
	if !known && p.cfg.Refused != nil {
		p.cfg.Refused(origin, gateway, why)
	}
}

// takeBatch commits a batch through our own replicas and cosigns its checkpoint.
func (f *following) takeBatch(ctx context.Context, body []byte) (line string, next uint64, err error) {
	p, origin := f.Peer, f.origin
	b, err := ledger.DecodeMirrorBatch(body)
	if err != nil {
		return "", 0, errors.Join(ErrFrame, err)
	}
	if b.Origin != origin {
		return "", 0, fmt.Errorf("%w: a batch of another ledger", ErrFrame)
	}
	if f.keepsBack(b) {
		return "", 0, errStripped
	}
	ctx, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	next, err = p.cfg.Sink.Commit(ctx, b)
	if err != nil {
		return "", 0, err
	}
	p.note(origin, func(x *Status) { x.Known, x.Progress = max(x.Known, next), time.Now() })
	line, err = p.cfg.Sink.Cosign(ctx, b.Checkpoint)
	if err != nil {
		p.cfg.Log.Debug("a partner's checkpoint is not cosigned", "partner", origin, "error", err)
		return "", next, nil
	}
	return line, next, nil
}
