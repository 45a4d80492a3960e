package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"vigil/ledger"
)

// Every message on a stream is a frame: one letter, a 4-byte big-endian length, a body. The receiver begins with one Q;
// the sender answers with B, T and K frames without end; for every B the receiver answers with one S.
//
//	Q  CBOR [version, origin that is followed, from]
//	B  CBOR mirror batch
//	K  nothing: the stream is alive
//	T  a signed checkpoint of another ledger, as the sender has verified it: so a split view is seen
//	S  a cosignature line over the batch's checkpoint, or nothing
//	A  in place of Q, CBOR [version, origin that is asked, 0]: how far is your ledger, and how far have you ours. The answer
//	   is at most two T, and the end
//	X  why the sender ends the stream, in words
const (
	frameRequest  = 'Q'
	frameBatch    = 'B'
	frameAlive    = 'K'
	frameThird    = 'T'
	frameCosigned = 'S'
	frameRefusal  = 'X'
	frameAsk      = 'A'
)

// ErrFrame says that the other side does not speak the protocol.
var ErrFrame = errors.New("peer: not a frame of the protocol")

type request struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Origin  ledger.Origin
	From    uint64
}

func writeFrame(w io.Writer, kind byte, body []byte) error {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)))
	_, err := w.Write(append(b, body...))
	return err
}

// readFrame reads one frame of at most so many bytes.
func readFrame(r io.Reader, most int) (kind byte, body []byte, err error) {
	return readFrameOf(r, func(byte) int { return most })
}

// readFrameOf reads one frame; most says how many bytes a kind may have, less than nothing where there is no such kind.
func readFrameOf(r io.Reader, most func(kind byte) int) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[1:]))
	if n > int64(most(head[0])) {
		return 0, nil, fmt.Errorf("%w: %q of %d bytes, at most %d", ErrFrame, head[0], n, most(head[0]))
	}
	body, err = readBody(r, int(n))
	return head[0], body, err
}

// readBody makes room as the bytes come: what is promised and does not come costs nothing.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, 0, min(n, frameStep))
	for len(body) < n {
		if len(body) == cap(body) {
			body = slices.Grow(body, min(n-len(body), len(body)))
		}
		more, err := io.ReadFull(r, body[len(body):min(cap(body), n)])
		body = body[:len(body)+more]
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

// mostFollowed bounds what a gateway that is followed may send.
func mostFollowed(kind byte) int {
	switch kind {
	case frameBatch:
		return maxFrameBytes
	case frameThird:
		return ledger.MaxCheckpointBytes
	case frameRefusal:
		return maxWordsBytes
	case frameAlive:
		return 0
	}
	return -1
}

// paced reads a stream on which a frame must keep coming: who trickles is not waited for.
type paced struct {
	r        io.Reader
	deadline func(time.Time) error
	grace    time.Duration // before anything of a frame is due
	began    time.Time
	read     int
}

// begin is called before each frame.
func (p *paced) begin() { p.began, p.read = time.Now(), 0 }

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	_ = p.deadline(p.began.Add(p.grace + time.Duration(p.read)*time.Second/leastSpeed)) // a stream that is gone says so when it is read
	n, err := p.r.Read(b)
	p.read += n
	return n, err
}
