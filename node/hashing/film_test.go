package hashing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/node/hashing/pdq"
	"vigil/node/hashing/synthetic"
)

// script is what a file tells the fake programs to do. It follows the four bytes that make it Matroska.
type script struct {
	Width, Height int
	Average, Low  string
	Frames        int
	Sound         bool   // no pictures
	Probe, Film   string // fail, talk, hang, half, complain: how they go wrong
}

const matroska = "\x1a\x45\xdf\xa3"

func (s script) file(t *testing.T) *os.File {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "-i http:x $(reboot) %d.mkv") // a name as bad as they come
	if err := os.WriteFile(name, append([]byte(matroska), b...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// fakeFFmpeg is what this binary does when it is called ffmpeg or ffprobe: it checks what it was given, then follows the
// script in the file.
func fakeFFmpeg(name string, args []string) int {
	input := slices.Index(args, "-i")
	if input < 0 || args[input+1] != "file:/dev/fd/3" || slices.Index(args, "-protocol_whitelist") > input || !slices.Contains(args, "-format_whitelist") {
		return 2
	}
	if strings.Contains(strings.Join(args, " "), "reboot") || len(os.Environ()) != 1 {
		return 3 // the file's name, or an environment, has come through
	}
	b, err := os.ReadFile("/dev/fd/3")
	var s script
	if err != nil || json.Unmarshal(b[len(matroska):], &s) != nil {
		return 4
	}
	if name == "ffprobe" {
		return s.probe()
	}
	if !slices.Contains(args, "-noautorotate") || !strings.Contains(strings.Join(args, " "), fmt.Sprintf("scale=%d:%d:flags=area", s.Width, s.Height)) {
		return 5
	}
	return s.film()
}

func (s script) probe() int {
	switch s.Probe {
	case "fail":
		return 1
	case "hang":
		<-time.After(time.Hour)
	case "talk":
		for {
			if _, err := os.Stdout.Write(make([]byte, 1<<16)); err != nil {
				return 1
			}
		}
	}
	if s.Sound {
		fmt.Println(`{"programs": [], "streams": []}`)
		return 0
	}
	fmt.Printf(`{"programs": [], "streams": [{"width": %d, "height": %d, "avg_frame_rate": %q, "r_frame_rate": %q}]}`, s.Width, s.Height, s.Average, s.Low)
	return 0
}

func (s script) film() int {
	for n := range s.Frames {
		pixels := make([]byte, 0, 3*s.Width*s.Height)
		for i, v := range synthetic.Shapes(s.Width, s.Height, uint64(n)).Pix {
			if i%4 != 3 {
				pixels = append(pixels, v)
			}
		}
		if n == s.Frames-1 && s.Film == "half" {
			pixels = pixels[:len(pixels)/2]
		}
		if _, err := os.Stdout.Write(pixels); err != nil {
			return 1
		}
	}
	switch s.Film {
	case "fail":
		return 1
	case "complain":
		fmt.Fprintln(os.Stderr, "[h264] error while decoding")
	case "hang":
		<-time.After(time.Hour)
	}
	return 0
}

// fakeFilms finds the test's own binary under the programs' names.
func fakeFilms(t *testing.T) *films {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return newFilms()
}

var plainFilm = script{Width: 40, Height: 30, Average: "30000/1001", Low: "30/1", Frames: 4}

func TestFramesComeWithTheirTimes(t *testing.T) {
	frames, err := fakeFilms(t).hash(t.Context(), plainFilm.file(t))
	if err != nil || len(frames) != 4 {
		t.Fatal(len(frames), err)
	}
	for i, f := range frames {
		want := ofPixels(t, synthetic.Shapes(40, 30, uint64(i)))
		if f.Hash != want.Forms[0] || f.Quality != want.Quality || f.Number != 29*i || math.Abs(f.Seconds-float64(29*i)/29.97) > 1e-4 {
			t.Errorf("%d: %+v", i, f)
		}
	}
}

func TestFilmsThatGoWrong(t *testing.T) {
	with := func(change func(*script)) script {
		s := plainFilm
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		script script
		frames int
		want   error
	}{
		"sound only":           {with(func(s *script) { s.Sound = true }), 0, nil},
		"lowest rate":          {with(func(s *script) { s.Average = "0/0" }), 4, nil},
		"no rate":              {with(func(s *script) { s.Average, s.Low = "0/0", "x" }), 0, ErrFilm},
		"slower than a second": {with(func(s *script) { s.Average = "1/10" }), 4, nil},
		"too small":            {with(func(s *script) { s.Width = 4 }), 0, ErrTooSmall},
		"too large":            {with(func(s *script) { s.Width, s.Height = 1<<14, 1<<13 }), 0, ErrBounds},
		"negative":             {with(func(s *script) { s.Width = -40 }), 0, ErrTooSmall},
		"probe fails":          {with(func(s *script) { s.Probe = "fail" }), 0, ErrFilm},
		"probe without end":    {with(func(s *script) { s.Probe = "talk" }), 0, ErrFilm},
		"no frames":            {with(func(s *script) { s.Frames = 0 }), 0, ErrFilm},
		"fails at the end":     {with(func(s *script) { s.Film = "fail" }), 4, ErrFilm},
		"complains":            {with(func(s *script) { s.Film = "complain" }), 4, ErrDamaged},
		"half a frame":         {with(func(s *script) { s.Film = "half" }), 3, ErrFilm},
	} {
		frames, err := fakeFilms(t).hash(t.Context(), c.script.file(t))
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || len(frames) != c.frames {
			t.Errorf("%s: %d frames, %v", name, len(frames), err)
		}
	}
}

// TestHangingProgramsAreKilled: at the stall, at the end of the whole time, and when nobody waits any more.
func TestHangingProgramsAreKilled(t *testing.T) {
	hanging := plainFilm
	hanging.Film = "hang"
	f := fakeFilms(t)
	f.stall = 200 * time.Millisecond
	if frames, err := f.hash(t.Context(), hanging.file(t)); !errors.Is(err, ErrTooLong) || len(frames) != 4 {
		t.Errorf("stall: %d frames, %v", len(frames), err)
	}
	probe := plainFilm
	probe.Probe = "hang"
	f.whole = 200 * time.Millisecond
	if _, err := f.hash(t.Context(), probe.file(t)); !errors.Is(err, ErrTooLong) {
		t.Errorf("whole time: %v", err)
	}
	f = fakeFilms(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := f.hash(ctx, hanging.file(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody waits: %v", err)
	}
}

func TestWithoutFFmpegThereAreNoFrames(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := newFilms().hash(t.Context(), plainFilm.file(t)); !errors.Is(err, ErrNoFFmpeg) {
		t.Error(err)
	}
}

// TestOneFilmAtATime: the second waits, and can be called off.
func TestOneFilmAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &films{ffmpeg: "x", one: make(chan struct{}, 1)}
		f.one <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := f.hash(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestListedFrames(t *testing.T) {
	frame := func(n, quality int) Frame {
		return Frame{Number: n, Quality: quality, Hash: pdq.Hash{byte(n), byte(n >> 8), 1}}
	}
	var few, many, poor []Frame
	for n := range 10 {
		few = append(few, frame(n%5, 10))
	}
	for n := range 2000 {
		many = append(many, frame(n, 80))
		poor = append(poor, frame(n, 40+60*(n%4/3)))
	}
	if got := listed(few); len(got) != 5 {
		t.Errorf("repeated: %d", len(got))
	}
	if got := listed(poor); len(got) != 500 || got[0].Quality < minUsefulness {
		t.Errorf("poor ones are left out first: %d", len(got))
	}
	got := listed(many)
	if len(got) != MaxListedFrames || got[0].Number != 0 || got[450].Number != 1000 {
		t.Errorf("evenly: %d, %v", len(got), got[450].Number)
	}
}
