package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file is asked for once, when two looks find it the same, and again after it has changed; links are left alone.
func TestIntakeWaitsUntilFilesAreWhole(t *testing.T) {
	dir := t.TempDir()
	in := &intake{dir: dir}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(want ...string) {
		t.Helper()
		got, err := in.look()
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	write("a", "1")
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	look()
	write("b", "1")
	look("a")
	write("b", "12")
	look()
	look("b")
	look()
	write("a", "123")
	look()
	look("a")
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	look()
	write("a", "123")
	look()
	look("a")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := in.look(); err == nil {
		t.Error("a directory that is gone")
	}
}
