package accesslog

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
)

const (
	marksName   = "marks"
	markVersion = 1
)

// The kinds of marks; the numbers are stored and never change.
const (
	markClosed   = 1 // a segment was closed
	markAnchored = 2 // a segment is in the ledger
)

// mark is one line of the history of segments. A field that its kind does not use is zero.
type mark struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Kind     uint64
	First    uint64
	Count    uint64           // closed
	Bytes    int64            // closed: length of the file
	Start    int64            // closed: ms, of the earliest record
	End      int64            // closed: ms, of the latest record
	Tree     *ledger.Frontier // closed: of the whole log up to its end
	Position ledger.Index     // anchored
}

// closed is a segment that gets no more records.
type closed struct {
	first, count uint64
	bytes        int64
	start, end   int64
	tree         *ledger.Frontier
	anchored     bool
	position     ledger.Index // valid where anchored
}

func (c closed) past() uint64 { return c.first + c.count }

// history is the closed segments in order, and how they were written. Values are immutable.
type history struct {
	segments []closed
	marks    uint64
	bytes    int64
}

// end is the index after the last closed segment, and the tree up to there.
func (h history) end() (uint64, *ledger.Frontier) {
	if len(h.segments) == 0 {
		return 0, &ledger.Frontier{}
	}
	last := h.segments[len(h.segments)-1]
	return last.past(), last.tree
}

var errMark = errors.New("accesslog: a mark that does not follow")

// fold adds a mark.
func (h history) fold(m mark) (history, error) {
	end, _ := h.end()
	switch m.Kind {
	case markClosed:
		if m.First != end || m.Count == 0 || m.Count > maxRecords || m.Tree.Size() != m.First+m.Count {
			return h, errMark
		}
		c := closed{first: m.First, count: m.Count, bytes: m.Bytes, start: m.Start, end: m.End, tree: m.Tree}
		h.segments = append(h.segments[:len(h.segments):len(h.segments)], c)
	case markAnchored:
		i, ok := h.find(m.First)
		if !ok {
			return h, errMark
		}
		h.segments = slices.Clone(h.segments)
		h.segments[i].anchored, h.segments[i].position = true, m.Position
	default:
		return h, fmt.Errorf("%w: a mark of kind %d", ErrNewer, m.Kind)
	}
	h.marks++
	return h, nil
}

// find returns where the segment that begins at first is.
func (h history) find(first uint64) (int, bool) {
	return slices.BinarySearchFunc(h.segments, first, func(c closed, first uint64) int {
		switch {
		case c.first < first:
			return -1
		case c.first > first:
			return 1
		}
		return 0
	})
}

// pending returns the segments that are not in the ledger yet, oldest first.
func (h history) pending() []closed {
	var out []closed
	for _, c := range h.segments {
		if !c.anchored {
			out = append(out, c)
		}
	}
	return out
}

func encodeMark(m mark) []byte {
	m.Version = markVersion
	if m.Tree == nil {
		m.Tree = &ledger.Frontier{}
	}
	return ledger.Marshal(m)
}

func decodeMark(b []byte) (mark, error) {
	var m mark
	if err := ledger.Unmarshal(b, &m, maxMarkBytes); err != nil || m.Version != markVersion || m.Tree == nil {
		return mark{}, fmt.Errorf("%w: its marks", ErrNewer) // authentic, so it is ours
	}
	return m, nil
}

// readHistory folds the marks of a file as far as they are whole; the error says why it stopped before the end.
func (s sealer) readHistory(id LogID, file []byte) (h history, err error) {
	h.bytes, err = s.frames(file, newPreface(letterMarks, id, 0), 0, func(_ uint64, plain []byte) error {
		m, err := decodeMark(plain)
		if err == nil {
			h, err = h.fold(m)
		}
		return err
	})
	return h, err
}

// sealMark returns what to add to the marks file, its preface included where it is the first.
func (s sealer) sealMark(id LogID, h history, m mark) []byte {
	p := newPreface(letterMarks, id, 0)
	var b []byte
	if h.bytes == 0 {
		b = p[:]
	}
	return s.appendFrame(b, p, h.marks, encodeMark(m))
}

func millis(t int64) time.Time { return time.UnixMilli(t).UTC() }
