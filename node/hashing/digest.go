package hashing

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"io"
)

// Digests are the exact fingerprints of a content.
type Digests struct {
	Size   uint64
	MD5    [md5.Size]byte
	SHA1   [sha1.Size]byte
	SHA256 [sha256.Size]byte
}

// content is what one reading of a file gives: its digests and, of an image within the bound, its bytes. They are read
// once, so that both are of the same content even where the file is being written.
type content struct {
	Digests
	kind  Kind
	image []byte // nil: no image, over the bound, or more than was expected
}

// read reads to the end. Expect is the size where it is known; 0 is unknown. Hold is asked before an image is held, with
// the most it can take.
func read(ctx context.Context, r io.Reader, expect int64, hold func(bytes int64) error) (content, error) {
	var c content
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return c, err
	}
	head = head[:n]
	c.kind = Sniff(head)
	m5, s1, s256 := md5.New(), sha1.New(), sha256.New()
	kept := &keeper{}
	if classes[c.kind] == decoded && expect <= maxImageBytes {
		if kept.on, kept.limit = true, expect; expect == 0 {
			kept.limit = maxImageBytes
		}
		if err := hold(kept.limit); err != nil {
			return c, err
		}
		kept.buf.Grow(int(expect))
	}
	sink := io.MultiWriter(m5, s1, s256, kept)
	_, _ = sink.Write(head) // hashes and memory do not fail
	size, err := io.CopyBuffer(onlyWriter{sink}, &cancelled{ctx, r}, make([]byte, chunkBytes))
	if err != nil {
		return c, err
	}
	c.Size = uint64(size) + uint64(n)
	m5.Sum(c.MD5[:0])
	s1.Sum(c.SHA1[:0])
	s256.Sum(c.SHA256[:0])
	if kept.on {
		c.image = kept.buf.Bytes()
	}
	return c, nil
}

// keeper keeps an image up to the bound, and nothing over it.
type keeper struct {
	buf   bytes.Buffer
	on    bool
	limit int64
}

func (k *keeper) Write(b []byte) (int, error) {
	if k.on && int64(k.buf.Len()+len(b)) > k.limit {
		k.on, k.buf = false, bytes.Buffer{}
	}
	if k.on {
		_, _ = k.buf.Write(b)
	}
	return len(b), nil
}

// onlyWriter hides that a writer could read by itself, which would go around the buffer.
type onlyWriter struct{ io.Writer }

// cancelled ends a long reading when its context ends.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
