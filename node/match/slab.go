package match

import "unsafe"

// slab is the memory of one segment, in one piece: outside the heap where the system allows, so that the collector
// neither waits for twice its size nor scans it, and on huge pages, because look-ups at random addresses spend half their
// time in finding the page. Columns are carved from it in the types they are read in. Who reads a column keeps its slab
// alive (runtime.KeepAlive). Only this file and its neighbours for systems use unsafe.
type slab struct {
	rest  []uint64
	size  int
	freed func()
}

const lineBytes = 64

// aligned returns how many bytes a column takes from a slab.
func aligned(bytes int) int { return (bytes + lineBytes - 1) / lineBytes * lineBytes }

func (s *slab) words(n int) []uint64 {
	taken := aligned(n*8) / 8
	out := s.rest[:n:n]
	s.rest = s.rest[taken:]
	return out
}

func (s *slab) numbers(n int) []uint32 {
	w := s.words(aligned(n*4) / 8)
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(w))), len(w)*2)[:n:n]
}

func (s *slab) bytes(n int) []byte {
	w := s.words(aligned(n) / 8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), len(w)*8)[:n:n]
}

// free gives the memory back. Nobody may read a column of it any more.
func (s *slab) free() {
	if s.freed != nil {
		s.freed()
		s.freed = nil
	}
}
