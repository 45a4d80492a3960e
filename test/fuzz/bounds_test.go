package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnInputThatTakesTooMuch: each of three targets of a module of its own.
func TestAnInputThatTakesTooMuch(t *testing.T) {
	work := t.TempDir()
	b, err := newBuilder(t.Context(), options{blind: true, bounds: true}, work)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"go.mod": "module example\n\ngo 1.26\n",
		"a_test.go": `package example
import ("testing"; "time")
var kept []byte
	func FuzzLittle(f *testing.F) { f.Add("a"); f.Fuzz(func(t *testing.T, s string) { kept = make([]byte, 3<<20) }) }
	func FuzzMemory(f *testing.F) { f.Add("a"); f.Fuzz(func(t *testing.T, s string) { for range 65 { kept = make([]byte, 1<<20) } }) }
	func FuzzTime(f *testing.F) { f.Add("a"); f.Fuzz(func(t *testing.T, s string) { for b := time.Now(); time.Since(b) < 60*time.Millisecond; {} }) }
`,
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.cache = filepath.Join(work, "cache")
	for name, wants := range map[string]string{"FuzzLittle": "", "FuzzMemory": "it may take", "FuzzTime": "it may take"} {
		n, out, err := b.fuzz(t.Context(), target{".", name}, "20x")
		m, wrong := taken(b.measures())
		if wrong != nil {
			t.Fatal(wrong)
		}
		if (err == nil) != (wants == "") || !strings.Contains(string(out), wants) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if err == nil && (n < 20 || m.Bytes < 3<<20 || m.Nanoseconds == 0) {
			t.Errorf("%s: %d inputs, the hungriest took %s", name, n, m)
		}
	}
}
