package accesslog

import (
	"errors"
	"fmt"
	"strings"
)

const recordsPrefix = "records-"

func recordsName(first uint64) string { return fmt.Sprintf("%s%016x", recordsPrefix, first) }

// open reads head, marks and the open segment. What lies behind the head was never acknowledged: whole frames are kept,
// because the read may have been on its way, and the first torn one ends the file. Nothing is changed before all of it
// agrees.
func open(cfg Config, d disk) (*Log, error) {
	l, h, err := openHeadOf(cfg, d)
	if err != nil {
		return nil, err
	}
	v := &view{}
	tails := make([]tail, 2)
	if v.history, tails[0], err = l.readMarks(h); err != nil {
		return nil, err
	}
	if tails[1], err = l.readOpenSegment(v, h); err != nil {
		return nil, err
	}
	if err := l.checkNames(v); err != nil {
		return nil, err
	}
	if err := l.mend(v, h, tails); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	l.now.Store(v)
	return l, nil
}

// tail is what a crash left torn at the end of a file: all bytes from good on.
type tail struct {
	name         string
	length, good int64
}

// mend cuts off torn tails and brings the head up to what is kept. A crash here is mended the same way.
func (l *Log) mend(v *view, h head, tails []tail) error {
	for _, t := range tails {
		if t.length == t.good {
			continue
		}
		l.cfg.Log.Warn("access log: a torn tail is cut off; it was never acknowledged", "file", t.name, "bytes", t.length-t.good)
		if err := l.disk.cut(t.name, t.good); err != nil {
			return err
		}
	}
	if v.size() == h.Size && v.history.marks == h.Marks {
		return nil
	}
	l.cfg.Log.Info("access log: what a stop left behind the head is kept", "records", v.size()-h.Size, "marks", v.history.marks-h.Marks)
	return l.disk.replace(headName, l.sealer.sealHead(l.id, v.head()))
}

func openHeadOf(cfg Config, d disk) (*Log, head, error) {
	file, err := readIfThere(d, headName)
	if err != nil {
		return nil, head{}, err
	}
	if file == nil {
		names, err := d.names()
		if err == nil && len(names) == 0 {
			return nil, head{}, ErrAbsent
		}
		return nil, head{}, errors.Join(Fault{Missing, headName, 0}, err)
	}
	id, err := headID(file)
	if err != nil {
		return nil, head{}, Fault{Altered, headName, 0}
	}
	l, err := newLog(cfg, id, d)
	if err != nil {
		return nil, head{}, err
	}
	h, err := l.sealer.openHead(id, file)
	if errors.Is(err, errFrame) {
		return nil, head{}, fmt.Errorf("%w; or the key is another", Fault{Altered, headName, 0})
	}
	return l, h, err
}

// readMarks folds the marks.
func (l *Log) readMarks(h head) (history, tail, error) {
	file, err := readIfThere(l.disk, marksName)
	if err != nil {
		return history{}, tail{}, err
	}
	got, err := l.sealer.readHistory(l.id, file)
	end, tree := got.end()
	switch {
	case errors.Is(err, ErrNewer):
		return history{}, tail{}, err
	case got.marks > h.Marks+1:
		return history{}, tail{}, Fault{Altered, headName, h.Size} // put back: a crash leaves one mark
	case got.marks < h.Marks || errors.Is(err, errMark):
		return history{}, tail{}, fault(file, marksName, end)
	case end > h.Size || (end == h.Size && tree.Root() != h.Tree.Root()):
		return history{}, tail{}, Fault{Altered, headName, h.Size} // older than the marks, or of another history
	}
	return got, tail{marksName, int64(len(file)), got.bytes}, nil
}

// readOpenSegment folds the records of the open segment and compares them with the head.
func (l *Log) readOpenSegment(v *view, h head) (tail, error) {
	first, tree := v.history.end()
	name := recordsName(first)
	file, err := readIfThere(l.disk, name)
	if err != nil {
		return tail{}, err
	}
	f := folder{sealer: l.sealer, name: name, preface: newPreface(letterRecords, l.id, first), tree: tree.Clone(), head: h}
	v.open = segment{first: first}
	v.open.bytes, err = f.run(file)
	if err != nil && !errors.Is(err, errFrame) {
		return tail{}, err
	}
	if f.tree.Size() < h.Size {
		return tail{}, fault(file, name, f.tree.Size())
	}
	if int64(len(file))-f.acknowledged > maxBehind {
		return tail{}, Fault{Altered, headName, h.Size} // put back: a crash leaves one batch
	}
	v.tree, v.open.start, v.open.end = f.tree, f.start, f.end
	return tail{name, int64(len(file)), v.open.bytes}, nil
}

// fault says that a file ends, or stops being what was written, at a record.
func fault(file []byte, name string, index uint64) Fault {
	if file == nil {
		return Fault{Missing, name, index}
	}
	return Fault{Altered, name, index}
}

// checkNames refuses files of a later state: head and marks were put back, and going on would write over them.
func (l *Log) checkNames(v *view) error {
	names, err := l.disk.names()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	for _, n := range names {
		if strings.HasPrefix(n, recordsPrefix) && n > recordsName(v.open.first) {
			return Fault{Stray, n, v.size()}
		}
	}
	return nil
}
