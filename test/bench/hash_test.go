package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"vigil/node/hashing"
	"vigil/node/hashing/pdq"
	"vigil/node/hashing/synthetic"
)

// photographs writes eight JPEG files of three megapixels, as a telephone's are sent.
func photographs(b *testing.B) (string, []*image.RGBA) {
	b.Helper()
	dir := b.TempDir()
	var drawn []*image.RGBA
	for seed := range uint64(8) {
		m := synthetic.Clouds(2048, 1536, seed)
		var out bytes.Buffer
		if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 85}); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(seed, ".jpg")), out.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
		drawn = append(drawn, m)
	}
	return dir, drawn
}

// coreTime is the time that this process has used of any core.
func coreTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perCore runs one image after another and reports images a second of processor time.
func perCore(b *testing.B, round func() int) {
	b.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	n, before := 0, coreTime(b)
	for b.Loop() {
		n += round()
	}
	b.ReportMetric(float64(n)/(coreTime(b)-before).Seconds(), "images/s")
}

// BenchmarkHash compares images a second of processor time with pdqhash, the reference's Python binding: from JPEG files,
// where ours also computes MD5, SHA-1, SHA-256 and all eight forms, and from pixels in memory, where both do the same. Of
// ours from files a third of the time is Go's JPEG decoder, a third turns colours into luminance, a third is PDQ. The limit
// of PDQ is that each sum along a row waits for the one before it, since the reference's rounding is kept.
func BenchmarkHash(b *testing.B) {
	dir, drawn := photographs(b)
	b.Run("files/vigil", func(b *testing.B) {
		h := hashing.New(hashing.Options{Parallel: 1})
		defer h.Close()
		perCore(b, func() (n int) {
			if err := h.Each(b.Context(), []string{dir}, func(it hashing.Item) error { n++; return it.Refused }); err != nil {
				b.Fatal(err)
			}
			return n
		})
	})
	b.Run("pixels/vigil", func(b *testing.B) {
		perCore(b, func() int {
			for _, m := range drawn {
				hashPixels(b, m)
			}
			return len(drawn)
		})
	})
	peer := pdqhash(b, dir)
	for i, name := range []string{"files/pdqhash", "pixels/pdqhash"} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op") // it has measured itself
			b.ReportMetric(peer[i], "images/s")
		})
	}
}

func hashPixels(b *testing.B, m *image.RGBA) {
	h, err := pdq.New(m.Rect.Dx(), m.Rect.Dy())
	if err != nil {
		b.Fatal(err)
	}
	row := make([]float32, m.Rect.Dx())
	for y := range m.Rect.Dy() {
		pdq.Luminance(row, m.Pix[y*m.Stride:], 4)
		h.Row(row)
	}
	h.Sum().Hash()
}

// pdqhash has the reference measure itself, on one thread.
func pdqhash(b *testing.B, dir string) []float64 {
	b.Helper()
	cmd := exec.Command("../.cache/python/bin/python", "../interop/reference.py", "bench", dir, "3")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatal("the reference is missing, or failed; ./test/run installs it: ", err)
	}
	var rates []float64
	for d := json.NewDecoder(bytes.NewReader(out)); len(rates) < 2; {
		var rate float64
		if err := d.Decode(&rate); err != nil {
			b.Fatal(err)
		}
		rates = append(rates, rate)
	}
	return rates
}
