package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// holds checks a file's content and that it is its owner's alone; without content, that there is none.
func holds(t *testing.T, path, content string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if content == "" {
		if !os.IsNotExist(err) {
			t.Errorf("%s is there: %q, %v", path, b, err)
		}
		return
	}
	info, err2 := os.Stat(path)
	if err != nil || err2 != nil || string(b) != content || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %q, %v, %v", path, b, info, err)
	}
}

// alone checks that a directory has these files and no other.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	in, err := os.ReadDir(dir)
	if err != nil || len(in) != len(names) {
		t.Errorf("%v, want %v; %v", in, names, err)
	}
}

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	f, err := createFile(link, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("before it is whole: %q, %v", b, err)
	}
	f.discard()
	alone(t, dir, "file", "link")
	if err := writeFile(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	alone(t, dir, "file", "link")
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "nowhere", "file")} {
		if err := writeFile(bad, []byte("new"), 0o600); err == nil {
			t.Errorf("%s was written to", bad)
		}
	}
}

func TestAPipeIsWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		b, _ := os.ReadFile(path) // what is missing shows below
		read <- string(b)
	}()
	if err := writeFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "new" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}
