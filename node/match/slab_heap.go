//go:build !linux || race

package match

// newSlab takes the memory from the heap: elsewhere than on Linux, and for the race detector, which sees nothing else.
func newSlab(bytes int) *slab { return &slab{rest: make([]uint64, aligned(bytes)/8)} }
