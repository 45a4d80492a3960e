package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/store"
)

// Errors of going on after a majority of voters is gone.
var (
	// ErrAlive refuses a successor while a majority of voters answers: the ledger lives.
	ErrAlive = errors.New("node: a majority of the voters answers: the ledger lives")
	// ErrRemembersMore refuses a successor of less than somebody has.
	ErrRemembersMore = errors.New("node: somebody remembers more of this ledger than remains here")
	// ErrUnheard refuses a successor while a partner that may remember more has not been heard.
	ErrUnheard = errors.New("node: a partner was not heard")
	// ErrContradicted refuses a successor of a history that another signed checkpoint contradicts.
	ErrContradicted = errors.New("node: what remains here is not what was signed")
)

// Recovering is what 'vigil ledger recover' is asked.
type Recovering struct {
	Old Config // of the node that is left, which does not run
	New Config // of the successor's founder, in an empty directory; no directory: only look
	// Checkpoints are signed checkpoints of the ledger that came by hand, by the jurisdiction they are from.
	Checkpoints map[string][]byte
	// Unheard goes on though a partner said nothing.
	Unheard bool
	// Lose founds a successor though a partner has a checkpoint of more than remains: the ledger is closed there, and the
	// entries that are not here are lost.
	Lose bool
}

// Recovery is what was found and done.
type Recovery struct {
	Ledger   ledger.Origin `json:"ledger"`
	Here     uint64        `json:"here"`    // entries that remain, acknowledged or not
	Sealed   uint64        `json:"sealed"`  // of them, under a checkpoint that counts
	Voters   int           `json:"voters"`  // of the roster
	Answered int           `json:"answers"` // of them, this one included
	Words    []Word        `json:"words"`
	Lost     uint64        `json:"lost"` // entries that somebody remembers and that are not here
	// Successor and Node are set once it is founded; File is for the other agencies.
	Successor ledger.Origin `json:"successor,omitempty"`
	Node      string        `json:"node,omitempty"`
	File      string        `json:"file,omitempty"`
}

// Word is what a member or partner says of the ledger.
type Word struct {
	From string `json:"from"`
	Size uint64 `json:"size"` // of the checkpoint it has, or of what it holds itself
	Said string `json:"said"`
}

// recovery is the work in progress.
type recovery struct {
	Recovery
	r     Recovering
	id    Identity
	keys  Keys
	store *store.Store
	rest  *cluster.Rest
	state *ledger.State        // with the rest
	roots map[uint64]tlog.Hash // of sizes that only the rest comes to
	marks []mark
	// closed is what an interrupted recovery left in the old directory, nil where there was none; prepared says that the new
	// directory is the one that it names.
	closed   *closing
	prepared bool
	// unheard are the partners that said nothing, and of whom nothing came by hand.
	unheard []string
}

// mark is a checkpoint that somebody has.
type mark struct {
	from   string
	cp     ledger.Checkpoint
	signed []byte
	by     int // members whose signature on it verifies here
}

// Recover goes on after a majority of the voters is gone for good, from one node that is left. It asks every member and
// partner what they remember, and refuses where the ledger lives or somebody has more of it than remains here. Then it
// closes the ledger and founds its successor. A ledger is never continued under its own name: the voters that are gone
// may have it, too.
func Recover(ctx context.Context, r Recovering) (Recovery, error) {
	w := &recovery{r: r, roots: map[uint64]tlog.Hash{}}
	err := w.open()
	if err != nil {
		return w.Recovery, err
	}
	defer func() { _ = w.store.Close() }() // what must be on disk was flushed
	if err = w.ask(ctx); err == nil {
		err = w.judge()
	}
	if err != nil || r.New.Dir == "" {
		return w.Recovery, err
	}
	return w.Recovery, w.found()
}

// open opens what is left, and folds what only raft's log has.
func (w *recovery) open() (err error) {
	old := w.r.Old
	if w.id, err = ReadIdentity(old.Dir); err != nil {
		return err
	}
	passphrase, err := old.Passphrase()
	if err != nil {
		return err
	}
	if w.keys, err = w.id.unlock(old.Dir, passphrase); err != nil {
		return err
	}
	w.store, err = store.Open(filepath.Join(old.Dir, "ledger"), store.Identity{Origin: w.id.Origin, Node: w.id.Node})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w; stop the node first", err)
	}
	if err != nil {
		return err
	}
	if err = w.fold(); err != nil {
		return errors.Join(err, w.store.Close())
	}
	return nil
}

func (w *recovery) fold() (err error) {
	if err = w.resume(); err != nil { // the store is locked: no other recovery is about
		return err
	}
	if w.store.State() == nil {
		return fmt.Errorf("%w: nothing of the ledger has arrived here", ErrDirectory)
	}
	if w.rest, err = cluster.ReadRest(filepath.Join(w.r.Old.Dir, "raft"), w.store); err != nil {
		return err
	}
	if w.state, err = w.rest.Fold(func(size uint64, root tlog.Hash) { w.roots[size] = root }); err != nil {
		return err
	}
	if w.state.Newer() {
		return fmt.Errorf("%w: format %d", cluster.ErrUpgrade, w.state.Governance.Format)
	}
	if owner, member := w.state.Governance.NodeOwner(w.keys.Node.Public().ID()); !member || owner != w.id.Agency {
		return fmt.Errorf("%w: this node is not in the roster any more", ErrMustReplace)
	}
	w.Ledger, w.Here = w.id.Origin, w.state.Size()
	if signed, err := w.store.Latest(w.id.Origin); err == nil && signed != nil {
		if cp, _, err := ledger.ParseSigned(signed); err == nil {
			w.Sealed = cp.Size
		}
	}
	if w.closed != nil && w.closed.Sealed > 0 { // of what came after, the newest has our signature alone
		w.Sealed = w.closed.Sealed
	}
	return nil
}

// judge refuses what must not be.
func (w *recovery) judge() error {
	if w.Answered > w.Voters/2 {
		return fmt.Errorf("%w: %d of %d; start the others, and 'vigil node replace' where a disk is lost", ErrAlive, w.Answered, w.Voters)
	}
	most := Word{Size: w.Here}
	for _, m := range w.marks {
		if root, ok := w.root(m.cp.Size); ok && m.by > 0 && root != m.cp.Root {
			return fmt.Errorf("%w: %s has a checkpoint of %d entries with another root, signed by %d members", ErrContradicted, m.from, m.cp.Size, m.by)
		}
	}
	for _, x := range w.Words { // whoever says more is believed until people know better
		if x.Size > most.Size {
			most = x
		}
	}
	if len(w.unheard) > 0 && !w.r.Unheard {
		return fmt.Errorf("%w: %s may have a checkpoint of more than remains here; get one by hand (there: vigil ledger checkpoint) and give it as --checkpoint, or: --accept-risk unheard-partners",
			ErrUnheard, strings.Join(w.unheard, ", "))
	}
	if w.Lost = most.Size - w.Here; w.Lost > 0 && !w.r.Lose {
		return fmt.Errorf("%w: %s %s, here are %d; recover where they are or from a disk that has them, or give up %d entries: --accept-risk lost-entries",
			ErrRemembersMore, most.From, most.Said, w.Here, w.Lost)
	}
	return nil
}

// root returns the root at a size that remains here.
func (w *recovery) root(size uint64) (tlog.Hash, bool) {
	if size > w.store.Size(w.id.Origin) {
		root, ok := w.roots[size]
		return root, ok
	}
	root, err := tlog.TreeHash(int64(size), w.store.HashReader(w.id.Origin))
	return root, err == nil
}

// end says where the ledger is closed: with all that remains or, where more was signed than remains, there.
func (w *recovery) end() ledger.Closed {
	s := w.state
	end := ledger.Closed{Origin: w.id.Origin, Genesis: s.Governance.Genesis, Size: s.Size(), Root: s.Root(), State: s.Line(), By: w.id.Agency}
	for _, m := range w.marks {
		if m.by > 0 && m.cp.Size > end.Size {
			end.Size, end.Root, end.State = m.cp.Size, m.cp.Root, m.cp.State
		}
	}
	return end
}

// genesis makes entry 0 of the successor.
func (w *recovery) genesis(end ledger.Closed, keys Keys) (ledger.Entry, ledger.Origin, error) {
	g, now := w.state.Governance, time.Now()
	agency, ok := g.Agency(w.id.Agency)
	if !ok {
		return ledger.Entry{}, "", ErrMustReplace
	}
	var key *crypto.AgencyKey
	for _, k := range w.keys.Agency {
		if string(k.Certificate().Bytes()) == string(agency.Certificate) {
			key = k
		}
	}
	if key == nil {
		return ledger.Entry{}, "", fmt.Errorf("%w: the agency's key in force is not here", ErrDirectory)
	}
	var epochs []ledger.Epoch
	for _, a := range g.NextEpochs() {
		var members []ledger.Agency
		for _, m := range a.Members {
			x, _ := g.Agency(m)
			members = append(members, *x)
		}
		audience, err := crypto.GenerateAgencyKey(key.Certificate().Suite(), now)
		if err != nil {
			return ledger.Entry{}, "", err
		}
		e, err := ledger.MakeEpoch(audience, a.Name, a.Epoch, members)
		if err != nil {
			return ledger.Entry{}, "", err
		}
		epochs = append(epochs, e)
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	act, err := g.Succeed(random, end, nodeOf(w.r.New, keys), epochs, linksOf(w.state))
	if err != nil {
		return ledger.Entry{}, "", err
	}
	origin := ledger.NewOrigin(w.id.Agency.Jurisdiction(), random)
	entry, err := ledger.SignEntry(key, ledger.Record{
		Version: ledger.RecordVersion, Origin: origin, Author: w.id.Agency, Writer: keys.Node.Public().ID(), Sequence: 1,
		Kind: ledger.KindGovernance, AuthoredAt: now.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}, ledger.EncodeAct(act))
	if err == nil {
		_, err = ledger.Found(entry) // what is founded must be what every replica accepts
	}
	return entry, origin, err
}

// linksOf are the links that a successor begins with: to the ledgers that go on, with the gateways that their rosters name now.
func linksOf(s *ledger.State) []ledger.PartnerLink {
	out := []ledger.PartnerLink{}
	for _, link := range s.Governance.Partners {
		if _, closed := s.Governance.ClosedAt(link.Card.Origin); closed {
			continue
		}
		if g := s.Partners[link.Card.Origin].Mirror.Governance; g != nil {
			if gateways := gatewaysIn(g); len(gateways) > 0 {
				link.Card.Gateways, link.Card.Roster, link.Card.Quorum, link.Card.Checkpoint = gateways, g.Version, uint64(g.QuorumSize()), nil
			}
		}
		out = append(out, link)
	}
	return out
}

func gatewaysIn(g *ledger.Governance) (out []ledger.Gateway) {
	for i := range g.Agencies {
		if a := &g.Agencies[i]; len(a.Node.Peers) > 0 {
			out = append(out, ledger.Gateway{Agency: a.ID, Key: a.Node.Key, Peers: a.Node.Peers})
		}
	}
	return out
}

// sign signs, with the old node's checkpoint key, what had no checkpoint that counts: up to the end, in steps that fit a
// mirror batch each. It is the last thing that key signs.
func (w *recovery) sign() error {
	for at := w.Sealed; ; {
		size, ok, err := w.store.NextBoundary(at)
		if err != nil || !ok {
			return err
		}
		line, _, _, err := w.store.Boundary(size)
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(int64(size), w.store.HashReader(w.id.Origin))
		if err != nil {
			return err
		}
		if size > w.store.LastSigned() {
			err = w.store.SetLastSigned(w.id.Origin, size, root)
		}
		cp := ledger.Checkpoint{Origin: w.id.Origin, Size: size, Root: root, State: line}
		signature, signErr := ledger.Cosign(cp, w.id.Agency, w.keys.Checkpoint, time.Now())
		if err = errors.Join(err, signErr); err != nil {
			return err
		}
		if err := errors.Join(w.store.PutCheckpoint(w.id.Origin, ledger.Assemble(cp, signature)), w.store.Flush()); err != nil {
			return err
		}
		at = size
	}
}
