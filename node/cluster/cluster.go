package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
	"vigil/node/store"
)

// Errors of proposing.
var (
	// ErrNoLeader says that nobody leads now; nothing was written.
	ErrNoLeader = errors.New("cluster: no leader; nothing was written")
	// ErrUnknown says that the outcome is not known: propose the same bytes again.
	ErrUnknown = errors.New("cluster: the outcome is not known; propose the same again")
	// ErrStuck says that raft is in a loop of snapshots (hashicorp/raft issue 697) out of which it comes by a start: a log
	// that went further than the snapshot stays in its memory after it was removed from disk.
	ErrStuck = errors.New("cluster: raft takes snapshot after snapshot; start again")
	// ErrFounded refuses to found where something is already.
	ErrFounded = errors.New("cluster: there is a raft log already")
)

// currentTerm is raft's own name for it in the stable store.
var currentTerm = []byte("CurrentTerm")

// Config names what a Cluster works with.
type Config struct {
	Dir    string
	Agency ledger.AgencyID
	Key    *crypto.NodeKey
	Store  *store.Store
	// Listener takes the connections of the jurisdiction's other nodes.
	Listener net.Listener
	// Pins are the nodes that count as members, with their addresses, until the roster names this node.
	Pins map[crypto.NodeID]string
	Log  *slog.Logger
	// Alarm is told what an honest peer never does. Fatal is told that the disk fails: the node must Halt. Neither may block.
	Alarm func(peer crypto.NodeID, reason string)
	Fatal func(error)
	// Follows names the partners this node has an open stream to; nil where it is no gateway. The others are told.
	Follows func() []string
	// Condemned says that enough members have approved a node's removal, whether or not that is in the ledger yet; nil says
	// it of none.
	Condemned func(crypto.NodeID) bool
	// Room says how many bytes a snapshot may have for the disk to hold it; nil is of any disk.
	Room func() (bytes uint64, ok bool)
	// Lies are none but in tests of a lying leader.
	Lies Lies

	// Dial connects to another node; nil is the operating system's TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Disk stands between raft's log and its file; nil is nothing. It is set by tests of slow and failing disks.
	Disk func(raft.LogStore) raft.LogStore
	// FastHeartbeats lets the library handle heartbeats beside raft's main loop, which makes nodes commit different entries
	// (see transport). It is set by the test that shows that the simulation notices, and by nothing else.
	FastHeartbeats bool

	// Clock is the time of day that others are told, which may be set while a node runs; nil is the operating system's. No other
	// time depends on it.
	Clock func() time.Time
	// Heartbeat is raft's heartbeat and election timeout; the lease is five sixths of it. Zero is 1.2 s.
	Heartbeat time.Duration
	// Tell is how often the leader tells others what is committed while nothing is written. Zero is 3 ms.
	Tell time.Duration
	// SnapshotAfter is how many raft entries make a snapshot due, and KeepLogs how many stay in the log behind one. Zero is
	// 2,048 and 1,024.
	SnapshotAfter, KeepLogs uint64
	// HungDisk is how long a write to the raft log may take; zero is 20 s.
	HungDisk time.Duration
}

// Cluster is safe for concurrent use.
type Cluster struct {
	cfg       Config
	self      crypto.NodeID
	raft      *raft.Raft
	transport *transport
	listener  *listener
	guard     *guard
	bolt      *rewritable
	logs      raft.LogStore  // as raft sees it
	purged    atomic.Uint64  // see Purged
	disk      *checkedLog    // nil where it is damaged
	stable    *checkedStable // with it
	initial   []raft.Server  // raft's servers as they were on disk at the start
	memory    *memory
	instance  instance
	heard     chan struct{} // closed once this node may take part
	condemned chan error    // why it must not
	snapshots *snapshots
	routes    *http.ServeMux
	server    *http.Server
	asked     asked
	said      [wordsKept]said // guarded by mu; the newest words of this process
	saying    int             // guarded by mu; how many there were
	clients   *clients
	queue     chan *proposal
	reconcile chan struct{}
	stuck     chan struct{} // closed when raft cannot go on without a start
	once      sync.Once
	halted    atomic.Pointer[time.Time] // when Halt was called; nil while the node takes part
	stopping  raft.Future               // of Halt or Close

	ready chan struct{}               // closed once raft is there
	ahead atomic.Pointer[shownRoster] // a roster that was shown and that our own has not come to yet

	mu         sync.Mutex
	heights    map[crypto.NodeID]Height    // guarded by mu
	addresses  map[crypto.NodeID]string    // guarded by mu; where nodes were that the roster has named since the start
	disowned   map[crypto.NodeID]bool      // guarded by mu; who answers that this node is no member
	introduced map[crypto.NodeID]time.Time // guarded by mu; when this node last showed how it became one
	word       standing                    // guarded by mu; the furthest that others remember of this node
	short      time.Time                   // guarded by mu; since when this node is behind it
	twins      map[crypto.NodeID]twin      // guarded by mu; another process with this node's key, as each node hears it
}

// Open opens raft's log and starts raft; Run serves. A node without a log waits to be added by the others, unless
// Found is called.
func Open(cfg Config) (*Cluster, error) {
	cfg = cfg.filled()
	own, err := certificate(cfg.Key)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		cfg: cfg, self: cfg.Key.Public().ID(), routes: http.NewServeMux(), queue: make(chan *proposal, queueLength),
		reconcile: make(chan struct{}, 1), ready: make(chan struct{}), stuck: make(chan struct{}), heights: map[crypto.NodeID]Height{}, addresses: map[crypto.NodeID]string{}, disowned: map[crypto.NodeID]bool{},
		introduced: map[crypto.NodeID]time.Time{}, instance: newInstance(cfg.Clock), twins: map[crypto.NodeID]twin{}, heard: make(chan struct{}), condemned: make(chan error, 1),
	}
	c.remember()
	c.clients = newClients(own, c.Address, cfg.Dial)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if c.memory, err = openMemory(cfg.Dir, cfg.Store.Origin()); err != nil {
		return nil, err
	}
	if err := c.openRaft(own); err != nil {
		return nil, err
	}
	c.routes.HandleFunc("POST /cluster/propose", c.member(c.servePropose))
	c.routes.HandleFunc("POST /cluster/height", c.guarded(c.speaks, c.serveHeight))
	c.handleOpen("POST /cluster/introduce", maxRequestBytes, c.serveIntroduce)
	c.HandleOpen("POST /cluster/remembers", c.serveRemembers)
	c.HandleOpen("POST /cluster/remembered", c.serveRemembered)
	c.routes.HandleFunc("POST /cluster/transfer", c.guarded(c.speaks, c.serveTransfer))
	return c, nil
}

// filled puts what is usual where nothing is said.
func (cfg Config) filled() Config {
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 1200*time.Millisecond)
	cfg.Tell = cmp.Or(cfg.Tell, 3*time.Millisecond)
	cfg.HungDisk = cmp.Or(cfg.HungDisk, 20*time.Second)
	cfg.SnapshotAfter, cfg.KeepLogs = cmp.Or(cfg.SnapshotAfter, snapshotThreshold), cmp.Or(cfg.KeepLogs, trailingLogs)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Follows == nil {
		cfg.Follows = func() []string { return nil }
	}
	if cfg.Condemned == nil {
		cfg.Condemned = func(crypto.NodeID) bool { return false }
	}
	if cfg.Room == nil {
		cfg.Room = func() (uint64, bool) { return 0, false }
	}
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	if cfg.Disk == nil {
		cfg.Disk = func(logs raft.LogStore) raft.LogStore { return logs }
	}
	return cfg
}

func (c *Cluster) openRaft(own tls.Certificate) error {
	if err := c.loadPurged(); err != nil {
		return fmt.Errorf("cluster: raft log: %w", err)
	}
	bolt, err := openLog(filepath.Join(c.cfg.Dir, logFile))
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) {
		return c.without(fmt.Errorf("%w: %w", ErrLog, err))
	}
	if err != nil {
		return fmt.Errorf("cluster: raft log: %w", err)
	}
	c.bolt = bolt
	if err := durable.SyncDir(c.cfg.Dir); err != nil { // the file may have been made just now
		return errors.Join(fmt.Errorf("cluster: raft log: %w", err), bolt.Close())
	}
	logs := &checkedLog{LogStore: c.cfg.Disk(bolt), fatal: c.cfg.Fatal, hung: c.cfg.HungDisk}
	logs.stable = &checkedStable{StableStore: bolt, fatal: c.cfg.Fatal}
	err = logs.verifyAll()
	if err == nil {
		err = logs.settle()
	}
	if err == nil {
		c.disk, c.stable = logs, logs.stable
	}
	if err == nil {
		c.snapshots, err = newSnapshots(c.cfg.Dir, c.cfg.Store)
	}
	if err == nil {
		logs.reach = c.snapshots.reach
		err = c.start(own, logs)
	}
	if errors.Is(err, ErrLog) || errors.Is(err, errStable) {
		return c.without(err)
	}
	if err != nil {
		return errors.Join(err, bolt.Close())
	}
	return nil
}

// start wires transport, guard and raft to each other.
func (c *Cluster) start(own tls.Certificate, logs *checkedLog) error {
	logger := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: slogWriter{c.cfg.Log}, DisableTime: true})
	c.guard = &guard{alarm: c.cfg.Alarm, logs: logs, room: c.cfg.Room, log: c.cfg.Log, rises: map[crypto.NodeID]*rate.Limiter{}, rests: map[crypto.NodeID]rest{}}
	c.transport = newTransport(c.self, own, c.raftAddress, c.guard, c.Unheard, logger)
	c.transport.lies = c.cfg.Lies
	c.transport.dial, c.transport.fast = c.cfg.Dial, c.cfg.FastHeartbeats
	queue := newConnQueue(c.cfg.Listener.Addr())
	c.listener = &listener{inner: c.cfg.Listener, config: serverConfig(own, c.speaks), member: c.speaks, raft: c.transport.accepted, http: queue, live: map[net.Conn]crypto.NodeID{}}
	machine := &fsm{store: c.cfg.Store, fatal: c.cfg.Fatal, changed: c.rosterChanged, stuck: func() { c.once.Do(func() { close(c.stuck) }) }}

	cache, err := raft.NewLogCache(raftCacheEntries, logs)
	if err != nil {
		return err
	}
	c.logs = monotonic{cache}
	c.guard.term, c.guard.applied, c.guard.leader = c.after(c.ready, func() uint64 { return c.raft.CurrentTerm() }),
		c.after(c.ready, func() uint64 { return c.raft.AppliedIndex() }), func() raft.ServerID { <-c.ready; _, id := c.raft.LeaderWithID(); return id }
	before, err := raft.GetConfiguration(c.raftConfig(logger), machine, c.logs, c.stable, c.snapshots, c.transport)
	if err == nil {
		c.initial = before.Servers
		err = c.firstHearing()
	}
	if err == nil {
		err = logs.overtaken() // only now: what the others remember is compared with what was found here
	}
	if err == nil {
		c.raft, err = raft.NewRaft(c.raftConfig(logger), machine, c.logs, c.stable, c.snapshots, c.transport)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cluster: start raft: %w", err), c.transport.Close())
	}
	close(c.ready)
	return nil
}

// after makes a look at raft wait until there is one.
func (c *Cluster) after(ready <-chan struct{}, f func() uint64) func() uint64 {
	return func() uint64 {
		<-ready
		return f()
	}
}

// monotonic passes on what raft's cache hides: that the store below wants no gaps.
type monotonic struct{ *raft.LogCache }

// IsMonotonic implements raft.MonotonicLogStore.
func (monotonic) IsMonotonic() bool { return true }

func (c *Cluster) raftConfig(logger hclog.Logger) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.self.String())
	r.HeartbeatTimeout, r.ElectionTimeout = c.cfg.Heartbeat, c.cfg.Heartbeat
	r.LeaderLeaseTimeout = c.cfg.Heartbeat * 5 / 6
	r.CommitTimeout = c.cfg.Tell
	r.MaxAppendEntries = appendEntries
	r.BatchApplyCh = true
	r.SnapshotThreshold, r.TrailingLogs, r.SnapshotInterval = c.cfg.SnapshotAfter, c.cfg.KeepLogs, snapshotInterval
	r.NoSnapshotRestoreOnStart = true
	r.NoLegacyTelemetry = true
	r.ShutdownOnRemove = false
	r.Logger = logger
	return r
}

// slogWriter turns the library's lines into debug records; what matters is said by our own alarms.
type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(b []byte) (int, error) {
	w.log.Debug("raft", "line", string(bytes.TrimSpace(b)))
	return len(b), nil
}

// Found begins a new ledger: raft with this node alone, then the genesis. Never called but by the founder, once.
func (c *Cluster) Found(ctx context.Context, genesis ledger.Entry) error {
	if c.raft.LastIndex() > 0 || c.cfg.Store.State() != nil {
		return ErrFounded
	}
	// A founding that was interrupted leaves a term and no log, over which raft would refuse to begin for ever.
	if term, err := c.stable.GetUint64(currentTerm); err == nil && term > 0 {
		if err := c.stable.SetUint64(currentTerm, 0); err != nil {
			return fmt.Errorf("cluster: found: %w", err)
		}
	}
	id := c.self.String()
	servers := []raft.Server{{ID: raft.ServerID(id), Address: raft.ServerAddress(id), Suffrage: raft.Voter}}
	if err := c.raft.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		return fmt.Errorf("cluster: found: %w", err)
	}
	return c.Continue(ctx, genesis)
}

// Empty says that there is no raft log here yet.
func (c *Cluster) Empty() bool {
	return c.raft != nil && c.raft.LastIndex() == 0 && c.cfg.Store.State() == nil
}

// Continue proposes the genesis until it is there: a founder may have stopped between the two.
func (c *Cluster) Continue(ctx context.Context, genesis ledger.Entry) error {
	for c.cfg.Store.State() == nil {
		if c.Leads() {
			data := ledger.Marshal(command{Kind: commandEntries, Entries: []ledger.Entry{genesis}})
			if err := c.raft.Apply(data, rpcWait).Error(); err == nil {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Run serves the other nodes and does a leader's work until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	if c.Halted() {
		<-ctx.Done()
		return nil
	}
	defer c.farewell()
	c.server = c.newServer()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreClosed(ctx, c.listener.run()) })
	group.Go(func() error { return ignoreClosed(ctx, c.server.Serve(c.listener.http)) })
	group.Go(func() error { return c.lead(ctx) })
	group.Go(func() error { return c.reconcileLoop(ctx) })
	group.Go(func() error { return c.heightLoop(ctx) })
	group.Go(func() error { return c.purgeLoop(ctx) })
	group.Go(func() error { return c.hearings(ctx) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-c.stuck:
			return ErrStuck
		case why := <-c.condemned:
			return why
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return errors.Join(c.listener.close(), c.server.Close())
	})
	return group.Wait()
}

func ignoreClosed(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// StepDown hands leadership over before a planned stop; it does nothing where this node does not lead.
func (c *Cluster) StepDown(ctx context.Context) {
	if c.raft.State() != raft.Leader {
		return
	}
	if to, ok := c.successor(); ok {
		c.announceTransfer(ctx, to)
		if err := c.raft.LeadershipTransferToServer(raft.ServerID(to.String()), raft.ServerAddress(to.String())).Error(); err != nil {
			c.cfg.Log.Info("leadership not handed over; the others elect", "error", err)
		}
	}
}

// Leads says whether this node leads now.
func (c *Cluster) Leads() bool { return !c.Halted() && c.raft.State() == raft.Leader }

// Leader returns who leads, as far as this node knows.
func (c *Cluster) Leader() (crypto.NodeID, bool) {
	if c.Halted() {
		return crypto.NodeID{}, false
	}
	_, id := c.raft.LeaderWithID()
	node, err := crypto.ParseNodeID(string(id))
	return node, err == nil
}

// LastContact returns when this node last heard from the leader; now, where it leads itself.
func (c *Cluster) LastContact() time.Time {
	if at := c.halted.Load(); at != nil {
		return *at
	}
	if c.Leads() {
		return time.Now()
	}
	return c.raft.LastContact()
}

// Heard returns the term of who leads, and whether that is a leader that tells this node what is committed, so that what it
// acknowledges is to be here soon. Who has just been elected or could not reach this node, and who sends a snapshot, may be honest and slower.
func (c *Cluster) Heard() (term uint64, ok bool) {
	if c.Halted() {
		return 0, false
	}
	if c.Leads() {
		return c.raft.CurrentTerm(), true
	}
	term, ok = c.guard.follows()
	return term, ok && !c.snapshots.coming()
}

// Voting says whether this node votes in raft now.
func (c *Cluster) Voting() bool {
	if c.Halted() {
		return false
	}
	f := c.raft.GetConfiguration()
	if f.Error() != nil {
		return false
	}
	for _, s := range f.Configuration().Servers {
		if string(s.ID) == c.self.String() {
			return s.Suffrage == raft.Voter
		}
	}
	return false
}

// Progress returns raft's term, last index and applied index, for metrics and status.
func (c *Cluster) Progress() (term, last, applied uint64) {
	if c.raft == nil {
		return 0, 0, 0
	}
	return c.raft.CurrentTerm(), c.raft.LastIndex(), c.raft.AppliedIndex()
}
