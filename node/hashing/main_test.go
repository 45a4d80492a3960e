package hashing

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test's own binary stand in for the processes that hashing starts: as a worker that works, as workers
// that fail in one way each, and, called by another name, as ffmpeg and ffprobe.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "ffmpeg", "ffprobe":
		os.Exit(fakeFFmpeg(filepath.Base(os.Args[0]), os.Args[1:]))
	}
	if len(os.Args) > 1 {
		if fake, ok := fakeWorkers[os.Args[1]]; ok {
			if err := fake(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// workerCommand is this binary as a worker.
func workerCommand(t testing.TB, name string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, name}
}

// read1 takes one request, so that the other side is waiting for an answer.
func read1() {
	head := make([]byte, 1)
	_, _ = io.ReadFull(os.Stdin, head)
	rest := make([]byte, int(head[0])+8)
	_, _ = io.ReadFull(os.Stdin, rest)
	_, _ = io.CopyN(io.Discard, os.Stdin, int64(binary.BigEndian.Uint64(rest[head[0]:])))
}

var fakeWorkers = map[string]func() error{
	"worker": func() error { return Work(os.Stdin, os.Stdout) },
	"worker-exits": func() error {
		read1()
		return nil
	},
	"worker-panics": func() error {
		read1()
		go panic("as a decoder might")
		select {}
	},
	"worker-hangs": func() error {
		read1()
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {}
	},
	"worker-talks": func() error { // answers without end
		read1()
		for {
			if _, err := os.Stdout.Write(bytes.Repeat([]byte{0xff}, 1<<16)); err != nil {
				return err
			}
		}
	},
	"worker-lies": func() error { // a well-formed answer that cannot be
		read1()
		return writeMessage(os.Stdout, message{Image: &Image{Quality: 101}})
	},
	"worker-says-nothing": func() error {
		read1()
		return writeMessage(os.Stdout, message{})
	},
	"worker-eats": func() error { // more memory than a worker may have
		read1()
		if err := confine(); err != nil {
			return err
		}
		eaten := make([][]byte, 0, 64)
		for range 64 {
			eaten = append(eaten, make([]byte, 256<<20))
		}
		return fmt.Errorf("had %d pieces", len(eaten))
	},
	"worker-reaches-out": func() error { // says what it could open after it was confined
		read1()
		if err := confine(); err != nil {
			return err
		}
		var opened []string
		if f, err := os.Open("/etc/passwd"); err == nil {
			opened = append(opened, f.Name())
		}
		if fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err == nil {
			opened = append(opened, fmt.Sprint("socket ", fd))
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: 0}); err != nil {
			opened = append(opened, err.Error())
		}
		return writeMessage(os.Stdout, message{Code: "bounds", Text: "opened: " + strings.Join(opened, ", ")})
	},
}
