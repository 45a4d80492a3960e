package vics_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
	"vigil/node/interop/synthetic"
	"vigil/node/interop/vics"
)

const (
	head20 = `{"@odata.context":"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media","value":[`
	cases  = `{"odata.metadata":"http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Cases","value":[`
	md5A   = "0123456789ABCDEF0123456789ABCDEF"
	md5B   = "F123456789ABCDEF0123456789ABCDEF"
)

var photo = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 48))

// all reads a file to its end and returns the rows, the bad rows, and what ended it (nil: its end).
func all(t testing.TB, r io.Reader) (rows []row.Row, bad []*row.Error, err error) {
	t.Helper()
	d, err := vics.NewReader(r)
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
			if _, again := d.Next(); !errors.Is(again, err) {
				t.Errorf("goes on after %v: %v", err, again)
			}
			return rows, bad, err
		}
		rows = append(rows, r)
	}
}

func TestReadsMedia20(t *testing.T) {
	file := "\xef\xbb\xbf" + head20 + "\n" + `{"MediaID":1,"Category":1,"MD5":"` + md5A + `","SHA1":"` + strings.Repeat("aB1c", 10) + `",
		"PhotoDNA":"` + photo + `","MediaSize":"4711","VictimIdentified":"true","Series":"Blue \u0041","MimeType":"video\/mp4",
		"DateUpdated":"2024-05-06T07:08:09.1234567+02:00","Miniature":"` + strings.Repeat("AAAA", 100_000) + `","RelativeFilePath":"C:\\Users\\someone\\x.jpg",
		"MediaFiles":[{"FileName":"x","FilePath":"\\y","Deep":[[{"a":[1,2.5e3,true,null,"\ud83d\ude00"]}]]}],"Exifs":[{"PropertyName":"GPS"}],"Comments":"a name"}` +
		`,` + "\n" + `{"MediaID":"2","Category":0,"MD5":"` + strings.ToLower(md5B) + `","VictimIdentified":false,"Series":null,
		"AlternativeHashes":[{"HashName":"PhotoDNA","HashValue":"` + photo + `"},{"HashName":"SHA-256","HashValue":"` + strings.Repeat("0f1e", 16) + `"},{"HashName":"new","HashValue":"?"}]}]}` + "\n"
	rows, bad, err := all(t, iotest.OneByteReader(strings.NewReader(file)))
	if err != nil || len(bad) > 0 || len(rows) != 2 {
		t.Fatal(len(rows), bad, err)
	}
	a, b := rows[0], rows[1]
	if a.Number != 1 || a.Line != 2 || a.File.MediaSize != 4711 || a.Victim != alert.IdentifiedVictim || a.Series != "Blue A" ||
		a.Media != alert.Video || a.Updated.Format("2006-01-02 15:04:05") != "2024-05-06 05:08:09" || len(a.File.Signals) != 3 {
		t.Errorf("first: %+v", a)
	}
	if a.Classifications[0] != (alert.Classification{Scheme: alert.SchemeVICS, Context: "us", Value: "1"}) || a.Pertinence != row.Pertinent {
		t.Errorf("category: %v", a.Classifications)
	}
	if b.Number != 2 || b.Victim != alert.UnidentifiedVictim || b.Pertinence != row.NotPertinent || len(b.File.Signals) != 3 ||
		b.Classifications[0].Value != "0" || b.Series != "" {
		t.Errorf("second: %+v", b)
	}
}

func TestReadsCases13(t *testing.T) {
	file := cases + `{"CaseID":"{x}","ContactName":"someone","TotalMediaFiles":99,"Media":[{"MD5":"` + md5A + `","Category":5,"DateUpdated":"/Date(1400000000000)/"}],"After":{}},
		{"Media":null},{"Media":[]},{"CaseNumber":"2","Media":[{"MD5":"` + md5B + `","Category":null}]}],"odata.count":2}`
	rows, bad, err := all(t, strings.NewReader(file))
	if err != nil || len(bad) > 0 || len(rows) != 2 {
		t.Fatal(len(rows), bad, err)
	}
	if rows[0].Updated.Unix() != 1_400_000_000 || rows[0].Classifications[0].Class() != "vics/1.3:5" || rows[0].Pertinence != row.UnknownPertinence {
		t.Errorf("%+v", rows[0])
	}
	if rows[1].Number != 2 || rows[1].Classifications != nil {
		t.Errorf("%+v", rows[1])
	}
}

func TestBadRowsAreNamedAndReadingGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		record string
		field  string
		want   error
	}{
		"no hash":        {`{"Category":1}`, "", row.ErrNoHash},
		"empty hash":     {`{"MD5":"","SHA1":null}`, "", row.ErrNoHash},
		"short":          {`{"MD5":"0123"}`, "MD5", row.ErrBadHash},
		"not hex":        {`{"MD5":"Z123456789ABCDEF0123456789ABCDEF"}`, "MD5", row.ErrBadHash},
		"hash of a list": {`{"MD5":["` + md5A + `"]}`, "MD5", row.ErrField},
		"number":         {`{"MD5":17}`, "MD5", row.ErrBadHash},
		"huge text":      {`{"MD5":"` + strings.Repeat("0", 5000) + `"}`, "MD5", row.ErrTooLarge},
		"empty file":     {`{"MD5":"D41D8CD98F00B204E9800998ECF8427E"}`, "md5", row.ErrEmptyFile},
		"category":       {`{"MD5":"` + md5A + `","Category":"one"}`, "Category", row.ErrField},
		"negative":       {`{"MD5":"` + md5A + `","Category":-1}`, "Category", row.ErrField},
		"size":           {`{"MD5":"` + md5A + `","MediaSize":1e9}`, "MediaSize", row.ErrField},
		"absurd size":    {`{"MD5":"` + md5A + `","MediaSize":99999999999999999}`, "MediaSize", row.ErrField},
		"PhotoDNA":       {`{"MD5":"` + md5A + `","PhotoDNA":"` + photo[1:] + `"}`, "PhotoDNA", row.ErrBadHash},
		"alternative":    {`{"MD5":"` + md5A + `","AlternativeHashes":[{"HashName":"PhotoDNA","HashValue":"x"}]}`, "AlternativeHashes", row.ErrBadHash},
		"no object":      {`[1]`, "", row.ErrField},
	} {
		rows, bad, err := all(t, strings.NewReader(head20+c.record+",\n{\"MD5\":\""+md5B+"\"}]}"))
		if err != nil || len(rows) != 1 || len(bad) != 1 || rows[0].Number != 2 || rows[0].Line != 2 {
			t.Errorf("%s: %d rows, %v, %v", name, len(rows), bad, err)
			continue
		}
		if !errors.Is(bad[0], c.want) || bad[0].Field != c.field || bad[0].Number != 1 || bad[0].Line != 1 {
			t.Errorf("%s: %v", name, bad[0])
		}
	}
}

func TestWhatCouldBeAPathOrAPersonIsDropped(t *testing.T) {
	for _, series := range []string{`C:\\x`, `a/b`, `x\u0007`, strings.Repeat("s", 200)} {
		rows, bad, err := all(t, strings.NewReader(head20+`{"MD5":"`+md5A+`","Series":"`+series+`","VictimIdentified":"Jane"}]}`))
		if err != nil || len(bad) > 0 || rows[0].Series != "" || rows[0].Victim != alert.UnknownVictim {
			t.Errorf("%.10s: %+v %v %v", series, rows, bad, err)
		}
	}
}

func TestRefusesFiles(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"empty":              {"", row.ErrNotThis},
		"list":               {"[]", row.ErrNotThis},
		"no context":         {`{"value":[]}`, row.ErrNotThis},
		"empty object":       {`{}`, row.ErrNotThis},
		"context later":      {`{"value":[],"odata.metadata":"http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media"}`, row.ErrNotThis},
		"version 3":          {strings.Replace(head20, "2.0", "3.0", 1) + "]}", row.ErrNotThis},
		"neither":            {strings.Replace(head20, "#Media", "#Other", 1) + "]}", row.ErrNotThis},
		"strange nation":     {strings.Replace(head20, "/US/", "/U S/", 1) + "]}", row.ErrNotThis},
		"no value":           {strings.TrimSuffix(head20, `,"value":[`) + "}", row.ErrNotThis},
		"value no array":     {strings.TrimSuffix(head20, "[") + "3}", row.ErrSyntax},
		"truncated":          {head20 + `{"MD5":"` + md5A, row.ErrTruncated},
		"truncated after":    {head20 + `{"MD5":"` + md5A + `"}`, row.ErrTruncated},
		"truncated end":      {head20 + `]`, row.ErrTruncated},
		"more after the end": {head20 + `]}x`, row.ErrSyntax},
		"two files":          {head20 + "]}" + head20 + "]}", row.ErrSyntax},
		"no comma":           {head20 + `{}{}]}`, row.ErrSyntax},
		"comma at the end":   {head20 + `{},]}`, row.ErrSyntax},
		"bare word":          {head20 + `{"MD5":nil}]}`, row.ErrSyntax},
		"number":             {head20 + `{"x":01}]}`, row.ErrSyntax},
		"escape":             {head20 + `{"x":"\x"}]}`, row.ErrSyntax},
		"control character":  {head20 + "{\"x\":\"a\nb\"}]}", row.ErrSyntax},
		"too deep":           {head20 + `{"Exifs":` + deep + `}]}`, row.ErrTooLarge},
		"record too large":   {head20 + `{"Miniature":"` + strings.Repeat("A", row.MaxRecordBytes) + `"}]}`, row.ErrTooLarge},
	} {
		if _, _, err := all(t, strings.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestReadErrorsAreNotTruncation(t *testing.T) {
	broken := errors.New("disk")
	_, _, err := all(t, io.MultiReader(strings.NewReader(head20+`{"MD5":"`), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, row.ErrTruncated) {
		t.Error(err)
	}
}

func TestResume(t *testing.T) {
	var records []string
	for i := range 20 {
		records = append(records, fmt.Sprintf(`{"MD5":"%032X"}`, i*7+1))
	}
	records[3] = `{"MD5":"x"}`
	file := head20 + strings.Join(records, ",") + "]}"
	for _, n := range []uint64{0, 3, 4, 5, 19} {
		d, err := vics.NewReader(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := row.Skip(d, n); err != nil {
			t.Fatal(n, err)
		}
		if r, err := d.Next(); n != 3 && (err != nil || r.Number != n+1) {
			t.Errorf("after %d comes %d (%v)", n, r.Number, err)
		}
	}
	d, _ := vics.NewReader(strings.NewReader(file))
	if err := row.Skip(d, 21); !errors.Is(err, row.ErrNoMoreRows) {
		t.Error(err)
	}
}

func TestWriterRoundTripsAndLeavesOut(t *testing.T) {
	var b bytes.Buffer
	if err := synthetic.WriteVICS(&b, "round trip", 200); err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"Miniature", "RelativeFilePath", "MediaFiles", "Exifs", "MimeType", "Comments", "Tags"} {
		if bytes.Contains(b.Bytes(), []byte(forbidden)) {
			t.Errorf("writes %s", forbidden)
		}
	}
	rows, bad, err := all(t, &b)
	if err != nil || len(bad) > 0 || len(rows) != 200 {
		t.Fatal(len(rows), bad, err)
	}
	i := 0
	for want := range synthetic.Rows("round trip", 200) {
		got := rows[i]
		i++
		got.Line = 0
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("row %d differs", i)
		}
	}
}

func TestWriterKeepsOtherHashes(t *testing.T) {
	var b bytes.Buffer
	w, err := vics.NewWriter(&b, vics.Default)
	if err != nil {
		t.Fatal(err)
	}
	r := row.Row{File: alert.File{Signals: []alert.Signal{sig(alert.SHA256, 1)}}}
	if err := w.Write(r); !errors.Is(err, vics.ErrNoMD5) {
		t.Fatal(err)
	}
	r.File.Signals = []alert.Signal{sig(alert.MD5, 1), sig(alert.SHA256, 1), sig(alert.PDQ, 1), sig(alert.PhotoDNA, 1), sig(alert.PhotoDNA, 2), sig(alert.VPDQFrame, 1)}
	if err := errors.Join(w.Write(r), w.Close()); err != nil {
		t.Fatal(err)
	}
	rows, _, err := all(t, &b)
	if err != nil || len(rows) != 1 || fmt.Sprint(rows[0].File) != fmt.Sprint(r.File) {
		t.Fatal(rows, err)
	}
}

func sig(a alert.Algorithm, seed byte) alert.Signal {
	v := bytes.Repeat([]byte{seed}, a.Length())
	v[0] = 0xee
	return alert.Signal{Algorithm: a, Value: v}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(head20 + `{"MD5":"` + md5A + `","PhotoDNA":"` + photo + `","Series":"a\ud83d\ude00"},{}]}`))
	f.Add([]byte(cases + `{"Media":[{"MD5":"` + md5A + `","AlternativeHashes":[{"HashName":"SHA1"}]}]}],"n":-1.5e+2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, bad, err := all(t, bytes.NewReader(b))
		for _, r := range rows {
			if e := r.File.Validate(); e != nil {
				t.Fatal(e)
			}
		}
		for _, e := range bad {
			if e.Number == 0 || e.Line == 0 {
				t.Fatal("a bad row without its place")
			}
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := vics.NewWriter(&out, vics.UnitedStates)
		if err != nil {
			t.Fatal(err)
		}
		written := 0
		for _, r := range rows {
			if w.Write(r) == nil {
				written++
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, bad, err := all(t, &out)
		if err != nil || len(bad) > 0 || len(again) != written {
			t.Fatalf("what was written reads as %d of %d rows: %v %v", len(again), written, bad, err)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var file bytes.Buffer
	if err := synthetic.WriteVICS(&file, "bench", 5000); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		if rows, _, err := all(b, bytes.NewReader(file.Bytes())); err != nil || len(rows) != 5000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkReaderThumbnails(b *testing.B) {
	file := head20 + `{"MD5":"` + md5A + `","Miniature":"` + strings.Repeat("AAAA", 1<<20) + `"}]}`
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, _, err := all(b, strings.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}

// Thumbnails of any number and size pass without being held: what is allocated does not grow with them.
func TestThumbnailsAreNotHeld(t *testing.T) {
	const records, thumbnail = 64, 1 << 20
	parts := []io.Reader{strings.NewReader(head20)}
	long := strings.Repeat("A", thumbnail)
	for i := range records {
		separator := ","
		if i == 0 {
			separator = ""
		}
		parts = append(parts, strings.NewReader(fmt.Sprintf(`%s{"MD5":"%032x","Miniature":"`, separator, i+1)), strings.NewReader(long), strings.NewReader(`"}`))
	}
	parts = append(parts, strings.NewReader("]}"))
	file := io.MultiReader(parts...)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, bad, err := all(t, file)
	runtime.ReadMemStats(&after)
	if err != nil || len(bad) > 0 || len(rows) != records {
		t.Fatal(len(rows), bad, err)
	}
	if held := after.TotalAlloc - before.TotalAlloc; held > 4*thumbnail {
		t.Errorf("%d bytes allocated for %d of thumbnails", held, records*thumbnail)
	}
}
