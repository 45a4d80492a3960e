package alert

import (
	"cmp"
	"encoding/binary"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeListed is the type of the event Listed.
const TypeListed = "alert.listed"

const (
	qualityBytes = 1
	sizeBytes    = 8
)

// Column is one algorithm of a list: every row has a value for it.
type Column struct {
	_         struct{} `cbor:",toarray"`
	Algorithm Algorithm
	Quality   bool // each value is followed by its quality byte
}

// Listed is many alerts that share everything but their fingerprints, packed: one row per file.
type Listed struct {
	Details Details
	Columns []Column // ascending by algorithm
	Sizes   bool     // each row ends with its media size
	packed  []byte
}

// listShared is the shared part as it is encoded.
type listShared struct {
	_       struct{} `cbor:",toarray"`
	Details Details
	Columns []Column
	Sizes   bool
}

// NewListed packs files that all carry the same algorithms, each once; SplitFiles makes such groups. A quality or
// size column exists where any file states one.
func NewListed(d Details, files []File) (*Listed, error) {
	if len(files) == 0 || len(files) > MaxRows {
		return nil, noun.At("files", noun.ErrCount)
	}
	l := &Listed{Details: d.Normal(), Columns: columnsOf(files)}
	for _, f := range files {
		l.Sizes = l.Sizes || f.MediaSize != 0
	}
	if len(files)*l.width() > MaxListBytes {
		return nil, noun.At("files", ErrListTooLarge)
	}
	l.packed = make([]byte, 0, len(files)*l.width())
	for i, f := range files {
		if err := noun.First(f.Validate(), l.fits(f)); err != nil {
			return nil, noun.At(noun.Item("files", i), err)
		}
		l.append(f)
	}
	return l, l.Validate()
}

// columnsOf returns the columns of the first file, with quality where any file states it.
func columnsOf(files []File) []Column {
	columns := make([]Column, 0, len(files[0].Signals))
	for _, s := range files[0].Signals {
		columns = append(columns, Column{Algorithm: s.Algorithm})
	}
	for _, f := range files {
		for i, s := range f.Signals {
			if i < len(columns) && s.Quality != 0 {
				columns[i].Quality = true
			}
		}
	}
	return columns
}

func (l *Listed) fits(f File) error {
	if len(f.Signals) != len(l.Columns) {
		return noun.At("signals", ErrColumns)
	}
	for i, c := range l.Columns {
		if f.Signals[i].Algorithm != c.Algorithm {
			return noun.At(noun.Item("signals", i), ErrColumns)
		}
	}
	return nil
}

func (l *Listed) append(f File) {
	for i, s := range f.Signals {
		l.packed = append(l.packed, s.Value...)
		if l.Columns[i].Quality {
			l.packed = append(l.packed, byte(s.Quality))
		}
	}
	if l.Sizes {
		l.packed = binary.BigEndian.AppendUint64(l.packed, f.MediaSize)
	}
}

func (l *Listed) width() int {
	n := 0
	for _, c := range l.Columns {
		n += c.Algorithm.Length()
		if c.Quality {
			n += qualityBytes
		}
	}
	if l.Sizes {
		n += sizeBytes
	}
	return n
}

// Rows returns the number of files.
func (l *Listed) Rows() int {
	if w := l.width(); w > 0 {
		return len(l.packed) / w
	}
	return 0
}

// File unpacks row i, under Rows. Its values are views into the list: read only.
func (l *Listed) File(i int) File {
	w := l.width()
	row := l.packed[i*w : (i+1)*w]
	f := File{Signals: make([]Signal, 0, len(l.Columns))}
	for _, c := range l.Columns {
		n := c.Algorithm.Length()
		s := Signal{Algorithm: c.Algorithm, Value: row[:n:n]}
		row = row[n:]
		if c.Quality {
			s.Quality, row = Quality(row[0]), row[1:]
		}
		f.Signals = append(f.Signals, s)
	}
	if l.Sizes {
		f.MediaSize = binary.BigEndian.Uint64(row)
	}
	return f
}

// Validate accepts what can be encoded: rows of the columns' width, every quality and size within its bounds.
func (l *Listed) Validate() error {
	if err := noun.First(l.Details.Validate(), validColumns(l.Columns)); err != nil {
		return err
	}
	n := l.Rows()
	if n == 0 || n > MaxRows || len(l.packed) != n*l.width() {
		return noun.At("files", noun.ErrCount)
	}
	if len(l.packed) > MaxListBytes {
		return noun.At("files", ErrListTooLarge)
	}
	for i := range n {
		if err := l.validRow(i); err != nil {
			return noun.At(noun.Item("files", i), err)
		}
	}
	return nil
}

// validRow checks the only parts of a packed row that can be wrong: its qualities and its size.
func (l *Listed) validRow(i int) error {
	w := l.width()
	row := l.packed[i*w : (i+1)*w]
	for _, c := range l.Columns {
		row = row[c.Algorithm.Length():]
		if !c.Quality {
			continue
		}
		if row[0] > maxQuality+1 {
			return noun.At("quality", ErrQuality)
		}
		row = row[1:]
	}
	if l.Sizes {
		return validSize(binary.BigEndian.Uint64(row))
	}
	return nil
}

func validColumns(columns []Column) error {
	if len(columns) == 0 || len(columns) > maxColumns {
		return noun.At("columns", noun.ErrCount)
	}
	for i, c := range columns {
		err := defined(algorithmNames, c.Algorithm)
		if err == nil && c.Quality && !c.Algorithm.MeasuresQuality() {
			err = ErrQuality
		}
		if err == nil && i > 0 && cmp.Compare(columns[i-1].Algorithm, c.Algorithm) >= 0 {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("columns", i), err)
		}
	}
	return nil
}

// Encode returns the event, or why it has none.
func (l *Listed) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := l.Validate(); err != nil {
		return ledger.Event{}, err
	}
	return ledger.Event{
		ID: id, Type: TypeListed, Version: 1,
		Shared: ledger.Marshal(listShared{Details: l.Details.Normal(), Columns: l.Columns, Sizes: l.Sizes}),
		Width:  uint32(l.width()), Rows: l.packed,
	}, nil
}

func decodeListed(e *ledger.Event) (Fact, error) {
	var shared listShared
	if err := ledger.Unmarshal(e.Shared, &shared, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	l := &Listed{Details: shared.Details, Columns: shared.Columns, Sizes: shared.Sizes, packed: e.Rows}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	if int(e.Width) != l.width() {
		return nil, noun.At("rows", ErrNotDeterminate)
	}
	return l, nil
}
