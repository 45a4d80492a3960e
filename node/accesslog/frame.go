package accesslog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// LogID names one log for good: 16 random bytes drawn when it was made. A node whose log was lost or set aside has a
// new one.
type LogID [16]byte

// String returns 32 lower-case hex digits.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// preface is the first 32 bytes of a file, and the beginning of the associated data of all that is sealed in it.
type preface [32]byte

const (
	magic         = "vigil a"
	letterHead    = 'h'
	letterMarks   = 'm'
	letterRecords = 'r'

	sealOverhead = 12 + 16
	lengthBytes  = 4
)

func newPreface(letter byte, id LogID, first uint64) (p preface) {
	copy(p[:], magic)
	p[len(magic)] = letter
	copy(p[8:], id[:])
	binary.BigEndian.PutUint64(p[24:], first)
	return p
}

func (p preface) id() LogID { return LogID(p[8:24]) }

// errFrame says that bytes are not a whole, authentic frame.
var errFrame = errors.New("accesslog: frame")

// sealer seals for one log. It is safe for concurrent use.
type sealer struct{ aead cipher.AEAD }

func newSealer(key [32]byte, id LogID) (sealer, error) {
	sub, err := hkdf.Key(sha256.New, key[:], id[:], "vigil access log at rest v1", 32)
	if err != nil {
		return sealer{}, fmt.Errorf("accesslog: derive a key: %w", err)
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return sealer{}, fmt.Errorf("accesslog: cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealer{}, fmt.Errorf("accesslog: cipher: %w", err)
	}
	return sealer{aead}, nil
}

func associated(p preface, number uint64) []byte {
	return binary.BigEndian.AppendUint64(p[:], number)
}

func (s sealer) seal(to []byte, p preface, number uint64, plain []byte) []byte {
	return s.aead.Seal(to, nil, plain, associated(p, number))
}

func (s sealer) open(p preface, number uint64, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, associated(p, number))
	if err != nil {
		return nil, errFrame
	}
	return plain, nil
}

func (s sealer) appendFrame(to []byte, p preface, number uint64, plain []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(plain)+sealOverhead))
	return s.seal(to, p, number, plain)
}

// splitFrame takes the first frame off b.
func splitFrame(b []byte) (sealed, rest []byte, err error) {
	if len(b) < lengthBytes {
		return nil, nil, errFrame
	}
	n, b := int(binary.BigEndian.Uint32(b)), b[lengthBytes:]
	if n < sealOverhead || n > maxFrameBytes || n > len(b) {
		return nil, nil, errFrame
	}
	return b[:n], b[n:], nil
}

// frames walks the frames of a file from its preface on, numbered from first, and stops at the end, at the first that
// is not whole and authentic (errFrame), or where take says so. It returns how many bytes hold good frames.
func (s sealer) frames(file []byte, p preface, first uint64, take func(number uint64, plain []byte) error) (good int64, err error) {
	if len(file) == 0 {
		return 0, nil
	}
	if len(file) < len(p) || preface(file[:len(p)]) != p {
		return 0, errFrame
	}
	rest := file[len(p):]
	for number := first; len(rest) > 0; number++ {
		good = int64(len(file) - len(rest))
		sealed, after, err := splitFrame(rest)
		if err != nil {
			return good, err
		}
		plain, err := s.open(p, number, sealed)
		if err != nil {
			return good, err
		}
		if err := take(number, plain); err != nil {
			return good, err
		}
		rest = after
	}
	return int64(len(file)), nil
}
