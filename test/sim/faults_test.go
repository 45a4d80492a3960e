package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"vigil/node/cluster"
)

// fault is something that is done to a world: begin draws what it needs from the schedule and returns what goes on beside it,
// to its end.
type fault struct {
	name   string
	weight int
	begin  func(*world) func()
}

// faults are those of every history; border ones need two jurisdictions.
var (
	faults = []fault{
		{"crash", 6, (*world).beginCrash},
		{"crash of a whole jurisdiction", 1, (*world).beginBlackout},
		{"stop and start", 3, (*world).beginRestart},
		{"pause", 4, (*world).beginPause},
		{"partition", 4, (*world).beginPartition},
		{"one way cut", 4, (*world).beginOneWay},
		{"flapping", 2, (*world).beginFlapping},
		{"clock set", 3, (*world).beginClock},
		{"slow disk", 3, (*world).beginSlowDisk},
		{"hung disk", 1, (*world).beginHungDisk},
		{"slow network", 2, (*world).beginSlowNetwork},
		{"leadership transfer", 3, (*world).beginTransfer},
		{"node replaced", 1, (*world).beginReplace},
		{"agency removed, another admitted", 1, (*world).beginTurnover},
	}
	borderFaults = []fault{
		{"border cut", 3, (*world).beginBorderCut},
		{"border one way", 2, (*world).beginBorderOneWay},
		{"packets lost", 2, (*world).beginLoss},
		{"gateway lost", 2, (*world).beginGatewayLoss},
	}
)

// plan is who is being dealt with.
type plan struct {
	tasks   sync.WaitGroup
	still   chan struct{} // held by who waits for everything to stand still
	busy    map[*node]bool
	busyMu  sync.Mutex
	ongoing atomic.Int32
	resting atomic.Bool // writers write nothing
	founded atomic.Bool
}

const faultsAtOnce = 3

func (w *world) quiet() bool { return w.plan.resting.Load() }

// torment does one thing after another until the time is up, and waits for the last to end.
func (w *world) torment(until time.Time) {
	all := faults
	if w.linked() {
		all = append(slices.Clone(faults), borderFaults...)
	}
	total := 0
	for _, f := range all {
		total += f.weight
	}
	for time.Now().Before(until) {
		w.rest(w.between(500*time.Millisecond, w.lull))
		w.introduce()
		if w.plan.ongoing.Load() >= faultsAtOnce {
			continue
		}
		n := w.rng.IntN(total)
		i := slices.IndexFunc(all, func(f fault) bool { n -= f.weight; return n < 0 })
		run := all[i].begin(w)
		if run == nil {
			continue
		}
		w.mu.Lock()
		w.faults[all[i].name]++
		w.mu.Unlock()
		w.plan.ongoing.Add(1)
		w.plan.tasks.Go(func() {
			defer w.plan.ongoing.Add(-1)
			run()
		})
	}
	w.plan.tasks.Wait()
}

// rest lets time pass and looks at every node now and then.
func (w *world) rest(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		w.witness()
	}
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

func (w *world) side() *side { return w.sides[w.rng.IntN(len(w.sides))] }

// take claims a node that nobody deals with.
func (w *world) take(of []*node) *node {
	w.plan.busyMu.Lock()
	defer w.plan.busyMu.Unlock()
	n := of[w.rng.IntN(len(of))]
	if w.plan.busy[n] || n.live() == nil {
		return nil
	}
	w.plan.busy[n] = true
	return n
}

func (w *world) release(n *node) {
	w.plan.busyMu.Lock()
	defer w.plan.busyMu.Unlock()
	delete(w.plan.busy, n)
}

// crash kills a node's process: what it has on disk at that moment, less what was not synced, is what the next one finds.
func (n *node) crash(down time.Duration) {
	defer n.w.release(n)
	p := n.live()
	if p == nil {
		return
	}
	n.w.note("%s crashes for %s", n.member.ID, down)
	n.host.crash()
	image := filepath.Join(n.disk.root, "image")
	if err := n.w.whileStill(func() error { return n.disk.image(image, n.w.net.rng) }); err != nil {
		n.w.fail("%s: image: %v", n.member.ID, err)
		return
	}
	_ = p.end() // it is dead: what it says does not count
	if err := n.disk.crash(image); err != nil {
		n.w.fail("%s: image: %v", n.member.ID, err)
		return
	}
	time.Sleep(down)
	n.again()
}

// whileStill calls f when every goroutine waits: nothing changes meanwhile.
func (w *world) whileStill(f func() error) error {
	w.plan.still <- struct{}{}
	defer func() { <-w.plan.still }()
	synctest.Wait()
	return f()
}

// again starts a process where there is none.
func (n *node) again() {
	if err := n.start(); err != nil {
		n.w.fail("%s does not start again: %v", n.member.ID, err)
		return
	}
	n.w.note("%s is started", n.member.ID)
}

// died is told of a process that ended by itself. Raft's loop of snapshots is mended by a start, which systemd makes.
func (w *world) died(p *process, err error) {
	if !errors.Is(err, cluster.ErrStuck) {
		w.fail("%s ends by itself: %v", p.n.member.ID, err)
		return
	}
	w.note("%s ends by itself: %v", p.n.member.ID, err)
	w.plan.tasks.Go(func() {
		w.plan.busyMu.Lock()
		busy := w.plan.busy[p.n]
		w.plan.busy[p.n] = true
		w.plan.busyMu.Unlock()
		if busy {
			return // whoever deals with it starts it again
		}
		defer w.release(p.n)
		p.n.host.crash()
		_ = p.end() // it has said why
		p.n.again()
	})
}

func (w *world) beginCrash() func() {
	n, down := w.take(w.side().members()), w.between(100*time.Millisecond, 40*time.Second)
	if n == nil {
		return nil
	}
	return func() { n.crash(down) }
}

func (w *world) beginBlackout() func() {
	var all []*node
	for _, n := range w.side().members() {
		if n = w.take([]*node{n}); n != nil {
			all = append(all, n)
		}
	}
	downs := make([]time.Duration, len(all))
	for i := range downs {
		downs[i] = w.between(100*time.Millisecond, 20*time.Second)
	}
	return func() {
		var each sync.WaitGroup
		for i, n := range all {
			each.Go(func() { n.crash(downs[i]) })
		}
		each.Wait()
	}
}

func (w *world) beginRestart() func() {
	n, down := w.take(w.side().members()), w.between(0, 20*time.Second)
	if n == nil {
		return nil
	}
	return func() { n.restart(down) }
}

// restart stops a process as an operator does.
func (n *node) restart(down time.Duration) {
	defer n.w.release(n)
	p := n.live()
	if p == nil {
		return
	}
	n.w.note("%s stops for %s", n.member.ID, down)
	if err := p.end(); err != nil {
		n.w.fail("%s stops with: %v", n.member.ID, err)
	}
	n.host.crash()
	time.Sleep(down)
	n.again()
}

// beginPause stops what a node sends, gets and writes; its timers go on, which a node with slow timers makes up for.
func (w *world) beginPause() func() {
	n, d := w.take(w.side().members()), w.between(200*time.Millisecond, 15*time.Second)
	if n == nil {
		return nil
	}
	return func() {
		defer w.release(n)
		w.note("%s is paused for %s", n.member.ID, d)
		n.disk.setDelay(2 * d)
		w.during(n.ways(w.nodes()), d)
		n.disk.setDelay(0)
	}
}

// ways are those between a node and others.
func (n *node) ways(others []*node) (out []way) {
	for _, o := range others {
		if o != n {
			out = append(out, way{n.host.ip, o.host.ip}, way{o.host.ip, n.host.ip})
		}
	}
	return out
}

// during cuts ways for a while.
func (w *world) during(ways []way, d time.Duration) {
	for _, x := range ways {
		w.net.cut(x)
	}
	time.Sleep(d)
	for _, x := range ways {
		w.net.heal(x)
	}
}

// parted returns two groups of a jurisdiction's nodes and the ways from the first to the second.
func (w *world) parted() (from []*node, ways []way, names string) {
	nodes := w.side().members()
	w.rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	n := 1 + w.rng.IntN(len(nodes)-1)
	for _, a := range nodes[:n] {
		names += " " + string(a.member.ID)
		for _, b := range nodes[n:] {
			ways = append(ways, way{a.host.ip, b.host.ip})
		}
	}
	return nodes[:n], ways, names
}

func back(ways []way) (out []way) {
	for _, x := range ways {
		out = append(out, way{x.to, x.from})
	}
	return out
}

func (w *world) beginPartition() func() {
	_, ways, names := w.parted()
	d := w.between(time.Second, time.Minute)
	return func() {
		w.note("cut off from the others for %s:%s", d, names)
		w.during(append(ways, back(ways)...), d)
	}
}

func (w *world) beginOneWay() func() {
	_, ways, names := w.parted()
	if d := w.between(time.Second, time.Minute); w.rng.IntN(2) == 0 {
		return func() {
			w.note("not heard by the others for %s:%s", d, names)
			w.during(ways, d)
		}
	} else {
		return func() {
			w.note("not hearing the others for %s:%s", d, names)
			w.during(back(ways), d)
		}
	}
}

func (w *world) beginFlapping() func() {
	_, ways, names := w.parted()
	ways = append(ways, back(ways)...)
	var turns []time.Duration
	for range 5 + w.rng.IntN(20) {
		turns = append(turns, w.between(20*time.Millisecond, 3*time.Second))
	}
	return func() {
		w.note("flapping %d times:%s", len(turns), names)
		for _, d := range turns {
			w.during(ways, d)
			time.Sleep(d / 2)
		}
	}
}

// beginClock sets the time of day of a node, forward or back, and sets it right after a while.
func (w *world) beginClock() func() {
	nodes := w.side().members()
	n := nodes[w.rng.IntN(len(nodes))] // whatever else is done to it: the next process may find another time
	by, d := w.between(-26*time.Hour, 26*time.Hour), w.between(time.Second, 2*time.Minute)
	return func() {
		w.note("the clock of %s is set by %s for %s", n.member.ID, by, d)
		n.ahead.Store(int64(by))
		time.Sleep(d)
		n.ahead.Store(0)
	}
}

func (w *world) beginSlowDisk() func() {
	n := w.take(w.side().members())
	if n == nil {
		return nil
	}
	each, d := choose(w.rng, 5*time.Millisecond, 50*time.Millisecond, 400*time.Millisecond, 3*time.Second), w.between(2*time.Second, 30*time.Second)
	return func() {
		defer w.release(n)
		w.note("the disk of %s takes %s a write for %s", n.member.ID, each, d)
		n.disk.setDelay(each)
		time.Sleep(d)
		n.disk.setDelay(0)
	}
}

// beginHungDisk makes a disk hang longer than a node waits for it: it halts, stays readable, and is started again.
func (w *world) beginHungDisk() func() {
	n := w.take(w.side().members())
	if n == nil {
		return nil
	}
	d, down := w.between(25*time.Second, 45*time.Second), w.between(time.Second, 20*time.Second)
	return func() {
		w.note("the disk of %s hangs for %s", n.member.ID, d)
		n.disk.setDelay(2 * d)
		time.Sleep(d)
		n.crash(down)
	}
}

func (w *world) beginSlowNetwork() func() {
	_, ways, names := w.parted()
	if w.rng.IntN(2) == 0 {
		ways = append(ways, back(ways)...)
	}
	each, d := choose(w.rng, 20*time.Millisecond, 120*time.Millisecond, 600*time.Millisecond), w.between(2*time.Second, time.Minute)
	return func() {
		w.note("%s slower for %s:%s", each, d, names)
		for _, x := range ways {
			w.net.slow(x, each)
		}
		time.Sleep(d)
		for _, x := range ways {
			w.net.slow(x, 0)
		}
	}
}

func (w *world) beginTransfer() func() {
	n := w.side().leader()
	if n == nil || w.take([]*node{n}) == nil {
		return nil
	}
	return func() {
		defer w.release(n)
		w.note("%s hands leadership over", n.member.ID)
		n.live().cluster.StepDown(w.t.Context())
	}
}

// border returns the ways from the gateways of the first jurisdiction to those of the second.
func (w *world) border() (ways []way) {
	for _, a := range w.sides[0].members() {
		for _, b := range w.sides[1].members() {
			ways = append(ways, way{a.host.ip, b.host.ip})
		}
	}
	return ways
}

func (w *world) beginBorderCut() func() {
	ways, d := append(w.border(), back(w.border())...), w.between(time.Second, 2*time.Minute)
	return func() {
		w.note("the border is closed for %s", d)
		w.during(ways, d)
	}
}

func (w *world) beginBorderOneWay() func() {
	ways, d := w.border(), w.between(time.Second, time.Minute)
	if w.rng.IntN(2) == 0 {
		ways = back(ways)
	}
	return func() {
		w.note("the border is closed from %s for %s", ways[0].from, d)
		w.during(ways, d)
	}
}

func (w *world) beginLoss() func() {
	ways, d, share := append(w.border(), back(w.border())...), w.between(time.Second, time.Minute), choose(w.rng, 0.02, 0.2, 0.6)
	return func() {
		w.note("%.0f %% of packets across the border are lost for %s", share*100, d)
		for _, x := range ways {
			w.net.lose(x, share)
		}
		time.Sleep(d)
		for _, x := range ways {
			w.net.lose(x, 0)
		}
	}
}

func (w *world) beginGatewayLoss() func() {
	gateways := slices.DeleteFunc(w.side().members(), func(n *node) bool { return len(n.member.Peers) == 0 })
	n := w.take(gateways[:1])
	if n == nil {
		return nil
	}
	down := w.between(5*time.Second, time.Minute)
	return func() { n.crash(down) }
}

// report is what happened, for who has to see it again.
func (w *world) report() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := fmt.Sprintf("seed %d, jurisdictions of %v, %s simulated; tell %s, a snapshot after %d, %d kept\n", w.seed, w.shape.sides, time.Since(w.began), w.tell, w.snapshotAfter, w.keepLogs)
	for _, n := range w.nodes() {
		if n.drift != 1 {
			out += fmt.Sprintf("the timers of %s run %.1f times slower\n", n.member.ID, n.drift)
		}
	}
	if w.liar != nil {
		out += fmt.Sprintf("%s lies where it leads\n", w.liar.member.ID)
	}
	for _, line := range w.trace {
		out += "  " + line + "\n"
	}
	for _, line := range w.wrong {
		out += "WRONG " + line + "\n"
	}
	return out
}
