package match

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// # Saved form
//
// 8 bytes magic and version, 16 random bytes, then frames: 4 bytes big-endian length, and that many sealed with
// AES-256-GCM: 12 bytes random nonce, ciphertext, 16 bytes tag. The key is HKDF-SHA256 over the caller's, salted with the
// random bytes. The associated data is the first 24 bytes of the file, the 8-byte number of the frame and a byte that is 1
// for the last: no frame stands for another, none can be left out, and nothing stands after the last. A frame holds 1
// byte to 1 MiB of what saved.go describes; only the last may be empty.

const (
	savedMagic  = "vigil m\x01"
	saltBytes   = 16
	headBytes   = len(savedMagic) + saltBytes
	frameBytes  = 1 << 20
	sealedExtra = 12 + 16
)

func newAEAD(key [32]byte, salt []byte) (cipher.AEAD, error) {
	sub, err := hkdf.Key(sha256.New, key[:], salt, "vigil match index at rest v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func associated(head []byte, number uint64, last bool) []byte {
	ad := binary.BigEndian.AppendUint64(append([]byte(nil), head...), number)
	if last {
		return append(ad, 1)
	}
	return append(ad, 0)
}

// sealWriter seals what is written to it. Close writes the last frame, and does not close what is below.
type sealWriter struct {
	to     io.Writer
	aead   cipher.AEAD
	head   []byte
	number uint64
	plain  []byte
}

func newSealWriter(to io.Writer, key [32]byte) (*sealWriter, error) {
	head := append([]byte(savedMagic), make([]byte, saltBytes)...)
	salt := head[len(savedMagic):]
	_, _ = rand.Read(salt) // it never fails
	aead, err := newAEAD(key, salt)
	if err != nil {
		return nil, fmt.Errorf("match: save: %w", err)
	}
	if _, err := to.Write(head); err != nil {
		return nil, fmt.Errorf("match: save: %w", err)
	}
	return &sealWriter{to: to, aead: aead, head: head, plain: make([]byte, 0, frameBytes)}, nil
}

func (s *sealWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if len(s.plain) == frameBytes {
			if err := s.frame(false); err != nil {
				return 0, err
			}
		}
		k := min(len(b), frameBytes-len(s.plain))
		s.plain = append(s.plain, b[:k]...)
		b = b[k:]
	}
	return n, nil
}

func (s *sealWriter) Close() error { return s.frame(true) }

func (s *sealWriter) frame(last bool) error {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(s.plain)+sealedExtra), uint32(len(s.plain)+sealedExtra))
	out = s.aead.Seal(out, nil, s.plain, associated(s.head, s.number, last))
	s.number++
	s.plain = s.plain[:0]
	if _, err := s.to.Write(out); err != nil {
		return fmt.Errorf("match: save: %w", err)
	}
	return nil
}

// sealReader gives back what was sealed. It ends only after the last frame, with nothing behind it.
type sealReader struct {
	from   *bufio.Reader
	aead   cipher.AEAD
	head   []byte
	number uint64
	sealed []byte
	plain  []byte // not read yet
	ended  bool
}

func newSealReader(from io.Reader, key [32]byte) (*sealReader, error) {
	s := &sealReader{from: bufio.NewReaderSize(from, 64<<10), head: make([]byte, headBytes)}
	if _, err := io.ReadFull(s.from, s.head); err != nil {
		return nil, fmt.Errorf("%w: it is cut: %w", ErrSaved, err)
	}
	if string(s.head[:len(savedMagic)]) != savedMagic {
		return nil, fmt.Errorf("%w: it is of another version, or something else", ErrSaved)
	}
	aead, err := newAEAD(key, s.head[len(savedMagic):])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSaved, err)
	}
	s.aead = aead
	return s, nil
}

func (s *sealReader) Read(b []byte) (int, error) {
	for len(s.plain) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if err := s.frame(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// frame opens the next frame. Which is the last its tag tells, and so does the end of the file.
func (s *sealReader) frame() error {
	var length [4]byte
	if _, err := io.ReadFull(s.from, length[:]); err != nil {
		return fmt.Errorf("%w: it is cut: %w", ErrSaved, noEOF(err))
	}
	n := int(binary.BigEndian.Uint32(length[:]))
	if n < sealedExtra || n > frameBytes+sealedExtra {
		return fmt.Errorf("%w: frame %d of %d bytes", ErrSaved, s.number, n)
	}
	if cap(s.sealed) < n {
		s.sealed = make([]byte, frameBytes+sealedExtra)
	}
	if _, err := io.ReadFull(s.from, s.sealed[:n]); err != nil {
		return fmt.Errorf("%w: it is cut: %w", ErrSaved, noEOF(err))
	}
	_, err := s.from.Peek(1)
	s.ended = err == io.EOF
	if err != nil && !s.ended {
		return fmt.Errorf("%w: %w", ErrSaved, err)
	}
	plain, err := s.aead.Open(nil, nil, s.sealed[:n], associated(s.head, s.number, s.ended))
	if err != nil || len(plain) == 0 && !s.ended {
		return fmt.Errorf("%w: frame %d is not what was written, or the key is another", ErrSaved, s.number)
	}
	s.number++
	s.plain = plain
	return nil
}

// noEOF makes an end in the middle an error that no reader takes for the end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
