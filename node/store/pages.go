package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// ErrPages says that the tree of pages in a bbolt file is not what was written. It is an ErrDamaged.
var ErrPages = fmt.Errorf("%w: pages", ErrDamaged)

// bbolt follows what its pages say: a branch that leads back to itself ends the process, a key that changed in one makes what is
// there not be found, and of two head pages it silently takes the older where the newer is damaged. So a file's pages are walked
// before bbolt opens it. Layout, little endian: a page begins with 8 bytes number, 2 flags, 2 count, 4 overflow; elements of 16
// bytes follow: of a branch 4 position, 4 key length, 8 page; of a leaf 4 flags, 4 position, 4 key length, 4 value length.
// Positions count from the element. Pages 0 and 1 are heads: 4 magic, 4 version, 4 page size, 4 flags, 8 root, 8 sequence, 8 free
// list, 8 end, 8 transaction, 8 FNV-1a over what is before.
const (
	pageHead    = 16
	elementHead = 16
	headBytes   = 64
	bucketHead  = 16

	flagBranch   = 1
	flagLeaf     = 2
	flagHead     = 4
	flagFree     = 16
	flagBucket   = 1
	maxPageDepth = 32
	maxPageBytes = 64 << 10
	manyFree     = 0xffff // the count stands in the first 8 bytes
	boltMagic    = 0xED0CDAED
)

// CheckPages walks the pages of a bbolt file that nobody writes to. nested is how many levels of buckets lie in one another above
// those that hold values; their leaves are read too. With all, every leaf is.
func CheckPages(path string, nested int, all bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err // bbolt makes it
	}
	p := &pageFile{f: f, nested: nested, all: all, size: info.Size(), seen: map[uint64]bool{}}
	if err := p.heads(); err != nil {
		return err
	}
	if err := p.bucket(p.root, 0); err != nil {
		return err
	}
	return p.free()
}

type pageFile struct {
	f           io.ReaderAt
	nested      int
	all         bool
	size        int64
	page        int64 // bytes
	root, freed uint64
	end         uint64
	seen        map[uint64]bool
	newest      uint64
}

func damagedPage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrPages, fmt.Sprintf(format, args...))
}

// heads reads both head pages. A crash never leaves a damaged one: they are smaller than what a disk writes at once.
func (p *pageFile) heads() error {
	first := make([]byte, pageHead+headBytes)
	if _, err := p.f.ReadAt(first, 0); err != nil {
		return damagedPage("the first head: %v", err)
	}
	p.page = int64(binary.LittleEndian.Uint32(first[pageHead+8:]))
	if p.page < 512 || p.page > maxPageBytes || p.page&(p.page-1) != 0 {
		return damagedPage("pages of %d bytes", p.page)
	}
	for i := range int64(2) {
		b := make([]byte, pageHead+headBytes)
		if _, err := p.f.ReadAt(b, i*p.page); err != nil {
			return damagedPage("head %d: %v", i, err)
		}
		h := fnv.New64a()
		h.Write(b[pageHead : pageHead+headBytes-8])
		m := b[pageHead:]
		switch {
		case binary.LittleEndian.Uint64(b) != uint64(i) || binary.LittleEndian.Uint16(b[8:]) != flagHead,
			binary.LittleEndian.Uint32(m) != boltMagic || h.Sum64() != binary.LittleEndian.Uint64(m[headBytes-8:]),
			int64(binary.LittleEndian.Uint32(m[8:])) != p.page:
			return damagedPage("head %d", i)
		}
		if tx := binary.LittleEndian.Uint64(m[48:]); i == 0 || tx > p.newest {
			p.newest = tx
			p.root, p.freed, p.end = binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[32:]), binary.LittleEndian.Uint64(m[40:])
		}
	}
	if p.end > uint64(p.size/p.page) {
		return damagedPage("the file ends before page %d", p.end)
	}
	return nil
}

// read returns a page with what it overflows into, and marks it as used.
func (p *pageFile) read(id uint64) (b []byte, flags, count uint16, err error) {
	head := make([]byte, pageHead)
	if id < 2 || id >= p.end {
		return nil, 0, 0, damagedPage("page %d of %d", id, p.end)
	}
	if _, err := p.f.ReadAt(head, int64(id)*p.page); err != nil {
		return nil, 0, 0, damagedPage("page %d: %v", id, err)
	}
	overflow := uint64(binary.LittleEndian.Uint32(head[12:]))
	if binary.LittleEndian.Uint64(head) != id || overflow > p.end-id-1 {
		return nil, 0, 0, damagedPage("page %d says that it is another", id)
	}
	for i := range overflow + 1 {
		if p.seen[id+i] {
			return nil, 0, 0, damagedPage("two lead to page %d", id+i)
		}
		p.seen[id+i] = true
	}
	b = make([]byte, int64(overflow+1)*p.page)
	if _, err := p.f.ReadAt(b, int64(id)*p.page); err != nil {
		return nil, 0, 0, damagedPage("page %d: %v", id, err)
	}
	return b, binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:]), nil
}

// bucket walks one bucket; level is how many it lies in.
func (p *pageFile) bucket(root uint64, level int) error {
	depth, err := p.depth(root)
	if err != nil {
		return err
	}
	return p.tree(root, level, depth, nil, nil)
}

// depth is how many branches are above the first leaf; all leaves of a bucket are as deep.
func (p *pageFile) depth(id uint64) (int, error) {
	b := make([]byte, pageHead+elementHead)
	for depth := range maxPageDepth {
		if id < 2 || id >= p.end {
			return 0, damagedPage("page %d of %d", id, p.end)
		}
		if _, err := p.f.ReadAt(b, int64(id)*p.page); err != nil {
			return 0, damagedPage("page %d: %v", id, err)
		}
		switch binary.LittleEndian.Uint16(b[8:]) {
		case flagLeaf:
			return depth, nil
		case flagBranch:
			id = binary.LittleEndian.Uint64(b[pageHead+8:])
		default:
			return 0, damagedPage("page %d is neither branch nor leaf", id)
		}
	}
	return 0, damagedPage("%d branches above each other", maxPageDepth)
}

// tree walks what is below a page, whose keys are from low on and, where high is not nil, below high.
func (p *pageFile) tree(id uint64, level, depth int, low, high []byte) error {
	if depth == 0 && level > p.nested && !p.all {
		if id < 2 || id >= p.end || p.seen[id] {
			return damagedPage("two lead to page %d, or it is none", id)
		}
		p.seen[id] = true
		return nil
	}
	b, flags, count, err := p.read(id)
	if err != nil {
		return err
	}
	if (flags == flagBranch) != (depth > 0) || flags != flagBranch && flags != flagLeaf || flags == flagBranch && count == 0 {
		return damagedPage("page %d is not what its place makes it", id)
	}
	if depth == 0 {
		return p.leaf(b, count, level, low, high)
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range keys {
		at := pageHead + elementHead*i
		if at+elementHead > len(b) {
			return damagedPage("page %d: %d elements", id, count)
		}
		key, err := cut(b, at, binary.LittleEndian.Uint32(b[at:]), binary.LittleEndian.Uint32(b[at+4:]))
		if err != nil || i > 0 && bytes.Compare(keys[i-1], key) >= 0 || low != nil && i > 0 && bytes.Compare(key, low) <= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return errors.Join(damagedPage("page %d: keys out of order", id), err)
		}
		keys[i], children[i] = key, binary.LittleEndian.Uint64(b[at+8:])
	}
	for i := range keys {
		from, to := keys[i], high
		if i == 0 {
			from = low // the first key of a branch may be older than what is below it
		}
		if i+1 < len(keys) {
			to = keys[i+1]
		}
		if err := p.tree(children[i], level, depth-1, from, to); err != nil {
			return err
		}
	}
	return nil
}

func cut(b []byte, element int, position, length uint32) ([]byte, error) {
	from := uint64(element) + uint64(position)
	if to := from + uint64(length); from <= uint64(len(b)) && to <= uint64(len(b)) {
		return b[from:to], nil
	}
	return nil, damagedPage("an element lies outside its page")
}

// leaf checks the elements of a leaf and walks the buckets among them.
func (p *pageFile) leaf(b []byte, count uint16, level int, low, high []byte) error {
	var before []byte
	for i := range int(count) {
		at := pageHead + elementHead*i
		if at+elementHead > len(b) {
			return damagedPage("a leaf of %d elements", count)
		}
		position, length := binary.LittleEndian.Uint32(b[at+4:]), binary.LittleEndian.Uint32(b[at+8:])
		key, err := cut(b, at, position, length)
		if err != nil {
			return err
		}
		value, err := cut(b, at, position+length, binary.LittleEndian.Uint32(b[at+12:]))
		switch {
		case err != nil:
			return err
		case i > 0 && bytes.Compare(before, key) >= 0, low != nil && bytes.Compare(key, low) < 0, high != nil && bytes.Compare(key, high) >= 0:
			return damagedPage("keys of a leaf are out of order")
		}
		before = key
		switch binary.LittleEndian.Uint32(b[at:]) {
		case 0:
		case flagBucket:
			if err := p.inner(value, level); err != nil {
				return err
			}
		default:
			return damagedPage("an element is neither value nor bucket")
		}
	}
	return nil
}

// inner walks a bucket by the value that stands for it: 8 bytes root, 8 bytes sequence, and where the root is 0 its only page.
func (p *pageFile) inner(value []byte, level int) error {
	if len(value) < bucketHead {
		return damagedPage("a bucket without a root")
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return p.bucket(root, level+1)
	}
	page := value[bucketHead:]
	if len(page) < pageHead || binary.LittleEndian.Uint16(page[8:]) != flagLeaf {
		return damagedPage("a small bucket without a page")
	}
	return p.leaf(page, binary.LittleEndian.Uint16(page[10:]), level+1, nil, nil)
}

// free checks that nothing in use is among what may be written over.
func (p *pageFile) free() error {
	b, flags, count, err := p.read(p.freed)
	if err != nil {
		return err
	}
	n, ids := uint64(count), b[pageHead:]
	if n == manyFree {
		if len(ids) < 8 {
			return damagedPage("free list")
		}
		n, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if flags != flagFree || n > uint64(len(ids)/8) {
		return damagedPage("free list")
	}
	before := uint64(1)
	for i := range n {
		id := binary.LittleEndian.Uint64(ids[8*i:])
		if id <= before || id >= p.end || p.seen[id] {
			return damagedPage("page %d of the free list is in use, or is none", id)
		}
		before = id
	}
	return nil
}
