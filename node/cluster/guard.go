package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/time/rate"

	"vigil/crypto"
)

// ErrRPC says that a peer sent what an honest raft node never sends. The library would store it, obey it or panic.
var ErrRPC = errors.New("cluster: refused RPC")

// errUnannounced refuses a vote over a living leader of whose transfer this node has not heard: it may have been cut off when
// that was announced, so that it accuses nobody.
var errUnannounced = errors.New("cluster: refused RPC: it claims a transfer of leadership that was not announced here")

// errLate refuses a hand-over that may have been on its way when its sender's time was over, or come before its first word as leader.
var errLate = errors.New("cluster: refused RPC: it hands over a leadership that it has no more")

// errRefused refuses a snapshot that an honest leader may send.
var errRefused = errors.New("cluster: refused RPC")

// errAhead refuses a term that is further ahead than is obeyed at once. Its sender may have been brought there by another's lies; where
// it votes, raft catches up with it by its answers.
var errAhead = errors.New("cluster: refused RPC: its term is too far ahead")

// errTorn refuses terms that no log has in a row. Who led may read them from its log while the entries of the next leader take the place
// of its own.
var errTorn = errors.New("cluster: refused RPC: its terms are not those of one log")

// guard looks at every RPC before raft does. Each refusal is an alarm that names the peer, unless an honest one may have
// caused it.
type guard struct {
	alarm func(peer crypto.NodeID, reason string)
	logs  raft.LogStore
	// raft's own view; set before the first RPC.
	term    func() uint64
	applied func() uint64
	leader  func() raft.ServerID
	room    func() (bytes uint64, ok bool) // that are left for a snapshot
	log     *slog.Logger

	mu       sync.Mutex
	rises    map[crypto.NodeID]*rate.Limiter // guarded by mu
	transfer crypto.NodeID                   // guarded by mu; who may ask for votes over a living leader
	until    time.Time                       // guarded by mu
	reign    reign                           // guarded by mu; the newest that was heard of
	rests    map[crypto.NodeID]rest          // guarded by mu; whose last snapshots were not taken
}

// rest is until when a node sends no snapshot, after so many one behind the other that were not taken.
type rest struct {
	after int
	until time.Time
}

// reign is who leads in a term, as this process has heard.
type reign struct {
	who    crypto.NodeID
	term   uint64
	since  time.Time // when it was first heard
	steady time.Time // since when it has been heard again and again
	heard  time.Time
	told   time.Time // when it last said how far its log is, as heartbeats do not
}

// check returns an error for an RPC that must not reach raft.
func (g *guard) check(peer crypto.NodeID, command any) error {
	err := g.judge(peer, command)
	if errors.Is(err, ErrRPC) {
		g.alarm(peer, err.Error())
	}
	return err
}

func (g *guard) judge(peer crypto.NodeID, command any) error {
	with, ok := command.(raft.WithRPCHeader)
	if !ok {
		return fmt.Errorf("%w: unknown command", ErrRPC)
	}
	if string(with.GetRPCHeader().ID) != peer.String() {
		return fmt.Errorf("%w: it names another sender than its connection", ErrRPC)
	}
	switch c := command.(type) {
	case *raft.AppendEntriesRequest:
		err := errors.Join(g.checkTerm(peer, c.Term), g.checkEntries(c))
		if err == nil && c.Term >= g.term() {
			g.leads(peer, c.Term, c.PrevLogEntry > 0 || len(c.Entries) > 0)
		}
		return err
	case *raft.RequestVoteRequest:
		return errors.Join(checkCandidate(peer, c.Addr), g.checkTerm(peer, c.Term), g.checkTransfer(peer, c.LeadershipTransfer))
	case *raft.RequestPreVoteRequest:
		return errors.Join(checkCandidate(peer, c.Addr), g.checkTerm(peer, c.Term))
	case *raft.InstallSnapshotRequest:
		return errors.Join(g.checkTerm(peer, c.Term), checkSnapshot(c), g.checkRoom(peer, uint64(c.Size)))
	case *raft.TimeoutNowRequest:
		return g.checkHandOver(peer)
	}
	return fmt.Errorf("%w: unknown command", ErrRPC)
}

// checkCandidate refuses a vote for another: raft lets whom it takes for the living leader ask for votes over it.
func checkCandidate(peer crypto.NodeID, address []byte) error {
	if string(address) != peer.String() {
		return fmt.Errorf("%w: it asks for votes under another's address", ErrRPC)
	}
	return nil
}

// checkTerm bounds how far and how often a peer may raise the term.
func (g *guard) checkTerm(peer crypto.NodeID, term uint64) error {
	current := g.term()
	if term <= current {
		return nil
	}
	if term-current > lyingTermJump {
		return fmt.Errorf("%w: term %d, ours is %d", ErrRPC, term, current)
	}
	if term-current > maxTermJump {
		return errAhead
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rises[peer] == nil {
		g.rises[peer] = rate.NewLimiter(maxTermRises, maxTermRises)
	}
	if !g.rises[peer].Allow() {
		return fmt.Errorf("%w: the term rises too often", ErrRPC)
	}
	return nil
}

// checkRoom refuses a snapshot for which there is no room, or which comes soon after others that were not taken: links break, and
// disks are of different sizes.
func (g *guard) checkRoom(peer crypto.NodeID, bytes uint64) error {
	g.mu.Lock()
	wait := time.Until(g.rests[peer].until)
	g.mu.Unlock()
	if wait > 0 {
		return fmt.Errorf("%w: another snapshot in less than %s", errRefused, wait)
	}
	if room, ok := g.room(); ok && bytes > room {
		err := fmt.Errorf("%w: a snapshot of %d MiB, there is room for %d", errRefused, bytes>>20, room>>20)
		g.sent(peer, false, err)
		return err
	}
	return nil
}

// sent notes what came of a snapshot. That it could not be folded accuses nobody: it was read from this node's disk, and a newer binary's
// journal is not understood.
func (g *guard) sent(peer crypto.NodeID, taken bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if taken {
		delete(g.rests, peer)
		return
	}
	n := g.rests[peer].after
	wait := min(snapshotAgain<<min(n, 16), snapshotRest)
	g.rests[peer] = rest{after: n + 1, until: time.Now().Add(wait)}
	g.log.Warn("a snapshot was not taken", "node", peer.Short(), "error", err, "again", wait)
}

// answered bounds the term in an answer to a request for votes, which raft takes as its own. One that is far ahead is followed step by
// step: to skip terms is what any node may do.
func (g *guard) answered(peer crypto.NodeID, asked uint64, term *uint64) error {
	switch {
	case *term <= asked:
	case *term-asked > lyingTermJump:
		err := fmt.Errorf("%w: an answer of term %d, it was asked in %d", ErrRPC, *term, asked)
		g.alarm(peer, err.Error())
		return err
	default:
		*term = min(*term, asked+maxAnswerJump)
	}
	return nil
}

func (g *guard) checkEntries(c *raft.AppendEntriesRequest) error {
	if len(c.Entries) > maxAppendEntries {
		return fmt.Errorf("%w: %d entries at once", ErrRPC, len(c.Entries))
	}
	late := c.Term < g.term() // of a leader that was cut off and does not know yet: raft refuses it
	before := c.PrevLogTerm
	for i, e := range c.Entries {
		if e == nil || len(e.Data) > maxLogBytes || len(e.Extensions) > 0 {
			return fmt.Errorf("%w: an entry over the bound", ErrRPC)
		}
		if next := c.PrevLogEntry + 1 + uint64(i); e.Index != next { // raft would leave a gap, and panic over it
			return fmt.Errorf("%w: entry %d where %d should be", ErrRPC, e.Index, next)
		}
		if e.Term < before || e.Term > c.Term {
			return errTorn
		}
		before = e.Term
		switch e.Type {
		case raft.LogCommand, raft.LogNoop, raft.LogBarrier:
		case raft.LogConfiguration:
			if err := checkConfiguration(e.Data); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: entry of type %d", ErrRPC, e.Type)
		}
		if late {
			continue
		}
		if err := g.checkApplied(e); err != nil {
			return err
		}
	}
	return nil
}

// checkApplied refuses to have an applied entry replaced.
func (g *guard) checkApplied(e *raft.Log) error {
	if e.Index > g.applied() {
		return nil
	}
	var have raft.Log
	if err := g.logs.GetLog(e.Index, &have); err != nil {
		return nil // compacted away: raft itself skips what is below its snapshot
	}
	if have.Term != e.Term {
		return fmt.Errorf("%w: it would replace the applied entry %d", ErrRPC, e.Index)
	}
	return nil
}

// checkSnapshot refuses a snapshot of any size, of a form of which raft makes none, or of a term that is still to come.
func checkSnapshot(c *raft.InstallSnapshotRequest) error {
	if c.Size <= 0 || c.Size > maxSnapshotBytes { // a journal has a head, and raft would take nothing for this node's own
		return fmt.Errorf("%w: a snapshot of %d bytes", ErrRPC, c.Size)
	}
	if c.SnapshotVersion != raft.SnapshotVersionMax { // of which raft reads other servers than those that are checked here
		return fmt.Errorf("%w: a snapshot of version %d", ErrRPC, c.SnapshotVersion)
	}
	if err := checkConfiguration(c.Configuration); err != nil {
		return err
	}
	if c.LastLogTerm > c.Term {
		return errTorn
	}
	return nil
}

// checkConfiguration refuses what raft would store and then panic over at every start.
func checkConfiguration(b []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: a configuration that does not decode", ErrRPC)
		}
	}()
	c := raft.DecodeConfiguration(b)
	if len(c.Servers) == 0 || len(c.Servers) > maxServers {
		return fmt.Errorf("%w: a configuration of %d servers", ErrRPC, len(c.Servers))
	}
	voters := 0
	seen := map[raft.ServerID]bool{}
	for _, s := range c.Servers {
		if _, err := crypto.ParseNodeID(string(s.ID)); err != nil || string(s.Address) != string(s.ID) || seen[s.ID] {
			return fmt.Errorf("%w: a configuration with a server that is no node id", ErrRPC)
		}
		seen[s.ID] = true
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	if voters == 0 {
		return fmt.Errorf("%w: a configuration without voters", ErrRPC)
	}
	return nil
}

func (g *guard) leads(peer crypto.NodeID, term uint64, tells bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	r := &g.reign
	if r.who != peer || r.term != term {
		*r = reign{who: peer, term: term, since: now, steady: now}
	}
	if now.Sub(r.heard) > leaderHeard {
		r.steady = now
	}
	if r.heard = now; tells {
		r.told = now
	}
}

// follows is the term of the leader that was heard lately. It is false where that leader may not have come to telling this node of its
// log: raft waits for ten seconds before it tries one again that it could not reach, and sends heartbeats meanwhile.
func (g *guard) follows() (term uint64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &g.reign
	return r.term, time.Since(r.heard) < leaderHeard && (time.Since(r.told) < leaderHeard || time.Since(r.steady) > leaderTells)
}

// checkHandOver refuses a hand-over by any but the leader. It has no term, so that it is a lie only where another has led for as long
// as anything is on its way: who leads after that one has an entry taken here before it can hand over to this node.
func (g *guard) checkHandOver(peer crypto.NodeID) error {
	if g.leader() == raft.ServerID(peer.String()) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.reign; now.term == 0 || now.who == peer || time.Since(now.since) < lateWindow {
		return errLate
	}
	return fmt.Errorf("%w: only the leader hands leadership over", ErrRPC)
}

// announce notes that the leader is handing leadership over to a node.
func (g *guard) announce(to crypto.NodeID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.transfer, g.until = to, time.Now().Add(transferWindow)
}

func (g *guard) checkTransfer(peer crypto.NodeID, flag bool) error {
	if !flag {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.transfer != peer || time.Now().After(g.until) {
		return errUnannounced
	}
	return nil
}
