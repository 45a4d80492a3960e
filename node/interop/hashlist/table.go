package hashlist

import (
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

const maxColumns = 256

// table is a CSV with a header.
type table struct {
	separator byte
	columns   []column
}

// column reads one cell into a row; nil throws it away.
type column struct {
	name string
	set  func(r *row.Row, cell string) error
}

// newTable reads a header. Nil: the line names no algorithm, so it is none.
func newTable(header string) *table {
	for _, separator := range []byte{';', ',', '\t'} {
		cells, ok := splitCells(header, separator)
		if !ok || len(cells) > maxColumns {
			continue
		}
		t, hashes := &table{separator: separator}, 0
		for _, cell := range cells {
			c := columnOf(cell)
			if _, isHash := row.AlgorithmOf(cell); isHash {
				hashes++
			}
			t.columns = append(t.columns, c)
		}
		if hashes > 0 {
			return t
		}
	}
	return nil
}

func columnOf(header string) column {
	name := strings.ToLower(strings.TrimSpace(header))
	c := column{name: name}
	if a, ok := row.AlgorithmOf(name); ok {
		c.name, c.set = a.String(), setHash(a)
		return c
	}
	c.set = map[string]func(*row.Row, string) error{
		"size": setSize, "file size": setSize, "filesize": setSize, "media size": setSize, "mediasize": setSize,
		"media type": setMedia, "mime type": setMedia, "mimetype": setMedia, "type": setMedia,
		"victim identified": setVictim,
		"series name":       setSeries, "series": setSeries,
		"baseline": setBaseline,
	}[name]
	return c
}

// fill reads one line into a row, and names the column of the first mistake.
func (t *table) fill(r *row.Row, text string) (field string, err error) {
	cells, ok := splitCells(text, t.separator)
	if !ok || len(cells) > len(t.columns) {
		return "", row.ErrField
	}
	for i, cell := range cells {
		c := t.columns[i]
		if cell = plainCell(cell); c.set == nil || cell == "" {
			continue
		}
		if err := c.set(r, cell); err != nil {
			return c.name, err
		}
	}
	return "", nil
}

func setHash(a alert.Algorithm) func(*row.Row, string) error {
	return func(r *row.Row, cell string) error {
		s, err := signalOf(a, cell)
		r.File.Signals = append(r.File.Signals, s)
		return err
	}
}

func setSize(r *row.Row, cell string) error {
	n, err := strconv.ParseUint(cell, 10, 50)
	if err != nil {
		return row.ErrField
	}
	r.File.MediaSize = n
	return nil
}

func setMedia(r *row.Row, cell string) error {
	r.Media = row.KindOf(cell)
	return nil
}

func setVictim(r *row.Row, cell string) error {
	if yes, ok := truth(cell); ok && yes {
		r.Victim = alert.IdentifiedVictim
	} else if ok {
		r.Victim = alert.UnidentifiedVictim
	}
	return nil
}

func setSeries(r *row.Row, cell string) error {
	r.Series = row.CleanName(cell)
	return nil
}

// setBaseline keeps that the file is in INTERPOL's Baseline: illegal in any country.
func setBaseline(r *row.Row, cell string) error {
	if yes, ok := truth(cell); ok && yes {
		r.Classifications = []alert.Classification{{Scheme: alert.SchemeBaseline, Value: "baseline"}}
		r.Pertinence = row.Pertinent
	}
	return nil
}

// truth reads a boolean as spreadsheets write it; other text is neither.
func truth(cell string) (yes, ok bool) {
	switch strings.ToLower(cell) {
	case "true", "yes", "y", "1":
		return true, true
	case "false", "no", "n", "0":
		return false, true
	}
	return false, false
}
