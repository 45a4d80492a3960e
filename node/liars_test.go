package node

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/author"
	"vigil/node/cosign"
	"vigil/node/store"
)

// The liars' experiment: members with their real keys lie in ways drawn from a seed, about histories that are drawn, too. The
// real code of those who are lied to must notice each, name the right ones and nobody else, by a proof that vigil-verify's code
// takes. The controls are the same cases told honestly.
//
//	go test ./node -count 1 -v -timeout 0 -run Liars -cases 1000
var (
	cases     = flag.Int("cases", 40, "how many lies of each kind")
	liarsSeed = flag.Uint64("liars-seed", 0, "of the lies; 0 draws one")
)

const (
	liarStages  = 6
	liarEntries = 8 // of a stage
)

// step is one change of a state: an entry of its own or a batch of a partner's.
type step struct {
	entry *ledger.Entry
	batch *ledger.MirrorBatch
}

// lied is who is lied to and about what: a jurisdiction's history, and what a member and a partner have of it as time goes by.
type lied struct {
	t       *testing.T
	rng     *rand.Rand
	in, uk  *ledgertest.Jurisdiction
	steps   map[*ledgertest.Jurisdiction][]step
	hashes  []tlog.Hash
	own     []*store.Store // the member's, smaller ones first, with checkpoints up to its size
	mirrors []*store.Store // the partner's
	before  []*ledger.State
	batches []*ledger.MirrorBatch // each is what comes after the state before it
	inside  ledger.Trust          // a trust file of the member's, and of the partner's
	abroad  ledger.Trust
}

func newLied(t *testing.T) *lied {
	seed := *liarsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	l := &lied{t: t, rng: rand.New(rand.NewPCG(seed, 7)), in: ledgertest.Found(t, "in", 3), uk: ledgertest.Found(t, "uk", 1), steps: map[*ledgertest.Jurisdiction][]step{}}
	cardIn, cardUK := l.in.Card(), l.uk.Card()
	l.in.Change(t, &ledger.Link{Card: cardUK})
	l.uk.Change(t, &ledger.Link{Card: cardIn})
	l.mirror(l.in, l.uk)
	l.mirror(l.uk, l.in)
	var checkpoints [][]byte
	for range liarStages {
		for range liarEntries {
			to := []ledger.AudienceName{"in/*"}
			if l.rng.IntN(2) == 0 {
				to = append(to, "uk/*")
			}
			l.in.Seal(t, l.rng.IntN(3), to, ledgertest.Event("row"))
			if l.rng.IntN(3) == 0 {
				checkpoints = append(checkpoints, l.in.Checkpoint(t))
			}
		}
		l.in.NewEpoch(t, "in/*")
		checkpoints = append(checkpoints, l.in.Checkpoint(t))
		l.before = append(l.before, l.uk.State)
		l.batches = append(l.batches, l.mirror(l.uk, l.in))
		l.own = append(l.own, l.fill(l.in, checkpoints))
		l.mirrors = append(l.mirrors, l.fill(l.uk, nil))
	}
	for _, e := range l.in.Entries {
		l.hashes = append(l.hashes, ledger.LeafHash(e.Leaf))
	}
	l.inside, l.abroad = ledger.TrustOf(l.in.State), ledger.TrustOf(l.uk.State)
	return l
}

// noted appends to a jurisdiction's steps what it has written since.
func (l *lied) noted(j *ledgertest.Jurisdiction) {
	entries := 0
	for _, s := range l.steps[j] {
		if s.entry != nil {
			entries++
		}
	}
	for i := range j.Entries[entries:] {
		l.steps[j] = append(l.steps[j], step{entry: &j.Entries[entries+i]})
	}
}

func (l *lied) mirror(j, of *ledgertest.Jurisdiction) *ledger.MirrorBatch {
	l.noted(j)
	b := of.Batch(l.t, j)
	j.Mirror(l.t, of)
	l.steps[j] = append(l.steps[j], step{batch: b})
	return b
}

// fill makes a store of all that a jurisdiction has by now.
func (l *lied) fill(j *ledgertest.Jurisdiction, checkpoints [][]byte) *store.Store {
	l.noted(j)
	s, err := store.Open(l.t.TempDir(), store.Identity{Origin: j.Origin(), Node: "n"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = s.Close() })
	var state *ledger.State
	for i, x := range l.steps[j] {
		b := store.Batch{Index: uint64(i + 1), Term: 1}
		if x.entry != nil {
			next, a, err := store.ApplyOwn(state, *x.entry, j.Earlier)
			if err != nil {
				l.t.Fatal(err)
			}
			state, b.Own = next, []store.Appended{a}
		} else {
			next, r := state.ApplyMirror(x.batch)
			if r.Verdict != ledger.MirrorApplied {
				l.t.Fatal(r.Reason)
			}
			state, b.Mirrors = next, []store.Mirrored{{Batch: x.batch, At: next.Size()}}
		}
		b.State = state
		if err := s.Commit(b); err != nil {
			l.t.Fatal(err)
		}
	}
	for _, signed := range checkpoints {
		if err := s.PutCheckpoint(j.Origin(), signed); err != nil {
			l.t.Fatal(err)
		}
	}
	return s
}

// observer is the part of a node that is lied to.
func (l *lied) observer(j *ledgertest.Jurisdiction, s *store.Store) *Node {
	n := &Node{store: s, log: slog.New(slog.NewTextHandler(io.Discard, nil)), id: Identity{Origin: j.Origin(), Agency: j.Members[0].ID}, keys: Keys{Node: j.Members[0].Node}}
	var err error
	if n.forks, err = newForks(n, l.t.TempDir()); err != nil {
		l.t.Fatal(err)
	}
	if n.receipts, err = newReceipts(n, l.t.TempDir()); err != nil {
		l.t.Fatal(err)
	}
	n.cosign = cosign.New(cosign.Config{
		Agency: n.id.Agency, Node: n.keys.Node.Public().ID(), Key: j.Members[0].Checkpoint, Store: s, Members: nobody{}, Log: n.log, Alarm: func(string, string) {},
		Contradicted: func(signed []byte) { n.forks.prove(signed) },
		Ahead:        func(signed []byte) { n.forks.defers(n.id.Origin, signed) },
	})
	return n
}

// nobody is a jurisdiction in which nobody answers.
type nobody struct{}

func (nobody) Ask(context.Context, crypto.NodeID, string) (string, error) { return "", errNotYet }
func (nobody) Give(context.Context, crypto.NodeID, []byte) error          { return errNotYet }
func (nobody) Leads() bool                                                { return false }

// checkpoint is one that liars signed: of the true history up to an index, and of another from there on; the true one where the
// index is the size.
func (l *lied) checkpoint(fork, size uint64, liars []ledgertest.Member) []byte {
	tree := &ledger.Frontier{}
	for i := range size {
		h := l.hashes[i]
		if i >= fork {
			h = l.random()
		}
		tree.Append(h)
	}
	cp := ledger.Checkpoint{Origin: l.in.Origin(), Size: size, Root: tree.Root(), State: l.in.State.Line()}
	var lines []string
	for _, m := range liars {
		line, err := ledger.Cosign(cp, m.ID, m.Checkpoint, l.in.Now)
		if err != nil {
			l.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return ledger.Assemble(cp, lines...)
}

func (l *lied) random() (h tlog.Hash) {
	for i := range h {
		h[i] = byte(l.rng.Uint32())
	}
	return h
}

// size draws one: at the edge of a stage, beside it, or anywhere.
func (l *lied) size() uint64 {
	edge := l.own[l.rng.IntN(liarStages)].Size(l.in.Origin())
	switch l.rng.IntN(4) {
	case 0:
		return edge
	case 1:
		return edge - 1
	case 2:
		return min(edge+1, uint64(len(l.hashes)))
	}
	return 1 + l.rng.Uint64N(uint64(len(l.hashes)))
}

// TestLiarsWhoForkAreProved: members sign a history beside the one they signed for everybody, short or deep, at the edges of
// what is checkpointed or between, and show it to a member or to a partner, at once or before it has got that far.
func TestLiarsWhoForkAreProved(t *testing.T) {
	l := newLied(t)
	var slowest time.Duration
	for i := range *cases {
		began := time.Now()
		l.fork(i)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("%d forks and split views proved, nobody else named; the slowest took %s from when it was shown", *cases, slowest)
}

func (l *lied) fork(i int) {
	abroad, honest := l.rng.IntN(2) == 0, i%8 == 7
	j, stores, trust := l.in, l.own, &l.inside
	if abroad {
		j, stores, trust = l.uk, l.mirrors, &l.abroad
	}
	size, stage := l.size(), l.rng.IntN(liarStages)
	fork := l.rng.Uint64N(size)
	if l.rng.IntN(2) == 0 {
		fork = size - 1 - min(size-1, l.rng.Uint64N(3))
	}
	liars := slices.Clone(l.in.Members)
	l.rng.Shuffle(len(liars), func(a, b int) { liars[a], liars[b] = liars[b], liars[a] })
	liars = liars[:1+l.rng.IntN(3)]
	if !abroad && size > stores[stage].Size(l.in.Origin()) {
		liars = liars[:1] // what a quorum signed counts before it can be compared, and stops the node once it can: node/forks.go
	}
	if honest {
		fork = size
	}
	signed := l.checkpoint(fork, size, liars)
	n := l.observer(j, stores[stage])
	if abroad {
		n.forks.take("ke", signed)
	} else if err := n.cosign.Take(l.t.Context(), signed, false); err == nil && !honest {
		l.t.Errorf("case %d: the checkpoint of another history is taken", i)
	}
	for _, s := range stores[stage:] { // time goes by until it can be compared
		n.store = s
		n.forks.again(l.in.Origin())
	}
	var named []ledger.AgencyID
	for _, f := range n.forks.found {
		raw, err := os.ReadFile(f.file)
		if err != nil {
			l.t.Fatal(err)
		}
		if r := ledger.VerifyFork(raw, trust); r.Code() != ledger.CodeFork || r.Author != f.signer {
			l.t.Errorf("case %d: the proof: %+v", i, r.Checks)
		}
		named = append(named, f.signer)
	}
	var want []ledger.AgencyID
	for _, m := range liars {
		if !honest {
			want = append(want, m.ID)
		}
	}
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) || len(n.forks.accused) > len(want) {
		l.t.Errorf("case %d (abroad %v, size %d, from %d, stage %d): named %v, lied %v, accused %v", i, abroad, size, fork, stage, named, want, n.forks.accused)
	}
}

// TestLiarsWhoWithholdAreRefused: a gateway hands on a batch of which something is missing, or other. The true one is taken.
func TestLiarsWhoWithholdAreRefused(t *testing.T) {
	l := newLied(t)
	kinds := []func(b *ledger.MirrorBatch) bool{
		l.bare(func(k ledger.Kind) bool { return k != ledger.KindGovernance }), // a released entry as a bare hash
		l.bare(func(k ledger.Kind) bool { return k == ledger.KindGovernance }), // an act of governance, too
		func(b *ledger.MirrorBatch) bool { // dropped
			i := l.rng.IntN(len(b.Items))
			b.Items = slices.Delete(b.Items, i, i+1)
			return true
		},
		func(b *ledger.MirrorBatch) bool { // in another order
			i := l.rng.IntN(len(b.Items) - 1)
			b.Items[i], b.Items[i+1] = b.Items[i+1], b.Items[i]
			return true
		},
		func(b *ledger.MirrorBatch) bool { // cut off
			b.Items = b.Items[:1+l.rng.IntN(len(b.Items)-1)]
			return true
		},
		func(b *ledger.MirrorBatch) bool { // another ledger's place in the state line
			b.Checkpoint = l.checkpoint(b.From, b.From+uint64(len(b.Items)), l.in.Members[:1])
			return true
		},
		func(b *ledger.MirrorBatch) bool { // a payload that is not the signed one
			for i := range b.Items {
				if len(b.Items[i].Payload) > 0 {
					p := slices.Clone(b.Items[i].Payload)
					p[l.rng.IntN(len(p))] ^= 1
					b.Items[i].Payload = p
					return true
				}
			}
			return false
		},
	}
	tried := 0
	for tried < *cases {
		stage := l.rng.IntN(liarStages)
		b := *l.batches[stage]
		b.Items = slices.Clone(b.Items)
		if !kinds[l.rng.IntN(len(kinds))](&b) {
			continue
		}
		tried++
		if next, r := l.before[stage].ApplyMirror(&b); r.Verdict != ledger.MirrorRefused || next != l.before[stage] {
			t.Errorf("case %d: %v", tried, r.Verdict)
		}
		if _, r := l.before[stage].ApplyMirror(l.batches[stage]); tried%16 == 0 && r.Verdict != ledger.MirrorApplied {
			t.Errorf("case %d: the truth is refused: %v", tried, r.Reason)
		}
	}
	t.Logf("%d batches refused", tried)
}

// bare withholds one entry of a kind that was due in full.
func (l *lied) bare(of func(ledger.Kind) bool) func(*ledger.MirrorBatch) bool {
	return func(b *ledger.MirrorBatch) bool {
		for i := range b.Items {
			rec, _, err := ledger.OpenLeaf(b.Items[i].Leaf)
			if err == nil && of(rec.Kind) && l.rng.IntN(3) == 0 {
				b.Items[i] = ledger.Bare(ledger.LeafHash(b.Items[i].Leaf))
				return true
			}
		}
		return false
	}
}

// TestLiarsWhoPretendAreProved: what a leader acknowledged is not where it said. Who was told so has a proof as soon as the
// members have signed that place, and none of what was kept, however long the backlog.
func TestLiarsWhoPretendAreProved(t *testing.T) {
	l := newLied(t)
	for i := range *cases {
		stage, index, kept := l.rng.IntN(liarStages), l.size()-1, i%3 == 2
		leaf := l.random()
		if kept {
			leaf = l.hashes[index]
		}
		n := l.observer(l.in, l.own[stage])
		long := time.Now().Add(-time.Hour)
		told := author.Receipt{Index: index, Leaf: leaf, Writer: n.keys.Node.Public().ID(), Sequence: 1, AuthoredAt: long.UnixMilli(), Acknowledged: long}
		for range 2 { // a process that ends soon after tells the next one of it again
			n.receipts.late("case", told)
		}
		for _, s := range l.own[stage:] {
			n.store = s
			cp := n.receipts.latest()
			n.receipts.sealed(cp)
			proved := len(n.receipts.open) == 1 && n.receipts.open[0].raw == nil
			if proved != (!kept && index < cp.Size) {
				t.Errorf("case %d (kept %v, entry %d of %d): proved %v", i, kept, index, cp.Size, proved)
			}
		}
		if kept {
			if len(n.receipts.open) > 0 {
				t.Errorf("case %d: what was kept is still missed", i)
			}
			continue
		}
		raw, err := os.ReadFile(n.receipts.open[0].file)
		if err != nil || !strings.HasSuffix(n.receipts.open[0].file, unkeptSuffix) {
			t.Fatal(errors.Join(err, errNotYet))
		}
		if r := ledger.VerifyUnkept(raw, &l.inside); r.Code() != ledger.CodeUnkept || r.Index != index || r.Author != n.id.Agency {
			t.Errorf("case %d: %+v", i, r.Checks)
		}
	}
}
