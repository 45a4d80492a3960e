package alert

import (
	"cmp"
	"encoding/binary"

	"vigil/ledger/noun"
)

const (
	qualityBytes = 1
	sizeBytes    = 8
)

// Column is one algorithm of a pack: every row has a value for it.
type Column struct {
	_         struct{} `cbor:",toarray"`
	Algorithm Algorithm
	Quality   bool // each value is followed by its quality byte
}

// Pack is the fingerprints of many files that all carry the same algorithms, in rows of one width: per column the value,
// then one byte quality where the column has it; last 8 bytes media size, big-endian, where the pack has sizes.
type Pack struct {
	Columns []Column // ascending by algorithm
	Sizes   bool     // each row ends with its media size
	packed  []byte
}

// NewPack packs files that all carry the same algorithms, each once; SplitFiles makes such groups. A quality or size
// column exists where any file states one.
func NewPack(files []File) (Pack, error) {
	if len(files) == 0 || len(files) > MaxRows {
		return Pack{}, noun.At("files", noun.ErrCount)
	}
	p := Pack{Columns: columnsOf(files)}
	for _, f := range files {
		p.Sizes = p.Sizes || f.MediaSize != 0
	}
	if len(files)*p.Width() > MaxListBytes {
		return Pack{}, noun.At("files", ErrListTooLarge)
	}
	p.packed = make([]byte, 0, len(files)*p.Width())
	for i, f := range files {
		if err := noun.First(f.Validate(), p.fits(f)); err != nil {
			return Pack{}, noun.At(noun.Item("files", i), err)
		}
		p.append(f)
	}
	return p, p.Validate()
}

// Unpack takes rows of a width as they were packed. Validate judges them.
func Unpack(columns []Column, sizes bool, width uint32, rows []byte) (Pack, error) {
	p := Pack{Columns: columns, Sizes: sizes, packed: rows}
	if int(width) != p.Width() {
		return Pack{}, noun.At("rows", ErrNotDeterminate)
	}
	return p, nil
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

func (p *Pack) fits(f File) error {
	if len(f.Signals) != len(p.Columns) {
		return noun.At("signals", ErrColumns)
	}
	for i, c := range p.Columns {
		if f.Signals[i].Algorithm != c.Algorithm {
			return noun.At(noun.Item("signals", i), ErrColumns)
		}
	}
	return nil
}

func (p *Pack) append(f File) {
	for i, s := range f.Signals {
		p.packed = append(p.packed, s.Value...)
		if p.Columns[i].Quality {
			p.packed = append(p.packed, byte(s.Quality))
		}
	}
	if p.Sizes {
		p.packed = binary.BigEndian.AppendUint64(p.packed, f.MediaSize)
	}
}

// Width returns the bytes of a row.
func (p *Pack) Width() int {
	n := 0
	for _, c := range p.Columns {
		n += c.Algorithm.Length()
		if c.Quality {
			n += qualityBytes
		}
	}
	if p.Sizes {
		n += sizeBytes
	}
	return n
}

// Packed returns the rows: read only.
func (p *Pack) Packed() []byte { return p.packed }

// Rows returns the number of files.
func (p *Pack) Rows() int {
	if w := p.Width(); w > 0 {
		return len(p.packed) / w
	}
	return 0
}

// File unpacks row i, under Rows. Its values are views into the pack: read only.
func (p *Pack) File(i int) File {
	w := p.Width()
	row := p.packed[i*w : (i+1)*w]
	f := File{Signals: make([]Signal, 0, len(p.Columns))}
	for _, c := range p.Columns {
		n := c.Algorithm.Length()
		s := Signal{Algorithm: c.Algorithm, Value: row[:n:n]}
		row = row[n:]
		if c.Quality {
			s.Quality, row = Quality(row[0]), row[1:]
		}
		f.Signals = append(f.Signals, s)
	}
	if p.Sizes {
		f.MediaSize = binary.BigEndian.Uint64(row)
	}
	return f
}

// Validate accepts rows of the columns' width, every quality and size within its bounds.
func (p *Pack) Validate() error {
	if err := validColumns(p.Columns); err != nil {
		return err
	}
	n := p.Rows()
	if n == 0 || n > MaxRows || len(p.packed) != n*p.Width() {
		return noun.At("files", noun.ErrCount)
	}
	if len(p.packed) > MaxListBytes {
		return noun.At("files", ErrListTooLarge)
	}
	for i := range n {
		if err := p.validRow(i); err != nil {
			return noun.At(noun.Item("files", i), err)
		}
	}
	return nil
}

// validRow checks the only parts of a packed row that can be wrong: its qualities and its size.
func (p *Pack) validRow(i int) error {
	w := p.Width()
	row := p.packed[i*w : (i+1)*w]
	for _, c := range p.Columns {
		row = row[c.Algorithm.Length():]
		if !c.Quality {
			continue
		}
		if row[0] > maxQuality+1 {
			return noun.At("quality", ErrQuality)
		}
		row = row[1:]
	}
	if p.Sizes {
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
