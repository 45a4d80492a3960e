package main

import (
	"bufio"
	"encoding/binary"
	"iter"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"

	"vigil/ledger/alert"
	"vigil/node/match"
)

// hash is 256 bits, as they lie in files.
type hash [32]byte

func rowsFile(dir string) string    { return filepath.Join(dir, "rows") }
func queriesFile(dir string) string { return filepath.Join(dir, "queries") }

// draw yields n random hashes, the same ones every time.
func draw(n int, seed uint64) iter.Seq2[int, *hash] {
	return func(yield func(int, *hash) bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		var h hash
		for i := range n {
			for j := 0; j < len(h); j += 8 {
				binary.LittleEndian.PutUint64(h[j:], r.Uint64())
			}
			if !yield(i, &h) {
				return
			}
		}
	}
}

// data is what is searched, and what for: half of the queries are rows with 0 to radius bits changed, half random.
type data struct {
	rows    int
	queries []hash
}

func newData(rows, queries, radius int) *data {
	d := &data{rows: rows, queries: make([]hash, queries)}
	r := rand.New(rand.NewPCG(2, uint64(rows)))
	planted := map[int][]int{} // row to queries
	for i := range d.queries {
		if i%2 == 0 {
			row := r.IntN(rows)
			planted[row] = append(planted[row], i)
			continue
		}
		for j := range d.queries[i] {
			d.queries[i][j] = byte(r.Uint32())
		}
	}
	for row, h := range draw(rows, 1) {
		for _, i := range planted[row] {
			d.queries[i] = *h
			for _, bit := range r.Perm(256)[:i/2%(radius+1)] {
				d.queries[i][bit/8] ^= 1 << (bit % 8)
			}
		}
	}
	return d
}

// write writes files for the peer.
func (d *data) write(dir string) error {
	f, err := os.Create(rowsFile(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	for _, h := range draw(d.rows, 1) {
		if _, err := w.Write(h[:]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var all []byte
	for i := range d.queries {
		all = append(all, d.queries[i][:]...)
	}
	return os.WriteFile(queriesFile(dir), all, 0o600)
}

// changes yields the rows for an index.
func (d *data) changes(a alert.Algorithm) iter.Seq2[match.Change, error] {
	return func(yield func(match.Change, error) bool) {
		for i, h := range draw(d.rows, 1) {
			if !yield(match.Change{Signal: alert.Signal{Algorithm: a, Value: h[:]}, Ref: match.Ref(i)}, nil) {
				return
			}
		}
	}
}

// naive answers some queries by comparing all rows with all of them.
func (d *data) naive(queries []hash, radius int) [][]uint32 {
	found := make([][]uint32, len(queries))
	for row, h := range draw(d.rows, 1) {
		for i := range queries {
			if near(h, &queries[i], radius) {
				found[i] = append(found[i], uint32(row))
			}
		}
	}
	return found
}

func near(a, b *hash, radius int) bool {
	d := 0
	for i := 0; i < len(a) && d <= radius; i += 8 {
		d += bits.OnesCount64(binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]))
	}
	return d <= radius
}
