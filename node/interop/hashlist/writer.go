package hashlist

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

// Writer writes CSV that this package and a spreadsheet read. Close flushes it.
type Writer struct {
	w *bufio.Writer
}

const separator = ','

var written = []alert.Algorithm{alert.MD5, alert.SHA1, alert.SHA256, alert.PDQ, alert.PhotoDNA}

// NewWriter writes the header.
func NewWriter(w io.Writer) (*Writer, error) {
	out := &Writer{w: bufio.NewWriter(w)}
	cells := make([]string, 0, len(written)+7)
	for _, a := range written {
		cells = append(cells, a.String())
	}
	return out, out.line(append(cells, columnPDQQuality, alert.VPDQFrame.String(), "size", "media type", "victim identified", "series", "baseline"))
}

// Write writes one row: of every algorithm the first value, and the frames of a film all.
func (w *Writer) Write(r row.Row) error {
	cells := make([]string, 0, len(written)+7)
	for _, a := range written {
		cell := ""
		if s, ok := r.Signal(a); ok {
			cell = s.Text()
		}
		cells = append(cells, cell)
	}
	return w.line(append(cells, qualityCell(r), framesCell(r), sizeCell(r), mediaCell(r), victimCell(r), r.Series, baselineCell(r)))
}

// Close writes out what is buffered. It does not close the underlying writer.
func (w *Writer) Close() error { return w.w.Flush() }

func (w *Writer) line(cells []string) error {
	for i, cell := range cells {
		cells[i] = quoteCell(cell, separator)
	}
	_, err := w.w.WriteString(strings.Join(cells, string(rune(separator))) + "\r\n")
	return err
}

func qualityCell(r row.Row) string {
	s, _ := r.Signal(alert.PDQ)
	if q, ok := s.Quality.Value(); ok {
		return strconv.Itoa(q)
	}
	return ""
}

// framesCell writes "value:quality value:quality …".
func framesCell(r row.Row) string {
	var frames []string
	for _, s := range r.File.Signals {
		if s.Algorithm != alert.VPDQFrame {
			continue
		}
		text := s.Text()
		if q, ok := s.Quality.Value(); ok {
			text += ":" + strconv.Itoa(q)
		}
		frames = append(frames, text)
	}
	return strings.Join(frames, " ")
}

func sizeCell(r row.Row) string {
	if r.File.MediaSize == 0 {
		return ""
	}
	return strconv.FormatUint(r.File.MediaSize, 10)
}

func mediaCell(r row.Row) string {
	if r.Media == alert.UnknownMedia {
		return ""
	}
	return r.Media.String()
}

func victimCell(r row.Row) string {
	switch r.Victim {
	case alert.IdentifiedVictim:
		return "true"
	case alert.UnidentifiedVictim:
		return "false"
	}
	return ""
}

func baselineCell(r row.Row) string {
	for _, c := range r.Classifications {
		if c.Scheme == alert.SchemeBaseline {
			return "true"
		}
	}
	return ""
}
