package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// most is what one input may take, and what the hungriest of a target's inputs took: time, and all memory that was taken while it
// ran, given back or not.
type most struct {
	Nanoseconds int64
	Bytes       uint64
}

func (m most) String() string {
	return fmt.Sprintf("%.1f ms and %.1f MiB", float64(m.Nanoseconds)/1e6, float64(m.Bytes)/(1<<20))
}

// bounds is what one input may take.
var bounds = most{Nanoseconds: int64(50 * time.Millisecond), Bytes: 64 << 20}

// measuresIn names the directory into which a worker writes the most that one of its inputs took.
const measuresIn = "VIGIL_FUZZ_MEASURES"

// In testing's own source, called is where a target is given an input. It is measured there, as no target could leave it out. An
// input that takes too long is given again, as the machine may have had other work; one that took more than any before it is noted.
const (
	called   = "\t\t\tfn.Call(args)\n"
	measured = "\t\t\tmeasured(t, func() { fn.Call(args) })\n"
	imports  = "\t\"runtime\"\n"
	imported = "\t\"runtime\"\n\t\"runtime/metrics\"\n"
	measure  = `
var mostNanoseconds, mostBytes = int64(0), uint64(0)

func measured(t *T, call func()) {
	took, bytes := int64(1<<62), uint64(1<<62)
	for range 3 {
		before := allocated()
		began := time.Now()
		call()
		took = min(took, int64(time.Since(began)))
		bytes = min(bytes, allocated()-before)
		if took <= max(mostNanoseconds, %[1]d/10) && bytes <= max(mostBytes, %[2]d/10) {
			break
		}
	}
	if took > mostNanoseconds || bytes > mostBytes {
		mostNanoseconds, mostBytes = max(took, mostNanoseconds), max(bytes, mostBytes)
		name := filepath.Join(os.Getenv(%[3]q), fmt.Sprint(os.Getpid()))
		if err := os.WriteFile(name, fmt.Appendf(nil, "{\"Nanoseconds\":%%d,\"Bytes\":%%d}", mostNanoseconds, mostBytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if took > %[1]d || bytes > %[2]d {
		t.Fatalf("an input took %%s and %%d bytes; it may take %%s and %%d", time.Duration(took), bytes, time.Duration(%[1]d), %[2]d)
	}
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
`
)

// measuring writes testing's source with the measure in it, and returns the list that puts it in the place of the one in goroot.
func measuring(goroot, dir string) (overlay string, err error) {
	name := filepath.Join(goroot, "src", "testing", "fuzz.go")
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	source := string(b)
	for _, change := range [][2]string{{called, measured}, {imports, imported}} {
		if strings.Count(source, change[0]) != 1 {
			return "", fmt.Errorf("%s has not one %q: this Go calls targets in another way, and -bounds must learn it", name, strings.TrimSpace(change[0]))
		}
		source = strings.Replace(source, change[0], change[1], 1)
	}
	source += fmt.Sprintf(measure, bounds.Nanoseconds, bounds.Bytes, measuresIn)
	instead, overlay := filepath.Join(dir, "testing-fuzz.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {name: instead}})
	return overlay, errors.Join(err, os.WriteFile(instead, []byte(source), 0o600), os.WriteFile(overlay, list, 0o600))
}

// taken is the most that any worker wrote into dir, whose files are removed.
func taken(dir string) (m most, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var one most
		if err := json.Unmarshal(b, &one); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m.Nanoseconds, m.Bytes = max(m.Nanoseconds, one.Nanoseconds), max(m.Bytes, one.Bytes)
		return os.Remove(path)
	})
	return m, err
}
