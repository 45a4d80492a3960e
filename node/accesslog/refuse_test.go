package accesslog

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/ledger"
)

// Segments that do not prove themselves are refused.
func TestRefusedSegments(t *testing.T) {
	l, _, _ := three(t)
	good := must[*Segment](t)(l.export(l.now.Load().history.segments[1]))
	other := must[*Segment](t)(l.export(l.now.Load().history.segments[0]))
	if again := must[*Segment](t)(DecodeSegment(good.Encode())); again.Count() != 4 || !bytes.Equal(again.Encode(), good.Encode()) {
		t.Fatal(again.Count())
	}
	for name, change := range map[string]func(s *Segment){
		"another root":      func(s *Segment) { s.Root[0] ^= 1 },
		"another tree":      func(s *Segment) { s.Before = other.Before },
		"another beginning": func(s *Segment) { s.First++ },
		"no leaves":         func(s *Segment) { s.Leaves = nil },
		"one leaf less":     func(s *Segment) { s.Leaves = s.Leaves[1:] },
		"leaves swapped":    func(s *Segment) { s.Leaves[0], s.Leaves[1] = s.Leaves[1], s.Leaves[0] },
		"no leaf":           func(s *Segment) { s.Leaves[0] = []byte(secret) },
		"another start":     func(s *Segment) { s.Start = s.Start.Add(-1e9) },
		"another end":       func(s *Segment) { s.End = s.End.Add(1e9) },
	} {
		s := *good
		s.Leaves = slices.Clone(good.Leaves)
		change(&s)
		if _, err := DecodeSegment(s.Encode()); !errors.Is(err, ErrSegment) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "trailing": append(good.Encode(), 0), "too long": make([]byte, maxSegmentBytes+1),
		"version": ledger.Marshal(segmentWire{Version: 2, Before: &ledger.Frontier{}, Leaves: [][]byte{{1}}}),
		"no tree": ledger.Marshal(segmentWire{Version: 1, Leaves: [][]byte{{1}}}),
	} {
		if _, err := DecodeSegment(b); !errors.Is(err, ErrSegment) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a newer binary wrote is neither read, nor cut off, nor called tampering.
func TestNewerFormats(t *testing.T) {
	l, m, _ := three(t)
	v := l.now.Load()
	p := newPreface(letterRecords, l.id, 7)
	newer := leaf{Version: leafVersion + 1, Index: 12, At: 1, Record: record(0)}
	mark9 := v.history
	pm := newPreface(letterMarks, l.id, 0)
	for name, change := range map[string]func(files map[string][]byte){
		"leaf": func(f map[string][]byte) {
			f[recordsName(7)] = l.sealer.appendFrame(f[recordsName(7)], p, 12, ledger.Marshal(newer))
		},
		"mark": func(f map[string][]byte) {
			f[marksName] = l.sealer.appendFrame(f[marksName], pm, v.history.marks, ledger.Marshal([]uint64{2, 1}))
		},
		"kind of mark": func(f map[string][]byte) {
			f[marksName] = append(f[marksName], l.sealer.sealMark(l.id, mark9, mark{Kind: 9})...)
		},
		"head": func(f map[string][]byte) {
			h := v.head()
			h.Version++
			f[headName] = l.sealer.sealHead(l.id, h)
		},
	} {
		changed := m.clone()
		change(changed.files)
		before := changed.clone()
		_, err := open(config(t), changed)
		if !errors.Is(err, ErrNewer) || errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
		for file, b := range before.files {
			if !bytes.Equal(changed.files[file], b) {
				t.Errorf("%s: %s was changed", name, file)
			}
		}
		if name == "mark" || name == "kind of mark" || name == "head" { // and under a running log
			live := must[*Log](t)(open(config(t), m.clone()))
			change(live.disk.(*memory).files)
			if _, err := live.Verify(t.Context(), nil); !errors.Is(err, ErrNewer) {
				t.Errorf("%s, running: %v", name, err)
			}
		}
	}
}

// Verify on a running log reads the disk, not its memory.
func TestVerifyReadsTheDisk(t *testing.T) {
	for _, name := range []string{headName, marksName, recordsName(0), recordsName(3), recordsName(7)} {
		for how, change := range map[Problem]func(m *memory){
			Altered:    func(m *memory) { m.files[name][len(m.files[name])-1] ^= 1 },
			Missing:    func(m *memory) { delete(m.files, name) },
			Unreadable: func(m *memory) { m.unreadable = name },
		} {
			l, m, anchors := three(t)
			change(m)
			r := must[Report](t)(l.Verify(t.Context(), listed(anchors)))
			if len(r.Faults) != 1 || r.Faults[0].Problem != how || r.Faults[0].File != name || !errors.Is(r.Err(), ErrTampered) {
				t.Errorf("%s %s: %v", name, how, r.Faults)
			}
		}
	}
}

func TestVerifyNamesSoMany(t *testing.T) {
	m := newMemory()
	l := must[*Log](t)(create(config(t), m))
	for i := range maxFaults + 5 {
		fill(t, l, 1)
		if err := l.CloseSegment(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(m.files, recordsName(uint64(i)))
	}
	if r := must[Report](t)(l.Verify(t.Context(), nil)); len(r.Faults) != maxFaults || r.Faults[0].Index != 0 {
		t.Fatal(len(r.Faults))
	}
}

func TestFull(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	fill(t, l, 1)
	v := *l.now.Load()
	v.tree = &ledger.Frontier{}
	wire := ledger.Marshal([]any{uint64(maxRecords), [][]byte{make([]byte, 32)}})
	if err := v.tree.UnmarshalCBOR(wire); err != nil {
		t.Fatal(err)
	}
	v.open.start = 1 << 50 // not due
	v.open.first = maxRecords
	l.now.Store(&v)
	if _, err := l.Append(t.Context(), record(0)); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
}

// A torn tail on the disk that nodes use, and files that cannot be read.
func TestDirectoryIsMended(t *testing.T) {
	c := config(t)
	c.Dir = t.TempDir()
	l := must[*Log](t)(Create(c))
	fill(t, l, 3)
	if err := errors.Join(l.CloseSegment(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	marks := filepath.Join(c.Dir, marksName)
	whole := must[[]byte](t)(os.ReadFile(marks))
	if err := os.WriteFile(marks, append(bytes.Clone(whole), 0, 0, 0, 90, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	l = must[*Log](t)(Open(c))
	if got := must[[]byte](t)(os.ReadFile(marks)); !bytes.Equal(got, whole) {
		t.Fatalf("%d bytes of %d", len(got), len(whole))
	}
	fill(t, l, 1)
	sound(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(marks), os.Mkdir(marks, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); !errors.Is(err, ErrUnusable) || errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(c.Dir, headName)); err != nil {
		t.Fatal(err)
	}
	var f Fault
	if _, err := Open(c); !errors.As(err, &f) || f.Problem != Missing || f.File != headName {
		t.Fatal(err)
	}
	if _, err := Create(c); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
}

func TestWords(t *testing.T) {
	for p := Problem(1); p <= Unanchored+1; p++ {
		if text := (Fault{p, headName, 3}).Error(); (p > Unanchored) != strings.HasSuffix(text, "problem 8") {
			t.Error(text)
		}
	}
	if Answered.String() != "answered" || Refused.String() != "refused" || (LogID{0xab}).String()[:4] != "ab00" {
		t.Error("words")
	}
}
