package hashing

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// confine gives up for ever what decoding does not need: opening files and connections, writing to files, core dumps,
// which would put an image on disk, and memory over the bound. It is no jail, but a decoder that is taken over finds
// no door open.
func confine() error {
	for _, l := range []struct {
		resource int
		limit    uint64
	}{
		{syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_FSIZE, 0},
		{syscall.RLIMIT_DATA, mapped() + maxWorkerBytes},
		{syscall.RLIMIT_NOFILE, 0}, // what is open stays open
	} {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.limit, Max: l.limit}); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

// mapped returns the bytes that the limit on data counts already, 0 where it cannot be told.
func mapped() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "VmData:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
