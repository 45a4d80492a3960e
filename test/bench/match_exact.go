package main

import (
	"errors"
	"fmt"
	"runtime"

	"vigil/ledger/alert"
	"vigil/node/match"
)

// exactly measures look-up of SHA-256 against a Go map.
func (c *matchConfig) exactly(n int, m memory) error {
	fmt.Printf("\nSHA-256, %d hashes, by processor time of one core\n", n)
	const asked = 1_000_000
	hits, misses := make([]hash, 0, asked), make([]hash, 0, asked)
	for i, h := range draw(n, 1) {
		if i%(n/asked) == 0 {
			hits = append(hits, *h)
		}
	}
	for _, h := range draw(asked, 9) {
		misses = append(misses, *h)
	}
	shuffle(hits)
	d := &data{rows: n}
	before := resident()
	peer := make(map[hash]uint32)
	watch := start()
	for i, h := range draw(n, 1) {
		peer[*h] = uint32(i)
	}
	fmt.Printf("  Go map: built in %s, %.1f bytes a hash\n", watch, float64(resident()-before)/float64(n))
	x, err := c.build(d, alert.SHA256)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, asked := range []struct {
		name string
		keys []hash
	}{{"hit", hits}, {"miss", misses}} {
		var single, batched, theirs []float64
		for range c.pairs {
			a, found, err := findAll(x, asked.keys, 1)
			if err != nil {
				return err
			}
			b, again, err := findAll(x, asked.keys, 1_000)
			if err != nil {
				return err
			}
			p, same := mapAll(peer, asked.keys)
			if found != same || again != same {
				return errors.New("the map finds something else")
			}
			single, batched, theirs = append(single, a), append(batched, b), append(theirs, p)
		}
		fmt.Printf("  %s: Vigil %.0f ns one by one, %.0f ns by the thousand, Go map %.0f ns; ratios %.2f and %.2f (limit: a line of memory, %v; a hit reads three)\n",
			asked.name, middle(single), middle(batched), middle(theirs), middle(theirs)/middle(single), middle(theirs)/middle(batched), m.independent)
	}
	return nil
}

// findAll returns the nanoseconds a look-up takes.
func findAll(x *match.Index, keys []hash, together int) (float64, int, error) {
	signals, has := make([]alert.Signal, together), make([]bool, 0, together)
	used, found := processor(), 0
	for i := 0; i < len(keys); i += together {
		for j := range signals {
			signals[j] = alert.Signal{Algorithm: alert.SHA256, Value: keys[i+j][:]}
		}
		var err error
		if together == 1 {
			has = has[:1]
			has[0], err = x.Has(&signals[0])
		} else {
			has, err = x.HasAll(has[:0], signals)
		}
		if err != nil {
			return 0, 0, err
		}
		for _, h := range has {
			if h {
				found++
			}
		}
	}
	return float64(processor()-used) / float64(len(keys)), found, nil
}

func mapAll(m map[hash]uint32, keys []hash) (float64, int) {
	used, found := processor(), 0
	for i := range keys {
		if _, ok := m[keys[i]]; ok {
			found++
		}
	}
	return float64(processor()-used) / float64(len(keys)), found
}
