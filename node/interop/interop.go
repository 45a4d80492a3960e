package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"vigil/ledger/alert"
	"vigil/node/interop/hashlist"
	"vigil/node/interop/row"
	"vigil/node/interop/vics"
)

// Row, Source and Error are what every format's reader yields.
type (
	Row    = row.Row
	Source = row.Source
	Error  = row.Error
)

// Format names an outside format.
type Format string

// The formats that are read.
const (
	VICS     Format = "vics"
	HashList Format = "hashlist" // CSV or one hash per line
)

// Refusals of a whole file.
var (
	ErrMedia   = errors.New("refused: this is media, and Vigil takes fingerprints, never material")
	ErrArchive = errors.New("refused: this is compressed or an archive; unpack it first")
	ErrUTF16   = errors.New("refused: the file is in UTF-16 without a byte order mark; save it as UTF-8")
	ErrBinary  = errors.New("refused: this is no text, and no format that Vigil reads")
)

const sniffBytes = 4096

// Detect opens a file by how it begins. The name only helps where the content leaves a choice: a list of bare 64-digit
// hashes in a file with "pdq" in its name holds PDQ, otherwise SHA-256. The file is read from r as rows are asked for.
func Detect(r io.Reader, name string) (Source, Format, error) {
	b := bufio.NewReaderSize(r, sniffBytes)
	if mark, _ := b.Peek(2); bytes.Equal(mark, []byte{0xff, 0xfe}) || bytes.Equal(mark, []byte{0xfe, 0xff}) {
		b = bufio.NewReaderSize(transform.NewReader(b, unicode.BOMOverride(transform.Nop)), sniffBytes) // as spreadsheets save it
	}
	head, err := b.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", fmt.Errorf("interop: read: %w", err)
	}
	if err := Sniff(head); err != nil {
		return nil, "", err
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte{0xef, 0xbb, 0xbf}), " \t\r\n")
	if len(text) > 0 && text[0] == '{' {
		s, err := vics.NewReader(b)
		if err != nil {
			return nil, VICS, err
		}
		return s, VICS, nil
	}
	s, err := hashlist.NewReader(b, hashlist.Options{Bare: bareAlgorithm(name, text)})
	if err != nil {
		return nil, HashList, err
	}
	return s, HashList, nil
}

// bareAlgorithm takes a list for PDQ where its name says so and its first word has PDQ's length.
func bareAlgorithm(name string, text []byte) alert.Algorithm {
	words := bytes.Fields(text)
	if strings.Contains(strings.ToLower(name), "pdq") && len(words) > 0 && len(words[0]) == 2*alert.PDQ.Length() {
		return alert.PDQ
	}
	return 0
}
