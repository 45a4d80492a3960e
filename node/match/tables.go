package match

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	chunks    = 16
	chunkBits = 16
	lanes     = 4 // chunks in a word
	idBytes   = 3
	// reach is how many words of a bucket are touched ahead at most; further ones the processor foresees by itself.
	reach = 32
)

// tables find rows of 32-byte keys by their chunks: table i holds all rows in the order of the first bits of chunk i.
type tables struct {
	shift uint // of a chunk, to its bucket
	reach uint32
	ball  *ball
	table [chunks]table

	memory *slab // of all the columns
}

// table holds the rows by one chunk.
type table struct {
	ends  []uint32 // where each bucket ends; the first entry is 0, where bucket 0 begins
	after []uint64 // the next chunk of every entry, four to a word, and words of nothing behind
	ids   []byte   // the row of every entry; absent where rows lie in this order anyway
}

// bucketBits returns how many bits of a chunk name a bucket: as many as leave some entries in each.
func bucketBits(n int) uint { return uint(min(chunkBits, max(dealt, bits.Len(uint(n))-4))) }

// tableBytes returns what tables over n rows take of a slab.
func tableBytes(n int) int {
	one := aligned(4*(1<<bucketBits(n)+1)) + aligned(8*(n/lanes+1+reach))
	return chunks*one + (chunks-1)*aligned(idBytes*n)
}

// newTables builds the tables, or returns nil where pace ends it. With a pacer there is one worker.
func newTables(r *rows, workers int, pace *pacer) *tables {
	memory := r.memory
	b := bucketBits(r.n)
	t := &tables{memory: memory, shift: chunkBits - b, ball: &balls()[b], reach: uint32(min(reach, (r.n>>b)/lanes))}
	for i := range t.table {
		t.table[i] = table{ends: memory.numbers(1<<b + 1), after: memory.words(r.n/lanes + 1 + reach)}
		if i > 0 {
			t.table[i].ids = memory.bytes(idBytes * r.n)
		}
	}
	var ended atomic.Bool
	var wait sync.WaitGroup
	todo := make(chan int)
	for range workers {
		wait.Go(func() {
			for i := range todo {
				if !t.table[i].build(r, i, t.shift, pace) {
					ended.Store(true)
				}
			}
		})
	}
	for i := range chunks {
		todo <- i
	}
	close(todo)
	wait.Wait()
	if ended.Load() {
		return nil
	}
	return t
}

// chunkPair returns a chunk of a key and the one after it, round the ring.
func chunkPair(key []byte, i int) (chunk, next uint16) {
	if i == chunks-1 {
		return binary.BigEndian.Uint16(key[2*i:]), binary.BigEndian.Uint16(key)
	}
	both := binary.BigEndian.Uint32(key[2*i:])
	return uint16(both >> chunkBits), uint16(both)
}

// entry is what a table holds of a row, on its way there.
type entry struct {
	row         uint32
	chunk, next uint16
}

// build counts, then deals the rows by the first bits of their bucket, then places them bucket by bucket, so that what is
// written lies in the caches: a counting sort that keeps the order of rows within a bucket.
func (t *table) build(r *rows, chunk int, shift uint, pace *pacer) bool {
	for row := range r.n {
		c, _ := chunkPair(r.key(row), chunk)
		t.ends[int(c>>shift)+1]++
	}
	for i := 1; i < len(t.ends); i++ {
		t.ends[i] += t.ends[i-1]
	}
	if !pace.worked(r.n) {
		return false
	}
	dealt := t.deal(r, chunk, shift)
	at := slices.Clone(t.ends)
	for from := 0; from < r.n; from += paceRows {
		part := dealt[from:min(r.n, from+paceRows)]
		for i := range part {
			t.place(&part[i], &at[part[i].chunk>>shift])
		}
		if !pace.worked(len(part)) {
			return false
		}
	}
	return true
}

// dealt is how many bits of a bucket rows are dealt by first.
const dealt = 8

// deal returns the rows' entries by the first bits of their bucket.
func (t *table) deal(r *rows, chunk int, shift uint) []entry {
	out := make([]entry, r.n)
	var at [1 << dealt]uint32
	for i := range at {
		at[i] = t.ends[i*(len(t.ends)-1)>>dealt]
	}
	for row := range r.n {
		c, next := chunkPair(r.key(row), chunk)
		to := &at[c>>(chunkBits-dealt)]
		out[*to] = entry{uint32(row), c, next}
		*to++
	}
	return out
}

func (t *table) place(e *entry, at *uint32) {
	to := *at
	*at++
	t.after[to/lanes] |= uint64(e.next) << (to % lanes * chunkBits)
	if t.ids != nil {
		id := t.ids[to*idBytes:][:idBytes]
		id[0], id[1], id[2] = byte(e.row), byte(e.row>>8), byte(e.row>>16)
	}
}

// row returns the row of an entry.
func (t *table) row(entry uint32) int {
	if t.ids == nil {
		return int(entry)
	}
	id := t.ids[entry*idBytes:][:idBytes]
	return int(id[0]) | int(id[1])<<8 | int(id[2])<<16
}
