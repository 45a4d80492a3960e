package match

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
)

// sorted is what a pair is sorted by: the bytes of its key after the first, and where it is.
type sorted struct {
	after uint64
	at    uint32
}

const firstBytes = 1 << 8

// sort returns the pairs by key, then ref, in new memory, and frees the old: first dealt by the first byte, so that what
// follows is done in pieces the caches hold, then piece by piece, by several goroutines.
func (p *pairs) sort(workers int) *pairs {
	dealt, ends := p.deal()
	defer dealt.memory.free()
	out := newPairs(p.width, p.n)
	out.n = p.n
	var wait sync.WaitGroup
	pieces := make(chan [2]uint32)
	for range workers {
		wait.Go(func() {
			var items []sorted
			for piece := range pieces {
				items = dealt.sortPiece(out, int(piece[0]), int(piece[1]), items[:0])
			}
		})
	}
	from := uint32(0)
	for _, to := range ends {
		if to > from {
			pieces <- [2]uint32{from, to}
		}
		from = to
	}
	close(pieces)
	wait.Wait()
	return out
}

// deal returns the pairs by the first byte of their keys, and where each byte's end. It frees the old.
func (p *pairs) deal() (*pairs, [firstBytes]uint32) {
	defer p.memory.free()
	var at [firstBytes]uint32
	for i := range p.n {
		at[p.keys[i*p.width]]++
	}
	sum := uint32(0)
	for x, n := range at {
		at[x] = sum
		sum += n
	}
	out := newPairs(p.width, p.n)
	out.n = p.n
	for i := range p.n {
		key := p.key(i)
		to := at[key[0]]
		at[key[0]]++
		copy(out.key(int(to)), key)
		out.words[to] = p.words[i]
	}
	return out, at
}

// sortPiece puts the pairs from from to to into out, sorted.
func (p *pairs) sortPiece(out *pairs, from, to int, items []sorted) []sorted {
	for at := from; at < to; at++ {
		items = append(items, sorted{prefix(p.key(at)[1:]), uint32(at)})
	}
	slices.SortFunc(items, p.compare)
	for i, item := range items {
		copy(out.key(from+i), p.key(int(item.at)))
		out.words[from+i] = p.words[item.at]
	}
	return items
}

func (p *pairs) compare(a, b sorted) int {
	if c := cmp.Compare(a.after, b.after); c != 0 {
		return c
	}
	x, y := int(a.at), int(b.at)
	if c := bytes.Compare(p.key(x), p.key(y)); c != 0 {
		return c
	}
	return cmp.Compare(word(p.words[x]).ref(), word(p.words[y]).ref())
}

// rowsOf makes rows of sorted pairs, in memory that has room for extra bytes besides. Of a pair twice, one stays. It
// frees the pairs, and returns nil where pace ends it.
func rowsOf(p *pairs, extra func(n int) int, pace *pacer) *rows {
	defer p.memory.free()
	n, listed := p.count()
	memory := newSlab(aligned(n*p.width) + aligned(n*8) + aligned(listed*8) + extra(n))
	r := &rows{width: p.width, n: n, keys: memory.bytes(n * p.width), refs: memory.words(n), lists: memory.words(listed), memory: memory}
	at := 0
	for i, row := 0, 0; i < p.n; row++ {
		j := p.next(i)
		if !pace.worked(j - i) {
			memory.free()
			return nil
		}
		copy(r.key(row), p.key(i))
		words := p.once(i, j)
		r.total += len(words)
		if len(words) == 1 {
			r.refs[row] = words[0]
		} else {
			r.refs[row] = uint64(several) | uint64(at)
			r.lists[at] = uint64(len(words))
			at += 1 + copy(r.lists[at+1:], words)
		}
		i = j
	}
	r.lists = r.lists[:at:at]
	return r
}

// count returns how many different keys there are, and how many words their lists take at most.
func (p *pairs) count() (n, listed int) {
	for i := 0; i < p.n; n++ {
		j := p.next(i)
		if j-i > 1 {
			listed += 1 + j - i
		}
		i = j
	}
	return n, listed
}

// once returns the words of the pairs from i to j, one for each ref.
func (p *pairs) once(i, j int) []uint64 {
	words := p.words[i:j]
	if len(words) == 1 {
		return words
	}
	return slices.CompactFunc(words, func(a, b uint64) bool { return word(a).ref() == word(b).ref() })
}
