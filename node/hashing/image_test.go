package hashing

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"vigil/node/hashing/pdq"
	"vigil/node/hashing/synthetic"
)

func allow(uint64) error { return nil }

// here decodes in this process, the kind told by the content.
func here(data []byte) (Image, error) {
	return hashImage(Sniff(data), bytes.Clone(data), maxDecodeTime, allow)
}

// TestFilesThatOthersWrote compares with what pdqhash and Pillow say of the same files.
func TestFilesThatOthersWrote(t *testing.T) {
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var files []struct {
		File    string   `json:"file"`
		Quality int      `json:"quality"`
		PDQ     pdq.Hash `json:"pdq"`
	}
	if err := json.Unmarshal(b, &files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join("testdata", f.File))
		if err != nil {
			t.Fatal(err)
		}
		m, err := here(data)
		if err != nil {
			t.Errorf("%s: %v", f.File, err)
			continue
		}
		bound := 0
		if lossy := strings.HasSuffix(f.File, ".jpg") || strings.HasSuffix(f.File, ".webp"); lossy {
			bound = 4 // decoders round differently
		}
		if d := m.Forms[0].Distance(f.PDQ); d > bound || m.Quality-f.Quality > 1 || f.Quality-m.Quality > 1 {
			t.Errorf("%s: %d bits, quality %d, want %d", f.File, d, m.Quality, f.Quality)
		}
	}
	if len(files) != 16 {
		t.Error(len(files))
	}
}

// encoded is one image in every format that Go writes.
func encoded(t testing.TB, m image.Image) map[Kind][]byte {
	t.Helper()
	out := map[Kind][]byte{}
	for kind, encode := range map[Kind]func(*bytes.Buffer) error{
		JPEG: func(b *bytes.Buffer) error { return jpeg.Encode(b, m, &jpeg.Options{Quality: 95}) },
		PNG:  func(b *bytes.Buffer) error { return png.Encode(b, m) },
		GIF:  func(b *bytes.Buffer) error { return gif.Encode(b, m, nil) },
		BMP:  func(b *bytes.Buffer) error { return bmp.Encode(b, m) },
		TIFF: func(b *bytes.Buffer) error { return tiff.Encode(b, m, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		out[kind] = b.Bytes()
	}
	return out
}

func ofPixels(t testing.TB, m image.Image) Image {
	t.Helper()
	out, err := hashPixels(m, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryFormatHasTheHashOfItsPixels(t *testing.T) {
	m := synthetic.Clouds(321, 200, 5)
	want := ofPixels(t, m)
	for kind, data := range encoded(t, m) {
		if got := Sniff(data); got != kind {
			t.Errorf("%s taken for %q", kind, got)
		}
		bound := map[Kind]int{JPEG: 6, GIF: 16}[kind] // what the format itself loses
		got, err := here(data)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if d := got.Forms[0].Distance(want.Forms[0]); d > bound {
			t.Errorf("%s: %d bits", kind, d)
		}
	}
}

// TestPixelsOfEveryKind: the same picture in every structure that decoders return.
func TestPixelsOfEveryKind(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 90, 70))
	clouds := synthetic.Clouds(90, 70, 6)
	for i := range grey.Pix {
		grey.Pix[i] = clouds.Pix[4*i+1]
	}
	want := ofPixels(t, grey)
	b := grey.Rect
	wide, rgba64, nrgba64, rgba, nrgba := image.NewGray16(b), image.NewRGBA64(b), image.NewNRGBA64(b), image.NewRGBA(b), image.NewNRGBA(b)
	cmyk := image.NewCMYK(b)
	for y := range 70 {
		for x := range 90 {
			for _, m := range []draw.Image{wide, rgba64, nrgba64, rgba, nrgba, cmyk} {
				m.Set(x, y, grey.At(x, y))
			}
		}
	}
	for i := 3; i < len(nrgba.Pix); i += 4 {
		nrgba.Pix[i] = byte(i) // opacity counts for nothing
	}
	for name, m := range map[string]image.Image{"gray16": wide, "rgba64": rgba64, "nrgba64": nrgba64, "rgba": rgba, "nrgba": nrgba, "cmyk": cmyk} {
		if got := ofPixels(t, m); got.Forms[0].Distance(want.Forms[0]) > 2 {
			t.Errorf("%s: %d bits", name, got.Forms[0].Distance(want.Forms[0]))
		}
	}
	if got := ofPixels(t, &inverted{grey}); got.Forms[0].Distance(want.Forms[0]) < 250 {
		t.Error("an inverted picture has nearly the same hash")
	}
}

// TestHalvedColoursAreBroughtBack: three quarters of the nearer sample and one of the other, each way, and at an edge the
// sample itself.
func TestHalvedColoursAreBroughtBack(t *testing.T) {
	out := make([]byte, 6)
	if widen422(out, []byte{0, 100, 200}); !bytes.Equal(out, []byte{0, 25, 75, 125, 175, 200}) {
		t.Error(out)
	}
	if widen420(out, []byte{0, 100, 200}, []byte{0, 100, 200}); !bytes.Equal(out, []byte{0, 25, 75, 125, 175, 200}) {
		t.Error(out)
	}
	if widen420(out[:2], []byte{100}, []byte{20}); out[0] != 80 || out[1] != 80 {
		t.Error(out[:2])
	}
	m := image.NewYCbCr(image.Rect(0, 0, 7, 5), image.YCbCrSubsampleRatio420)
	c := chroma{m: m}
	for y, want := range []int{0, 4, 0, 8, 4} { // rows of colours are 4 long
		if got := c.beside(y); got != want {
			t.Errorf("row %d: %d, want %d", y, got, want)
		}
	}
	for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410; ratio++ {
		m := image.NewYCbCr(image.Rect(0, 0, 9, 7), ratio)
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = 7, 9
		}
		for y := range 7 {
			if luma, cb, cr := (&chroma{m: m}).row(y); len(luma) != 9 || !bytes.Equal(cb, bytes.Repeat([]byte{7}, 9)) || !bytes.Equal(cr, bytes.Repeat([]byte{9}, 9)) {
				t.Errorf("%s, row %d", ratio, y)
			}
		}
	}
}

// pngHeader is a PNG that promises a size and has nothing.
func pngHeader(width, height uint32) []byte {
	body := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	body = binary.BigEndian.AppendUint32(body, height)
	body = append(body, 8, 2, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
}

// patched changes bytes of a file.
func patched(data []byte, at int, with ...byte) []byte {
	out := bytes.Clone(data)
	copy(out[at:], with)
	return out
}

func TestRefusals(t *testing.T) {
	files := encoded(t, synthetic.Shapes(200, 150, 1))
	tiny := encoded(t, synthetic.Shapes(4, 150, 1))
	frame := bytes.Index(files[JPEG], []byte{0xff, 0xc0})
	screen := patched(files[GIF], 6, 0xff, 0xff, 0xff, 0xff)
	gifFrame := bytes.Index(screen, []byte{0x2c, 0, 0, 0, 0, 200, 0, 150, 0})
	fullFrame := patched(screen, gifFrame+5, 0xff, 0xff, 0xff, 0xff)
	lossless, err := os.ReadFile("testdata/lossless.webp")
	if err != nil {
		t.Fatal(err)
	}
	animated, err := os.ReadFile("testdata/animated.webp")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
		word string
	}{
		"png of 100,000 by 100,000":     {pngHeader(100_000, 100_000), ErrBounds, "100000 pixels a side, at most 65535"},
		"png of too many pixels":        {pngHeader(65_000, 65_000), ErrBounds, "4225000000 pixels, at most"},
		"png that lies":                 {pngHeader(10_000, 10_000), ErrLying, "10000 by 10000 pixels in 33 bytes"},
		"png of no width":               {pngHeader(0, 10), ErrDamaged, ""},
		"png too thin":                  {tiny[PNG], ErrTooSmall, "5 pixels"},
		"png cut short":                 {files[PNG][:len(files[PNG])/2], ErrDamaged, "truncated"},
		"png with a flipped bit":        {patched(files[PNG], len(files[PNG])/2, ^files[PNG][len(files[PNG])/2]), ErrDamaged, ""},
		"jpeg that lies":                {patched(files[JPEG], frame+5, 0x3f, 0xff, 0x3f, 0xff), ErrLying, "16383 by 16383"},
		"jpeg over the bound":           {patched(files[JPEG], frame+5, 0xff, 0xff, 0xff, 0xff), ErrBounds, ""},
		"jpeg cut short":                {files[JPEG][:len(files[JPEG])*2/3], ErrDamaged, "truncated"},
		"jpeg of a variant":             {patched(files[JPEG], frame+1, 0xc9), ErrVariant, ""},
		"jpeg of a header only":         {files[JPEG][:frame+10], ErrDamaged, ""},
		"gif cut short":                 {files[GIF][:len(files[GIF])/2], ErrDamaged, "truncated"},
		"gif with a screen over bounds": {screen, ErrBounds, "pixels"},
		"gif with a frame that lies":    {patched(fullFrame, 6, 0xff, 0x3f, 0xff, 0x3f), ErrLying, "65535 by 65535"},
		"gif without a frame":           {files[GIF][:14], ErrDamaged, ""},
		"bmp that lies":                 {patched(files[BMP], 18, 0xff, 0x3f, 0, 0, 0xff, 0x3f, 0, 0), ErrLying, "16383"},
		"bmp cut short":                 {files[BMP][:len(files[BMP])/2], ErrLying, ""},
		"tiff cut short":                {files[TIFF][:len(files[TIFF])/2], ErrDamaged, "truncated"},
		"webp over the bound":           {patched(lossless, 21, 0xff, 0xff, 0xff, 0x0f), ErrBounds, "memory"},
		"webp cut short":                {lossless[:len(lossless)/2], ErrDamaged, "truncated"},
		"webp film without its frame":   {animated[:60], ErrDamaged, ""},
		"webp film of other frames":     {patched(animated, bytes.Index(animated, []byte("ANMF"))+8+6, 10), ErrDamaged, ""},
		"webp film beside its screen":   {patched(animated, bytes.Index(animated, []byte("ANMF"))+8, 10), ErrDamaged, ""},
		"nothing":                       {nil, ErrNoDecoder, ""},
		"heic":                          {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), ErrNoDecoder, "HEIC"},
	} {
		_, err := here(c.data)
		if !errors.Is(err, c.want) || (c.word != "" && c.want != ErrNoDecoder && !strings.Contains(err.Error(), c.word)) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.word)
		}
	}
}

// TestMemoryIsExpectedBeforeItIsTaken: an image within its sides that would take too much is refused by its header, and
// another one asks for what it takes.
func TestMemoryIsExpectedBeforeItIsTaken(t *testing.T) {
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(progressive, []byte{0xff, 0xc2})
	big := append(patched(progressive, frame+5, 0x3a, 0x98, 0x3a, 0x98), make([]byte, 1<<20)...) // 15,000 by 15,000
	if _, err := here(big); !errors.Is(err, ErrBounds) || !strings.Contains(err.Error(), "memory") {
		t.Error(err)
	}
	var asked uint64
	if _, err := hashImage(JPEG, progressive, time.Minute, func(need uint64) error { asked = need; return nil }); err != nil {
		t.Fatal(err)
	}
	if want := uint64(160 * 120 * 1.5 * 5); asked != want {
		t.Errorf("asked for %d, want %d", asked, want)
	}
	hidden := append([]byte{0xff, 0xd8, 0xff, 0xe0, 0, 2, 0}, progressive[2:]...) // rubbish before the header
	if _, err := hashImage(JPEG, hidden, time.Minute, func(need uint64) error { asked = need; return nil }); err != nil || asked != 160*120*24 {
		t.Errorf("a header that we do not find: asked for %d, %v", asked, err)
	}
	no := errors.New("no")
	if _, err := hashImage(JPEG, progressive, time.Minute, func(uint64) error { return no }); !errors.Is(err, no) {
		t.Error(err)
	}
}

// TestOnlyTheFirstFrameOfAFilmIsDecoded: a GIF of a thousand frames costs what one costs, even if the others are rubbish.
func TestOnlyTheFirstFrameOfAFilmIsDecoded(t *testing.T) {
	first := encoded(t, synthetic.Shapes(200, 150, 1))[GIF]
	want, err := here(first)
	if err != nil {
		t.Fatal(err)
	}
	bomb := first[:len(first)-1]
	for range 1000 {
		bomb = append(bomb, 0x2c, 0, 0, 0, 0, 200, 0, 150, 0, 0, 8, 255)
		bomb = append(bomb, make([]byte, 255)...)
		bomb = append(bomb, 0)
	}
	got, err := here(bomb)
	if err != nil || got != want {
		t.Errorf("%v, %v", got.Forms[0] == want.Forms[0], err)
	}
}

func TestOrientationIsNotApplied(t *testing.T) {
	plain, err1 := os.ReadFile("testdata/plain.jpg")
	turned, err2 := os.ReadFile("testdata/turned-by-exif.jpg")
	if err1 != nil || err2 != nil || !bytes.Contains(turned, []byte("Exif\x00\x00")) {
		t.Fatal(err1, err2)
	}
	a, err1 := here(plain)
	b, err2 := here(turned)
	if err1 != nil || err2 != nil || a != b {
		t.Error("orientation changed the hash", err1, err2)
	}
}

// scanBomb is a progressive JPEG that goes over its pixels again and again, in a few bytes each time.
func scanBomb(t *testing.T, scans int) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Index(data, []byte{0xff, 0xda})
	end := first + bytes.Index(data[first:], []byte{0xff, 0xc4}) // the tables of the second
	out := bytes.Clone(data[:end])
	for range scans {
		out = append(out, data[first:end]...)
	}
	return append(out, data[end:]...)
}

// TestTimeIsBounded: decoding stops, and so does hashing.
func TestTimeIsBounded(t *testing.T) {
	bomb := scanBomb(t, 30_000)
	started := time.Now()
	if _, err := hashImage(JPEG, bomb, 200*time.Millisecond, allow); !errors.Is(err, ErrTooLong) {
		t.Errorf("%v after %v", err, time.Since(started))
	}
	if _, err := here(scanBomb(t, 3)); err != nil {
		t.Errorf("the same with few scans: %v", err)
	}
	r := &timedReader{data: bomb, deadline: time.Now().Add(-time.Second)}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if _, err := hashPixels(synthetic.Ramp(10, 10), time.Now().Add(-time.Second)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}

// TestAPanicIsARefusal: what a decoder throws is contained.
func TestAPanicIsARefusal(t *testing.T) {
	_, err := hashImage(PNG, encoded(t, synthetic.Ramp(10, 10))[PNG], time.Minute, func(uint64) error { panic("as a decoder might") })
	if !errors.Is(err, ErrDied) {
		t.Error(err)
	}
}
