package hashing

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vigil/node/hashing/synthetic"
)

// seeds are files of every kind.
func seeds(f *testing.F) (files [][]byte) {
	f.Helper()
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, b)
	}
	for _, b := range encoded(f, synthetic.Shapes(40, 30, 1)) {
		files = append(files, b)
	}
	return files
}

// FuzzImage: whatever a file says, decoding it asks for memory first, ends in time, and is a hash or one of the refusals.
func FuzzImage(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		asked, over := false, errors.New("over what a fuzzer may have")
		m, err := hashImage(Sniff(data), bytes.Clone(data), 5*time.Second, func(need uint64) error {
			if asked = true; need > 64<<20 {
				return over
			}
			return nil
		})
		if err == nil && (!asked || m.Quality < 0 || m.Quality > 100) {
			t.Fatalf("asked: %v, quality %d", asked, m.Quality)
		}
		if err != nil && !errors.Is(err, over) && encodeRefusal(err).Text != err.Error() {
			t.Fatalf("no refusal that can be told: %v", err)
		}
	})
}

// FuzzPrepare: our own reading of formats panics at nothing; nobody catches it here.
func FuzzPrepare(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, prepare := range []func([]byte) (prepared, error){prepareGIF, prepareWebP, prepareTIFF} {
			if p, err := prepare(bytes.Clone(data)); err == nil && len(p.data) > 2*len(data)+64 {
				t.Fatal("it grew")
			}
		}
		for kind, c := range codecs {
			if c.need(data, image.Config{Width: 10, Height: 10}) > 100*64*16 {
				t.Fatalf("%s: absurd", kind)
			}
			c.holds(data)
		}
	})
}

// FuzzAnswer: what a worker says is a message within its bounds or an error.
func FuzzAnswer(f *testing.F) {
	var b bytes.Buffer
	if err := writeMessage(&b, message{Image: &Image{Quality: 80}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeMessage(&again, m); err != nil {
			t.Fatal(err)
		}
		if n, err := readMessage(&again); err != nil || (m.Image == nil) != (n.Image == nil) || m.Image != nil && *m.Image != *n.Image {
			t.Fatalf("%+v, %+v, %v", m, n, err)
		}
	})
}

// FuzzProbe: what ffprobe says is a film within its bounds or an error.
func FuzzProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"width":640,"height":480,"avg_frame_rate":"25/1","r_frame_rate":"25/1"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := readProbe(data)
		if err == nil && s != nil && (s.step() < 1 || s.rate <= 0 || s.width < 5 || s.height < 5) {
			t.Fatalf("%+v", s)
		}
	})
}
