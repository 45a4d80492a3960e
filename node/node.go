package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/accesslog"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/cluster"
	"vigil/node/console"
	"vigil/node/cosign"
	"vigil/node/draft"
	"vigil/node/duty"
	"vigil/node/notify"
	"vigil/node/peer"
	"vigil/node/signin"
	"vigil/node/store"
	"vigil/node/triage"
)

// Node is one running node. Open, then Run, which also closes.
type Node struct {
	cfg  Config
	id   Identity
	keys Keys
	ring *keyRing
	log  *slog.Logger

	store    *store.Store
	cluster  *cluster.Cluster
	opener   *opener
	board    *board.Board
	access   *accesslog.Log
	drafts   *draft.Store
	triage   *triage.Queue
	finder   *finder
	watching *watchedAlike
	author   *author.Author
	owes     *duty.Runner
	blinding *blinding
	tells    *notify.Teller
	cosign   *cosign.Cosigner
	scrubs   *scrubber
	notices  *notices
	forks    *forks
	receipts *receipts
	promises *promises
	idle     idleGateways
	peer     *peer.Peer // nil where this node is no gateway
	api      *api.Server
	pages    *console.Console

	apiListener, socket net.Listener
	tls                 *tls.Config
	pin                 string
	metrics             *metrics
	fatal               chan error
	writing             context.Context // ends when a disk failed
	stopWriting         context.CancelFunc
	floor               uint64       // bytes of the disk that stay free
	unheard             atomic.Int64 // ns without a word after which a voter is swapped
	started             time.Time
	opened              uint64 // entries on disk when the node was opened

	mu      sync.Mutex
	sealed  map[ledger.Origin]sealedAt // guarded by mu
	alarms  []alarm                    // guarded by mu
	used    map[[16]byte]string        // guarded by mu; the keys each invitation was used with since the start
	rewinds int                        // guarded by mu; wishes that the board follow everything again
}

type sealedAt struct {
	size uint64
	at   time.Time
	who  []string
}

type alarm struct {
	at   time.Time
	who  string
	what string
}

// Version names this build.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

// Open opens the directory of a node that was founded or joined, unlocks its keys and binds its addresses.
func Open(cfg Config, log *slog.Logger) (*Node, error) {
	id, err := ReadIdentity(cfg.Dir)
	if err == nil {
		err = checkClosed(cfg.Dir)
	}
	if err != nil {
		return nil, err
	}
	passphrase, err := cfg.Passphrase()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, id: id, log: log.With("agency", id.Agency), fatal: make(chan error, 1), floor: spaceFloor, started: time.Now(),
		sealed: map[ledger.Origin]sealedAt{}, used: map[[16]byte]string{},
	}
	n.unheard.Store(int64(ledger.SwapEvery))
	n.writing, n.stopWriting = context.WithCancel(context.Background())
	if n.keys, err = id.unlock(cfg.Dir, passphrase); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // Argon2id took 64 MiB for each key; nothing else here ever needs so much at once
	n.ring = &keyRing{save: n.saveAgencyKeys, list: n.keys.Agency}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if n.store, err = store.Open(filepath.Join(n.cfg.Dir, "ledger"), store.Identity{Origin: n.id.Origin, Node: n.id.Node}); err != nil {
		if errors.Is(err, store.ErrDamaged) {
			err = fmt.Errorf("%w; with another member's node running: vigil ledger scrub --dir %s", err, n.cfg.Dir)
		}
		return err
	}
	if err := n.checkGenesis(); err != nil {
		return err
	}
	if err := n.checkTwin(); err != nil {
		return err
	}
	n.opened = n.Size()
	n.notices = newNotices(n)
	if n.forks, err = newForks(n, filepath.Join(n.cfg.Dir, "forks")); err != nil {
		return err
	}
	if n.receipts, err = newReceipts(n, filepath.Join(n.cfg.Dir, "receipts")); err != nil {
		return err
	}
	if err := n.openPeer(); err != nil {
		return err
	}
	if err := n.askPartners(); err != nil {
		return n.mustBeReplaced(err)
	}
	if err := n.openCluster(); err != nil {
		return err
	}
	n.opener = &opener{
		agency: n.id.Agency, origin: n.id.Origin, store: n.store, log: n.log, ring: crypto.NewKeyring(n.ring.all()...), found: n.foundKey,
	}
	n.board, err = board.Open(board.Config{
		Dir: filepath.Join(n.cfg.Dir, "board"), Key: n.current().Derive("vigil board v1"), Agency: n.id.Agency, Ledger: n.store, Opener: n.opener,
		Policy: n.policyInForce, Log: n.log,
	})
	if err != nil {
		return err
	}
	if n.finder, err = newFinder(n.cfg, n.current().Derive("vigil match index v1"), n.board, n.log); err != nil {
		return err
	}
	if n.promises, err = openPromises(filepath.Join(n.cfg.Dir, "promises"), n.keys.Node.Derive("vigil promises v1"), n.keys.Node.Public().ID(), n.log); err != nil {
		return err
	}
	n.author = author.New(author.Config{
		Agency: n.id.Agency, Key: n.signer, Writer: n.keys.Node.Public().ID(), Ledger: authorLedger{n}, Log: n.log,
		Alarm: func(reason string, sequence uint64) {
			n.alarm(cmp.Or(n.leader(), "leader"), fmt.Sprintf("%s (sequence %d)", reason, sequence))
		},
		Late: n.receipts.late, Promises: n.promises, Within: n.cfg.receiptWithin(), Governed: n.notices.tell,
	})
	n.cosign = cosign.New(cosign.Config{
		Agency: n.id.Agency, Node: n.keys.Node.Public().ID(), Key: n.keys.Checkpoint, Store: n.store, Members: cosignMembers{n}, Log: n.log,
		Alarm: func(reason, who string) { n.alarm(who, reason) }, Sealed: n.noteSealed, May: n.cluster.Unheard, Contradicted: func(signed []byte) { n.forks.prove(signed) },
		Ahead: func(signed []byte) { n.forks.defers(n.id.Origin, signed) },
	})
	if err := n.openAccess(); err != nil {
		return err
	}
	n.blinding = newBlinding(n)
	n.triage = triage.New(triage.Config{Board: n.board, Known: known{triage.Exact{Board: n.board}, n.finder}, Ready: n.finder.ready, Log: n.log})
	if n.watching, err = newWatchedAlike(n.cfg, n.finder); err != nil {
		return err
	}
	n.finder.applied = append(n.finder.applied, n.watching.applied, n.weighNear)
	if n.drafts, err = draft.Open(draft.Config{Dir: filepath.Join(n.cfg.Dir, "drafts"), Key: n.keys.Node.Derive("vigil drafts v1"), Log: n.log}); err != nil {
		return err
	}
	n.scrubs = newScrubber(n.cfg.Dir, n.log, n.scrubParts())
	n.scrubs.alarm = func(what string) { n.alarm("this node", what) }
	n.scrubs.noted = func(read uint64, found, mended int) { n.metrics.scrub(read, found, mended) }
	n.scrubs.paused = func() bool { return n.Writable() != nil }
	n.owes = duty.New(duty.Config{Agency: n.id.Agency, Origin: n.id.Origin, Board: n.board, Author: n.author, Duties: n.duties(), Log: n.log})
	if state := n.store.State(); state.Newer() {
		n.fail(fmt.Errorf("%w: format %d", cluster.ErrUpgrade, state.Governance.Format))
	}
	n.routes()
	return n.openAPI()
}

func (n *Node) checkGenesis() error {
	state := n.store.State()
	if state == nil {
		return nil
	}
	if owner, known := state.Governance.NodeOwner(n.keys.Node.Public().ID()); known && owner != n.id.Agency {
		return fmt.Errorf("%w: %s says that this node is of %s, the roster that it is of %s; vigil node replace --kit FILE --dir NEW-DIR", ErrDirectory, identityFile, n.id.Agency, owner)
	}
	if got := state.Governance.Genesis.String(); got != n.id.Genesis {
		return fmt.Errorf("%w: the ledger begins with another genesis than %s names; the directory was mixed from two nodes", ErrDirectory, identityFile)
	}
	return nil
}

// twinWait is how long a start waits for a twin to answer.
const twinWait = 2 * time.Second

// checkTwin refuses to start where another process answers with this node's key at the address the roster names for it:
// two of them would sign different things as one. It asks before this process listens anywhere.
func (n *Node) checkTwin() error {
	state := n.store.State()
	if state == nil {
		return nil
	}
	own, ok := state.Governance.Agency(n.id.Agency)
	self := n.keys.Node.Public().ID()
	if !ok || own.Node.Key.ID() != self {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), twinWait)
	defer cancel()
	if _, err := cluster.PostTo(ctx, n.keys.Node, self, own.Node.Address, "/cluster/height", nil); err == nil || errors.Is(err, cluster.ErrRemote) {
		return fmt.Errorf("%w: a process with this node's key already runs at %s; stop the other, or run: vigil node replace --from %s --dir NEW-DIR", ErrMustReplace, own.Node.Address, n.cfg.Dir)
	}
	return nil
}

func (n *Node) openCluster() error {
	pins := map[crypto.NodeID]string{}
	for _, m := range n.id.Members {
		id, err := crypto.ParseNodeID(m.Node)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDirectory, identityFile, err)
		}
		pins[id] = m.Address
	}
	listener, err := net.Listen("tcp", n.cfg.Node.Listen)
	if err != nil {
		return fmt.Errorf("node.listen: %w", err)
	}
	n.cluster, err = cluster.Open(cluster.Config{
		Dir: filepath.Join(n.cfg.Dir, "raft"), Agency: n.id.Agency, Key: n.keys.Node, Store: n.store, Listener: listener, Pins: pins, Log: n.log,
		Alarm: func(peer crypto.NodeID, reason string) { n.alarm(n.nameOf(peer), reason) }, Fatal: n.fail, Follows: n.follows, Condemned: n.notices.condemns, Room: n.room, Lies: n.cfg.lies,
	})
	if err != nil {
		return errors.Join(n.mustBeReplaced(err), listener.Close())
	}
	return nil
}

// policyInForce is the jurisdiction's in force; before a ledger has arrived, what one is founded with.
func (n *Node) policyInForce() ledger.Policy {
	if state := n.store.State(); state != nil {
		return state.Governance.Policy
	}
	return ledger.DefaultPolicy(1)
}

const maxAlarms = 64

func (n *Node) alarm(who, what string) {
	n.log.Error("alarm", "who", who, "what", what)
	n.metrics.alarm()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alarms = append(n.alarms, alarm{time.Now(), who, what})
	if len(n.alarms) > maxAlarms {
		n.alarms = n.alarms[1:]
	}
}

// Identity says whose node this is.
func (n *Node) Identity() Identity { return n.id }

// Addresses are where the node can be reached.
type Addresses struct {
	API, Pin, Socket, Node string
	Peer                   []string
}

// Addresses returns where the node can be reached, with the ports it really has.
func (n *Node) Addresses() Addresses {
	a := Addresses{API: n.apiListener.Addr().String(), Pin: n.pin, Socket: n.cfg.SocketPath(), Node: n.cfg.Address()}
	if n.peer != nil {
		a.Peer = n.peer.Addresses()
	}
	return a
}

// Run runs the node until ctx ends or something fails that it must not survive, and closes it. A disk that fails ends its
// writing, not the node: what it has stays readable.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{
		n.runCluster, n.whileWriting(n.found), n.askAgain, n.board.Run, n.author.Run, n.whileWriting(n.cosign.Run), n.whileWriting(n.makeEpochs),
		n.whileWriting(n.keepSeals), n.access.Run, n.watchSpace, n.serveAPI, n.whileWriting(n.owes.Run), n.whileWriting(n.tells.Run),
		n.whileWriting(n.keepFormerKeys), n.whileWriting(n.keepGrants), n.finishRewind, n.notices.run, n.whileWriting(n.keepVoters), n.whileWriting(n.takeOver), n.drafts.Run, n.whileWriting(n.scrubs.run), n.triage.Run, n.finder.Run, n.watching.Run,
	} {
		group.Go(func() error { return n.survive(run(ctx)) })
	}
	if n.peer != nil {
		group.Go(func() error { return n.peer.Run(ctx) })
	}
	return errors.Join(group.Wait(), n.close())
}

// runCluster runs the cluster a little longer than the rest, so that leadership can be handed over.
func (n *Node) runCluster(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.cluster.Run(inner) }()
	select {
	case err := <-done:
		return n.mustBeReplaced(err)
	case err := <-n.fatal:
		n.halt(err)
		<-ctx.Done() // what the cluster still does may wait for the disk
		return nil
	case <-ctx.Done():
	}
	n.cluster.StepDown(inner)
	cancel()
	return n.mustBeReplaced(<-done)
}

// found proposes the genesis where this node founded the ledger and it is not there yet.
func (n *Node) found(ctx context.Context) error {
	if !n.id.Founder || n.store.State() != nil {
		return nil
	}
	genesis, err := readGenesis(n.cfg.Dir)
	if err != nil {
		return err
	}
	if n.cluster.Empty() {
		err = n.cluster.Found(ctx, genesis)
	} else {
		err = n.cluster.Continue(ctx, genesis)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (n *Node) close() error {
	var err error
	for _, c := range []interface{ Close() error }{closer(n.apiListener), closer(n.socket)} {
		if c != nil {
			_ = c.Close() // the server has closed it already
		}
	}
	if n.peer != nil {
		err = errors.Join(err, n.peer.Close())
	}
	if n.cluster != nil {
		err = errors.Join(err, n.cluster.Close())
	}
	if n.access != nil {
		err = errors.Join(err, n.access.Close())
	}
	if n.board != nil {
		err = errors.Join(err, n.board.Close())
	}
	if n.promises != nil {
		err = errors.Join(err, n.promises.close())
	}
	if n.store != nil {
		err = errors.Join(err, n.store.Close())
	}
	return err
}

func closer(l net.Listener) interface{ Close() error } {
	if l == nil {
		return nil
	}
	return l
}

func (n *Node) apiConfig() (api.Config, error) {
	provider, err := n.cfg.provider()
	return api.Config{
		Agency: n.id.Agency, Origin: n.id.Origin, Board: n.board, Author: n.author, Node: n, Access: n.access, Drafts: n.drafts, Triage: n.triage, Finder: n.finder,
		Metrics: n.metrics.registry, Log: n.log, Version: Version(), URL: n.cfg.API.URL, Provider: provider,
		Sessions: &signin.Keeping{Dir: filepath.Join(n.cfg.Dir, "sessions"), Key: n.keys.Node.Derive("vigil sessions v1")},
	}, err
}

// answerBy makes the API, and the pages that are its clients.
func (n *Node) answerBy(c api.Config) (err error) {
	if n.api, err = api.New(c); err != nil {
		return err
	}
	n.pages, err = console.New(console.Config{API: n.api, Log: n.log})
	return err
}

// openAPI binds the HTTPS address and the operator's socket.
func (n *Node) openAPI() (err error) {
	n.metrics = newMetrics(n)
	if n.tells, err = n.teller(); err != nil {
		return err
	}
	c, err := n.apiConfig()
	if err == nil {
		err = n.answerBy(c)
	}
	if err != nil {
		return err
	}
	if n.tls, n.pin, err = n.serverTLS(); err != nil {
		return err
	}
	if n.apiListener, err = net.Listen("tcp", n.cfg.API.Listen); err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	path := n.cfg.SocketPath()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("api.socket: %w", err)
	}
	if n.socket, err = net.Listen("unix", path); err != nil {
		return fmt.Errorf("api.socket: %w", err)
	}
	return os.Chmod(path, 0o600)
}

// serveAPI serves until ctx ends; open event streams end with it.
func (n *Node) serveAPI(ctx context.Context) error {
	base := func(net.Listener) context.Context { return ctx }
	errorLog := slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)
	secure := &http.Server{Handler: n.pages, TLSConfig: n.tls, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, BaseContext: base, ErrorLog: errorLog}
	local := &http.Server{
		Handler: n.api, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10, BaseContext: base, ErrorLog: errorLog,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return api.OnSocket(ctx) },
	}
	group, _ := errgroup.WithContext(ctx)
	group.Go(func() error { return closedIsFine(secure.ServeTLS(n.apiListener, "", "")) })
	group.Go(func() error { return closedIsFine(local.Serve(n.socket)) })
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if errors.Join(secure.Shutdown(stop), local.Shutdown(stop)) != nil {
			return errors.Join(secure.Close(), local.Close())
		}
		return nil
	})
	return group.Wait()
}

func closedIsFine(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
