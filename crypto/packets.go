package crypto

import (
	"encoding/binary"
	"fmt"
)

// OpenPGP packet tags (RFC 9580 §5) that this package knows.
const (
	tagSessionKey    = 1
	tagSignature     = 2
	tagPassphraseKey = 3
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagLiteral       = 11
	tagPublicSubkey  = 14
	tagEncrypted     = 18
)

// rawPacket is one packet as it stands: its tag, its body, and all of its bytes.
type rawPacket struct {
	tag  byte
	body []byte
	all  []byte
}

// nextPacket reads the packet at the start of b: new format, definite length in its shortest form. Old format,
// partial lengths, padded lengths and cut packets are refused, so that a message has one framing only.
func nextPacket(b []byte) (p rawPacket, rest []byte, err error) {
	if len(b) < 2 || b[0]&0xC0 != 0xC0 {
		return p, nil, fmt.Errorf("%w: not a packet header", ErrMalformed)
	}
	length, header := 0, 0
	switch first := b[1]; {
	case first < 192:
		length, header = int(first), 2
	case first < 224 && len(b) >= 3:
		length, header = (int(first)-192)<<8+int(b[2])+192, 3
	case first == 255 && len(b) >= 6:
		n := binary.BigEndian.Uint32(b[2:6])
		if n < 8384 || n > MaxSealedBytes {
			return p, nil, fmt.Errorf("%w: packet length", ErrMalformed)
		}
		length, header = int(n), 6
	default:
		return p, nil, fmt.Errorf("%w: packet length", ErrMalformed)
	}
	if len(b)-header < length {
		return p, nil, fmt.Errorf("%w: packet cut off", ErrMalformed)
	}
	end := header + length
	return rawPacket{tag: b[0] & 0x3F, body: b[header:end], all: b[:end]}, b[end:], nil
}

// appendPacket writes a packet with a definite length in its shortest form.
func appendPacket(to []byte, tag byte, body []byte) []byte {
	to = append(to, 0xC0|tag)
	switch n := len(body); {
	case n < 192:
		to = append(to, byte(n))
	case n < 8384:
		to = append(to, byte((n-192)>>8+192), byte(n-192))
	default:
		to = append(to, 255)
		to = binary.BigEndian.AppendUint32(to, uint32(n))
	}
	return append(to, body...)
}

// splitPackets reads packets to the end of b and refuses more than most.
func splitPackets(b []byte, most int) ([]rawPacket, error) {
	var out []rawPacket
	for len(b) > 0 {
		if len(out) == most {
			return nil, fmt.Errorf("%w: more than %d packets", ErrMalformed, most)
		}
		p, rest, err := nextPacket(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, p), rest
	}
	return out, nil
}

// joinPartial takes the body out of what the library wrote: one packet of the tag, with partial lengths where it is
// long. It reads our own library's output only.
func joinPartial(b []byte, tag byte) ([]byte, error) {
	if len(b) < 2 || b[0] != 0xC0|tag {
		return nil, fmt.Errorf("%w: not packet %d", ErrMalformed, tag)
	}
	var body []byte
	for b = b[1:]; ; {
		n, header, partial, err := lengthOctets(b)
		if err != nil || len(b) < header+n {
			return nil, fmt.Errorf("%w: packet length", ErrMalformed)
		}
		body, b = append(body, b[header:header+n]...), b[header+n:]
		if !partial {
			break
		}
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: trailing bytes", ErrMalformed)
	}
	return body, nil
}

func lengthOctets(b []byte) (n, header int, partial bool, err error) {
	switch {
	case len(b) >= 1 && b[0] < 192:
		return int(b[0]), 1, false, nil
	case len(b) >= 2 && b[0] < 224:
		return (int(b[0])-192)<<8 + int(b[1]) + 192, 2, false, nil
	case len(b) >= 1 && b[0] < 255:
		return 1 << (b[0] & 0x1F), 1, true, nil
	case len(b) >= 5:
		return int(binary.BigEndian.Uint32(b[1:5])), 5, false, nil
	}
	return 0, 0, false, ErrMalformed
}
