//go:build linux && !race

package match

import (
	"runtime"
	"syscall"
	"unsafe"
)

// hugePage is how large a slab must be to lie outside the heap.
const hugePage = 2 << 20

// newSlab maps memory and asks for huge pages, which is a wish: without them look-ups are slower. What nobody frees is
// unmapped when the slab is unreachable.
func newSlab(bytes int) *slab {
	bytes = aligned(bytes)
	if bytes < hugePage {
		return &slab{rest: make([]uint64, bytes/8)}
	}
	mapped, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &slab{rest: make([]uint64, bytes/8)}
	}
	_ = syscall.Madvise(mapped, syscall.MADV_HUGEPAGE)
	s := &slab{rest: unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mapped))), bytes/8), size: bytes}
	unmap := runtime.AddCleanup(s, func(b []byte) { _ = syscall.Munmap(b) }, mapped)
	s.freed = func() {
		unmap.Stop()
		_ = syscall.Munmap(mapped)
	}
	return s
}
