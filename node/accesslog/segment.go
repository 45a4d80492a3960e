package accesslog

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

const segmentVersion = 1

// Segment is a closed stretch of the log, in clear: it leaves the node only sealed to its agency. It proves itself: the
// leaves added to the tree before it give the root after it, and that is the tree before the next one.
type Segment struct {
	Log    LogID
	First  uint64
	Before *ledger.Frontier // of the log before the segment
	Root   tlog.Hash        // of the log after it
	Start  time.Time        // of its earliest record; ms
	End    time.Time        // of its latest record; ms
	Leaves [][]byte         // from First on
}

// Count returns the number of records.
func (s *Segment) Count() uint64 { return uint64(len(s.Leaves)) }

// Anchor returns what the ledger bears witness for.
func (s *Segment) Anchor(position ledger.Index) Anchor {
	return Anchor{Log: s.Log, First: s.First, Count: s.Count(), Root: s.Root, Position: position}
}

// Entries returns the records.
func (s *Segment) Entries() ([]Entry, error) {
	out := make([]Entry, len(s.Leaves))
	for i, b := range s.Leaves {
		e, err := decodeLeaf(b, s.First+uint64(i))
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// segmentWire is an encoded segment: a CBOR array of eight elements in this order.
type segmentWire struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Log     LogID
	First   uint64
	Before  *ledger.Frontier
	Root    tlog.Hash
	Start   int64
	End     int64
	Leaves  [][]byte
}

// Encode returns the one encoding of the segment; the same segment always gives the same bytes.
func (s *Segment) Encode() []byte {
	return ledger.Marshal(segmentWire{
		Version: segmentVersion, Log: s.Log, First: s.First, Before: s.Before, Root: s.Root,
		Start: s.Start.UnixMilli(), End: s.End.UnixMilli(), Leaves: s.Leaves,
	})
}

// DecodeSegment accepts exactly what Encode writes for a segment whose leaves are well-formed and give its root.
func DecodeSegment(b []byte) (*Segment, error) {
	var w segmentWire
	if err := ledger.Unmarshal(b, &w, maxSegmentBytes); err != nil {
		return nil, fmt.Errorf("%w: not one of version %d", ErrSegment, segmentVersion)
	}
	if w.Version != segmentVersion || w.Before == nil || w.Before.Size() != w.First || w.First > maxRecords || len(w.Leaves) == 0 {
		return nil, fmt.Errorf("%w: version %d at %d with %d leaves", ErrSegment, w.Version, w.First, len(w.Leaves))
	}
	s := &Segment{
		Log: w.Log, First: w.First, Before: w.Before, Root: w.Root, Start: millis(w.Start), End: millis(w.End), Leaves: w.Leaves,
	}
	entries, err := s.Entries()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSegment, err)
	}
	if start, end := span(entries); !start.Equal(s.Start) || !end.Equal(s.End) {
		return nil, fmt.Errorf("%w: other times than its records", ErrSegment)
	}
	tree := s.Before.Clone()
	for _, l := range s.Leaves {
		tree.Append(ledger.LeafHash(l))
	}
	if tree.Root() != s.Root {
		return nil, fmt.Errorf("%w: its leaves give another root", ErrSegment)
	}
	return s, nil
}

func span(entries []Entry) (start, end time.Time) {
	start, end = entries[0].At, entries[0].At
	for _, e := range entries {
		if e.At.Before(start) {
			start = e.At
		}
		if e.At.After(end) {
			end = e.At
		}
	}
	return start, end
}
