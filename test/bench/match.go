package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/ledger/alert"
	"vigil/node/match"
)

// matchConfig says what to measure.
type matchConfig struct {
	rows                  []int
	exact, large          int
	queries, asked, pairs int
	radius                int
	alone                 bool
	writing               time.Duration
}

// runMatch measures package match: PDQ against FAISS at several sizes, exact look-up against a Go map, and alone at a size
// that the peer has no room for.
func runMatch(ctx context.Context, args []string) error {
	var c matchConfig
	var rows string
	f := flag.NewFlagSet("match", flag.ContinueOnError)
	f.StringVar(&rows, "rows", "1000000,10000000", "sizes to compare at, none to leave it out")
	f.IntVar(&c.exact, "exact", 10_000_000, "size for exact look-up, 0 to leave it out")
	f.IntVar(&c.large, "large", 0, "a size to measure alone, such as 100000000 (14 GiB)")
	f.IntVar(&c.queries, "queries", 4_000, "look-ups in a slice of ours")
	f.IntVar(&c.asked, "asked", 100, "look-ups in a slice of the peer's")
	f.IntVar(&c.pairs, "pairs", 5, "pairs of slices")
	f.IntVar(&c.radius, "radius", match.DefaultRadius, "radius")
	f.BoolVar(&c.alone, "alone", false, "without the peer")
	f.DurationVar(&c.writing, "writing", 10*time.Second, "how long to look up while 1,000 hashes a second arrive")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, s := range strings.FieldsFunc(rows, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return err
		}
		c.rows = append(c.rows, n)
	}
	return c.run(ctx)
}

func (c *matchConfig) run(ctx context.Context) error {
	m := measureMemory()
	fmt.Printf("memory: a line of 64 bytes at random %v one after another, %v many at once\n", m.dependent, m.independent)
	for _, n := range c.rows {
		if err := c.compare(ctx, n, m); err != nil {
			return err
		}
	}
	if c.exact > 0 {
		if err := c.exactly(c.exact, m); err != nil {
			return err
		}
	}
	if c.large > 0 {
		alone := *c
		alone.alone = true
		return alone.compare(ctx, c.large, m)
	}
	return nil
}

// compare measures PDQ at one size.
func (c *matchConfig) compare(ctx context.Context, n int, m memory) error {
	fmt.Printf("\nPDQ, %d hashes, radius %d, %d look-ups a slice, by processor time of one core\n", n, c.radius, c.queries)
	dir, err := os.MkdirTemp("", "vigil-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := newData(n, c.queries, c.radius)
	var peer *faiss
	if !c.alone {
		if err := d.write(dir); err != nil {
			return err
		}
		if peer, err = startFaiss(ctx, dir, c.radius); err != nil {
			return err
		}
		defer func() { _ = peer.close() }()
		fmt.Printf("  FAISS %s: built in %.1f s, %.0f bytes a hash\n", peer.version, peer.built.Seconds(), float64(peer.resident)/float64(n))
	}
	x, err := c.build(d, alert.PDQ)
	if err != nil {
		return err
	}
	if err := c.verify(x, d, peer); err != nil {
		return err
	}
	if err := c.alternate(x, d, peer, m); err != nil {
		return err
	}
	if err := c.latencies(ctx, x, d); err != nil {
		return err
	}
	return c.reopen(&x, filepath.Join(dir, "index"))
}

// build loads an index and says what that took.
func (c *matchConfig) build(d *data, a alert.Algorithm) (*match.Index, error) {
	before := resident()
	x, watch := match.New(), start()
	if err := x.Load(d.changes(a)); err != nil {
		return nil, err
	}
	took := watch.String()
	fmt.Printf("  Vigil: built in %s on %d cores, %.1f bytes a hash (limit: the hash and its ref, 40)\n", took, runtime.GOMAXPROCS(0), float64(resident()-before)/float64(d.rows))
	return x, nil
}

func (c *matchConfig) query(h *hash) match.Query {
	r, _ := match.Within(c.radius)
	return match.Query{Signal: alert.Signal{Algorithm: alert.PDQ, Value: h[:]}, Radius: r, Limit: match.MaxHits}
}

// verify compares the answers of both with comparing everything.
func (c *matchConfig) verify(x *match.Index, d *data, peer *faiss) error {
	asked := d.queries[:min(c.asked, len(d.queries))]
	want := d.naive(asked, c.radius)
	planted, found := 0, 0
	for i := range asked {
		a, err := x.Find(c.query(&asked[i]))
		if err != nil {
			return err
		}
		var got []uint32
		for _, h := range a.Hits {
			got = append(got, uint32(h.Ref))
		}
		slices.Sort(got)
		if !slices.Equal(got, want[i]) {
			return fmt.Errorf("look-up %d: %d hits, comparing everything finds %d", i, len(got), len(want[i]))
		}
		planted, found = planted+len(want[i]), found+len(got)
	}
	fmt.Printf("  recall of Vigil: %d of %d hits that comparing everything finds, in %d look-ups\n", found, planted, len(asked))
	if peer == nil {
		return nil
	}
	_, answers, err := peer.search(0, len(asked))
	if err != nil {
		return err
	}
	found = 0
	for i, a := range answers {
		for _, id := range a {
			if slices.Contains(want[i], id) {
				found++
			}
		}
	}
	fmt.Printf("  recall of FAISS: %d of %d\n", found, planted)
	return nil
}

// alternate measures both in turn on one core each.
func (c *matchConfig) alternate(x *match.Index, d *data, peer *faiss, m memory) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ours, again, theirs, ratios []float64
	for i := range c.pairs {
		a, err1 := c.slice(x, d)
		b, err2 := c.slice(x, d)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		ours, again = append(ours, a, b), append(again, a/b)
		if peer == nil {
			continue
		}
		from := i * c.asked % (len(d.queries) - c.asked + 1)
		took, _, err := peer.search(from, from+c.asked)
		if err != nil {
			return err
		}
		rate := float64(c.asked) / took.Seconds()
		theirs, ratios = append(theirs, rate), append(ratios, (a+b)/2/rate)
	}
	lines := 272 * (2 + float64(d.rows)*2/65536/lineBytes) // of 64 bytes: a directory entry and a bucket of 2-byte lanes, which begins anywhere
	limit := float64(time.Second) / (lines * float64(m.independent))
	fmt.Printf("  Vigil: %.0f look-ups/s (limit: %.0f, about %.0f lines of memory each); A against A %.2f\n", middle(ours), limit, lines, middle(again))
	if peer != nil {
		fmt.Printf("  FAISS: %.1f look-ups/s\n  ratio: %.0f (%s)\n", middle(theirs), middle(ratios), spread(ratios))
	}
	return nil
}

// slice returns look-ups per second of processor time over all queries.
func (c *matchConfig) slice(x *match.Index, d *data) (float64, error) {
	used := processor()
	for i := range d.queries {
		if _, err := x.Find(c.query(&d.queries[i])); err != nil {
			return 0, err
		}
	}
	return float64(len(d.queries)) / (processor() - used).Seconds(), nil
}

// latencies measures single look-ups, at rest and while hashes arrive and some go.
func (c *matchConfig) latencies(ctx context.Context, x *match.Index, d *data) error {
	rest, err := c.timed(ctx, x, d, 2*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("  one look-up at rest: %s\n", rest)
	ctx, stop := context.WithTimeout(ctx, c.writing)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- x.Run(ctx) }()
	go func() { ended <- arrive(ctx, x) }()
	busy, err := c.timed(ctx, x, d, c.writing)
	stop()
	if err := errors.Join(err, <-ended, <-ended); err != nil {
		return err
	}
	z := x.Size()
	fmt.Printf("  while 1,000 hashes/s arrive and 500 go: %s; %d segments\n", busy, z.Segments)
	return nil
}

// arrive files 1,000 hashes a second and takes away half of them a second later.
func arrive(ctx context.Context, x *match.Index) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var before []match.Change
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for range 10 {
			sum := sha256.Sum256(strconv.AppendInt(nil, int64(n), 10))
			before = append(before, match.Change{Signal: alert.Signal{Algorithm: alert.PDQ, Value: sum[:]}, Ref: match.MaxRef - match.Ref(n)})
			n++
		}
		if err := x.Apply(before[len(before)-10:]...); err != nil {
			return err
		}
		if len(before) < 1_000 {
			continue
		}
		for i := range 5 {
			before[i].Gone = true
		}
		if err := x.Apply(before[:5]...); err != nil {
			return err
		}
		before = before[10:]
	}
}

// latency is how long single look-ups took, in order.
type latency struct{ wall, used []time.Duration }

func (l latency) String() string {
	n := len(l.wall)
	return fmt.Sprintf("p50 %v, p99 %v; of processor time p50 %v, p99 %v", l.wall[n/2], l.wall[n*99/100], l.used[n/2], l.used[n*99/100])
}

// timed looks up for some time.
func (c *matchConfig) timed(ctx context.Context, x *match.Index, d *data, total time.Duration) (l latency, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end, i := time.Now().Add(total), 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
		started, used := time.Now(), threadTime()
		if _, err := x.Find(c.query(&d.queries[i%len(d.queries)])); err != nil {
			return l, err
		}
		l.wall, l.used = append(l.wall, time.Since(started)), append(l.used, threadTime()-used)
	}
	slices.Sort(l.wall)
	slices.Sort(l.used)
	return l, nil
}

// reopen measures what a start takes. It lets go of the index before it opens another: there may be room for one only.
func (c *matchConfig) reopen(held **match.Index, path string) error {
	x := *held
	key := sha256.Sum256([]byte("bench"))
	watch := start()
	if err := x.SaveFile(path, key, nil); err != nil {
		return err
	}
	saved := watch.String()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	refs := x.Size().Refs
	x, *held = nil, nil
	resident()
	watch = start()
	y, _, err := match.OpenFile(path, key)
	if err != nil {
		return err
	}
	fmt.Printf("  saved sealed in %s, %.1f bytes a hash; opened in %s\n", saved, float64(info.Size())/float64(refs), watch)
	if y.Size().Refs != refs {
		return errors.New("what was opened is not what was saved")
	}
	return nil
}
