package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// memory is a disk in memory. It keeps what was done, so that a crash can be played at any moment, and fails where it is
// told to.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	done  []operation
	// fault is asked before each write with its number; nil: none fails.
	fault func(number int) failure
	// unreadable is a file that the disk does not give.
	unreadable string
	// hold, where set, is received from before each write.
	hold chan struct{}
}

type operation struct {
	verb, name string
	at         int64
	data       []byte
}

// failure says what a write that fails leaves behind.
type failure int

const (
	works failure = iota
	failed
	failedButStored
	failedHalf
)

var errDisk = errors.New("the disk fails")

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) read(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.files[name]
	if name == m.unreadable {
		return nil, errDisk
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	return append([]byte{}, b...), nil
}

func (m *memory) names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files)), nil
}

func (m *memory) close() error { return nil }

func (m *memory) add(name string, at int64, b []byte) error {
	return m.do(operation{"add", name, at, bytes.Clone(b)})
}

func (m *memory) replace(name string, b []byte) error {
	return m.do(operation{"replace", name, 0, bytes.Clone(b)})
}

func (m *memory) cut(name string, size int64) error {
	return m.do(operation{"cut", name, size, nil})
}

func (m *memory) do(o operation) error {
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	how := works
	if m.fault != nil {
		how = m.fault(len(m.done))
	}
	m.done = append(m.done, o)
	switch how {
	case failed:
		return errDisk
	case failedHalf:
		if o.verb == "add" {
			o.data = o.data[:len(o.data)/2]
			o.apply(m.files)
		}
		return errDisk
	case failedButStored:
		o.apply(m.files)
		return errDisk
	}
	o.apply(m.files)
	return nil
}

func (o operation) apply(files map[string][]byte) {
	switch o.verb {
	case "add":
		if int64(len(files[o.name])) < o.at {
			panic(fmt.Sprintf("a hole in %s at %d", o.name, o.at))
		}
		files[o.name] = append(files[o.name][:o.at:o.at], o.data...)
	case "replace":
		files[o.name] = o.data
	case "cut":
		files[o.name] = files[o.name][:o.at:o.at]
	}
}

// writes is how many writes were done.
func (m *memory) writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.done)
}

// clone is the disk as it is now.
func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string][]byte{}
	for name, b := range m.files {
		files[name] = bytes.Clone(b)
	}
	return &memory{files: files}
}

// crash is the disk as a crash during write number n may leave it.
func (m *memory) crash(r *rapid.T, n int) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := newMemory()
	for _, o := range m.done[:n] {
		o.apply(after.files)
	}
	if n == len(m.done) {
		return after
	}
	o := m.done[n]
	switch rapid.SampledFrom([]string{"undone", "done", "torn", "zeros"}).Draw(r, "left") {
	case "done":
		o.apply(after.files)
	case "torn":
		if o.verb == "add" {
			o.data = o.data[:rapid.IntRange(0, len(o.data)).Draw(r, "kept")]
			o.apply(after.files)
		}
	case "zeros": // the length reached the disk, a part of the bytes did not
		if o.verb == "add" {
			o.data = bytes.Clone(o.data)
			clear(o.data[rapid.IntRange(0, len(o.data)).Draw(r, "kept"):])
			o.apply(after.files)
		}
	}
	return after
}

var testKey = [32]byte{1, 2, 3}

// secret stands in every field that could hold content; it must never leave the log except through Query and segments.
const secret = "KqzSecretWxv"

func record(n int) Record {
	return Record{
		Actor: secret + "/anita", Role: secret + " analyst", Verb: "alert.show", Objects: []Object{secret, Object(fmt.Sprintf("event-%d", n))},
		Count: 2 + uint64(n), Purpose: secret + " purpose", Case: secret + "/17", Outcome: Refused, Reason: secret + " reason",
	}
}

type discreet struct {
	t   testing.TB
	log *bytes.Buffer
	mu  sync.Mutex
}

// Write fails the test when the process log says what a record says.
func (d *discreet) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Contains(b, []byte(secret)) {
		d.t.Errorf("the process log says %s", b)
	}
	return d.log.Write(b)
}

func config(t testing.TB) Config {
	return Config{Key: testKey, Log: slog.New(slog.NewTextHandler(&discreet{t: t, log: &bytes.Buffer{}}, nil))}
}

func must[T any](t interface {
	Helper()
	Fatal(...any)
},
) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func fill(t testing.TB, l *Log, n int) {
	t.Helper()
	for range n {
		if _, err := l.Append(t.Context(), record(int(l.Status().Size))); err != nil {
			t.Fatal(err)
		}
	}
}

// sound fails the test unless the log is what was written, and what the ledger says where it is asked.
func sound(t testing.TB, l *Log, anchors ...Anchor) Report {
	t.Helper()
	ask := listed(anchors)
	if anchors == nil {
		ask = nil
	}
	r, err := l.Verify(t.Context(), ask)
	if err = errors.Join(err, r.Err()); err != nil {
		t.Fatal(err)
	}
	return r
}

// everything returns all entries, oldest first.
func everything(t testing.TB, l *Log) []Entry {
	t.Helper()
	var out []Entry
	for q := (Query{}); ; {
		p, err := l.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Entries...)
		if q.Before = p.Next; q.Before == 0 {
			slices.Reverse(out)
			return out
		}
	}
}
