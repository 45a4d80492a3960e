package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vigil/node/hashing/pdq"
	"vigil/node/hashing/synthetic"
	"vigil/test/nodetest"
)

// hashed is what vigil hash says of a file.
type hashed struct {
	Name     string              `json:"name"`
	PDQ      pdq.Hash            `json:"pdq"`
	Quality  int                 `json:"quality"`
	Dihedral map[string]pdq.Hash `json:"dihedral"`
	Frames   []frame             `json:"frames"`
	Refused  string              `json:"refused"`
}

type frame struct {
	Frame   int      `json:"frame"`
	Seconds float64  `json:"seconds"`
	Quality int      `json:"quality"`
	PDQ     pdq.Hash `json:"pdq"`
}

// hash runs vigil hash and returns what it says, by the base of the name.
func hash(t *testing.T, arguments ...string) map[string]hashed {
	t.Helper()
	cmd := exec.Command(nodetest.Built(t, nodetest.Vigil), append([]string{"hash", "--json", "--dihedral", "--quiet"}, arguments...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := map[string]hashed{}
	for line := range strings.Lines(string(out)) {
		var h hashed
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatal(err)
		}
		if h.Name != "" {
			all[filepath.Base(h.Name)] = h
		}
	}
	return all
}

// drawn fills a directory with images that this side saves.
func drawn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	save := func(name string, m image.Image) {
		var b bytes.Buffer
		err := png.Encode(&b, m)
		if strings.HasSuffix(name, ".jpg") {
			b.Reset()
			err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 80})
		}
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for i, size := range [][2]int{{64, 64}, {100, 37}, {129, 257}, {320, 240}, {480, 640}, {1024, 768}} {
		w, h, seed := size[0], size[1], uint64(i)
		for kind, m := range map[string]image.Image{
			"clouds": synthetic.Clouds(w, h, seed), "card": synthetic.Card(w, h, seed), "shapes": synthetic.Shapes(w, h, seed),
			"noise": synthetic.Noise(w, h, seed), "ramp": synthetic.Ramp(w, h),
		} {
			name := fmt.Sprintf("go-%s-%dx%d", kind, w, h)
			save(name+".png", m)
			save(name+".jpg", m)
		}
	}
	return dir
}

type verdict struct {
	File    string     `json:"file"`
	Quality int        `json:"quality"`
	PDQ     pdq.Hash   `json:"pdq"`
	Forms   []pdq.Hash `json:"forms"`
}

// lossless says that both sides read the same pixels from such a file.
func lossless(name string) bool {
	return !strings.HasSuffix(name, ".jpg") && (!strings.HasSuffix(name, ".webp") || strings.Contains(name, "lossless"))
}

// group is images by how sure their hashes are: below the quality of 50, at which the reference advises to discard them,
// hashes of ramps and the like hang on the last bit of a sum, and the reference in C++ differs from its Python binding.
type group struct {
	name string
	from int // quality
	bits [257]int
}

func groups() []*group {
	return []*group{{name: "quality from 80", from: 80}, {name: "from 50", from: 50}, {name: "below", from: 0}}
}

func add(to []*group, quality, distance int) {
	for _, g := range to {
		if quality >= g.from {
			g.bits[distance]++
			return
		}
	}
}

// TestPDQIsTheReferences: on the same pixels the same bits, but for what luminance in double precision rounds otherwise;
// on pixels that another decoder has rounded otherwise, within the reference's own tolerance of 10 bits at quality 80.
func TestPDQIsTheReferences(t *testing.T) {
	dir := drawn(t)
	reference(t, func(any) {}, "draw", dir)
	ours := hash(t, dir)
	same, other := groups(), groups()
	images := 0
	reference(t, func(want verdict) {
		images++
		got, ok := ours[want.File]
		if !ok || got.Refused != "" {
			t.Errorf("%s: %v, %s", want.File, ok, got.Refused)
			return
		}
		d := got.PDQ.Distance(want.PDQ)
		if q := got.Quality - want.Quality; q > 3 || q < -3 {
			t.Errorf("%s: quality %d, want %d", want.File, got.Quality, want.Quality)
		}
		if lossless(want.File) {
			add(same, want.Quality, d)
			checkExact(t, got, want)
		} else {
			add(other, want.Quality, d)
			if d > 10 && want.Quality >= 80 {
				t.Errorf("%s: %d bits at quality %d", want.File, d, want.Quality)
			}
		}
	}, "images", dir)
	if images != len(ours) || images < 800 {
		t.Errorf("%d images compared, %d hashed", images, len(ours))
	}
	for i := range same {
		t.Logf("bits off: images. %s: same pixels %s; other decoders %s", same[i].name, counts(same[i].bits), counts(other[i].bits))
	}
}

func checkExact(t *testing.T, got hashed, want verdict) {
	t.Helper()
	if q := got.Quality - want.Quality; q > 1 || q < -1 {
		t.Errorf("%s: quality %d, want %d", want.File, got.Quality, want.Quality)
	}
	if want.Quality < 50 {
		return
	}
	if d := got.PDQ.Distance(want.PDQ); d > 2 {
		t.Errorf("%s: %d bits on the same pixels, quality %d", want.File, d, want.Quality)
	}
	for f, hash := range want.Forms {
		if d := got.Dihedral[pdq.Form(f).String()].Distance(hash); d > 2 {
			t.Errorf("%s, %s: %d bits", want.File, pdq.Form(f), d)
		}
	}
}

func counts(by [257]int) string {
	var parts []string
	for d, n := range by {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d: %d", d, n))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// TestFramesAreTheReferences: through the ffmpeg that is installed the frames and times of vPDQ, computed by the other side
// from libav itself; of formats that people and cameras write, of films that are to be turned, that have no steady rate,
// or less than a frame a second.
func TestFramesAreTheReferences(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing; ./test/run installs it")
	}
	dir := t.TempDir()
	film := func(name string, arguments ...string) string {
		path := filepath.Join(dir, name)
		all := append(append([]string{"-nostdin", "-v", "error", "-y"}, arguments...), path)
		if out, err := exec.Command(ffmpeg, all...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return path
	}
	card := func(rate string) []string { return []string{"-f", "lavfi", "-i", "testsrc2=s=320x240:d=4:r=" + rate} }
	with := func(first []string, more ...string) []string { return append(first, more...) }
	plain := film("plain.mp4", with(card("25"), "-c:v", "libx264", "-pix_fmt", "yuv420p")...)
	films := []string{
		plain,
		film("ntsc.mkv", "-f", "lavfi", "-i", "mandelbrot=s=426x240:r=30000/1001", "-t", "4", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
		film("turned.mov", "-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90"),
		film("uneven.mp4", with(card("25"), "-vf", `select=not(mod(n\,3))+lt(t\,2)`, "-vsync", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p")...),
		film("slow.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x240:d=10:r=1/2", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
		film("old.avi", with(card("12"), "-c:v", "mpeg4")...),
		film("web.webm", with(card("30"), "-c:v", "libvpx", "-b:v", "1M")...),
		film("dvd.mpg", with(card("25"), "-c:v", "mpeg2video")...),
		film("tv.ts", with(card("25"), "-c:v", "mpeg2video", "-f", "mpegts")...),
		film("windows.wmv", with(card("25"), "-c:v", "wmv2")...),
		film("camera.h264", with(card("25"), "-c:v", "libx264", "-f", "h264")...),
	}
	ours := hash(t, films...)
	compared := 0
	reference(t, func(want struct {
		File   string  `json:"file"`
		Frames []frame `json:"frames"`
	},
	) {
		got := ours[filepath.Base(want.File)]
		if len(got.Frames) != len(want.Frames) || len(want.Frames) < 3 || got.Refused != "" {
			t.Errorf("%s: %d frames, want %d; %s", want.File, len(got.Frames), len(want.Frames), got.Refused)
			return
		}
		for i, f := range got.Frames {
			w := want.Frames[i]
			if d := f.PDQ.Distance(w.PDQ); f.Frame != w.Frame || math.Abs(f.Seconds-w.Seconds) > 0.001 || d > 4 {
				t.Errorf("%s: frame %d at %.3f s, want %d at %.3f; %d bits", want.File, f.Frame, f.Seconds, w.Frame, w.Seconds, d)
			}
			compared++
		}
	}, append([]string{"films"}, films...)...)
	t.Logf("%d films, %d frames", len(films), compared)
}
