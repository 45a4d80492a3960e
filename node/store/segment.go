package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vigil/node/durable"
)

// Payloads are appended to segment files of at most 64 MiB; where one lies is in the bbolt file. A payload is checked
// against the hash in its signed record whenever it is read, so that a segment needs no checksum of its own. What lies
// behind the end that the bbolt file knows was never referenced and is cut off at the next start.
type segments struct {
	dir  string
	end  segmentEnd
	file *os.File // the last segment, open for appending
}

type segmentEnd struct {
	Number uint32
	Offset uint64
}

// place is where a payload lies: 4 bytes segment, 8 bytes offset, 4 bytes length.
type place struct {
	number uint32
	offset uint64
	length uint32
}

func (p place) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, p.number)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, p.offset), p.length)
}

func decodePlace(b []byte) (place, error) {
	if len(b) != 16 {
		return place{}, fmt.Errorf("%w: place of a payload", ErrDamaged)
	}
	return place{binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint32(b[12:])}, nil
}

func segmentPath(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("payload-%08d", number))
}

func openSegments(dir string, end segmentEnd) (*segments, error) {
	s := &segments{dir: dir, end: end}
	f, err := os.OpenFile(segmentPath(dir, end.Number), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	info, err := f.Stat()
	if err == nil && uint64(info.Size()) > end.Offset {
		err = f.Truncate(int64(end.Offset))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnusable, err), f.Close())
	}
	s.file = f
	return s, nil
}

// append writes a payload behind the end; sync makes it durable.
func (s *segments) append(payload []byte) (place, error) {
	if s.end.Offset+uint64(len(payload)) > segmentBytes && s.end.Offset > 0 {
		if err := s.roll(); err != nil {
			return place{}, err
		}
	}
	p := place{number: s.end.Number, offset: s.end.Offset, length: uint32(len(payload))}
	if _, err := s.file.WriteAt(payload, int64(p.offset)); err != nil {
		return place{}, err
	}
	s.end.Offset += uint64(len(payload))
	return p, nil
}

func (s *segments) roll() error {
	if err := s.sync(); err != nil {
		return err
	}
	if err := s.file.Close(); err != nil {
		return err
	}
	s.end = segmentEnd{Number: s.end.Number + 1}
	f, err := os.OpenFile(segmentPath(s.dir, s.end.Number), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	s.file = f
	return durable.SyncDir(s.dir)
}

func (s *segments) sync() error { return s.file.Sync() }

func (s *segments) read(p place) ([]byte, error) {
	f, err := os.Open(segmentPath(s.dir, p.number))
	if err != nil {
		return nil, fmt.Errorf("%w: segment %d: %w", ErrDamaged, p.number, err)
	}
	defer f.Close()
	b := make([]byte, p.length)
	if _, err := f.ReadAt(b, int64(p.offset)); err != nil {
		return nil, fmt.Errorf("%w: segment %d: %w", ErrDamaged, p.number, err)
	}
	return b, nil
}

func (s *segments) close() error { return s.file.Close() }
