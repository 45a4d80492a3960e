package vics

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

// Nation is whose categories a VICS 2.0 file is written in.
type Nation string

// The national contexts of VICS 2.0.
const (
	Default       Nation = "Default"
	UnitedStates  Nation = "US"
	UnitedKingdom Nation = "UK"
)

// ErrNoMD5 says that a row cannot be written: VICS identifies a file by its MD5.
var ErrNoMD5 = errors.New("vics: a row without MD5 cannot be written")

// Writer writes a VICS 2.0 hash set. Close completes the file.
type Writer struct {
	w       *bufio.Writer
	meaning string // context of the categories it writes
	next    int    // MediaID
}

// media is all a hash-only network may write about a file.
type media struct {
	MediaID           int           `json:"MediaID"`
	Category          *int          `json:"Category"`
	MD5               string        `json:"MD5"`
	SHA1              string        `json:"SHA1,omitempty"`
	PhotoDNA          string        `json:"PhotoDNA,omitempty"`
	AlternativeHashes []alternative `json:"AlternativeHashes,omitempty"`
	MediaSize         uint64        `json:"MediaSize,omitempty"`
	DateUpdated       string        `json:"DateUpdated,omitempty"`
	VictimIdentified  *bool         `json:"VictimIdentified,omitempty"`
	Series            string        `json:"Series,omitempty"`
}

type alternative struct {
	HashName  string `json:"HashName"`
	HashValue string `json:"HashValue"`
}

// NewWriter begins a file.
func NewWriter(w io.Writer, n Nation) (*Writer, error) {
	out := &Writer{w: bufio.NewWriter(w), meaning: strings.ToLower(string(n)), next: 1}
	_, err := fmt.Fprintf(out.w,
		"{\"@odata.context\":\"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/%s/$metadata#Media\",\n\"value\":[", n)
	return out, err
}

// Write writes one row. ErrNoMD5 leaves the file as it was.
func (w *Writer) Write(r row.Row) error {
	m := w.mediaOf(r)
	if m.MD5 == "" {
		return ErrNoMD5
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("vics: write: %w", err)
	}
	separator := ",\n"
	if w.next == 1 {
		separator = "\n"
	}
	w.next++
	if _, err = w.w.WriteString(separator); err == nil {
		_, err = w.w.Write(b)
	}
	return err
}

// Close ends the file. It does not close the underlying writer.
func (w *Writer) Close() error {
	if _, err := w.w.WriteString("\n]}\n"); err != nil {
		return err
	}
	return w.w.Flush()
}

func (w *Writer) mediaOf(r row.Row) media {
	m := media{MediaID: w.next, MediaSize: r.File.MediaSize, Series: r.Series}
	for _, s := range r.File.Signals {
		m.add(s)
	}
	for _, c := range r.Classifications {
		if n, err := strconv.Atoi(c.Value); c.Scheme == alert.SchemeVICS && c.Context == w.meaning && err == nil {
			m.Category = &n
		}
	}
	if r.Victim != alert.UnknownVictim {
		identified := r.Victim == alert.IdentifiedVictim
		m.VictimIdentified = &identified
	}
	if !r.Updated.IsZero() {
		m.DateUpdated = r.Updated.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	return m
}

// add puts a value into its own member, and a second one of the same algorithm, like every other algorithm, among the
// alternative hashes.
func (m *media) add(s alert.Signal) {
	own := map[alert.Algorithm]*string{alert.MD5: &m.MD5, alert.SHA1: &m.SHA1, alert.PhotoDNA: &m.PhotoDNA}[s.Algorithm]
	text, name := strings.ToUpper(hex.EncodeToString(s.Value)), strings.ToUpper(s.Algorithm.String())
	if s.Algorithm == alert.PhotoDNA || s.Algorithm == alert.TMK {
		text = base64.StdEncoding.EncodeToString(s.Value)
	}
	if s.Algorithm == alert.PhotoDNA {
		name = "PhotoDNA"
	}
	if own != nil && *own == "" {
		*own = text
		return
	}
	m.AlternativeHashes = append(m.AlternativeHashes, alternative{HashName: name, HashValue: text})
}
