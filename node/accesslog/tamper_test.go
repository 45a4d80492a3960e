package accesslog

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// three returns a log of two closed segments and an open one, the first of them anchored, and its disk.
func three(t testing.TB) (*Log, *memory, []Anchor) {
	t.Helper()
	m := newMemory()
	l := must[*Log](t)(create(config(t), m))
	var anchors []Anchor
	for i := range 2 {
		fill(t, l, 3+i)
		if err := l.CloseSegment(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := must[*Segment](t)(l.export(l.now.Load().history.segments[i]))
		anchors = append(anchors, s.Anchor(ledger.Index(100+i)))
	}
	if err := l.mark(mark{Kind: markAnchored, First: 0, Position: 100}); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 5)
	return l, m, anchors
}

// noticed returns the first fault, of Open or of Verify.
func noticed(t testing.TB, m *memory, anchors []Anchor) (Fault, bool) {
	t.Helper()
	l, err := open(config(t), m.clone())
	var f Fault
	if errors.As(err, &f) {
		return f, errors.Is(err, ErrTampered) && !strings.Contains(err.Error(), secret)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := must[Report](t)(l.Verify(t.Context(), listed(anchors)))
	if len(r.Faults) == 0 {
		return f, false
	}
	return r.Faults[0], true
}

// recordAt returns which record holds a byte of a records file.
func recordAt(file []byte, first uint64, at int) uint64 {
	rest := file[len(preface{}):]
	for at >= len(file)-len(rest) {
		_, after, err := splitFrame(rest)
		if err != nil || at < len(file)-len(after) {
			return first
		}
		rest, first = after, first+1
	}
	return first
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	_, m, anchors := three(t)
	first := map[string]uint64{recordsName(0): 0, recordsName(3): 3, recordsName(7): 7}
	for name, file := range m.files {
		for i := range file {
			file[i] ^= 1 << (i % 8)
			f, ok := noticed(t, m, anchors)
			file[i] ^= 1 << (i % 8)
			if !ok {
				t.Fatalf("byte %d of %s", i, name)
			}
			if n, isRecords := first[name]; isRecords && (f.File != name || f.Index != recordAt(file, n, i)) {
				t.Fatalf("byte %d of %s, in record %d: %v", i, name, recordAt(file, n, i), f)
			}
		}
	}
	if f, ok := noticed(t, m, anchors); ok {
		t.Fatal(f)
	}
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	_, m, anchors := three(t)
	for name, file := range m.files {
		for n := range file {
			m.files[name] = file[:n:n]
			if f, ok := noticed(t, m, anchors); !ok {
				t.Fatalf("%s cut to %d: %v", name, n, f)
			}
		}
		delete(m.files, name)
		f, ok := noticed(t, m, anchors)
		m.files[name] = file
		if !ok || f.Problem != Missing || f.File != name {
			t.Fatalf("without %s: %v", name, f)
		}
	}
}

func TestMovedAddedAndForeignFramesAreNoticed(t *testing.T) {
	_, m, anchors := three(t)
	other := newMemory()
	ol := must[*Log](t)(create(config(t), other))
	fill(t, ol, 3)
	r0, r3, r7 := recordsName(0), recordsName(3), recordsName(7)
	cases := map[string]struct {
		change func(files map[string][]byte)
		file   string
		index  uint64
	}{
		"records swapped":     {func(f map[string][]byte) { f[r3] = swapFrames(f[r3]) }, r3, 3},
		"files swapped":       {func(f map[string][]byte) { f[r0], f[r3] = f[r3], f[r0] }, r0, 0},
		"a frame twice":       {func(f map[string][]byte) { f[r3] = append(f[r3], lastFrame(f[r3])...) }, r3, 7},
		"a frame at the end":  {func(f map[string][]byte) { f[r0] = append(f[r0], 1, 2, 3) }, r0, 3},
		"of another log":      {func(f map[string][]byte) { f[r0] = other.files[r0] }, r0, 0},
		"another log's head":  {func(f map[string][]byte) { f[headName] = other.files[headName] }, r0, 0},
		"a file that is new":  {func(f map[string][]byte) { f[recordsName(20)] = f[r7] }, recordsName(20), 12},
		"a file in between":   {func(f map[string][]byte) { f[recordsName(2)] = f[r0] }, recordsName(2), 12},
		"marks of another":    {func(f map[string][]byte) { f[marksName] = other.files[r0] }, marksName, 0},
		"empty segment":       {func(f map[string][]byte) { f[r0] = nil }, r0, 0},
		"open file is closed": {func(f map[string][]byte) { f[r7] = f[r3] }, r7, 7},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			changed := m.clone()
			c.change(changed.files)
			f, ok := noticed(t, changed, anchors)
			if !ok || f.File != c.file || f.Index != c.index {
				t.Fatalf("%v", f)
			}
		})
	}
}

func lastFrame(file []byte) []byte {
	rest := file[len(preface{}):]
	for {
		_, after, err := splitFrame(rest)
		if err != nil || len(after) == 0 {
			return bytes.Clone(rest)
		}
		rest = after
	}
}

func swapFrames(file []byte) []byte {
	head := len(preface{})
	a, rest, _ := splitFrame(file[head:])
	b, _, _ := splitFrame(rest)
	n, k := head+lengthBytes+len(a), lengthBytes+len(b)
	out := bytes.Clone(file[:head])
	out = append(out, file[n:n+k]...)
	out = append(out, file[head:n]...)
	return append(out, file[n+k:]...)
}

// A directory put back to an earlier copy is whole in itself; the ledger knows better.
func TestPutBack(t *testing.T) {
	l, m, _ := three(t)
	early := m.clone()
	if err := l.CloseSegment(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := l.now.Load().history.segments[2]
	anchors := []Anchor{{Log: l.id, First: 0, Count: 3, Root: l.now.Load().history.segments[0].tree.Root(), Position: 100}}
	anchors = append(anchors, Anchor{Log: l.id, First: 7, Count: 5, Root: third.tree.Root(), Position: 102})

	old := must[*Log](t)(open(config(t), early))
	r := must[Report](t)(old.Verify(t.Context(), listed(anchors)))
	if len(r.Faults) != 1 || r.Faults[0].Problem != RolledBack || r.Faults[0].Index != 7 {
		t.Fatal(r.Faults)
	}
	fill(t, old, 1) // and it goes on as if nothing had been
	if err := old.CloseSegment(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = must[Report](t)(old.Verify(t.Context(), listed(anchors)))
	if len(r.Faults) != 1 || r.Faults[0].Problem != Differs || r.Faults[0].Index != 7 {
		t.Fatal(r.Faults)
	}
}

// A head put back alone must not turn what it spoke for into a torn tail that may be cut off.
func TestHeadPutBack(t *testing.T) {
	m := newMemory()
	l := must[*Log](t)(create(config(t), m))
	fill(t, l, 1)
	early := m.clone().files[headName]
	fill(t, l, 400)
	late := m.clone()
	late.files[headName] = early
	if f, ok := noticed(t, late, nil); !ok || f != (Fault{Altered, headName, 1}) {
		t.Fatal(f)
	}
	for range 2 {
		if err := l.CloseSegment(t.Context()); err != nil {
			t.Fatal(err)
		}
		early = m.clone().files[headName]
		fill(t, l, 1)
	}
	if err := l.mark(mark{Kind: markAnchored, First: 0, Position: 1}); err != nil {
		t.Fatal(err)
	}
	if err := l.mark(mark{Kind: markAnchored, First: 401, Position: 2}); err != nil {
		t.Fatal(err)
	}
	late = m.clone()
	late.files[headName] = early
	if f, ok := noticed(t, late, nil); !ok || f != (Fault{Altered, headName, 402}) {
		t.Fatal(f)
	}
}

// A whole batch of the largest records behind the head is what a crash leaves.
func TestLargestBatchBehindTheHead(t *testing.T) {
	m := newMemory()
	l := must[*Log](t)(create(config(t), m))
	early := m.clone().files[headName]
	r := record(0)
	r.Purpose, r.Objects, r.Count = strings.Repeat("p", MaxPurposeBytes), nil, 0
	for range 1000 {
		if err := l.enqueue(&request{record: r, done: make(chan struct{})}); err != nil {
			t.Fatal(err)
		}
	}
	l.commit(l.next())
	size := l.Status().Size
	m.files[headName] = early
	if got := must[*Log](t)(open(config(t), m)).Status().Size; got != size || size < 50 {
		t.Fatal(got, size)
	}
}

func TestWhatTheLedgerSays(t *testing.T) {
	l, _, anchors := three(t)
	forged := anchors[1]
	forged.Root[0] ^= 1
	moved := anchors[0]
	moved.Position++
	odd := Anchor{Log: l.id, First: 1, Count: 2, Root: anchors[0].Root}
	foreign := Anchor{Log: LogID{9}, First: 0, Count: 1}
	for name, c := range map[string]struct {
		anchors []Anchor
		want    Problem
		index   uint64
		others  int
	}{
		"all is well":         {anchors, 0, 0, 0},
		"twice":               {append(anchors[:2:2], anchors...), 0, 0, 0},
		"another root":        {[]Anchor{anchors[0], forged}, Differs, 3, 0},
		"other bounds":        {[]Anchor{anchors[0], odd}, Differs, 1, 0},
		"not there":           {nil, Unanchored, 0, 0},
		"elsewhere":           {[]Anchor{moved}, Unanchored, 0, 0},
		"of an earlier log":   {append(anchors[:2:2], foreign, foreign), 0, 0, 1},
		"of an unknown later": {append(anchors[:2:2], Anchor{Log: l.id, First: 12, Count: 1}), RolledBack, 12, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := must[Report](t)(l.Verify(t.Context(), listed(c.anchors)))
			if len(r.Others) != c.others || (c.want == 0) != (r.Err() == nil) {
				t.Fatalf("%+v", r)
			}
			if c.want != 0 && (r.Faults[0].Problem != c.want || r.Faults[0].Index != c.index) {
				t.Fatal(r.Faults)
			}
		})
	}
}

// One damaged segment accuses itself alone, and Query never skips what it cannot show.
func TestDamageIsNamedAndDoesNotSpread(t *testing.T) {
	l, m, anchors := three(t)
	m.files[recordsName(3)][60] ^= 1
	r := must[Report](t)(l.Verify(t.Context(), listed(anchors)))
	if len(r.Faults) != 1 || r.Faults[0] != (Fault{Altered, recordsName(3), 3}) {
		t.Fatal(r.Faults)
	}
	if _, err := l.Query(t.Context(), Query{}); !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
	if p, err := l.Query(t.Context(), Query{Limit: 5}); err != nil || len(p.Entries) != 5 {
		t.Fatal(p, err)
	}
	fill(t, l, 1)
}

// The root is the RFC 6962 root that the reference implementation computes.
func TestRootIsOfRFC6962(t *testing.T) {
	l, _, _ := three(t)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	v := l.now.Load()
	n := int64(0)
	for place, c := range append(v.history.segments, v.asClosed()) {
		err := l.readSegment(v, c, place, func(_ Entry, leaf []byte) {
			hashes, err := tlog.StoredHashes(n, leaf, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored, n = append(stored, hashes...), n+1
		})
		if err != nil {
			t.Fatal(err)
		}
		root, err := tlog.TreeHash(n, reader)
		if err != nil || root != c.tree.Root() {
			t.Fatal(place, err)
		}
	}
}

func TestNothingInClearOnDisk(t *testing.T) {
	_, m, _ := three(t)
	for name, b := range m.files {
		for _, word := range []string{secret, "alert.show", "event-"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	_, m, _ := three(t)
	c := config(t)
	c.Key[0]++
	if _, err := open(c, m); !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
}
