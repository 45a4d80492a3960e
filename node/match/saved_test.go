package match

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"vigil/ledger/alert"
)

// varied returns an index with something in every space: single refs, lists, what is gone, segments and deltas.
func varied(t testing.TB) *Index {
	x, s := New(), newSource(13)
	var changes []Change
	signal := drawnSignals(s)
	for range 3_000 {
		changes = append(changes, Change{Signal: signal(), Ref: Ref(s.IntN(200)), List: List(s.IntN(3))})
	}
	if err := errors.Join(x.Load(sequence(changes[:2_000], nil)), x.Apply(changes[2_000:]...)); err != nil {
		t.Fatal(err)
	}
	for i := range changes[:300] {
		changes[i].Gone = true
	}
	if err := x.Apply(changes[:300]...); err != nil {
		t.Fatal(err)
	}
	return x
}

func saved(t testing.TB, x *Index) []byte {
	var b bytes.Buffer
	if err := x.Save(&b, testKey, []byte("place")); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever byte is changed, wherever it is cut, whatever is added: it is noticed, and nothing is opened.
func TestDamageIsNoticed(t *testing.T) {
	x := New()
	if err := x.Apply(Change{Signal: pdq(newSource(1).value(32)), Ref: 1}); err != nil {
		t.Fatal(err)
	}
	whole := saved(t, x)
	refused := func(what string, at int, b []byte) {
		if y, _, err := Open(bytes.NewReader(b), testKey); !errors.Is(err, ErrSaved) || y != nil {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			b := slices.Clone(whole)
			b[i] ^= bit
			refused("a bit", i, b)
		}
		refused("cut", i, whole[:i])
	}
	refused("more", len(whole), append(slices.Clone(whole), 0))
	other := testKey
	other[0] ^= 1
	if _, _, err := Open(bytes.NewReader(whole), other); !errors.Is(err, ErrSaved) {
		t.Error("another key:", err)
	}
	if _, _, err := Open(iotest.ErrReader(io.ErrClosedPipe), testKey); !errors.Is(err, ErrSaved) || !errors.Is(err, io.ErrClosedPipe) {
		t.Error("a disk that fails:", err)
	}
}

// Frames of one file, in another order or left out at their borders, are noticed.
func TestFramesStandInTheirOrder(t *testing.T) {
	x, s := New(), newSource(14)
	var changes []Change
	for i := range 90_000 {
		changes = append(changes, Change{Signal: pdq(s.value(32)), Ref: Ref(i)})
	}
	if err := x.Load(sequence(changes, nil)); err != nil {
		t.Fatal(err)
	}
	whole := saved(t, x)
	frames := [][]byte{}
	for rest := whole[headBytes:]; len(rest) > 0; {
		n := 4 + (int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3]))
		frames, rest = append(frames, rest[:n]), rest[n:]
	}
	if len(frames) < 4 {
		t.Fatalf("%d frames", len(frames))
	}
	head := whole[:headBytes:headBytes]
	for name, order := range map[string][]int{"swapped": {1, 0, 2, 3}, "one left out": {0, 2, 3}, "the last left out": {0, 1, 2}, "one twice": {0, 0, 1, 2, 3}} {
		b := head
		for _, i := range order {
			b = append(b, frames[i]...)
		}
		if _, _, err := Open(bytes.NewReader(b), testKey); !errors.Is(err, ErrSaved) {
			t.Errorf("%s: %v", name, err)
		}
		r := must[*sealReader](t)(newSealReader(bytes.NewReader(b), testKey))
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrSaved) {
			t.Errorf("%s, whatever is in the frames: %v", name, err)
		}
	}
	if got := reopened(t, x).Size(); got != x.Size() {
		t.Errorf("%+v, want %+v", got, x.Size())
	}
}

// No value stands in a file as it is, and the same index is never the same file.
func TestSavedIsSealed(t *testing.T) {
	x, v := New(), newSource(15).value(32)
	if err := x.Apply(Change{Signal: alert.Signal{Algorithm: alert.SHA256, Value: v}, Ref: 7}); err != nil {
		t.Fatal(err)
	}
	a, b := saved(t, x), saved(t, x)
	if bytes.Contains(a, v[:8]) || bytes.Equal(a, b) {
		t.Error("what is saved is not sealed")
	}
}

// The file is replaced as a whole or not at all, and only its owner may read it.
func TestSaveFile(t *testing.T) {
	x, path := varied(t), filepath.Join(t.TempDir(), "index")
	if _, _, err := OpenFile(path, testKey); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := x.SaveFile(path, testKey, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := x.SaveFile(path, testKey, make([]byte, MaxCursorBytes+1)); err == nil {
		t.Error("a cursor over the bound")
	}
	y, cursor, err := OpenFile(path, testKey)
	if err != nil || string(cursor) != "one" || y.Size().Refs != x.Size().Refs {
		t.Error(string(cursor), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
	if err := x.SaveFile(filepath.Join(path, "no directory"), testKey, nil); err == nil {
		t.Error("saved into a file")
	}
}

// What is dropped is in no saved file, whether few or all that a segment holds are gone, and what is left is as before.
func TestWhatIsDroppedIsNotSaved(t *testing.T) {
	x, s := New(), newSource(17)
	file := func(v []byte, ref Ref) Change {
		return Change{Signal: alert.Signal{Algorithm: alert.SHA256, Value: v}, Ref: ref}
	}
	load := func(changes ...Change) {
		t.Helper()
		if err := x.Load(sequence(changes, nil)); err != nil {
			t.Fatal(err)
		}
	}
	one, several, alone, late := s.value(32), s.value(32), s.value(32), s.value(32)
	left := []Change{file(several, 1), file(several, 2), file(s.value(32), 3)}
	for range 100 {
		left = append(left, file(s.value(32), 4))
	}
	shared := file(s.value(32), 5)
	load(append(left, file(one, 9), file(several, 9), shared, file(shared.Signal.Value, 9))...)
	load(file(alone, 9))
	if err := x.Apply(file(late, 9)); err != nil {
		t.Fatal(err)
	}
	if z := x.Size(); z.Segments != 2 {
		t.Fatalf("%+v", z)
	}
	if b := plain(t, x, nil); !bytes.Contains(b, one) || !bytes.Contains(b, alone) || !bytes.Contains(b, late) {
		t.Fatal("the search finds nothing")
	}
	x.Drop(9)
	b := plain(t, x, nil)
	if bytes.Contains(b, one) || bytes.Contains(b, alone) || bytes.Contains(b, late) {
		t.Error("what was dropped is saved")
	}
	y := reopened(t, x)
	space := y.spaces[spaceSHA256].view.Load()
	for _, g := range space.segments {
		for _, key := range [][]byte{one, alone, late} {
			if _, ok := g.find(key); ok {
				t.Error("what was dropped is there again")
			}
		}
	}
	if z := y.Size(); z.Refs != len(left)+1 || z.Refs != x.Size().Refs || z.Segments != 1 || space.filed(several, 9) {
		t.Errorf("%+v, of %+v", z, x.Size())
	}
	for _, c := range append(left, shared) {
		if !space.filed(c.Signal.Value, c.Ref) {
			t.Errorf("ref %d is not there", c.Ref)
		}
	}
}

// A disk that fails at any write makes Save fail.
func TestSaveFails(t *testing.T) {
	x := varied(t)
	for n := range 2 {
		if err := x.Save(&failing{after: n}, testKey, nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after %d writes: %v", n, err)
		}
	}
}

type failing struct{ after int }

func (f *failing) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

// plain returns the saved form inside the frames.
func plain(t fataler, x *Index, cursor []byte) []byte {
	var b bytes.Buffer
	if err := x.write(&b, cursor); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What decodes is written again as the same bytes, for anything that can be in an index.
func TestSavedFormIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, x := newSource(rapid.Uint64().Draw(t, "seed")), New()
		signal := drawnSignals(s)
		for range rapid.IntRange(0, 3).Draw(t, "loads") {
			var changes []Change
			for range rapid.IntRange(1, 300).Draw(t, "changes") {
				changes = append(changes, Change{Signal: signal(), Ref: Ref(s.IntN(50)), List: List(s.IntN(MaxLists))})
			}
			if err := x.Load(sequence(changes, nil)); err != nil {
				t.Fatal(err)
			}
			changes = changes[:s.IntN(len(changes))]
			for i := range changes {
				changes[i].Gone = true
			}
			if err := x.Apply(changes...); err != nil {
				t.Fatal(err)
			}
		}
		b := plain(t, x, []byte("here"))
		y, cursor, err := read(bytes.NewReader(b))
		if err != nil || !bytes.Equal(plain(t, y, cursor), b) {
			t.Fatal("not the same bytes", err)
		}
	})
}

// Every rule of the decoder refuses something.
func TestRefusedForms(t *testing.T) {
	row := func(key byte, words ...uint64) (k []byte, w []uint64) { return bytes.Repeat([]byte{key}, 16), words }
	form := func(space byte, n, listed uint32, parts ...any) []byte {
		b := []byte{savedVersion, 0, 0, space, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), byte(listed >> 24), byte(listed >> 16), byte(listed >> 8), byte(listed)}
		for _, p := range parts {
			switch p := p.(type) {
			case []byte:
				b = append(b, p...)
			case uint64:
				for shift := 56; shift >= 0; shift -= 8 {
					b = append(b, byte(p>>shift))
				}
			}
		}
		return b
	}
	end := []byte{noSpace}
	one, _ := row(1)
	two, _ := row(2)
	list := uint64(several)
	good := form(spaceMD5, 2, 3, one, two, uint64(5), list, uint64(2), uint64(5), uint64(6), end)
	if _, _, err := read(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"another version":         {2, 0, 0, noSpace},
		"a cursor over the bound": {savedVersion, 0x10, 1},
		"a cut cursor":            {savedVersion, 0, 9, 1},
		"no end":                  {savedVersion, 0, 0},
		"after the end":           {savedVersion, 0, 0, noSpace, 0},
		"unknown space":           form(spaces, 1, 0, one, uint64(1), end),
		"no rows":                 form(spaceMD5, 0, 0, end),
		"too many rows":           form(spaceMD5, maxRows+1, 0, end),
		"too many words":          form(spaceMD5, 1, maxListed+1, end),
		"cut keys":                form(spaceMD5, 2, 0, one),
		"cut words":               form(spaceMD5, 1, 0, one, []byte{0}),
		"cut lists":               form(spaceMD5, 1, 3, one, list, uint64(2), uint64(1)),
		"keys out of order":       form(spaceMD5, 2, 0, two, one, uint64(1), uint64(2), end),
		"a key twice":             form(spaceMD5, 2, 0, one, one, uint64(1), uint64(2), end),
		"unknown bits":            form(spaceMD5, 1, 0, one, uint64(1)<<54, end),
		"a list of one":           form(spaceMD5, 1, 2, one, list, uint64(1), uint64(1), end),
		"a list too long":         form(spaceMD5, 1, 3, one, list, uint64(3), uint64(1), uint64(2), end),
		"a huge list":             form(spaceMD5, 1, 3, one, list, ^uint64(0), uint64(1), uint64(2), end),
		"a list out of order":     form(spaceMD5, 1, 3, one, list, uint64(2), uint64(2), uint64(1), end),
		"a ref twice in a list":   form(spaceMD5, 1, 3, one, list, uint64(2), uint64(1), uint64(1)|1<<listShift, end),
		"what is gone":            form(spaceMD5, 1, 0, one, uint64(1)|uint64(dead), end),
		"a list in a list":        form(spaceMD5, 1, 3, one, list, uint64(2), uint64(1), list, end),
		"a list elsewhere":        form(spaceMD5, 1, 3, one, list|1, uint64(2), uint64(1), uint64(2), end),
		"no list":                 form(spaceMD5, 1, 0, one, list, end),
		"a list of no row":        form(spaceMD5, 1, 3, one, uint64(1), uint64(2), uint64(1), uint64(2), end),
		"spaces out of order":     append(form(spaceSHA1, 1, 0, make([]byte, 20), uint64(1)), form(spaceMD5, 1, 0, one, uint64(1), end)[3:]...),
	} {
		if _, _, err := read(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// FuzzRead: whatever the decoder accepts is written again as the same bytes.
func FuzzRead(f *testing.F) {
	f.Add(plain(f, New(), nil))
	x, s := New(), newSource(16)
	signal := drawnSignals(s)
	for i := range 40 {
		if err := x.Apply(Change{Signal: signal(), Ref: Ref(i % 7), List: List(i % 3)}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(plain(f, x, []byte("place")))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, cursor, err := read(bytes.NewReader(b))
		if err == nil && !bytes.Equal(plain(t, x, cursor), b) {
			t.Error("accepted, and written differently")
		}
	})
}

// FuzzOpen: no bytes make the reader of frames fail otherwise than by refusing them.
func FuzzOpen(f *testing.F) {
	x := New()
	f.Add(saved(f, x))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := Open(bytes.NewReader(b), testKey); err != nil && !errors.Is(err, ErrSaved) {
			t.Error(err)
		}
	})
}
