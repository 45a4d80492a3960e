package pdq_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/node/hashing/pdq"
	"vigil/node/hashing/synthetic"
)

// pattern draws an image of three bytes a pixel by integers alone, so that others can draw the same one.
func pattern(width, height, k int) []byte {
	out := make([]byte, 0, 3*width*height)
	for y := range height {
		for x := range width {
			var r, g, b int
			if k%2 == 1 {
				r, g, b = (x*x/7+y*k*3)%256, ((x*5)^(y*k))%256, (x*y/11+k*17)%256
			} else {
				turn := (x*k*255/width+y*510/height)%510 - 255
				r, g, b = x*255/width, x*y*255/(width*height), 255-max(turn, -turn)
			}
			out = append(out, byte(r), byte(g), byte(b))
		}
	}
	return out
}

func sum(t testing.TB, pixels []byte, width, height int) *pdq.Sum {
	t.Helper()
	h, err := pdq.New(width, height)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, width)
	for y := range height {
		pdq.Luminance(row, pixels[3*width*y:], 3)
		h.Row(row)
	}
	return h.Sum()
}

// TestReference compares with what the reference computed, bit by bit.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("../../../test/vectors/pdq.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Width, Height, Pattern, Quality int
		Forms                           []pdq.Hash
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		s := sum(t, pattern(v.Width, v.Height, v.Pattern), v.Width, v.Height)
		if s.Quality != v.Quality || len(v.Forms) == 0 {
			t.Errorf("%d×%d, %d: quality %d, want %d", v.Width, v.Height, v.Pattern, s.Quality, v.Quality)
		}
		for f, want := range v.Forms {
			if got := s.Form(pdq.Form(f)); got != want {
				t.Errorf("%d×%d, %d, %s: %d bits off", v.Width, v.Height, v.Pattern, pdq.Form(f), got.Distance(want))
			}
		}
	}
	if len(vectors) != 11 {
		t.Error(len(vectors))
	}
}

// box filters n values that are stride apart, as the filter is described: one sum, no streaming.
func box(out, in []float32, n, stride int) {
	w := (n + 127) / 128
	ahead := (w+2)/2 - 1
	var sum, count float32
	for i := range n + ahead {
		if i < n {
			sum += in[i*stride]
			count++
		}
		if i >= w {
			sum -= in[(i-w)*stride]
			count--
		}
		if i >= ahead {
			out[(i-ahead)*stride] = sum / count
		}
	}
}

// decimated filters a whole image in memory and looks at the centres of the cells.
func decimated(luma []float32, width, height int) [][]float32 {
	other := make([]float32, len(luma))
	for range 2 {
		for y := range height {
			box(other[y*width:], luma[y*width:], width, 1)
		}
		for x := range width {
			box(luma[x:], other[x:], height, width)
		}
	}
	var rows [][]float32
	for y := range 64 {
		row := make([]float32, 64)
		for x := range row {
			row[x] = luma[int((float64(y)+0.5)*float64(height)/64)*width+int((float64(x)+0.5)*float64(width)/64)]
		}
		rows = append(rows, row)
	}
	return rows
}

// TestStreamingIsTheWholeImage: streaming, and leaving out what decimation does not look at, changes no bit.
func TestStreamingIsTheWholeImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(5, 700).Draw(t, "width"), rapid.IntRange(5, 700).Draw(t, "height")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		luma := make([]float32, width*height)
		for i := range luma {
			luma[i] = float32(r.IntN(25600)) / 100
		}
		h, err := pdq.New(width, height)
		if err != nil {
			t.Fatal(err)
		}
		for y := range height {
			h.Row(luma[y*width : (y+1)*width])
		}
		small, err := pdq.New(64, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows := decimated(luma, width, height)
		if width == 64 && height == 64 {
			return // goes unfiltered
		}
		for _, row := range rows {
			small.Row(row)
		}
		if got, want := h.Sum(), small.Sum(); *got != *want {
			t.Fatalf("%d×%d: %d bits, quality %d and %d", width, height, got.Hash().Distance(want.Hash()), got.Quality, want.Quality)
		}
	})
}

// turned returns the image as the form names it.
func turned(pixels []byte, width, height int, f pdq.Form) ([]byte, int, int) {
	w, h := width, height
	from := func(x, y int) (int, int) { return x, y }
	switch f {
	case pdq.Rotate90: // counterclockwise
		w, h = height, width
		from = func(x, y int) (int, int) { return width - 1 - y, x }
	case pdq.Rotate180:
		from = func(x, y int) (int, int) { return width - 1 - x, height - 1 - y }
	case pdq.Rotate270:
		w, h = height, width
		from = func(x, y int) (int, int) { return y, height - 1 - x }
	case pdq.FlipX:
		from = func(x, y int) (int, int) { return x, height - 1 - y }
	case pdq.FlipY:
		from = func(x, y int) (int, int) { return width - 1 - x, y }
	case pdq.FlipPlus:
		w, h = height, width
		from = func(x, y int) (int, int) { return y, x }
	case pdq.FlipMinus:
		w, h = height, width
		from = func(x, y int) (int, int) { return width - 1 - y, height - 1 - x }
	}
	out := make([]byte, 0, len(pixels))
	for y := range h {
		for x := range w {
			fx, fy := from(x, y)
			out = append(out, pixels[3*(fy*width+fx):][:3]...)
		}
	}
	return out, w, h
}

// TestFormsAreOfTheTurnedImage: each form is near the hash of the image turned that way, and far from it otherwise.
func TestFormsAreOfTheTurnedImage(t *testing.T) {
	const width, height = 512, 400
	var pixels []byte
	for p := range slices.Chunk(synthetic.Clouds(width, height, 1).Pix, 4) {
		pixels = append(pixels, p[:3]...)
	}
	s := sum(t, pixels, width, height)
	for f := range pdq.Form(pdq.Forms) {
		p, w, h := turned(pixels, width, height, f)
		hash := sum(t, p, w, h).Hash()
		for g := range pdq.Form(pdq.Forms) {
			if d := s.Form(g).Distance(hash); (g == f && d > 31) || (g != f && d < 60) {
				t.Errorf("turned by %s, compared with form %s: %d bits", f, g, d)
			}
		}
	}
}

func TestSmallAndFlatImages(t *testing.T) {
	for _, size := range [][2]int{{4, 100}, {100, 4}, {0, 0}, {-1, 7}} {
		if _, err := pdq.New(size[0], size[1]); !errors.Is(err, pdq.ErrTooSmall) {
			t.Errorf("%v: %v", size, err)
		}
	}
	s := sum(t, make([]byte, 3*100*100), 100, 100)
	if s.Quality != 0 || s.Hash() != (pdq.Hash{}) {
		t.Errorf("flat: %d, %d bits", s.Quality, s.Hash().Distance(pdq.Hash{}))
	}
}

// TestRowsOverTheSizeAreIgnored: what comes after the last row does not change the sum, nor what is beside the width.
func TestRowsOverTheSizeAreIgnored(t *testing.T) {
	want := sum(t, pattern(64, 64, 1), 64, 64)
	h, _ := pdq.New(64, 64)
	row := make([]float32, 70)
	for y := range 80 {
		pdq.Luminance(row[:64], pattern(64, 64, 1)[3*64*(y%64):], 3)
		h.Row(row)
	}
	if got := h.Sum(); got.Hash() != want.Hash() || got.Quality != want.Quality {
		t.Error("more rows made another sum")
	}
}

func TestHashText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b pdq.Hash
		copy(a[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		text, err := a.MarshalText()
		if err != nil || b.UnmarshalText(text) != nil || a != b || string(text) != a.String() {
			t.Fatalf("%s: %v", text, err)
		}
		bit := rapid.IntRange(0, 255).Draw(t, "bit")
		if b[bit/8] ^= 1 << (bit % 8); a.Distance(b) != 1 || a.Distance(a) != 0 {
			t.Fatal("distance")
		}
	})
	for _, text := range []string{"", strings.Repeat("0", 63), strings.Repeat("0", 66), strings.Repeat("g", 64)} {
		var h pdq.Hash
		if err := h.UnmarshalText([]byte(text)); !errors.Is(err, pdq.ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// BenchmarkHash hashes one megapixel of luminance.
func BenchmarkHash(b *testing.B) {
	const width, height = 1024, 1024
	pixels := pattern(width, height, 7)
	row := make([]float32, width)
	for b.Loop() {
		h, _ := pdq.New(width, height)
		for y := range height {
			pdq.Luminance(row, pixels[3*width*y:], 3)
			h.Row(row)
		}
		h.Sum().Hash()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
