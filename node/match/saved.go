package match

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/google/renameio/v2"

	"vigil/node/durable"
)

// Inside the frames, all numbers big-endian: a version byte, 1; the caller's cursor, 2 bytes length before it; then
// segments: 1 byte space, 4 bytes rows, 4 bytes words in lists, the keys in ascending order, a word of 8 bytes for each,
// the lists as they lie in memory; then the byte 255. What is gone is not saved. Tables and directories are not: building
// them is as fast as reading them, and they cannot be wrong.
const (
	savedVersion = 1
	noSpace      = 255
	maxListed    = 2 * maxRows
)

// Save writes the index with the caller's cursor, under a key. What is changed while it writes may or may not be in
// it: a caller that takes the cursor first and later makes the changes after it again, in order, misses none.
func (x *Index) Save(to io.Writer, key [32]byte, cursor []byte) error {
	if len(cursor) > MaxCursorBytes {
		return fmt.Errorf("match: save: a cursor of %d bytes, at most %d", len(cursor), MaxCursorBytes)
	}
	sealed, err := newSealWriter(to, key)
	if err != nil {
		return err
	}
	if err := x.write(sealed, cursor); err != nil {
		return err
	}
	return sealed.Close()
}

// SaveFile saves to a file that replaces the one before as a whole, or not at all.
func (x *Index) SaveFile(path string, key [32]byte, cursor []byte) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("match: save: %w", err)
	}
	defer func() { _ = f.Cleanup() }() // after a replacement it does nothing
	buffered := bufio.NewWriterSize(f, frameBytes)
	if err := x.Save(buffered, key, cursor); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("match: save: %w", err)
	}
	err = f.CloseAtomicallyReplace()
	if err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("match: save: %w", err)
	}
	return nil
}

func (x *Index) write(to io.Writer, cursor []byte) error {
	head := binary.BigEndian.AppendUint16([]byte{savedVersion}, uint16(len(cursor)))
	if _, err := to.Write(append(head, cursor...)); err != nil {
		return err
	}
	for i, s := range x.spaces {
		if err := s.view.Load().write(to, byte(i)); err != nil {
			return err
		}
	}
	_, err := to.Write([]byte{noSpace})
	return err
}

func (v *view) write(to io.Writer, space byte) error {
	defer runtime.KeepAlive(v)
	for _, g := range v.segments {
		if err := g.write(to, space); err != nil {
			return err
		}
	}
	p := v.delta.pairs().sort(1)
	if p.n == 0 {
		return nil
	}
	r := rowsOf(p, func(int) int { return 0 }, nil)
	defer runtime.KeepAlive(r)
	return r.write(to, space)
}

// write writes what is live; what goes meanwhile may be in it.
func (r *rows) write(to io.Writer, space byte) error {
	n, refs, lists := r.n, r.refs, r.lists
	if r.gone.Load() > 0 {
		memory := newSlab(aligned(len(refs)*8) + aligned(len(lists)*8))
		defer memory.free()
		n, refs, lists = r.living(memory)
	}
	if n == 0 {
		return nil
	}
	head := binary.BigEndian.AppendUint32([]byte{space}, uint32(n))
	head = binary.BigEndian.AppendUint32(head, uint32(len(lists)))
	if _, err := to.Write(head); err != nil {
		return err
	}
	if err := r.writeKeys(to, n, refs); err != nil {
		return err
	}
	if err := writeWords(to, refs); err != nil {
		return err
	}
	return writeWords(to, lists)
}

// noWord stands for the word of a row of which nothing is live.
const noWord = uint64(dead | several)

// living returns the words as they would be without those that are gone, noWord where none is left, and how many rows are
// left.
func (r *rows) living(memory *slab) (n int, refs, lists []uint64) {
	refs, lists = memory.words(r.n), memory.words(len(r.lists))[:0]
	var words []word
	for row := range r.n {
		words = r.appendLive(words[:0], row)
		switch len(words) {
		case 0:
			refs[row] = noWord
			continue
		case 1:
			refs[row] = uint64(words[0])
		default:
			refs[row] = uint64(several) | uint64(len(lists))
			lists = append(lists, uint64(len(words)))
			for _, w := range words {
				lists = append(lists, uint64(w))
			}
		}
		n++
	}
	return n, refs, lists
}

// writeKeys writes the n keys that have a word.
func (r *rows) writeKeys(to io.Writer, n int, refs []uint64) error {
	if n == r.n {
		_, err := to.Write(r.keys)
		return err
	}
	for from := 0; from < r.n; {
		end := from
		for end < r.n && refs[end] != noWord {
			end++
		}
		if _, err := to.Write(r.keys[from*r.width : end*r.width]); err != nil {
			return err
		}
		from = end + 1
	}
	return nil
}

func writeWords(to io.Writer, words []uint64) error {
	b := make([]byte, 0, 8<<10)
	for i := range words {
		if w := load(&words[i]); uint64(w) != noWord {
			b = binary.BigEndian.AppendUint64(b, uint64(w&^dead))
		}
		if len(b) == cap(b) || i == len(words)-1 {
			if _, err := to.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	return nil
}
