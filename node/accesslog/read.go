package accesslog

import (
	"errors"
	"io/fs"

	"vigil/ledger"
)

// before returns the tree before the segment at a place of the closed ones, or before the open one.
func (v *view) before(place int) *ledger.Frontier {
	if place == 0 {
		return &ledger.Frontier{}
	}
	return v.history.segments[place-1].tree
}

// readSegment reads the segment at a place of a view's closed ones, or after them the open one, as far as the view goes.
func (l *Log) readSegment(v *view, c closed, place int, each func(Entry, []byte)) error {
	name := recordsName(c.first)
	file, err := l.disk.read(name)
	if err != nil {
		return fileFault(name, c.first, err)
	}
	if place == len(v.history.segments) && int64(len(file)) > c.bytes {
		file = file[:c.bytes] // what is written now is not in this view
	}
	f := folder{sealer: l.sealer, name: name, preface: newPreface(letterRecords, l.id, c.first), tree: v.before(place).Clone(), each: each}
	_, err = f.run(file)
	return f.judge(c, err)
}

// judge says whether a file was the segment it should be; err is why reading it stopped.
func (f *folder) judge(c closed, err error) error {
	size := f.tree.Size()
	switch {
	case errors.Is(err, ErrNewer):
		return err
	case size > c.past():
		return Fault{Stray, f.name, c.past()}
	case err != nil && size == c.past():
		return Fault{Stray, f.name, size}
	case err != nil:
		return Fault{Altered, f.name, size}
	case size < c.past():
		return Fault{Missing, f.name, size}
	case f.tree.Root() != c.tree.Root():
		return Fault{Altered, f.name, c.first}
	}
	return nil
}

// folder adds the records of one file to the tree.
type folder struct {
	sealer     sealer
	name       string
	preface    preface
	tree       *ledger.Frontier
	head       head  // when the tree reaches its size, the roots must agree
	start, end int64 // ms; valid where any
	any        bool
	// acknowledged is how many bytes of frames the head speaks for.
	acknowledged int64
	each         func(Entry, []byte) // may be nil
}

func (f *folder) run(file []byte) (good int64, err error) {
	if err := f.agree(); err != nil {
		return 0, err
	}
	return f.sealer.frames(file, f.preface, f.tree.Size(), f.take)
}

func (f *folder) take(index uint64, plain []byte) error {
	e, err := decodeLeaf(plain, index)
	if err != nil {
		return err
	}
	at := e.At.UnixMilli()
	if !f.any {
		f.start, f.end, f.any = at, at, true
	}
	f.start, f.end = min(f.start, at), max(f.end, at)
	f.tree.Append(ledger.LeafHash(plain))
	if index < f.head.Size {
		f.acknowledged += int64(lengthBytes + len(plain) + sealOverhead)
	}
	if f.each != nil {
		f.each(e, plain)
	}
	return f.agree()
}

func (f *folder) agree() error {
	if f.head.Tree != nil && f.tree.Size() == f.head.Size && f.tree.Root() != f.head.Tree.Root() {
		return Fault{Altered, f.name, f.head.Size}
	}
	return nil
}

func fileFault(name string, index uint64, err error) Fault {
	if errors.Is(err, fs.ErrNotExist) {
		return Fault{Missing, name, index}
	}
	return Fault{Unreadable, name, index}
}
