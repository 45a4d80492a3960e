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
	// ErrTooLarge says that the events do not fit one entry.
	ErrTooLarge = errors.New("author: the events do not fit one entry")
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
	// Wait returns when the own replica holds size entries.
	Wait(ctx context.Context, size uint64) error
}

// Config names what an Author works with; every field is required.
type Config struct {
	Agency ledger.AgencyID
	Key    *crypto.AgencyKey
	Writer crypto.NodeID
	Ledger Ledger
	Log    *slog.Logger
	// Alarm is told of what an honest ledger never does; it must not block.
	Alarm func(reason string, sequence uint64)
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
}

// Index is the position of an entry.
type Index = ledger.Index

// Author is safe for concurrent use; Run must be running for anything to be written.
type Author struct {
	cfg   Config
	queue chan *request
	next  uint64 // the sequence the next entry gets; Run's goroutine only

	confirms chan confirmation
}

type request struct {
	audience []ledger.AudienceName
	events   []ledger.Event // sealed entries
	act      []byte         // governance entries
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
	return &Author{cfg: cfg, queue: make(chan *request, maxWaiting), confirms: make(chan confirmation, maxConfirms)}
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

// Govern signs one governance act, in clear, and returns when it is committed.
func (a *Author) Govern(ctx context.Context, act any) (Receipt, error) {
	return a.wait(ctx, &request{act: ledger.EncodeAct(act), done: make(chan outcome, 1)})
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
		var first *request
		select {
		case <-ctx.Done():
			return nil
		case first = <-a.queue:
		}
		a.round(ctx, a.gather(first))
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

// round writes one batch of requests. A crash before Propose loses nothing that was promised; a crash after it
// leaves the outcome to the client's retry, which carries the event id.
func (a *Author) round(ctx context.Context, batch []*request) {
	groups := group(batch)
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

	wait := false
	for i, s := range signed {
		switch results[i].Verdict {
		case ledger.Accepted, ledger.Repeat:
			a.next = s.sequence + 1
			a.committed(s, results[i])
		case ledger.Gap: // an earlier one was refused: the same events under a new sequence
			a.next = min(a.next, results[i].NextSequence)
			again = append(again, s.group)
		default:
			a.next = min(a.next, s.sequence)
			retry := a.refused(s, results[i])
			again, wait = append(again, retry...), wait || len(retry) > 0
		}
	}
	if wait {
		a.settle(ctx)
	}
	return again
}

// refused lets a group try again when time may mend it: a stale epoch is replaced by the next. Everything else is
// the callers' answer.
func (a *Author) refused(s signedGroup, r ledger.Result) []*batchGroup {
	s.group.tries++
	if r.Retryable() && s.group.tries < maxTries {
		return []*batchGroup{s.group}
	}
	s.group.fail(fmt.Errorf("%w: %w", ErrRefused, r.Reason))
	return nil
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

// settle waits, bounded, until the own replica moves on: a refusal that time may mend is mended by another entry.
func (a *Author) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	if state := a.cfg.Ledger.State(); state != nil {
		_ = a.cfg.Ledger.Wait(ctx, state.Size()+1) // a time-out is as good: the state is read again either way
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
