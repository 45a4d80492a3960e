package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vigil/cmd/network"
	"vigil/node/api"
)

// TestAFullDiskStopsWritingNotReading lets the kernel refuse a leader every write beyond the size its files have: what it
// acknowledged is kept, the others go on without it, and it stays readable and says what is wrong.
func TestAFullDiskStopsWritingNotReading(t *testing.T) {
	n := start(t, three...)
	w := &written{}
	l := leader(t, n, "in/a")
	rest := others(n, l)
	stop := w.load(t, "before", nil, l.Work, rest[0].Work)
	w.more(t, 300)
	stop()
	settled(t, n, "in")
	before := &written{ids: maps.Clone(w.ids)}

	stop = w.load(t, "full", nil, rest[0].Work, rest[1].Work)
	w.more(t, 20)
	fill(t, l, fileSize(t, filepath.Join(l.Config.Dir, "raft", "raft.db"))/2)
	w.more(t, 100)
	stop()

	// It answers what it has, and refuses what it cannot keep.
	before.check(t, l)
	refusal := refusalOf(t, func() error {
		_, err := l.Work.Raise(t.Context(), "full", api.RaiseAlert{Signals: network.RandomSignals()})
		return err
	})
	if refusal.Status != http.StatusServiceUnavailable || refusal.Code != "disk" {
		t.Errorf("a write was answered %d %s", refusal.Status, refusal.Code)
	}
	s, err := l.Operator.Status(t.Context())
	if err != nil || s.Ready || len(s.Problems) == 0 || !strings.Contains(s.Problems[0].What, "a disk failed") {
		t.Errorf("its status: %+v %v", s.Problems, err)
	}
	if body := get(t, l, "/readyz"); !strings.Contains(body, "[-] disk") {
		t.Errorf("readyz: %s", body)
	}
	if body := get(t, l, "/metrics"); !strings.Contains(body, "vigil_disk_failed 1") {
		t.Error("the metrics do not say so")
	}
	log, err := os.ReadFile(l.Config.Dir + ".log")
	if err != nil || !strings.Contains(string(log), "a disk failed") {
		t.Errorf("the log does not say so: %v", err)
	}

	// Mended and started again it has everything.
	l.Kill()
	restart(t, l)
	settled(t, n, "in")
	for _, id := range three {
		w.check(t, n.Node(id))
	}
}

func refusalOf(t *testing.T, ask func() error) *api.Refusal {
	t.Helper()
	var refusal *api.Refusal
	if err := ask(); !errors.As(err, &refusal) {
		t.Fatalf("not refused: %v", err)
	}
	return refusal
}

// fill lets every write of a process fail that would make a file, or change one, beyond a size.
func fill(t *testing.T, n *network.Node, bytes int64) {
	t.Helper()
	limit := unix.Rlimit{Cur: uint64(bytes), Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(n.Process(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// get asks a node's operator socket for a plain path.
func get(t *testing.T, n *network.Node, path string) string {
	t.Helper()
	socket := n.Config.SocketPath()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://vigil"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestADirectoryThatCannotBeWritten is refused with what to look at.
func TestADirectoryThatCannotBeWritten(t *testing.T) {
	n := start(t, "in/a")
	x := n.Node("in/a")
	x.Stop()
	if err := os.Chmod(filepath.Dir(x.Config.Dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(x.Config.PassphraseFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(x.Config.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, map[bool]os.FileMode{true: 0o555, false: 0o444}[d.IsDir()])
	}); err != nil {
		t.Fatal(err)
	}
	out := asNobody(t, "serve", "--dir", x.Config.Dir, "--passphrase-file", x.Config.PassphraseFile)
	if !strings.Contains(out, "the directory cannot be used") || !strings.Contains(out, "must be writable for the user that runs the node") {
		t.Errorf("the answer: %s", out)
	}
}

// asNobody runs the binary as a user who may write nowhere: permissions do not bind root.
func asNobody(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%v: not refused", args)
	}
	return fmt.Sprint(string(out), err)
}
