package alert

import (
	"encoding/binary"
	"math"
	"slices"

	"vigil/ledger/noun"
)

// allRows stands alone in a RowSet and means every row of the target, however many it has.
const allRows uint32 = math.MaxUint32

// RowNumberBytes is the width of an encoded row number.
const RowNumberBytes = 4

// RowSet is which rows of an alert event an assessment or retraction is about: row numbers in ascending order, or
// AllRows. Each row is one leaf of the events tree, so each can be proved alone.
type RowSet []uint32

// AllRows is the set of every row of the target.
func AllRows() RowSet { return RowSet{allRows} }

// IsAll says that the set is AllRows.
func (s RowSet) IsAll() bool { return len(s) == 1 && s[0] == allRows }

// Has says that row is in the set.
func (s RowSet) Has(row uint32) bool {
	if s.IsAll() {
		return true
	}
	_, ok := slices.BinarySearch(s, row)
	return ok
}

// Normal returns the set in ascending order, each row once.
func (s RowSet) Normal() RowSet {
	out := slices.Clone(s)
	slices.Sort(out)
	return slices.Compact(out)
}

// Validate accepts AllRows or 1 to MaxRows ascending numbers under MaxRows.
func (s RowSet) Validate() error {
	if s.IsAll() {
		return nil
	}
	if len(s) == 0 || len(s) > MaxRows {
		return noun.At("rows", noun.ErrCount)
	}
	for i, row := range s {
		if row >= MaxRows {
			return noun.At(noun.Item("rows", i), ErrNoSuchRow)
		}
		if i > 0 && s[i-1] >= row {
			return noun.At(noun.Item("rows", i), noun.ErrNotSorted)
		}
	}
	return nil
}

// Encode returns the numbers, big-endian.
func (s RowSet) Encode() []byte {
	b := make([]byte, 0, RowNumberBytes*len(s))
	for _, row := range s {
		b = binary.BigEndian.AppendUint32(b, row)
	}
	return b
}

// DecodeRowSet reads what Encode writes for a set that is valid.
func DecodeRowSet(width uint32, rows []byte) (RowSet, error) {
	if width != RowNumberBytes || len(rows)%RowNumberBytes != 0 || len(rows) > RowNumberBytes*MaxRows {
		return nil, noun.At("rows", ErrNotDeterminate)
	}
	s := make(RowSet, 0, len(rows)/RowNumberBytes)
	for ; len(rows) > 0; rows = rows[RowNumberBytes:] {
		s = append(s, binary.BigEndian.Uint32(rows))
	}
	return s, s.Validate()
}
