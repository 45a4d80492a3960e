package interop_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"vigil/ledger/alert"
	"vigil/node/interop"
	"vigil/node/interop/row"
	"vigil/node/interop/synthetic"
)

func TestDetect(t *testing.T) {
	var demo bytes.Buffer
	if err := synthetic.WriteDemo(&demo); err != nil {
		t.Fatal(err)
	}
	pdq := strings.Repeat("0f1e", 16)
	for name, c := range map[string]struct {
		text   string
		format interop.Format
		rows   int
		first  alert.Algorithm
	}{
		"demo.json":    {demo.String(), interop.VICS, synthetic.DemoRows, alert.MD5},
		"list.txt":     {pdq + "\n", interop.HashList, 1, alert.SHA256},
		"PDQ-list.txt": {pdq + "\n", interop.HashList, 1, alert.PDQ},
		"pdq.csv":      {"pdq,sha256\n" + pdq + ",\n", interop.HashList, 1, alert.PDQ},
	} {
		s, format, err := interop.Detect(strings.NewReader(c.text), name)
		if err != nil || format != c.format {
			t.Errorf("%s: %s %v", name, format, err)
			continue
		}
		n := 0
		for {
			r, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || r.File.Signals[0].Algorithm != c.first {
				t.Fatalf("%s: %v", name, err)
			}
			n++
		}
		if n != c.rows {
			t.Errorf("%s: %d rows", name, n)
		}
	}
}

func TestDetectRefuses(t *testing.T) {
	ts := bytes.Repeat(append([]byte{0x47, 0}, make([]byte, 186)...), 4)
	for name, c := range map[string]struct {
		head string
		want error
	}{
		"jpeg":     {"\xff\xd8\xff\xe0\x00\x10JFIF", interop.ErrMedia},
		"png":      {"\x89PNG\r\n\x1a\n\x00", interop.ErrMedia},
		"gif":      {"GIF89a\x01\x00", interop.ErrMedia},
		"mp4":      {"\x00\x00\x00\x18ftypmp42", interop.ErrMedia},
		"webp":     {"RIFF\x24\x00\x00\x00WEBPVP8 ", interop.ErrMedia},
		"mkv":      {"\x1a\x45\xdf\xa3\x01", interop.ErrMedia},
		"bmp":      {"BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36", interop.ErrMedia},
		"mpeg ts":  {string(ts), interop.ErrMedia},
		"pdf":      {"%PDF-1.7\n", interop.ErrMedia},
		"zip":      {"PK\x03\x04\x14", interop.ErrArchive},
		"gzip":     {"\x1f\x8b\x08", interop.ErrArchive},
		"utf-16":   {"{\x00\"\x00", interop.ErrUTF16},
		"binary":   {"\x01\x02\x00\x03", interop.ErrBinary},
		"empty":    {"", row.ErrNotThis},
		"prose":    {"Bring me the list.\n", row.ErrNotThis},
		"json":     {`{"hashes":["x"]}`, row.ErrNotThis},
		"xml":      {`<?xml version="1.0"?><x/>`, row.ErrNotThis},
		"own name": {"video.mp4\n", row.ErrNotThis},
	} {
		s, _, err := interop.Detect(strings.NewReader(c.head), "x")
		if !errors.Is(err, c.want) || s != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestUTF16WithAMarkIsRead(t *testing.T) {
	encode := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()
	text, err := encode.String("md5;series\r\n0cc175b9c0f1b6a831c399e269772661;\u0915\r\n")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := interop.Detect(strings.NewReader(text), "x.csv")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Next()
	if err != nil || r.Series != "\u0915" || len(r.File.Signals) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestBatches(t *testing.T) {
	var rows []interop.Row
	for r := range synthetic.Rows("batches", 300) {
		rows = append(rows, r)
	}
	base := alert.Details{Media: alert.Image, Classifications: []alert.Classification{{Scheme: "x", Value: "1"}}, Victim: alert.UnidentifiedVictim}
	total := 0
	for _, b := range interop.Batches(base, rows) {
		total += len(b.Rows)
		for _, r := range b.Rows {
			c := b.Details.Classifications
			if len(c) != 2 || c[0] != r.Classifications[0] || b.Details.Media != alert.Image || b.Details.Series != r.Series ||
				(r.Victim != alert.UnknownVictim && b.Details.Victim != r.Victim) {
				t.Fatalf("%+v under %+v", r, b.Details)
			}
		}
	}
	if total != 300 {
		t.Error(total)
	}
}
