package hashlist_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"vigil/ledger/alert"
	"vigil/node/interop/hashlist"
	"vigil/node/interop/row"
	"vigil/node/interop/synthetic"
)

const (
	md5A = "0123456789abcdef0123456789abcdef"
	sha1 = "0123456789abcdef0123456789abcdef01234567"
	sha2 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

var photo = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 48))

func all(t testing.TB, text string, o hashlist.Options) (rows []row.Row, bad []*row.Error, err error) {
	t.Helper()
	d, err := hashlist.NewReader(strings.NewReader(text), o)
	if err != nil {
		return nil, nil, err
	}
	for {
		r, err := d.Next()
		if e, ok := errors.AsType[*row.Error](err); ok {
			bad = append(bad, e)
			continue
		}
		if errors.Is(err, io.EOF) {
			return rows, bad, nil
		}
		if err != nil {
			return rows, bad, err
		}
		rows = append(rows, r)
	}
}

func TestICSE(t *testing.T) {
	text := "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;Series name;Number of submissions;File Available;Media Type;Baseline\r\n" +
		strings.ToUpper(md5A) + ";" + sha1 + ";" + photo + ";17;True;True;False;\"Blue; \"\"A\"\"\";3;True;Image;True\r\n" +
		md5A[1:] + "f;;;18;False;False;False;C:\\x;;;Video;False\r\n"
	rows, bad, err := all(t, text, hashlist.Options{})
	if err != nil || len(bad) > 0 || len(rows) != 2 {
		t.Fatal(len(rows), bad, err)
	}
	a, b := rows[0], rows[1]
	if a.Line != 2 || a.Number != 1 || len(a.File.Signals) != 3 || a.Victim != alert.IdentifiedVictim || a.Series != `Blue; "A"` ||
		a.Media != alert.Image || a.Pertinence != row.Pertinent || a.Classifications[0].Scheme != alert.SchemeBaseline {
		t.Errorf("%+v", a)
	}
	if b.Victim != alert.UnidentifiedVictim || b.Series != "" || b.Media != alert.Video || b.Classifications != nil {
		t.Errorf("%+v", b)
	}
}

func TestGenericHeaders(t *testing.T) {
	for name, text := range map[string]string{
		"comma":       "FileName,SHA-256,Size\n=cmd()," + sha2 + ",12\n",
		"tab":         "sha256\tfile size\n" + sha2 + "\t12\n",
		"semicolon":   "\xef\xbb\xbf# comment\n\nsha_256;size\n" + sha2 + ";12",
		"quoted":      "\"SHA-256\",\"size\"\n\"" + sha2 + "\",\"12\"\n",
		"fewer cells": "sha256,size,series\n" + sha2 + ",12\n",
	} {
		rows, bad, err := all(t, text, hashlist.Options{})
		if err != nil || len(bad) > 0 || len(rows) != 1 || rows[0].File.MediaSize != 12 || rows[0].File.Signals[0].Algorithm != alert.SHA256 {
			t.Errorf("%s: %v %v %v", name, len(rows), bad, err)
		}
	}
}

func TestPlainLists(t *testing.T) {
	text := "# from a partner\n" + md5A + "\n" + strings.ToUpper(sha1) + "\r\n\n" + sha2 + "  /home/someone/x.jpg\npdq:" + sha2 + "\n" + photo + "\nSHA-256:" + sha2 + "\n"
	rows, bad, err := all(t, text, hashlist.Options{})
	want := []alert.Algorithm{alert.MD5, alert.SHA1, alert.SHA256, alert.PDQ, alert.PhotoDNA, alert.SHA256}
	if err != nil || len(bad) > 0 || len(rows) != len(want) {
		t.Fatal(len(rows), bad, err)
	}
	for i, r := range rows {
		if r.File.Signals[0].Algorithm != want[i] || r.Number != uint64(i)+1 {
			t.Errorf("row %d: %s", i, r.File.Signals[0].Algorithm)
		}
	}
	if rows[2].Line != 5 {
		t.Errorf("line %d", rows[2].Line)
	}
	rows, _, err = all(t, sha2+"\n", hashlist.Options{Bare: alert.PDQ})
	if err != nil || rows[0].File.Signals[0].Algorithm != alert.PDQ {
		t.Error(err)
	}
}

func TestBadLinesAreNamedAndReadingGoesOn(t *testing.T) {
	const header = "md5,sha1,size,baseline\n"
	for name, c := range map[string]struct {
		text  string
		field string
		want  error
	}{
		"short":        {md5A + "\n0123\n" + md5A, "", row.ErrBadHash},
		"word":         {md5A + "\nhello\n" + md5A, "", row.ErrBadHash},
		"algorithm":    {md5A + "\nmd4:" + md5A + "\n" + md5A, "", row.ErrBadHash},
		"long line":    {md5A + "\n" + strings.Repeat("0", 200_000) + "\n" + md5A, "", row.ErrLongLine},
		"empty file":   {md5A + "\nd41d8cd98f00b204e9800998ecf8427e\n" + md5A, "md5", row.ErrEmptyFile},
		"no hash":      {header + ",,3,\n" + md5A, "", row.ErrNoHash},
		"bad hash":     {header + md5A + ",xyz\n" + md5A, "sha1", row.ErrBadHash},
		"formula":      {header + "=1+1\n" + md5A, "md5", row.ErrBadHash},
		"size":         {header + md5A + ",,-1\n" + md5A, "size", row.ErrField},
		"quote open":   {header + "\"" + md5A + "\n" + md5A, "", row.ErrField},
		"quote within": {header + "\"" + md5A + "\"x,\n" + md5A, "", row.ErrField},
		"more cells":   {header + md5A + ",,,,,\n" + md5A, "", row.ErrField},
	} {
		rows, bad, err := all(t, c.text, hashlist.Options{})
		if err != nil || len(bad) != 1 || len(rows) == 0 {
			t.Errorf("%s: %d rows, %v, %v", name, len(rows), bad, err)
			continue
		}
		if !errors.Is(bad[0], c.want) || bad[0].Field != c.field || bad[0].Line != 2 {
			t.Errorf("%s: %v", name, bad[0])
		}
		if strings.Contains(bad[0].Error(), "0123") {
			t.Errorf("%s: the error shows the row", name)
		}
	}
}

func TestRefusesFiles(t *testing.T) {
	for _, text := range []string{"", "\n\n# only a comment\n", "hello\n" + md5A, "name,size\nx,1\n"} {
		if _, _, err := all(t, text, hashlist.Options{}); !errors.Is(err, row.ErrNotThis) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestWriterRoundTrips(t *testing.T) {
	var b bytes.Buffer
	w, err := hashlist.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	var wrote []row.Row
	for r := range synthetic.Rows("csv", 50) {
		r.Classifications, r.Pertinence = nil, row.UnknownPertinence
		r.Updated = r.Updated.AddDate(-r.Updated.Year()+1, -int(r.Updated.Month())+1, 0)
		wrote = append(wrote, r)
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rows, bad, err := all(t, b.String(), hashlist.Options{})
	if err != nil || len(bad) > 0 || len(rows) != len(wrote) {
		t.Fatal(len(rows), bad, err)
	}
	for i, r := range rows {
		if fmt.Sprint(r.File, r.Victim, r.Series) != fmt.Sprint(wrote[i].File, wrote[i].Victim, wrote[i].Series) {
			t.Fatalf("row %d differs", i)
		}
	}
}

// TestQualityAndFramesRoundTrip: the quality of a PDQ, and a film's frames with theirs, come back as they were written.
func TestQualityAndFramesRoundTrip(t *testing.T) {
	value := func(n byte) []byte { return bytes.Repeat([]byte{n, 1}, 16) }
	quality := func(n int) alert.Quality {
		q, err := alert.QualityOf(n)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	want := row.Row{File: alert.File{Signals: []alert.Signal{
		{Algorithm: alert.PDQ, Value: value(2), Quality: quality(0)},
		{Algorithm: alert.VPDQFrame, Value: value(3), Quality: quality(100)},
		{Algorithm: alert.VPDQFrame, Value: value(4)},
	}}.Normal()}
	var b bytes.Buffer
	w, err := hashlist.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(want), w.Close()); err != nil {
		t.Fatal(err)
	}
	rows, bad, err := all(t, b.String(), hashlist.Options{})
	if err != nil || len(bad) > 0 || len(rows) != 1 || fmt.Sprint(rows[0].File) != fmt.Sprint(want.File) {
		t.Fatalf("%v %v %v", rows, bad, err)
	}
	for name, c := range map[string]struct {
		cells string
		field string
		want  error
	}{
		"quality before its value": {"7," + sha2 + ",", "", nil},
		"no quality":               {"," + sha2 + ",", "", nil},
		"over":                     {"101," + sha2 + ",", "pdq quality", row.ErrField},
		"no number":                {"x," + sha2 + ",", "pdq quality", row.ErrField},
		"frames":                   {",," + sha2 + ":50  " + sha2[1:] + "f", "", nil},
		"frame's quality":          {",," + sha2 + ":", "vpdq-frame", row.ErrField},
		"frame":                    {",," + sha2 + " x", "vpdq-frame", row.ErrBadHash},
	} {
		_, bad, err := all(t, "pdq quality,pdq,vpdq-frame\n"+c.cells+"\n", hashlist.Options{})
		if err != nil || (c.want == nil) != (len(bad) == 0) || (len(bad) > 0 && (!errors.Is(bad[0], c.want) || bad[0].Field != c.field)) {
			t.Errorf("%s: %v %v", name, bad, err)
		}
	}
}

func TestFormulasAreNeutralised(t *testing.T) {
	for _, series := range []string{"=HYPERLINK(\"x\")", "+1", "-1", "@x", "'quoted", "a,b", `a"b`} {
		var b bytes.Buffer
		w, err := hashlist.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		v := bytes.Repeat([]byte{1}, 16)
		v[0] = 2
		r := row.Row{Series: series, File: alert.File{Signals: []alert.Signal{{Algorithm: alert.MD5, Value: v}}}}
		if err := errors.Join(w.Write(r), w.Close()); err != nil {
			t.Fatal(err)
		}
		line := strings.Split(b.String(), "\r\n")[1]
		for _, cell := range strings.Split(line, ",") {
			if cell = strings.TrimPrefix(cell, `"`); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%s is written as a formula: %s", series, line)
			}
		}
		rows, _, err := all(t, b.String(), hashlist.Options{})
		if err != nil || len(rows) != 1 || rows[0].Series != series {
			t.Errorf("%s comes back as %q (%v)", series, rows[0].Series, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add("md5;sha1;series\n" + md5A + ";" + sha1 + ";\"x\"\"y\"\n")
	f.Add(md5A + "\npdq:" + sha2 + "\n")
	f.Add("\xef\xbb\xbfsha256\tsize\n" + sha2 + "\t7\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, bad, err := all(t, text, hashlist.Options{})
		if err != nil {
			return
		}
		var b bytes.Buffer
		w, err := hashlist.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		written := 0
		for _, r := range rows {
			if e := r.File.Validate(); e != nil || r.Number == 0 || r.Line == 0 {
				t.Fatal(e, r.Number)
			}
			for _, a := range []alert.Algorithm{alert.MD5, alert.SHA1, alert.SHA256, alert.PDQ, alert.PhotoDNA} {
				if _, ok := r.Signal(a); ok {
					written++
					break
				}
			}
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, _, err := all(t, b.String(), hashlist.Options{})
		if err != nil || len(again) != written {
			t.Fatalf("%d rows of %d come back (%d bad before): %v", len(again), written, len(bad), err)
		}
	})
}
