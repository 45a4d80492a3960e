package match

import (
	"fmt"
	"iter"
	"runtime"
)

// Load files many fingerprints at once, much faster than Apply and with all cores. They become visible piece by piece,
// all of them when it returns. What is changed by others meanwhile is not undone. A pair may stand in the sequence twice,
// but on one list only. An error of the sequence, or a change that is refused or that takes away, ends it.
func (x *Index) Load(all iter.Seq2[Change, error]) (err error) {
	var stages [spaces]*stage
	defer func() {
		for _, s := range stages {
			if s != nil {
				s.close(err == nil)
			}
		}
	}()
	i := 0
	for c, err := range all {
		if err == nil && c.Gone {
			err = ErrSignal
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		n, filed, err := c.parse()
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		if n != unfiled {
			if stages[n] == nil {
				stages[n] = newStage(x.spaces[n])
			}
			stages[n].add(&filed)
		}
		i++
	}
	return nil
}

const firstStage = 1 << 14 // pairs

// stage gathers pairs of one space until they make a segment.
type stage struct {
	space  *space
	before *view // what was there before; what is filed there already is moved
	pairs  *pairs
	begun  int
}

func newStage(s *space) *stage {
	t := &stage{space: s, before: s.view.Load()}
	t.begin()
	return t
}

func (t *stage) begin() {
	t.pairs = newPairs(t.space.width, firstStage)
	t.space.mu.Lock()
	defer t.space.mu.Unlock()
	t.begun = t.space.begin()
}

func (t *stage) add(c *change) {
	if t.before.filed(c.key[:t.space.width], c.word.ref()) {
		t.space.apply([]change{*c})
		return
	}
	if t.pairs.n == maxRows {
		t.close(true)
		t.begin()
	}
	if t.pairs.full() {
		t.pairs = t.pairs.grown()
	}
	t.pairs.add(c.key[:t.space.width], c.word)
}

// close makes a segment of what was gathered, or drops it.
func (t *stage) close(keep bool) {
	var built *segment
	workers := min(builders, runtime.GOMAXPROCS(0))
	if keep && t.pairs.n > 0 {
		built = t.space.build(t.pairs.sort(workers), workers, nil)
	} else {
		t.pairs.memory.free()
	}
	t.space.mu.Lock()
	defer t.space.mu.Unlock()
	t.space.publish(built, nil, t.begun)
}
