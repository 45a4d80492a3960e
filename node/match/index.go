package match

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync/atomic"

	"vigil/ledger/alert"
)

// Index finds fingerprints. Everything is safe for concurrent use; what a call of Apply changed is seen by every search
// that begins after it.
type Index struct {
	spaces [spaces]*space
	radii  atomic.Pointer[radii]
	wake   chan struct{}
}

// The spaces. The numbers are stored: append only.
const (
	spacePDQ    = 0
	spacePoor   = 1 // PDQ below MinQuality
	spaceFrames = 2
	spaceMD5    = 3
	spaceSHA1   = 4
	spaceSHA256 = 5
	spacePDNA   = 6 // the SHA-256 of values
	spaceTMK    = 7 // the SHA-256 of values
	spaces      = 8
)

var kinds = [spaces]kind{{32, true}, {32, true}, {32, true}, {16, false}, {20, false}, {32, false}, {32, false}, {32, false}}

// New returns an empty index. All lists have DefaultRadius.
func New() *Index {
	x := &Index{wake: make(chan struct{}, 1)}
	for i, k := range kinds {
		x.spaces[i] = newSpace(k, x.wake)
	}
	var r radii
	for l := range r {
		r[l] = DefaultRadius
	}
	x.radii.Store(&r)
	return x
}

// SetRadius sets how near what is on a list must be to match, where a query does not say. The largest radius of the lists
// that a query asks decides what the query costs.
func (x *Index) SetRadius(l List, radius int) error {
	if l >= MaxLists {
		return ErrRef
	}
	if radius < 0 || radius > MaxRadius {
		return ErrRadius
	}
	for {
		old := x.radii.Load()
		r := *old
		r[l] = uint8(radius)
		if x.radii.CompareAndSwap(old, &r) {
			return nil
		}
	}
}

// Change files a fingerprint under a ref on a list, or takes it away. A pair of fingerprint and ref is on one list: filing
// it again moves it.
type Change struct {
	Signal alert.Signal
	Ref    Ref
	List   List
	Gone   bool
}

// Apply makes changes in order. Those of one algorithm are visible one by one, each as soon as it is made. Where one of
// them is refused, none is made.
func (x *Index) Apply(changes ...Change) error {
	var by [spaces][]change
	for i := range changes {
		n, c, err := changes[i].parse()
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		if n != unfiled {
			by[n] = append(by[n], c)
		}
	}
	for i, s := range x.spaces {
		if len(by[i]) == 0 {
			continue
		}
		s.apply(by[i])
		if len(s.view.Load().segments) > maxWaiting {
			s.merge(nil)
		}
	}
	return nil
}

// unfiled stands for what is not in the index at all: frames of a video that are too poor to count.
const unfiled = -1

func (c *Change) parse() (space int, out change, err error) {
	if c.Ref > MaxRef || c.List >= MaxLists {
		return 0, out, ErrRef
	}
	if space, err = spaceOf(&c.Signal); err != nil {
		return 0, out, err
	}
	copy(out.key[:], keyOf(&c.Signal))
	out.word = newWord(c.Ref, c.List)
	if c.Gone {
		out.word |= dead
	}
	return space, out, nil
}

// spaceOf returns where a signal is filed. A PDQ of which no quality is stated counts as good.
func spaceOf(s *alert.Signal) (int, error) {
	if err := s.Validate(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrSignal, err)
	}
	quality, stated := s.Quality.Value()
	poor := stated && quality < MinQuality
	n, err := searched(s)
	switch {
	case err == nil && n == spacePDQ && poor:
		return spacePoor, nil
	case err == nil && n == spaceFrames && poor:
		return unfiled, nil
	}
	return n, err
}

func keyOf(s *alert.Signal) []byte {
	if len(s.Value) <= maxWidth {
		return s.Value
	}
	sum := sha256.Sum256(s.Value)
	return sum[:]
}

// Run merges in the background, with half a core at most, until ctx ends. Without it searches grow slower as the index
// changes.
func (x *Index) Run(ctx context.Context) error {
	for {
		for _, s := range x.spaces {
			s.tidy(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-x.wake:
		}
	}
}

// Size is how much an index holds.
type Size struct {
	Refs     int // live, over all algorithms
	Segments int
}

// Size counts what is in the index.
func (x *Index) Size() Size {
	var z Size
	for _, s := range x.spaces {
		v := s.view.Load()
		z.Segments += len(v.segments)
		for _, g := range v.segments {
			z.Refs += g.total - int(g.gone.Load())
		}
		for i := range v.delta.words[:v.delta.n.Load()] {
			if load(&v.delta.words[i]).live() {
				z.Refs++
			}
		}
		runtime.KeepAlive(v)
	}
	return z
}
