package storm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vigil/cmd/network"
	"vigil/node/api"
)

// fill lets every write beyond half of what the raft log has fail.
func fill(_ *storm, x *network.Node, _ []*network.Node) error {
	info, err := os.Stat(x.Config.Dir + "/raft/raft.db")
	if err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: uint64(info.Size() / 2), Max: unix.RLIM_INFINITY}
	return unix.Prlimit(x.Process(), unix.RLIMIT_FSIZE, &limit, nil)
}

// broken lets calls on whatever a node has on its disk fail until its process ends. It needs strace.
func broken(calls, errno string) func(*storm, *network.Node, []*network.Node) error {
	return func(s *storm, x *network.Node, _ []*network.Node) error {
		args := []string{"-f", "-p", strconv.Itoa(x.Process()), "-o", os.DevNull, "-e", "trace=" + calls, "-e", "inject=" + calls + ":error=" + errno}
		err := filepath.WalkDir(x.Config.Dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				args = append(args, "-P", path)
			}
			return err
		})
		if err != nil {
			return err
		}
		return s.attached(exec.CommandContext(s.t.Context(), "strace", args...))
	}
}

// attached starts strace and returns once it has the process, with which it ends.
func (s *storm) attached(strace *exec.Cmd) error {
	strace.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := strace.StderrPipe()
	if err != nil {
		return err
	}
	if err := strace.Start(); err != nil {
		return fmt.Errorf("install strace: %w", err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "attached") {
			continue
		}
		go func() {
			for lines.Scan() { // each thread that comes is named
			}
			_ = strace.Wait() // ends with what it traces
		}()
		return nil
	}
	return errors.Join(fmt.Errorf("strace did not attach: %q", lines.Text()), strace.Wait())
}

// renew ends a node whose disk fails, which must have noticed, and starts it again.
func (s *storm) renew(x *network.Node, rest []*network.Node) error {
	const noticed = 10 * time.Second
	err := network.Eventually(s.t.Context(), noticed, func() error {
		ctx, cancel := context.WithTimeout(s.t.Context(), askWait)
		defer cancel()
		if _, err := x.Work.Raise(ctx, "", api.RaiseAlert{Signals: network.RandomSignals()}); err == nil {
			return errors.New("its disk fails, and it acknowledges what it is given")
		}
		return nil
	})
	x.Kill()
	return errors.Join(err, s.again(x, rest))
}
