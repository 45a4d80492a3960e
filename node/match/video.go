package match

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"

	"vigil/ledger/alert"
)

// VideoQuery asks for videos that share frames with one, as vPDQ's reference does: frames below MinQuality do not count,
// nor does a frame twice; a frame matches within the radius; there is no order among frames.
type VideoQuery struct {
	Frames []alert.Signal
	Radius Radius // 0 stands for DefaultRadius
	Lists  ListSet
	Limit  int
	// Total returns how many different frames of MinQuality the video under a ref has. It is asked once for each
	// candidate; 0 leaves it out.
	Total func(Ref) int
	// MinQueried and MinStored are percentages: how much of the frames asked with, and of the stored video's, must match.
	// The reference's defaults are DefaultQueried and DefaultStored.
	MinQueried, MinStored float64
}

// The reference's thresholds.
const (
	DefaultQueried = 80
	DefaultStored  = 0
)

// VideoHit is a video that matches. Queried and Stored are percentages of the frames of either side that matched one of
// the other.
type VideoHit struct {
	Ref             Ref
	List            List
	Queried, Stored float64
}

// VideoAnswer is what matches, the largest share of the frames asked with first.
type VideoAnswer struct {
	Hits []VideoHit
	More bool
}

// asked is one frame asked with.
type asked struct {
	key  []byte
	refs int         // how many refs the stored frames within the radius have in all
	rows []storedRow // these frames, nil where there are more than keptRows
}

// storedRow is one stored frame.
type storedRow struct {
	key   []byte
	cells []uint64
}

// keptRows bounds the stored frames that are kept for a frame asked with; of a commoner one they are searched twice.
const keptRows = 1_024

// shared is what one stored video shares with the one asked with.
type shared struct {
	list    List
	last    int // frame counted last
	queried int
	stored  map[[maxWidth]byte]struct{}
}

// FindVideo answers a query. A video of which enough frames match shares one of the rarest with it, so that frames which
// very many videos have, like a title card, raise no candidates.
func (x *Index) FindVideo(q VideoQuery) (VideoAnswer, error) {
	frames, radius, err := q.prepare()
	if err != nil {
		return VideoAnswer{}, err
	}
	v := x.spaces[spaceFrames].view.Load()
	defer runtime.KeepAlive(v)
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for i := range frames {
		v.look(s, &frames[i], radius)
	}
	slices.SortStableFunc(frames, func(a, b asked) int { return cmp.Compare(a.refs, b.refs) })
	seeds := len(frames) - q.needed(len(frames)) + 1
	candidates := map[Ref]*shared{}
	for i := range frames {
		count := func(key []byte, cells []uint64) { q.count(candidates, i, i < seeds, key, cells) }
		for _, r := range frames[i].rows {
			count(r.key, r.cells)
		}
		if frames[i].rows == nil && frames[i].refs > 0 {
			v.frames(s, frames[i].key, radius, count)
		}
	}
	return q.answer(candidates, len(frames)), nil
}

// needed returns how many of n frames must match, at least one.
func (q *VideoQuery) needed(n int) int {
	k := 1
	for percent(k, n) < q.MinQueried {
		k++
	}
	return k
}

func percent(k, n int) float64 { return float64(k) * 100 / float64(n) }

func (q *VideoQuery) prepare() (frames []asked, radius int, err error) {
	radius = DefaultRadius
	if q.Radius > 0 {
		radius = int(q.Radius) - 1
	}
	if radius > MaxRadius {
		return nil, 0, ErrRadius
	}
	if q.Limit < 0 || q.Limit > MaxHits {
		return nil, 0, ErrLimit
	}
	if !(q.MinQueried >= 0 && q.MinQueried <= 100 && q.MinStored >= 0 && q.MinStored <= 100) {
		return nil, 0, ErrPercent
	}
	if q.Limit == 0 {
		q.Limit = DefaultHits
	}
	if q.Lists == 0 {
		q.Lists = AllLists
	}
	for i := range q.Frames {
		n, err := spaceOf(&q.Frames[i])
		if err == nil && n != spaceFrames && n != unfiled {
			err = ErrSignal
		}
		if err != nil {
			return nil, 0, err
		}
		if n == spaceFrames {
			frames = append(frames, asked{key: q.Frames[i].Value})
		}
	}
	slices.SortFunc(frames, func(a, b asked) int { return bytes.Compare(a.key, b.key) })
	frames = slices.CompactFunc(frames, func(a, b asked) bool { return bytes.Equal(a.key, b.key) })
	if len(frames) == 0 || len(frames) > MaxFrames {
		return nil, 0, ErrFrames
	}
	return frames, radius, nil
}

// look searches for a frame and keeps what it finds, unless it is too much.
func (v *view) look(c *scratch, f *asked, radius int) {
	rows := 0
	v.frames(c, f.key, radius, func(key []byte, cells []uint64) {
		f.refs += len(cells)
		if rows++; rows <= keptRows {
			f.rows = append(f.rows, storedRow{key, cells})
		}
	})
	if rows > keptRows {
		f.rows = nil
	}
}

// frames calls found with every stored frame within the radius.
func (v *view) frames(c *scratch, key []byte, radius int, found func(key []byte, cells []uint64)) {
	c.query = newQuery(key)
	for _, g := range v.segments {
		g.near(&c.search, &c.query, radius, func(row, _ int) { found(g.key(row), g.cells(row)) })
	}
	keys := v.delta.keys[:v.delta.n.Load()*uint32(v.delta.width)]
	c.query.sweep(keys, radius, func(i, _ int) { found(v.delta.key(i), v.delta.words[i:i+1]) })
}

// count notes a stored frame with every candidate it is in; a seed makes candidates.
func (q *VideoQuery) count(candidates map[Ref]*shared, frame int, seed bool, key []byte, cells []uint64) {
	if !seed && len(candidates) < len(cells)/8 {
		for ref, c := range candidates {
			if cell := cellOf(cells, ref); cell != nil && load(cell).live() {
				c.note(frame, key)
			}
		}
		return
	}
	for i := range cells {
		w := load(&cells[i])
		if !w.live() || !q.Lists.Has(w.list()) {
			continue
		}
		c := candidates[w.ref()]
		if c == nil && seed {
			c = &shared{list: w.list(), last: -1, stored: map[[maxWidth]byte]struct{}{}}
			candidates[w.ref()] = c
		}
		if c != nil {
			c.note(frame, key)
		}
	}
}

func (c *shared) note(frame int, key []byte) {
	if c.last != frame {
		c.last = frame
		c.queried++
	}
	c.stored[[maxWidth]byte(key)] = struct{}{}
}

func (q *VideoQuery) answer(candidates map[Ref]*shared, frames int) VideoAnswer {
	var a VideoAnswer
	for ref, c := range candidates {
		queried := percent(c.queried, frames)
		if queried < q.MinQueried {
			continue
		}
		total := q.Total(ref)
		if total == 0 {
			continue
		}
		if stored := percent(len(c.stored), total); stored >= q.MinStored {
			a.Hits = append(a.Hits, VideoHit{ref, c.list, queried, stored})
		}
	}
	slices.SortFunc(a.Hits, func(x, y VideoHit) int {
		return cmp.Or(cmp.Compare(y.Queried, x.Queried), cmp.Compare(y.Stored, x.Stored), cmp.Compare(x.Ref, y.Ref))
	})
	if a.More = len(a.Hits) > q.Limit; a.More {
		a.Hits = a.Hits[:q.Limit]
	}
	return a
}

// CountFrames returns how many frames of a file count for a video: different ones of MinQuality.
func CountFrames(f *alert.File) int {
	seen := map[[maxWidth]byte]struct{}{}
	for i := range f.Signals {
		if n, err := spaceOf(&f.Signals[i]); err == nil && n == spaceFrames {
			seen[[maxWidth]byte(f.Signals[i].Value)] = struct{}{}
		}
	}
	return len(seen)
}
