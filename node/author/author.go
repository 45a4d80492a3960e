// Package author turns an agency's events into entries: events that wait for one audience are sealed and signed as
// one entry (group sealing), entries are numbered just before they are proposed, and what the ledger answers goes
// back to whoever waits. Plaintext ends here: what leaves is ciphertext and a signature.
//
// It does not know what events mean, how entries are replicated, or who asked. It owns the sequence of one writer,
// and so there is exactly one Author in a process.
package author

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/crypto"
	"vigil/ledger"
)

// Errors that callers act on.
var (
	// ErrUnknown says that the outcome is not known yet: the entry may be committed or not. Ask again with the same
	// event id.
	ErrUnknown = errors.New("author: the outcome is not known yet; ask again with the same id")
	// ErrRefused says that the ledger refused the entry; the reason is wrapped.
	ErrRefused = errors.New("author: the ledger refused the entry")
	// ErrNotMember says that this node's agency is not in the roster, or this node is not its writer.
	ErrNotMember = errors.New("author: this node is not a writer of the ledger")
	// ErrBusy says that more waits here than the bound allows.
	ErrBusy = errors.New("author: too much is waiting to be written; try again shortly")
	// ErrNoKey says that the roster names another key of this agency than those that are here.
	ErrNoKey = errors.New("author: the roster names a key of this agency that is not here; bring the kit with the newest key")
	// ErrTooLarge says that the events do not fit one entry.
	ErrTooLarge = errors.New("author: the events do not fit one entry")

	errNumber = errors.New("author: the leader says that an earlier entry of this node is missing")
)

// Ledger is what the author needs of the cluster and of its own replica.
type Ledger interface {
	// State returns the own replica's latest state, nil before genesis has arrived.
	State() *ledger.State
	// Writable returns why nothing can be written here any more; nil while all is well.
	Writable() error
	// Propose answers for every entry in order, or an error when the outcome is unknown; the same bytes may be
	// proposed again.
	Propose(ctx context.Context, entries []ledger.Entry) ([]ledger.Result, error)
	// Committed returns the index and leaf hash that the own replica holds for a writer's sequence.
	Committed(writer crypto.NodeID, sequence uint64) (index uint64, leaf [32]byte, ok bool, err error)
	// Heard returns the term of who leads, and whether that one has been heard of within the last seconds and tells this replica all.
	Heard() (term uint64, ok bool)
	// Wait returns when the own replica holds size entries.
	Wait(ctx context.Context, size uint64) error
	// Earlier returns a leaf of the own replica.
	Earlier(index ledger.Index) ([]byte, error)
	// Changed is closed at the own replica's next change.
	Changed() <-chan struct{}
}

// Promises keeps what was acknowledged until the own replica shows it. It is safe for concurrent use, and bounded: what is
// beyond the bound is forgotten.
type Promises interface {
	// Made is called before a caller is answered; it does not wait for a disk.
	Made(r Receipt)
	// Settled is called once the replica has shown it, or it was missed.
	Settled(r Receipt)
	// Open returns what was made and not settled, by earlier processes, too.
	Open() []Receipt
	// Sync is called where something is long in coming: what was made is on disk when it returns.
	Sync()
}

// Config names what an Author works with; every field but Promises, Within and Governed is required.
type Config struct {
	Agency ledger.AgencyID
	// Key returns this agency's key as a state names it, nil where it is not here.
	Key    func(*ledger.State) *crypto.AgencyKey
	Writer crypto.NodeID
	Ledger Ledger
	Log    *slog.Logger
	// Alarm is told of what an honest ledger never does; it must not block.
	Alarm func(reason string, sequence uint64)
	// Late is told of what was acknowledged and is not in the own replica by the deadline of its receipt; it must not block.
	Late func(reason string, r Receipt)
	// Promises keeps what awaits confirmation across restarts; nil keeps nothing.
	Promises Promises
	// Within is how long after the leader's answer that may take; zero is ten seconds.
	Within time.Duration
	// Governed is told of every act of governance once it is signed and before it is proposed; it must not block.
	Governed func(ledger.Entry)
	// Clock is the time of day that records carry; nil is the operating system's.
	Clock func() time.Time
}

// Receipt says where events were committed.
type Receipt struct {
	Index Index
	// First is the position of the request's first row in the entry's events tree.
	First uint32
	// Leaf is the RFC 6962 leaf hash; Writer and Sequence name the entry to its author.
	Leaf     [32]byte
	Writer   crypto.NodeID
	Sequence uint64
	// AuthoredAt is the record's time in ms.
	AuthoredAt int64
	// Acknowledged is when the leader said yes; zero where that is not known any more.
	Acknowledged time.Time
}

// Index is the position of an entry.
type Index = ledger.Index

// Author is safe for concurrent use; Run must be running for anything to be written.
type Author struct {
	cfg   Config
	queue chan *request
	next  uint64        // the sequence the next entry gets; Run's goroutine only
	held  []*batchGroup // wait for the own replica to move on; Run's goroutine only
	// parsed are certificates that were sealed to, by their bytes; Run's goroutine only.
	parsed map[string]*crypto.Certificate

	confirms chan confirmation
	earlier  []Receipt // what an earlier process was told; confirmAll's goroutine only
}

type request struct {
	audience []ledger.AudienceName
	events   []ledger.Event // sealed entries
	act      []byte         // governance entries
	kind     ledger.Kind    // of a sealed entry that names an earlier one; 0 of all others
	target   ledger.Index
	patience time.Duration // how long an act waits for another's that must come first
	rows     int
	bytes    int
	done     chan outcome // buffered: the author never waits for a caller
}

type outcome struct {
	receipt Receipt
	err     error
}

// New returns an Author that waits for Run.
func New(cfg Config) *Author {
	if cfg.Within == 0 {
		cfg.Within = confirmWait
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Promises == nil {
		cfg.Promises = noPromises{}
	}
	return &Author{cfg: cfg, queue: make(chan *request, maxWaiting), parsed: map[string]*crypto.Certificate{}, confirms: make(chan confirmation, maxConfirms), earlier: cfg.Promises.Open()}
}

// Submit seals events to the audience and returns when they are committed. The events stay together in one entry,
// perhaps with others'. When ctx ends first the answer is ErrUnknown.
func (a *Author) Submit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) (Receipt, error) {
	r := &request{audience: normal(audience), events: events, done: make(chan outcome, 1)}
	for i := range events {
		r.rows += events[i].Count()
		r.bytes += len(events[i].Shared) + len(events[i].Rows) + eventOverhead
	}
	if len(events) == 0 || len(audience) == 0 || r.rows > ledger.MaxEntryLeaves || r.bytes > maxEntryPlaintext {
		return Receipt{}, fmt.Errorf("%w: %d events, %d rows, %d bytes for %d audiences", ErrTooLarge, len(events), r.rows, r.bytes, len(audience))
	}
	return a.wait(ctx, r)
}

// Name seals an entry of its own that names an earlier one: a release or an expungement. It returns when that is committed.
func (a *Author) Name(ctx context.Context, kind ledger.Kind, target ledger.Index, audience []ledger.AudienceName, events []ledger.Event) (Receipt, error) {
	if len(events) == 0 || len(audience) == 0 {
		return Receipt{}, fmt.Errorf("%w: %d events for %d audiences", ErrTooLarge, len(events), len(audience))
	}
	return a.wait(ctx, &request{audience: normal(audience), events: events, kind: kind, target: target, done: make(chan outcome, 1)})
}

// Govern signs one governance act, in clear, and returns when it is committed.
func (a *Author) Govern(ctx context.Context, act any) (Receipt, error) {
	return a.wait(ctx, &request{act: ledger.EncodeAct(act), done: make(chan outcome, 1)})
}

// GovernAfter is Govern for an act that another's must precede: what the ledger refuses for want of that one is proposed
// again while patience lasts.
func (a *Author) GovernAfter(ctx context.Context, act any, patience time.Duration) (Receipt, error) {
	return a.wait(ctx, &request{act: ledger.EncodeAct(act), patience: patience, done: make(chan outcome, 1)})
}

func (a *Author) wait(ctx context.Context, r *request) (Receipt, error) {
	select {
	case a.queue <- r:
	case <-ctx.Done():
		return Receipt{}, ErrBusy
	}
	select {
	case o := <-r.done:
		return o.receipt, o.err
	case <-ctx.Done():
		return Receipt{}, ErrUnknown
	}
}

func normal(names []ledger.AudienceName) []ledger.AudienceName {
	out := slices.Clone(names)
	slices.Sort(out)
	return slices.Compact(out)
}

// Run writes until ctx ends. One round is in flight at a time: while it commits, the next gathers.
func (a *Author) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.confirmAll(ctx) })
	group.Go(func() error { return a.write(ctx) })
	return group.Wait()
}

func (a *Author) write(ctx context.Context) error {
	for {
		var changed <-chan struct{}
		var again <-chan time.Time
		if len(a.held) > 0 {
			changed, again = a.cfg.Ledger.Changed(), time.After(holdAgain)
		}
		var batch []*request
		select {
		case <-ctx.Done():
			failAll(a.held, ErrUnknown)
			return nil
		case first := <-a.queue:
			batch = a.gather(first)
		case <-changed:
		case <-again:
		}
		a.round(ctx, batch)
	}
}

// gather takes what waits, up to one round's bound.
func (a *Author) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxRound {
		select {
		case r := <-a.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// round writes what was held back and one batch of requests. A crash before Propose loses nothing that was promised; a
// crash after it leaves the outcome to the client's retry, which carries the event id.
func (a *Author) round(ctx context.Context, batch []*request) {
	groups := append(a.held, group(batch)...)
	a.held = nil
	for len(groups) > 0 {
		n := min(len(groups), maxInFlight)
		again := a.propose(ctx, groups[:n])
		groups = append(again, groups[n:]...)
	}
}

// propose signs groups as consecutive sequences, proposes them in one ordered request and returns those that must be
// signed anew.
func (a *Author) propose(ctx context.Context, groups []*batchGroup) (again []*batchGroup) {
	signed := a.sign(groups)
	if len(signed) == 0 {
		return nil // every group was answered while signing
	}
	results, err := a.commit(ctx, signed)
	if err != nil {
		for _, s := range signed {
			s.group.fail(err)
		}
		return nil
	}

	refused := false // one before it, so that its number was too high
	for i, s := range signed {
		switch r := results[i]; {
		case r.Verdict == ledger.Accepted, r.Verdict == ledger.Repeat:
			a.next = s.sequence + 1
			a.committed(s, r)
		case r.Verdict == ledger.Gap && refused: // the same events under a new sequence
			again = append(again, s.group)
		default:
			refused = true
			if a.next = min(a.next, s.sequence); r.Verdict == ledger.Gap {
				a.next = min(a.next, r.NextSequence) // a leader before this one said that it had written what it had not
			}
			a.refused(s, r)
		}
	}
	return again
}

// refused holds a group back where time may mend it: a stale epoch is replaced by the next, a rotated key by the roster's.
// The leader's word alone refuses nothing: it counts when the own replica refuses the entry too. A replica that is behind may take what
// the ledger has no place for any more, as another entry of its own that it does not know yet: then nobody knows the outcome, and
// nobody lies. Everything else is the callers' answer.
func (a *Author) refused(s signedGroup, r ledger.Result) {
	why := errNumber // the sequence is too high, and no other was refused before it
	if r.Reason != nil {
		why = r.Reason
	}
	_, own := a.cfg.Ledger.State().Apply(s.entry, a.cfg.Ledger.Earlier)
	confirmed := own.Verdict == ledger.Refused
	if !confirmed || mends(s.group, r.Reason) {
		if a.hold(s.group, holdFor) {
			return
		}
		switch {
		case confirmed:
		case s.group.behind, own.Verdict == ledger.Gap:
			s.group.fail(ErrUnknown)
			return
		default:
			a.cfg.Alarm("the leader refuses an entry that this replica accepts", s.sequence)
		}
	}
	s.group.fail(fmt.Errorf("%w: %w", ErrRefused, why))
}

// mends says whether another's entry may mend a refusal.
func mends(g *batchGroup, reason *ledger.Reason) bool {
	switch reason {
	case ledger.ErrStaleEpoch, ledger.ErrSignature:
		return true
	case ledger.ErrNoAudience:
		return g.requests[0].act == nil
	case ledger.ErrNoProposal:
		return g.requests[0].patience > 0
	}
	return false
}

// hold keeps a group for when the own replica has moved on, until its time is up.
func (a *Author) hold(g *batchGroup, most time.Duration) bool {
	term, heard := a.cfg.Ledger.Heard()
	if g.until.IsZero() {
		g.until, g.term = time.Now().Add(max(most, g.requests[0].patience)), term
	}
	g.behind = g.behind || !heard || term != g.term
	if time.Now().After(g.until) {
		return false
	}
	a.held = append(a.held, g)
	return true
}

// commit proposes until the outcome is known or ctx ends. What is proposed again are the same bytes: the ledger
// answers "repeat" for what it has.
func (a *Author) commit(ctx context.Context, signed []signedGroup) ([]ledger.Result, error) {
	entries := make([]ledger.Entry, len(signed))
	for i, s := range signed {
		entries[i] = s.entry
	}
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		results, err := a.cfg.Ledger.Propose(ctx, entries)
		if err == nil && len(results) == len(entries) {
			return results, nil
		}
		if err != nil {
			a.cfg.Log.Debug("proposal not answered; proposing again", "entries", len(entries), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ErrUnknown
		case <-time.After(wait):
		}
	}
}

// ready returns the state to write against, or why there is none. The first call learns the next sequence from it.
func (a *Author) ready() (*ledger.State, error) {
	if err := a.cfg.Ledger.Writable(); err != nil {
		return nil, err
	}
	state := a.cfg.Ledger.State()
	if state == nil {
		return nil, ErrNotMember
	}
	owner, ok := state.Governance.NodeOwner(a.cfg.Writer)
	if !ok || owner != a.cfg.Agency {
		return nil, ErrNotMember
	}
	a.next = max(a.next, state.Writers[a.cfg.Writer].Sequence+1)
	return state, nil
}

func randomSeed() (seed [32]byte) {
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the process instead
	return seed
}
