package hashlist

import (
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

const (
	maxColumns = 256

	columnPDQQuality = "pdq quality"
)

// table is a CSV with a header.
type table struct {
	separator byte
	columns   []column
	quality   int // the column of PDQ's quality, which is set when the values are; -1: none
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
		t, hashes := &table{separator: separator, quality: -1}, 0
		for i, cell := range cells {
			c := columnOf(cell)
			if c.name == columnPDQQuality {
				t.quality = i
			}
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
		if a == alert.VPDQFrame {
			c.set = setFrames
		}
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
	if t.quality >= 0 && t.quality < len(cells) {
		return columnPDQQuality, setQuality(r, plainCell(cells[t.quality]))
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

// setFrames reads the frames of a film: values separated by spaces, each of which may have a colon and its quality.
func setFrames(r *row.Row, cell string) error {
	for _, word := range strings.Fields(cell) {
		value, quality, stated := strings.Cut(word, ":")
		s, err := signalOf(alert.VPDQFrame, value)
		if err == nil && stated {
			s.Quality, err = qualityOf(quality)
		}
		if err != nil {
			return err
		}
		r.File.Signals = append(r.File.Signals, s)
	}
	return nil
}

func qualityOf(text string) (alert.Quality, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, row.ErrField
	}
	q, err := alert.QualityOf(n)
	if err != nil {
		return 0, row.ErrField
	}
	return q, nil
}

func setQuality(r *row.Row, cell string) error {
	if cell == "" {
		return nil
	}
	q, err := qualityOf(cell)
	if err != nil {
		return err
	}
	for i, s := range r.File.Signals {
		if s.Algorithm == alert.PDQ {
			r.File.Signals[i].Quality = q
		}
	}
	return nil
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
