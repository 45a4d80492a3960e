package match

import (
	"runtime"
	"slices"

	"vigil/ledger/alert"
)

// batch is how many look-ups of a batch are under way at once.
const batch = 64

// FindAll answers many queries; one that is refused has an error at its place and the others go on. For values that
// match exactly it is several times faster than asking one by one: a look-up waits for memory at two or three places,
// and here it waits for those of many look-ups at once.
func (x *Index) FindAll(queries []Query) ([]Answer, []error) {
	answers, errs := make([]Answer, len(queries)), make([]error, len(queries))
	for from := 0; from < len(queries); from += batch {
		part := queries[from:min(len(queries), from+batch)]
		x.ahead(len(part), func(i int) *alert.Signal { return &part[i].Signal })
		for i := range part {
			answers[from+i], errs[from+i] = x.Find(part[i])
		}
	}
	return answers, errs
}

// HasAll does for many fingerprints what Has does for one, and appends to to.
func (x *Index) HasAll(to []bool, signals []alert.Signal) ([]bool, error) {
	for from := 0; from < len(signals); from += batch {
		part := signals[from:min(len(signals), from+batch)]
		x.ahead(len(part), func(i int) *alert.Signal { return &part[i] })
		for i := range part {
			has, err := x.Has(&part[i])
			if err != nil {
				return to, err
			}
			to = append(to, has)
		}
	}
	return to, nil
}

// target is a key and a segment where it may be.
type target struct {
	key []byte
	in  *segment
}

// ahead reads what look-ups of values that match exactly will read: the words of the filter, then the lines of what they
// let through, then the keys and refs that these name. Where is worked out for all of a batch before any of it is read,
// so that nothing but memory is waited for. What it returns means nothing.
func (x *Index) ahead(n int, signal func(i int) *alert.Signal) (warm uint64) {
	var views [batch]*view
	var targets [2 * batch]target
	var places [2 * batch]*uint64
	left, at := targets[:0], places[:0]
	for i := range n {
		s := signal(i)
		space, err := searched(s)
		if err != nil || kinds[space].near || len(s.Value) > maxWidth {
			continue // refused, or not bound by this
		}
		views[i] = x.spaces[space].view.Load()
		for _, g := range views[i].segments {
			left, at = append(left, target{s.Value, g}), append(at, g.directory.word(s.Value))
		}
	}
	warm ^= touch(at)
	left = slices.DeleteFunc(left, func(t target) bool { return t.in.directory.absent(t.key) })
	at = at[:0]
	for _, t := range left {
		at = append(at, &t.in.directory.line(t.key)[0])
	}
	warm ^= touch(at)
	var rows [2 * batch]int
	named := rows[:0]
	left = slices.DeleteFunc(left, func(t target) bool {
		row, ok := t.in.directory.guess(t.key)
		if ok {
			named = append(named, row)
		}
		return !ok
	})
	for i, t := range left {
		warm ^= uint64(t.in.keys[named[i]*t.in.width]) ^ uint64(load(&t.in.refs[named[i]]))
	}
	runtime.KeepAlive(views)
	return warm
}

// touch reads words.
func touch(places []*uint64) (warm uint64) {
	for _, p := range places {
		warm ^= *p
	}
	return warm
}
