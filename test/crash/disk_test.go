package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// image is a file system of its own in a file, whose power can be cut.
type image struct {
	path, mount string
}

const (
	imageBytes = 96 << 20
	// shutdown is EXT4_IOC_SHUTDOWN of Linux's ext4.h, _IOR('X', 125, __u32); withoutLog is EXT4_GOING_FLAGS_NOLOGFLUSH: what is
	// in the journal's memory is lost, too.
	shutdown   = 0x8004587d
	withoutLog = 2

	unmountWait = 10 * time.Second
)

// errNoMounts says that this machine lets nobody mount a file.
var errNoMounts = errors.New("no file can be mounted here")

func newImage(t *testing.T) (*image, error) {
	t.Helper()
	dir := t.TempDir()
	i := &image{path: filepath.Join(dir, "image"), mount: filepath.Join(dir, "mount")}
	if err := os.WriteFile(i.path, nil, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Truncate(i.path, imageBytes), os.Mkdir(i.mount, 0o700)); err != nil {
		return nil, err
	}
	if err := run("mkfs.ext4", "-q", i.path); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMounts, err)
	}
	if err := i.on(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMounts, err)
	}
	t.Cleanup(func() {
		if err := i.off(); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	return i, nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func (i *image) on() error { return run("mount", "-o", "loop", i.path, i.mount) }

// off unmounts it; the kernel may still be closing the files of a process that is gone.
func (i *image) off() error {
	deadline, tick := time.After(unmountWait), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Unmount(i.mount, 0)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		select {
		case <-deadline:
			return err
		case <-tick.C:
		}
	}
}

// cut takes the power: from now on nothing reaches the disk, and what was not synced never will.
func (i *image) cut() error {
	f, err := os.Open(i.mount)
	if err != nil {
		return err
	}
	how := uint32(withoutLog)
	err = ioctl(f.Fd(), shutdown, &how)
	return errors.Join(err, f.Close())
}

// restore gives it back: what is there is what the journal makes of what reached the disk.
func (i *image) restore() error { return errors.Join(i.off(), i.on()) }

func ioctl(fd uintptr, request uintptr, value *uint32) error {
	if err := unix.IoctlSetPointerInt(int(fd), uint(request), int(*value)); err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	return nil
}
