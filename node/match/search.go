package match

import "math/bits"

// together is how many buckets are looked up at once, so that the processor waits for all of them at the same time: a
// chunk's own and its neighbours by one bit.
const together = chunkBits + 1

// search is one query in the tables of one segment.
type search struct {
	rows   *rows
	tables *tables
	q      *query
	radius int
	t      thresholds
	budget int // what it may still cost
	passed []passed
	found  []nearRow
	warmed uint64 // keeps the compiler from leaving out what is read only to be near
}

// passed is an entry whose next chunk is near enough; its hash is yet to be compared.
type passed struct {
	entry uint32
	table uint32
}

// maxPassed is how many entries wait to be compared. Together, because each is two reads that miss the caches.
const maxPassed = 256

// nearRow is a row within the radius.
type nearRow struct {
	row      int
	distance int
}

// run searches with some thresholds and within a budget. It returns false where the budget does not suffice; what it
// found is then worthless.
func (s *search) run(t *thresholds, budget int) bool {
	s.t, s.budget, s.passed, s.found = *t, budget, s.passed[:0], s.found[:0]
	for i := range chunks {
		if s.t[i] >= 0 && !s.chunk(i) {
			return false
		}
	}
	s.compare()
	return true
}

// chunk looks into the buckets around the query's in table i.
func (s *search) chunk(i int) bool {
	b := s.tables.ball
	masks := b.masks[:b.ends[s.t[i]]]
	for len(masks) > 0 {
		n := min(together, len(masks))
		if !s.buckets(i, masks[:n]) {
			return false
		}
		masks = masks[n:]
	}
	return true
}

// buckets looks into at most together buckets. Where they lie, and their first words, are read for all before any is
// searched: these reads miss the caches, and do so at once instead of one after another.
func (s *search) buckets(i int, masks []uint16) bool {
	var from, to [together]uint32
	t, key := &s.tables.table[i], s.q.chunk[i]>>s.tables.shift
	for n, mask := range masks {
		bucket := int(key ^ mask)
		from[n], to[n] = t.ends[bucket], t.ends[bucket+1]
	}
	warm := uint64(0)
	for _, entry := range from[:len(masks)] {
		w := t.after[entry/lanes:][:reach+1]
		for at := uint32(0); at <= s.tables.reach; at += lineBytes / 8 {
			warm ^= w[at]
		}
	}
	s.warmed ^= warm
	for n, mask := range masks {
		s.bucket(i, bits.OnesCount16(mask), from[n], to[n])
	}
	return s.budget >= 0
}

// bucket looks through the entries from to to of a bucket that differs from the query's in d bits.
func (s *search) bucket(i, d int, from, to uint32) {
	s.budget -= listCost + int(to-from)
	if from == to {
		return
	}
	bound := s.bound(i, d)
	q := uint64(s.q.chunk[i+1]) * lane
	words := s.tables.table[i].after[from/lanes : (to+lanes-1)/lanes]
	for at := from / lanes * lanes; ; at += lanes {
		n := near(words, q, bound)
		if n < 0 {
			return
		}
		at += uint32(n) * lanes
		s.check(i, bound, max(from, at), min(to, at+lanes), words[n]^q)
		words = words[n+1:]
	}
}

// bound returns how far the chunk after i may be from the query's where chunk i is d bits away.
func (s *search) bound(i, d int) int { return int(s.t[i]) + int(s.t[i+1]) + 1 - d }

// check passes the entries from from to to of a word whose next chunk is within a bound; differ is how they differ.
func (s *search) check(i, bound int, from, to uint32, differ uint64) {
	for e := from; e < to; e++ {
		if bits.OnesCount16(uint16(differ>>(e%lanes*chunkBits))) > bound {
			continue
		}
		s.budget -= checkCost
		if s.passed = append(s.passed, passed{e, uint32(i)}); len(s.passed) == maxPassed {
			s.compare()
		}
	}
}

// compare compares what has passed in full.
func (s *search) compare() {
	for _, p := range s.passed {
		row := s.tables.table[p.table].row(p.entry)
		key := s.rows.key(row)
		if d := s.q.distance(key); d <= s.radius && !s.before(int(p.table), key) {
			s.found = append(s.found, nearRow{row, d})
		}
	}
	s.passed = s.passed[:0]
}

// before says that a table before i has found a key: a near key lies in many buckets, and counts once.
func (s *search) before(i int, key []byte) bool {
	for j := range i {
		c, next := chunkPair(key, j)
		d := bits.OnesCount16((c ^ s.q.chunk[j]) >> s.tables.shift)
		if d <= int(s.t[j]) && bits.OnesCount16(next^s.q.chunk[j+1]) <= s.bound(j, d) {
			return true
		}
	}
	return false
}
