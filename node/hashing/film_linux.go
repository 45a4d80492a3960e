package hashing

import "golang.org/x/sys/unix"

// limitMemory bounds a program that was just started. What it took before is little: it has not read its file yet.
func limitMemory(pid int) {
	for resource, bound := range map[int]uint64{unix.RLIMIT_DATA: maxFilmBytes, unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0} {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: bound, Max: bound}, nil) // it has ended already
	}
}
