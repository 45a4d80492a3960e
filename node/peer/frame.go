package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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

func readFrame(r io.Reader, most int) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if int64(n) > int64(most) {
		return 0, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, n, most)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}
