package accesslog

import (
	"bytes"
	"errors"
	"testing"

	"vigil/ledger"
)

func FuzzDecodeSegment(f *testing.F) {
	l, _, _ := three(f)
	for _, c := range l.now.Load().history.segments {
		f.Add(must[*Segment](f)(l.export(c)).Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSegment(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Encode(), b) || s.Count() == 0 {
			t.Fatal("accepted, and encodes to other bytes")
		}
	})
}

func FuzzDecodeLeaf(f *testing.F) {
	f.Add(encodeLeaf(3, 5, record(0)), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, index uint64) {
		e, err := decodeLeaf(b, index)
		if err != nil {
			return
		}
		var l leaf
		if err := ledger.Unmarshal(b, &l, maxLeafBytes); err != nil || !bytes.Equal(ledger.Marshal(l), b) {
			t.Fatal("accepted, and encodes to other bytes")
		}
		if e.Index != index || e.Record.Check() != nil {
			t.Fatal(e.Index)
		}
	})
}

// No file that we did not write is taken for one: the log opens whole, or says what is wrong.
func FuzzFiles(f *testing.F) {
	_, m, _ := three(f)
	for _, name := range []string{headName, marksName, recordsName(0), recordsName(7)} {
		f.Add(name == headName, name == marksName, m.files[name])
	}
	f.Fuzz(func(t *testing.T, head, marks bool, b []byte) {
		changed := m.clone()
		name := recordsName(7)
		switch {
		case head:
			name = headName
		case marks:
			name = marksName
		}
		changed.files[name] = b
		l, err := open(config(t), changed)
		if err != nil {
			if !errors.Is(err, ErrTampered) {
				t.Fatal(err)
			}
			return
		}
		if r := sound(t, l); r.Size != 12 {
			t.Fatalf("%d records", r.Size)
		}
	})
}
