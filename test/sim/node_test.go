package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p"
	"golang.org/x/sync/errgroup"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/cluster"
	"vigil/node/cosign"
	"vigil/node/peer"
	"vigil/node/store"
)

// node is one agency's machine. Its process comes and goes; what it has on disk stays, but for what a crash takes.
type node struct {
	w       *world
	side    *side
	member  ledgertest.Member
	host    *host
	disk    *disk
	drift   float64      // by which its timers run slower than others': above 1
	ahead   atomic.Int64 // ns, by which its time of day was set
	lies    cluster.Lies
	written int // events so far, across processes

	mu      sync.Mutex
	process *process // guarded by mu; nil while it is down
	own     machine  // guarded by mu
}

// machine is whose keys a node has: another's where the agency has replaced it.
type machine struct{ node, checkpoint *crypto.NodeKey }

func (n *node) machine() machine {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.own
}

func (n *node) id() crypto.NodeID { return n.machine().node.Public().ID() }

func (n *node) live() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// clock is the time of day as the node's machine has it.
func (n *node) clock() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }

// process is what node.Node wires, without the doors for people.
type process struct {
	n       *node
	own     machine
	store   *store.Store
	cluster *cluster.Cluster
	keys    *keys
	cosign  *cosign.Cosigner
	author  *author.Author
	board   *board.Board
	peer    *peer.Peer
	stop    context.CancelFunc
	done    chan error
	ended   time.Time  // guarded by n.mu
	halt    chan error // of the disk; buffered
}

// start begins a process on the node's disk.
func (n *node) start() error {
	own := n.machine()
	p := &process{n: n, own: own, done: make(chan error, 1), halt: make(chan error, 1)}
	dir := n.disk.dir()
	var err error
	if p.store, err = store.Open(filepath.Join(dir, "ledger"), store.Identity{Origin: n.side.origin, Node: n.id().String()}); err != nil {
		return err
	}
	listener := n.host.listen()
	p.cluster, err = cluster.Open(cluster.Config{
		Dir: filepath.Join(dir, "raft"), Agency: n.member.ID, Key: own.node, Store: p.store, Listener: listener, Pins: n.side.pins(), Log: discard,
		Clock: n.clock,
		Alarm: func(who crypto.NodeID, reason string) {
			n.w.alarm("%s: of node %s: %s", n.member.ID, n.side.named(who), reason)
		},
		Fatal: func(err error) {
			select {
			case p.halt <- err:
			default:
			}
		},
		Follows: func() []string {
			if p.peer == nil {
				return nil
			}
			return p.peer.Follows()
		},
		Dial: n.host.dial, Disk: func(logs raft.LogStore) raft.LogStore { return slowLog{logs, n.disk} }, FastHeartbeats: n.w.fast, Lies: n.lies,
		Heartbeat: time.Duration(float64(1200*time.Millisecond) * n.drift), Tell: n.w.tell, SnapshotAfter: n.w.snapshotAfter, KeepLogs: n.w.keepLogs,
	})
	if err != nil {
		return errors.Join(err, listener.Close(), p.store.Close())
	}
	if err := p.open(dir); err != nil {
		return errors.Join(err, p.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		err := p.run(ctx)
		if ctx.Err() == nil {
			n.w.died(p, err)
		}
		p.done <- err
	}()
	n.mu.Lock()
	n.process = p
	n.mu.Unlock()
	return nil
}

var discard = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))

func (p *process) open(dir string) (err error) {
	n := p.n
	p.keys = &keys{agency: n.member.ID, origin: n.side.origin, store: p.store, ring: crypto.NewKeyring(n.member.Key), opened: n.w.opened}
	p.board, err = board.Open(board.Config{
		Dir: filepath.Join(dir, "board"), Key: [32]byte{1}, Agency: n.member.ID, Ledger: p.store, Opener: p.keys, Log: discard,
		Policy: func() ledger.Policy {
			if state := p.store.State(); state != nil {
				return state.Governance.Policy
			}
			return ledger.DefaultPolicy(1)
		},
	})
	if err != nil {
		return err
	}
	p.author = author.New(author.Config{
		Agency: n.member.ID, Key: func(*ledger.State) *crypto.AgencyKey { return n.member.Key }, Writer: n.id(), Ledger: authorLedger{p}, Log: discard,
		Clock: n.clock,
		Alarm: func(reason string, sequence uint64) {
			n.w.alarm("%s: author: %s (sequence %d)", n.member.ID, reason, sequence)
		},
		Late: func(reason string, r author.Receipt) {
			n.w.missed(n, reason, r)
		},
	})
	p.cosign = cosign.New(cosign.Config{
		Agency: n.member.ID, Node: n.id(), Key: p.own.checkpoint, Store: p.store, Members: cosignMembers{p}, Log: discard, May: p.cluster.Unheard, Clock: n.clock,
		Alarm: func(reason, who string) { n.w.accused(n, reason, who) }, Contradicted: func(signed []byte) { n.w.contradicted(p, signed) },
	})
	p.routes()
	if len(n.member.Peers) == 0 || !n.w.linked() {
		return nil
	}
	p.peer, err = peer.New(peer.Config{
		Own: n.side.origin, Key: p.own.node, Listen: n.member.Peers, Roster: peerRoster{p}, Source: peerSource{p}, Sink: peerSink{p}, Log: discard,
		Host: []libp2p.Option{quicOver(n.host)},
	})
	return err
}

// run is node.Node's Run: what writes ends when the disk fails, what reads goes on.
func (p *process) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() error { return p.runCluster(ctx, stop) })
	group.Go(func() error { return p.cosign.Run(writing) })
	group.Go(func() error { return p.author.Run(writing) })
	group.Go(func() error { return p.board.Run(ctx) })
	group.Go(func() error { return p.makeEpochs(writing) })
	group.Go(func() error { return p.support(writing) })
	if p.n == p.n.w.liar {
		group.Go(func() error { return p.equivocate(writing) })
	}
	group.Go(func() error { return p.n.write(writing, p) })
	if p.peer != nil {
		group.Go(func() error { return p.peer.Run(ctx) })
	}
	return group.Wait()
}

func (p *process) runCluster(ctx context.Context, stop func()) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.cluster.Run(inner) }()
	select {
	case err := <-done:
		return err
	case err := <-p.halt:
		p.n.w.halted(p, err)
		p.store.Stop(err)
		p.cluster.Halt()
		stop()
		<-ctx.Done()
		cancel()
		return <-done
	case <-ctx.Done():
	}
	if p.n.host.up() { // a process that was killed hands nothing over
		p.cluster.StepDown(inner)
	}
	cancel()
	return <-done
}

// close ends what start began; Run must have ended.
func (p *process) close() error {
	var err error
	if p.peer != nil {
		err = p.peer.Close()
	}
	err = errors.Join(err, p.cluster.Close())
	if p.board != nil {
		err = errors.Join(err, p.board.Close())
	}
	return errors.Join(err, p.store.Close())
}

// end stops the process and closes it. Where its disk has failed it, what closing says is of no interest.
func (p *process) end() error {
	p.n.mu.Lock()
	p.n.process, p.ended = nil, time.Now()
	p.n.mu.Unlock()
	p.stop()
	err := <-p.done
	closed := p.close()
	if p.n.w.broken(p) {
		return nil
	}
	return errors.Join(err, closed)
}

func (p *process) routes() {
	p.cluster.Handle("POST /cosign", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
		var line string
		if err == nil {
			if cp, parseErr := ledger.ParseCheckpointText(string(text)); parseErr == nil {
				wait, cancel := context.WithTimeout(r.Context(), time.Second)
				_ = p.store.Wait(wait, cp.Origin, cp.Size) // Sign refuses what has not arrived
				cancel()
			}
			line, err = p.cosign.Sign(string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = w.Write([]byte(line))
	})
	p.cluster.Handle("POST /checkpoint", func(w http.ResponseWriter, r *http.Request) {
		signed, err := io.ReadAll(io.LimitReader(r.Body, ledger.MaxCheckpointBytes))
		if err == nil {
			err = p.cosign.Take(r.Context(), signed, false)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
}

// makeEpochs makes the next key of an audience whose members changed, as node.Node does.
func (p *process) makeEpochs(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := p.store.Changed()
		if state := p.store.State(); state != nil && p.n.w.plan.founded.Load() { // who founds makes them until then
			for _, a := range state.Governance.Audiences {
				if rank, mine := a.MayMake(p.n.member.ID); a.Due && mine {
					p.makeEpoch(ctx, a.Name, a.Epoch, rank)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

func (p *process) makeEpoch(ctx context.Context, name ledger.AudienceName, last uint64, rank int) {
	if pause(ctx, time.Duration(rank)*time.Second) != nil {
		return
	}
	g := p.store.State().Governance
	a, ok := g.Audience(name)
	if !ok || !a.Due || a.Epoch != last {
		return
	}
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Now())
	if err != nil {
		p.n.w.alarm("%s: %v", p.n.member.ID, err)
		return
	}
	var members []ledger.Agency
	for _, m := range a.Members {
		agency, _ := g.Agency(m)
		members = append(members, *agency)
	}
	epoch, err := ledger.MakeEpoch(key, name, a.Epoch+1, members)
	if err == nil {
		_, err = p.author.Govern(ctx, &ledger.NewEpoch{Roster: g.Version, Epoch: epoch})
	}
	if err != nil && !errors.Is(err, author.ErrRefused) && !errors.Is(err, author.ErrUnknown) && ctx.Err() == nil {
		p.n.w.note("%s: no new epoch: %v", p.n.member.ID, err)
	}
}

// keys opens what is sealed to an agency, with audience keys from the shares in governance entries.
type keys struct {
	agency ledger.AgencyID
	origin ledger.Origin
	store  *store.Store
	opened func(by ledger.AgencyID, rec *ledger.Record)

	mu      sync.Mutex
	ring    *crypto.Keyring // guarded by mu
	scanned uint64          // guarded by mu
}

// Open implements board.Opener.
func (k *keys) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	p, err := ledger.OpenPayload(payload, rec, k.known())
	if errors.Is(err, crypto.ErrNotForUs) && k.learn() {
		p, err = ledger.OpenPayload(payload, rec, k.known())
	}
	if err == nil {
		k.opened(k.agency, rec)
	}
	return p, err
}

func (k *keys) known() *crypto.Keyring {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring
}

func (k *keys) learn() (learned bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	indexes, err := k.store.Governance(k.origin, k.scanned)
	if err != nil {
		return false
	}
	for _, i := range indexes {
		e, _, _, err := k.store.Entry(k.origin, i)
		if err != nil {
			return learned
		}
		k.scanned = i + 1
		epoch, err := epochOf(e)
		if err != nil || len(epoch.Shares) == 0 {
			continue
		}
		if key, err := epoch.OpenShare(k.agency, k.ring); err == nil {
			k.ring, learned = k.ring.With(key), true
		}
	}
	return learned
}
