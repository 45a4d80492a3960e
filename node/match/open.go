package match

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Open reads what Save wrote, and the cursor that it was saved with. Whatever is wrong is ErrSaved.
func Open(from io.Reader, key [32]byte) (*Index, []byte, error) {
	sealed, err := newSealReader(from, key)
	if err != nil {
		return nil, nil, err
	}
	x, cursor, err := read(bufio.NewReaderSize(sealed, frameBytes))
	if err != nil && !errors.Is(err, ErrSaved) {
		err = fmt.Errorf("%w: %w", ErrSaved, err)
	}
	return x, cursor, err
}

// OpenFile opens a saved file. That there is none is os.ErrNotExist.
func OpenFile(path string, key [32]byte) (*Index, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("match: open: %w", err)
	}
	defer f.Close()
	return Open(f, key)
}

// read decodes the saved form. What it accepts is written again as the same bytes.
func read(from io.Reader) (*Index, []byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, nil, noEOF(err)
	}
	cursor := make([]byte, binary.BigEndian.Uint16(head[1:]))
	if head[0] != savedVersion || len(cursor) > MaxCursorBytes {
		return nil, nil, errors.New("another version")
	}
	if _, err := io.ReadFull(from, cursor); err != nil {
		return nil, nil, noEOF(err)
	}
	x := New()
	before := 0
	for {
		space, err := x.readSegment(from, before)
		if err != nil {
			return nil, nil, err
		}
		if space == noSpace {
			break
		}
		before = space
	}
	if _, err := io.ReadFull(from, head[:1]); err != io.EOF {
		return nil, nil, errors.Join(errors.New("something after the end"), err)
	}
	return x, cursor, nil
}

// readSegment reads one segment into its space; spaces come in order.
func (x *Index) readSegment(from io.Reader, before int) (int, error) {
	var head [9]byte
	if _, err := io.ReadFull(from, head[:1]); err != nil {
		return 0, noEOF(err)
	}
	space := int(head[0])
	if space == noSpace {
		return space, nil
	}
	if space < before || space >= spaces {
		return 0, fmt.Errorf("space %d", space)
	}
	if _, err := io.ReadFull(from, head[1:]); err != nil {
		return 0, noEOF(err)
	}
	n, listed := int(binary.BigEndian.Uint32(head[1:])), int(binary.BigEndian.Uint32(head[5:]))
	if n < 1 || n > maxRows || listed > maxListed {
		return 0, fmt.Errorf("%d rows with %d words in lists", n, listed)
	}
	s := x.spaces[space]
	r, err := s.readRows(from, n, listed)
	if err != nil {
		return 0, err
	}
	v := s.view.Load()
	workers := min(builders, runtime.GOMAXPROCS(0))
	s.view.Store(&view{segments: append(v.segments, s.indexed(r, workers, nil)), delta: v.delta})
	return space, nil
}

func (k kind) readRows(from io.Reader, n, listed int) (_ *rows, err error) {
	memory := newSlab(aligned(n*k.width) + aligned(n*8) + aligned(listed*8) + k.extra(n))
	r := &rows{width: k.width, n: n, keys: memory.bytes(n * k.width), refs: memory.words(n), lists: memory.words(listed), memory: memory}
	defer func() {
		if err != nil {
			memory.free()
		}
	}()
	if _, err := io.ReadFull(from, r.keys); err != nil {
		return nil, noEOF(err)
	}
	if err := errors.Join(readWords(from, r.refs), readWords(from, r.lists)); err != nil {
		return nil, err
	}
	return r, r.check()
}

func readWords(from io.Reader, words []uint64) error {
	var b [8 << 10]byte
	for len(words) > 0 {
		n := min(len(words), len(b)/8)
		if _, err := io.ReadFull(from, b[:n*8]); err != nil {
			return noEOF(err)
		}
		for i := range n {
			words[i] = binary.BigEndian.Uint64(b[i*8:])
		}
		words = words[n:]
	}
	return nil
}

// check accepts rows as rowsOf makes them, and counts their refs.
func (r *rows) check() error {
	at := uint64(0)
	for row := range r.n {
		if row > 0 && bytes.Compare(r.key(row-1), r.key(row)) >= 0 {
			return errors.New("keys out of order")
		}
		if w := word(r.refs[row]); w&several == 0 {
			if !r.count(w) {
				return errors.New("a word with unknown bits")
			}
			continue
		} else if uint64(w&^several) != at || at >= uint64(len(r.lists)) {
			return errors.New("a list out of place")
		}
		n := r.lists[at]
		if n < 2 || n >= uint64(len(r.lists))-at {
			return errors.New("a list of a wrong length")
		}
		if !r.checkList(r.lists[at+1 : at+1+n]) {
			return errors.New("a list out of order")
		}
		at += 1 + n
	}
	if at != uint64(len(r.lists)) {
		return errors.New("a list of no row")
	}
	return nil
}

func (r *rows) checkList(words []uint64) bool {
	for i, w := range words {
		if !r.count(word(w)) || i > 0 && word(words[i-1]).ref() >= word(w).ref() {
			return false
		}
	}
	return true
}

// count counts a ref; false says that it is none.
func (r *rows) count(w word) bool {
	r.total++
	return w&^(refBits|listBits) == 0
}
