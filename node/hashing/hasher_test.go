package hashing

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger/alert"
	"vigil/node/hashing/synthetic"
)

// TestDigestsOfAnyContent: whatever the pieces in which it is read, and an image's bytes are kept whole.
func TestDigestsOfAnyContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 100, sniffBytes - 1, sniffBytes, sniffBytes + 1, chunkBytes, chunkBytes + sniffBytes + 1}).Draw(t, "size")
		b := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
		if rapid.Bool().Draw(t, "image") {
			b = append([]byte("GIF89a"), b...)
		}
		r := io.Reader(bytes.NewReader(b))
		if rapid.Bool().Draw(t, "halves") {
			r = iotest.HalfReader(r)
		}
		c, err := read(context.Background(), r, int64(rapid.SampledFrom([]int{0, len(b)}).Draw(t, "expect")), func(int64) error { return nil })
		if err != nil || c.Size != uint64(len(b)) || c.MD5 != md5.Sum(b) || c.SHA1 != sha1.Sum(b) || c.SHA256 != sha256.Sum256(b) {
			t.Fatal(c.Size, err)
		}
		if image := c.kind == GIF; image != (c.image != nil) || (image && !bytes.Equal(c.image, b)) {
			t.Fatalf("kept %d bytes of %q", len(c.image), c.kind)
		}
	})
}

func TestAnImageOverTheBoundIsNotKept(t *testing.T) {
	large := io.MultiReader(strings.NewReader("GIF89a"), io.LimitReader(zeros{}, maxImageBytes))
	it := New(Options{}).Reader(t.Context(), "x", large)
	if it.Err != nil || it.Size != maxImageBytes+6 || it.MD5 == (Digests{}).MD5 || !errors.Is(it.Refused, ErrBounds) {
		t.Errorf("%+v", it)
	}
}

// TestHeldImagesAreBounded: an image waits until others have let go of theirs, and one that grew is not taken in half.
func TestHeldImagesAreBounded(t *testing.T) {
	h := New(Options{})
	image := encoded(t, synthetic.Shapes(50, 60, 1))[PNG]
	if !h.held.TryAcquire(heldBytes) {
		t.Fatal("held")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if it := h.Reader(ctx, "x", bytes.NewReader(image)); !errors.Is(it.Err, context.DeadlineExceeded) {
		t.Error(it.Err)
	}
	h.held.Release(heldBytes)
	var it Item
	h.fill(t.Context(), &it, bytes.NewReader(image), int64(len(image)-1), nil)
	if !errors.Is(it.Refused, ErrChanged) || it.Image != nil || it.Size != uint64(len(image)) {
		t.Errorf("%v", it.Refused)
	}
	if !h.held.TryAcquire(heldBytes) {
		t.Error("not all was let go")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestReadingEndsWithItsContextAndItsErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := read(ctx, io.LimitReader(zeros{}, 1<<30), 0, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	broken := errors.New("broken")
	for _, after := range []int{0, sniffBytes + 1} {
		r := io.MultiReader(bytes.NewReader(make([]byte, after)), iotest.ErrReader(broken))
		if it := New(Options{}).Reader(t.Context(), "x", r); !errors.Is(it.Err, broken) {
			t.Errorf("%d: %v", after, it.Err)
		}
	}
}

func TestSniff(t *testing.T) {
	ts := bytes.Repeat(append([]byte{0x47, 0}, make([]byte, 186)...), 3)
	for head, want := range map[string]Kind{
		"": Other, "\xff\xd8\xff\xe0": JPEG, "RIFF\x24\x00\x00\x00WEBPVP8 ": WebP, "RIFF\x24\x00\x00\x00AVI LIST": AVI,
		"BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36": BMP, "BM is a text": Other, "MM\x00*": TIFF, string(ts): MPEG, "G is a text": Other,
		"\x00\x00\x00\x01\x67\x42": H26x, "\x00\x00\x00\x01\x40\x01": H26x, "\x00\x00\x00\x01\x40\x02": Other, "\x00\x00\x00\x18moov": MP4,
		"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42":      MP4,
		"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ":          MP4,
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic":      HEIC,
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif":      AVIF,
		"\x00\x00\x00\x14ftypmsf1\x00\x00\x00\x00msf1":          HEIC,
		"\x00\x00\x00\x10ftypavif\x00\x00\x00\x00":              AVIF,
		"\x00\x00\x00\x10ftypM4A \x00\x00\x00\x00":              Other,
		"\x00\x00\x00\xffftypheix\x00\x00\x00\x00":              HEIC,
		"\x00\x00\x00\x0cJXL \r\n\x87\n":                        JPEGXL,
		"%PDF-1.7 with images that nobody has taken out of it.": Other,
	} {
		if got := Sniff([]byte(head)); got != want {
			t.Errorf("%.20q: %q, want %q", head, got, want)
		}
	}
	if JPEG.Media() != alert.Image || HEIC.Media() != alert.Image || MP4.Media() != alert.Video || Other.Media() != alert.UnknownMedia {
		t.Error("media")
	}
}

// tree makes a directory with everything that can be found in one.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "d", "e"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("a.png", encoded(t, synthetic.Shapes(50, 60, 1))[PNG])
	write("b.png", pngHeader(100_000, 100_000))
	write("c\n\x1b[2J.txt", []byte("text"))
	write("d/e/empty", nil)
	write("d/e/f.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"))
	link("..", "d/loop")
	link("d/e", "again")
	link("a.png", "link")
	link("nowhere", "broken")
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func hashAll(t *testing.T, o Options, roots ...string) ([]Item, Summary) {
	t.Helper()
	h := New(o)
	defer h.Close()
	var items []Item
	var sum Summary
	if err := h.Each(t.Context(), roots, func(it Item) error {
		items = append(items, it)
		sum.Add(it)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return items, sum
}

func TestEverythingFoundGetsAWord(t *testing.T) {
	root := tree(t)
	unreadable := "/proc/self/mem" // a regular file whose first byte nobody can read
	items, sum := hashAll(t, Options{Worker: workerCommand(t, "worker"), Parallel: 3}, root, "/nonexistent", unreadable)
	var got []string
	for _, it := range items {
		name, _ := strings.CutPrefix(it.Path, root+"/")
		got = append(got, fmt.Sprintf("%s: %s%s", name, Word(it.Err), Word(it.Refused)))
	}
	want := []string{
		"a.png: ",
		"again: a symbolic link, not followed",
		"b.png: over the bound: 100000 pixels a side, at most 65535",
		"broken: a symbolic link, not followed",
		"c\n\x1b[2J.txt: ",
		"d/e/empty: ",
		"d/e/f.heic: there is no sound decoder in Go for this format; convert it to get a PDQ",
		"d/loop: a symbolic link, not followed",
		"link: a symbolic link, not followed",
		"pipe: not a regular file: a named pipe",
		"/nonexistent: no such file or directory",
		"/proc/self/mem: input/output error",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if want := (Summary{Files: 5, Bytes: sum.Bytes, Images: 1, Refused: 2, Empty: 1, Unread: 2, Links: 4, Special: 1}); sum != want || sum.LeftOut() != 10 {
		t.Errorf("%+v", sum)
	}
	if items[0].Image == nil || items[len(items)-1].Found != 12 {
		t.Error("no PDQ, or not all were counted")
	}
}

func TestLinksAreFollowedOnceEach(t *testing.T) {
	root := tree(t)
	items, sum := hashAll(t, Options{Follow: true}, root)
	words := map[string]string{}
	for _, it := range items {
		name, _ := strings.CutPrefix(it.Path, root+"/")
		words[name] = Word(it.Err)
	}
	for name, want := range map[string]string{
		"again/empty": "", "d/e": ErrVisited.Error(), "d/loop": ErrVisited.Error(), "link": "", "broken": "no such file or directory",
	} {
		if got, ok := words[name]; !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if sum.Files != 6 || sum.Links != 2 {
		t.Errorf("%+v", sum)
	}
}

// TestABushOfLinksEnds: directories that each link twice to the next have 2^40 paths.
func TestABushOfLinksEnds(t *testing.T) {
	root := t.TempDir()
	for i := range 40 {
		d := filepath.Join(root, fmt.Sprint(i))
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"x", "y"} {
			if err := os.Symlink(filepath.Join("..", fmt.Sprint(i+1)), filepath.Join(d, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if items, _ := hashAll(t, Options{Follow: true}, filepath.Join(root, "0")); len(items) > 100 {
		t.Error(len(items))
	}
}

func TestDepthIsBounded(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for range maxDepth + 2 {
		if err := os.Mkdir("d", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chdir("d"); err != nil {
			t.Fatal(err)
		}
	}
	items, _ := hashAll(t, Options{}, root)
	if len(items) != 1 || !errors.Is(items[0].Err, ErrDeep) {
		t.Errorf("%d", len(items))
	}
}

func TestFilesThatAreNone(t *testing.T) {
	h := New(Options{})
	if it := h.File(t.Context(), t.TempDir()); !errors.Is(it.Err, ErrSpecial) {
		t.Errorf("a directory: %v", it.Err)
	}
	if it := h.File(t.Context(), "/dev/null"); !errors.Is(it.Err, ErrSpecial) || !strings.Contains(Word(it.Err), "device") {
		t.Errorf("a device: %v", it.Err)
	}
	if it := h.File(t.Context(), filepath.Join(tree(t), "pipe")); !errors.Is(it.Err, ErrSpecial) {
		t.Errorf("a pipe without a writer: %v", it.Err)
	}
}

// TestOrderIsThatOfNames, whichever file takes longest.
func TestOrderIsThatOfNames(t *testing.T) {
	root := t.TempDir()
	var want []string
	for i := range 60 {
		name := filepath.Join(root, fmt.Sprintf("%02d", i))
		if err := os.WriteFile(name, make([]byte, (i*7919)%500_000), 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	items, _ := hashAll(t, Options{Parallel: 4}, root)
	for i, it := range items {
		if it.Path != want[i] || it.Err != nil {
			t.Fatalf("%d is %s: %v", i, it.Path, it.Err)
		}
	}
	if len(items) != len(want) {
		t.Error(len(items))
	}
}

func TestEachEndsEarly(t *testing.T) {
	root := t.TempDir()
	for i := range 500 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := New(Options{Parallel: 2})
	defer h.Close()
	enough := errors.New("enough")
	n := 0
	if err := h.Each(t.Context(), []string{root}, func(Item) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := h.Each(ctx, []string{root}, func(Item) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSignals(t *testing.T) {
	h := New(Options{})
	it := h.Reader(t.Context(), "x", bytes.NewReader(encoded(t, synthetic.Shapes(50, 60, 1))[PNG]))
	it.Frames = []Frame{{Quality: 7}}
	signals := it.Signals()
	if len(signals) != 5 || signals[3].Algorithm != alert.PDQ || signals[4].Algorithm != alert.VPDQFrame {
		t.Fatalf("%d", len(signals))
	}
	if q, ok := signals[3].Quality.Value(); !ok || q != it.Image.Quality {
		t.Error("quality")
	}
	f := alert.File{Signals: signals[:4], MediaSize: it.Size}.Normal()
	if err := f.Validate(); err != nil {
		t.Error(err)
	}
	if bad := (&Item{Err: ErrLink}).Signals(); bad != nil {
		t.Error("signals of nothing")
	}
}

func TestWords(t *testing.T) {
	if got := Word(&fs.PathError{Op: "open", Path: "/secret", Err: fs.ErrPermission}); got != "permission denied" {
		t.Error(got)
	}
	for name, want := range map[string]string{
		"plain name.jpg": "plain name.jpg", "हिंदी": "हिंदी", `a"b`: `a"b`, `a\b`: `a\\b`, "a\nb": `a\nb`, "\x1b[2J": `\x1b[2J`,
		"\xff": `\xff`, "a\u202eb": `a\u202eb`, `\"`: `\\"`,
	} {
		if got := Visible(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	s := Summary{Files: 3, Bytes: 10, Refused: 1}
	if got := s.String(); got != "files: 3, bytes: 10, images or films without PDQ or cut short: 1" {
		t.Error(got)
	}
	if runtime.GOMAXPROCS(0) != New(Options{}).options.Parallel {
		t.Error("parallel")
	}
}
