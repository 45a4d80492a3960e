package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func newKey(t testing.TB) *crypto.AgencyKey {
	t.Helper()
	k, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rekey(t testing.TB, g *ledger.Governance, id ledger.AgencyID, key *crypto.AgencyKey) *ledger.Rekey {
	t.Helper()
	c, err := ledger.NewRekey(g, id, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const everyone = ledger.AudienceName("in/*")

// TestGovernanceRefusals: each case begins with three agencies, in/a0 to in/a2, of which two decide.
func TestGovernanceRefusals(t *testing.T) {
	propose := func(j *ledgertest.Jurisdiction, change any) any {
		return &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(change)}
	}
	tests := []struct {
		name   string
		member int
		act    func(t *testing.T, j *ledgertest.Jurisdiction) any
		reason *ledger.Reason
	}{
		{"approval by the target of a removal", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.Approve{Proposal: j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})}
		}, ledger.ErrTarget},
		{"approval by the target of a re-key", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.Approve{Proposal: j.Propose(t, 2, rekey(t, j.State.Governance, "in/a2", newKey(t)))}
		}, ledger.ErrTarget},
		{"approval twice", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.Approve{Proposal: j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})}
		}, ledger.ErrTwice},
		{"approval of what another change voided", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			voided := j.Propose(t, 2, &ledger.SetPolicy{Policy: ledger.DefaultPolicy(1)})
			j.Change(t, &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{"in/a0"}})
			return &ledger.Approve{Proposal: voided}
		}, ledger.ErrNoProposal},
		{"approval of another ledger's proposal", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			other := ledgertest.Found(t, "in", 3)
			return &ledger.Approve{Proposal: other.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})}
		}, ledger.ErrNoProposal},
		{"the slower of two proposals that race", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			slower, faster := j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"}), j.Propose(t, 2, &ledger.Remove{Agency: "in/a0"})
			j.Govern(t, 1, &ledger.Approve{Proposal: faster}) // in/a0 votes on its own proposal and is gone before it counts
			return &ledger.Approve{Proposal: slower}
		}, ledger.ErrNoProposal},
		{"approval of a proposal taken back", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			id := j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})
			j.Govern(t, 0, &ledger.Withdraw{Proposal: id})
			return &ledger.Approve{Proposal: id}
		}, ledger.ErrNoProposal},
		{"another's proposal taken back", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.Withdraw{Proposal: j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})}
		}, ledger.ErrNotProposer},
		{"nothing to take back", 0, func(*testing.T, *ledgertest.Jurisdiction) any { return &ledger.Withdraw{} }, ledger.ErrNoProposal},
		{"a second proposal of one agency", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Propose(t, 0, &ledger.Remove{Agency: "in/a2"})
			return propose(j, &ledger.Remove{Agency: "in/a1"})
		}, ledger.ErrOneProposal},
		{"against an older roster", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.Propose{Roster: j.State.Governance.Version - 1, Change: ledger.NewChange(&ledger.Remove{Agency: "in/a2"})}
		}, ledger.ErrVoided},
		{"removal of a stranger", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.Remove{Agency: "in/nobody"})
		}, ledger.ErrNotThere},
		{"re-key of a stranger", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, rekey(t, j.State.Governance, "in/nobody", newKey(t)))
		}, ledger.ErrNotThere},
		{"re-key to another member's key", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, rekey(t, j.State.Governance, "in/a2", j.Members[1].Key))
		}, ledger.ErrExists},
		{"re-key without holding the key", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			c := rekey(t, j.State.Governance, "in/a2", newKey(t))
			c.Certificate = newKey(t).Certificate().Bytes()
			return propose(j, c)
		}, ledger.ErrKeyProof},
		{"re-key with the proof for another agency", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			c := rekey(t, j.State.Governance, "in/a1", newKey(t))
			c.Agency = "in/a2"
			return propose(j, c)
		}, ledger.ErrKeyProof},
		{"re-key to a key that left", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			old := j.Members[2].Key
			j.Change(t, rekey(t, j.State.Governance, "in/a2", newKey(t)))
			return propose(j, rekey(t, j.State.Governance, "in/a2", old))
		}, ledger.ErrKeyReturned},
		{"a removed agency back with its old key", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			gone := j.Members[2]
			j.Change(t, &ledger.Remove{Agency: gone.ID})
			back := ledgertest.NewMember(t, gone.ID)
			back.Key = gone.Key
			a := back.Agency()
			a.Generation = 2
			return propose(j, &ledger.Admit{Agency: a})
		}, ledger.ErrKeyReturned},
		{"a removed agency back with its old node", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			gone := j.Members[2]
			j.Change(t, &ledger.Remove{Agency: gone.ID})
			back := ledgertest.NewMember(t, gone.ID)
			back.Node = gone.Node
			return propose(j, &ledger.Admit{Agency: back.Agency()})
		}, ledger.ErrNodeReturned},
		{"a removed agency back as the first generation", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Remove{Agency: "in/a2"})
			return propose(j, &ledger.Admit{Agency: ledgertest.NewMember(t, "in/a2").Agency()})
		}, ledger.ErrGeneration},
		{"another's node", 2, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.ReplaceNode{Node: j.Members[1].Agency().Node}
		}, ledger.ErrExists},
		{"the checkpoint key of the old node", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			n := ledgertest.NewMember(t, "in/a2").Agency().Node
			n.Checkpoint = j.Members[2].Checkpoint.Public()
			return &ledger.ReplaceNode{Node: n}
		}, ledger.ErrNodeReturned},
		{"another checkpoint key for the same node", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			n := j.Members[2].Agency().Node
			n.Checkpoint = ledgertest.NewMember(t, "in/a2").Checkpoint.Public()
			return &ledger.ReplaceNode{Node: n}
		}, ledger.ErrNodeReturned},
		{"an epoch for an older roster", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			e := j.NextEpoch(t, everyone)
			e.Roster--
			return e
		}, ledger.ErrEpoch},
		{"an epoch without a share for each", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			e := j.NextEpoch(t, everyone)
			e.Epoch.Shares = e.Epoch.Shares[:2]
			return e
		}, ledger.ErrEpoch},
		{"an epoch that another was faster to make", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			late := j.NextEpoch(t, everyone)
			j.Govern(t, 1, j.NextEpoch(t, everyone))
			return late
		}, ledger.ErrEpoch},
		{"an epoch by whom a bad share barred", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Govern(t, 1, j.NextEpoch(t, everyone))
			j.Govern(t, 2, &ledger.BadShare{Audience: everyone, Epoch: 4})
			return j.NextEpoch(t, everyone)
		}, ledger.ErrBarred},
		{"a bad share of an older epoch", 2, func(*testing.T, *ledgertest.Jurisdiction) any {
			return &ledger.BadShare{Audience: everyone, Epoch: 1}
		}, ledger.ErrEpoch},
		{"a bad share of one's own making", 0, func(*testing.T, *ledgertest.Jurisdiction) any {
			return &ledger.BadShare{Audience: everyone, Epoch: 3}
		}, ledger.ErrEpoch},
		{"a grant of an epoch that is not there", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 9})
		}, ledger.ErrGrant},
		{"a grant to who is not in the audience", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{"in/a0"}})
			j.NewEpoch(t, "in/@desk")
			return propose(j, &ledger.Grant{Agency: "in/a2", Audience: "in/@desk", First: 1, Last: 1})
		}, ledger.ErrGrant},
		{"keys nobody granted", 0, func(*testing.T, *ledgertest.Jurisdiction) any {
			return &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}}
		}, ledger.ErrNoGrant},
		{"more keys than were granted", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 1})
			return &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}, {2}}}
		}, ledger.ErrNoGrant},
		{"keys from the one who gets them", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 1})
			return &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}}
		}, ledger.ErrNoGrant},
		{"keys again", 1, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 1})
			j.Govern(t, 0, &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}})
			return &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}}
		}, ledger.ErrNoGrant},
		{"keys by whose did not match", 0, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 1})
			j.Govern(t, 0, &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}})
			j.Govern(t, 2, &ledger.Took{Audience: everyone})
			return &ledger.HandOver{Agency: "in/a2", Audience: everyone, First: 1, Shares: [][]byte{{1}}}
		}, ledger.ErrBarred},
		{"taken before it came", 2, func(t *testing.T, j *ledgertest.Jurisdiction) any {
			j.Change(t, &ledger.Grant{Agency: "in/a2", Audience: everyone, First: 1, Last: 1})
			return &ledger.Took{Audience: everyone, OK: true}
		}, ledger.ErrNoGrant},
		{"an audience of another jurisdiction", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.SetAudience{Name: "uk/@desk", Members: []ledger.AgencyID{"in/a0"}})
		}, ledger.ErrMalformedEntry},
		{"a malformed audience", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.SetAudience{Name: "in/@De sk", Members: []ledger.AgencyID{"in/a0"}})
		}, ledger.ErrMalformedEntry},
		{"an audience with a stranger", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{"in/nobody"}})
		}, ledger.ErrNotThere},
		{"a threshold above the number of members", 0, func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			return propose(j, &ledger.SetPolicy{Policy: ledger.DefaultPolicy(4)})
		}, ledger.ErrBounds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := ledgertest.Found(t, "in", 3)
			e := j.Act(t, tt.member, tt.act(t, j))
			// the act may have grown the ledger: it is signed for the sequence that is next now
			before := j.State
			next, r := j.State.Apply(e, nil)
			if r.Verdict == ledger.Repeat || r.Verdict == ledger.Gap {
				t.Fatalf("the case is wrong: %v", r.Verdict)
			}
			if r.Verdict != ledger.Refused || !errors.Is(r.Reason, tt.reason) {
				t.Fatalf("verdict %v, reason %v", r.Verdict, r.Reason)
			}
			if next != before {
				t.Fatal("a refused act changed the state")
			}
		})
	}
}

func TestRemovalClosesEverything(t *testing.T) {
	j := ledgertest.Found(t, "in", 4)
	gone := j.Members[3]
	j.Change(t, &ledger.Remove{Agency: gone.ID})
	g := j.State.Governance
	if _, ok := g.Agency(gone.ID); ok {
		t.Fatal("still in the roster")
	}
	if _, _, err := g.Recipient(everyone); !errors.Is(err, ledger.ErrStaleEpoch) {
		t.Fatalf("its audience is not stale: %v", err)
	}
	if _, _, err := g.Recipient(ledger.AudienceName(gone.ID)); !errors.Is(err, ledger.ErrNoAudience) {
		t.Fatalf("it can be addressed: %v", err)
	}
	for name, entry := range map[string]ledger.Entry{
		"sealed": must(j.SealRecord(3, withAudience(j.Record(3, ledger.KindSealed), ledger.AudienceRef{Name: everyone, Epoch: 4}), ledgertest.Event("x"))),
		"act":    j.Act(t, 3, &ledger.ReplaceNode{Node: gone.Agency().Node}),
	} {
		if _, r := j.State.Apply(entry, nil); r.Reason != ledger.ErrUnknownAuthor {
			t.Errorf("%s: %v %v", name, r.Verdict, r.Reason)
		}
	}

	j.NewEpoch(t, everyone)
	e := j.Seal(t, 0, []ledger.AudienceName{everyone}, ledgertest.Event("after"))
	rec, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	theirs := crypto.NewKeyring(j.Epochs[:4]...).With(gone.Key)
	if _, err := ledger.OpenPayload(e.Payload, rec, theirs); !errors.Is(err, crypto.ErrNotForUs) {
		t.Fatalf("what came after opens to it: %v", err)
	}
	if _, err := ledger.OpenPayload(e.Payload, rec, j.Ring(1)); err != nil {
		t.Fatalf("and not to those who stayed: %v", err)
	}
}

func withAudience(r ledger.Record, refs ...ledger.AudienceRef) ledger.Record {
	r.Audience = refs
	return r
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRekeyKeepsWhatWasProved: after a re-key, and after a removal, what the old key signed still makes a bundle that
// verifies, and the old key signs nothing more.
func TestRekeyKeepsWhatWasProved(t *testing.T) {
	j := ledgertest.Found(t, "in", 3)
	e := j.Seal(t, 2, []ledger.AudienceName{everyone}, ledgertest.Event("x"))
	index := j.State.Size() - 1
	bundle := func() []byte {
		rec, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		p, err := ledger.OpenPayload(e.Payload, rec, j.Ring(0))
		if err != nil {
			t.Fatal(err)
		}
		c := must(ledger.Carry(j.Origin(), index, e.Leaf, p, []int{0}))
		var hashes []tlog.Hash
		for _, x := range j.Entries {
			hashes = append(hashes, ledger.LeafHash(x.Leaf))
		}
		c.Path = ledger.PathOf(hashes, int(index))
		b, err := ledger.MakeBundle(c, j.Checkpoint(t), j.State.Governance, rec.Author, j.State.Evidence())
		if err != nil {
			t.Fatal(err)
		}
		return b.Encode()
	}
	verifies := func(when string, raw []byte) {
		trust := ledger.TrustOf(j.State)
		if r := ledger.VerifyBundle(raw, &trust); !r.Verified {
			t.Fatalf("%s: %+v", when, r.Checks)
		}
	}
	before := bundle()
	verifies("before", before)

	old, next := j.Members[2].Key, newKey(t)
	id := j.Propose(t, 2, rekey(t, j.State.Governance, "in/a2", next))
	if len(j.State.Governance.Proposals[0].Approvals) != 0 {
		t.Fatal("the target's own proposal counts as its approval")
	}
	j.Govern(t, 0, &ledger.Approve{Proposal: id})
	j.Govern(t, 1, &ledger.Approve{Proposal: id})
	verifies("made after the re-key", bundle())
	verifies("made before the re-key", before)
	if _, r := j.State.Apply(j.Act(t, 2, &ledger.ReplaceNode{Node: j.Members[2].Agency().Node}), nil); r.Reason != ledger.ErrSignature {
		t.Fatalf("the old key signs on: %v", r.Reason)
	}
	j.Members[2].Key = next
	j.NewEpoch(t, everyone)
	j.Seal(t, 2, []ledger.AudienceName{everyone}, ledgertest.Event("y"))
	if a, _ := j.State.Governance.Agency("in/a2"); a.Generation != 2 || bytes.Equal(a.Certificate, old.Certificate().Bytes()) {
		t.Fatalf("generation %d", a.Generation)
	}

	j.Change(t, &ledger.Remove{Agency: "in/a2"})
	j.Members = j.Members[:2]
	verifies("made after the removal", bundle())
}

func TestALoneAgencyRotatesItsKey(t *testing.T) {
	j := ledgertest.Found(t, "in", 1)
	next := newKey(t)
	j.Propose(t, 0, rekey(t, j.State.Governance, "in/a0", next))
	if a, _ := j.State.Governance.Agency("in/a0"); a.Generation != 2 {
		t.Fatal("nobody else could approve it")
	}
	j.Members[0].Key = next
	j.NewEpoch(t, everyone)
}

// history drives random governance and knows, naively, who approved what.
type history struct {
	*ledgertest.Jurisdiction
	t       *rapid.T
	tb      testing.TB
	pending map[tlog.Hash]*pending
	letBy   map[letBy]bool
}

// letBy is an entry that the members let an agency expunge.
type letBy struct {
	target ledger.Index
	by     ledger.AgencyID
}

type pending struct {
	change any
	by     ledger.AgencyID
	target ledger.AgencyID
	voters map[ledger.AgencyID]bool
}

// roster returns the indexes of members that are in the roster.
func (h *history) roster() []int {
	var in []int
	for i, m := range h.Members {
		a, ok := h.State.Governance.Agency(m.ID)
		if ok && bytes.Equal(a.Certificate, m.Key.Certificate().Bytes()) {
			in = append(in, i)
		}
	}
	return in
}

func (h *history) pick() int { return rapid.SampledFrom(h.roster()).Draw(h.t, "member") }

// apply applies an act and checks, where the roster changed, that enough had approved it.
func (h *history) apply(member int, act any) (accepted bool) {
	before, e := h.State, h.Act(h.tb, member, act)
	next, r := h.State.Apply(e, nil)
	if r.Verdict == ledger.Repeat || r.Verdict == ledger.Gap {
		h.t.Fatalf("%T: %v", act, r.Verdict)
	}
	if r.Verdict != ledger.Accepted {
		return false
	}
	h.State, h.Entries = next, append(h.Entries, e)
	var decided *pending
	switch a := act.(type) {
	case *ledger.Propose:
		change := must(a.Change.Open())
		p := &pending{change: change, by: h.Members[member].ID, voters: map[ledger.AgencyID]bool{}}
		switch c := change.(type) {
		case *ledger.Remove:
			p.target = c.Agency
		case *ledger.Rekey:
			p.target = c.Agency
		}
		if p.target != h.Members[member].ID {
			p.voters[h.Members[member].ID] = true
		}
		h.pending[r.Leaf], decided = p, p
	case *ledger.Approve:
		decided = h.pending[a.Proposal]
		decided.voters[h.Members[member].ID] = true
	}
	if next.Governance.Version != before.Governance.Version {
		h.decided(before.Governance, decided)
	}
	return true
}

func (h *history) decided(before *ledger.Governance, p *pending) {
	if p == nil {
		h.t.Fatal("the roster changed without a proposal")
	}
	entitled, yes := 0, 0
	for _, a := range before.Agencies {
		if a.ID != p.target {
			entitled++
			if p.voters[a.ID] {
				yes++
			}
		}
	}
	if need := min(int(before.Policy.Threshold), entitled); yes < need {
		h.t.Fatalf("%T was carried out with %d of %d approvals", p.change, yes, need)
	}
	if c, ok := p.change.(*ledger.Expunge); ok {
		h.letBy[letBy{c.Target, p.by}] = true
	}
	h.pending = map[tlog.Hash]*pending{}
}

func (h *history) propose() {
	member, g := h.pick(), h.State.Governance
	var change any
	var fresh ledgertest.Member
	var key *crypto.AgencyKey
	other := h.Members[rapid.IntRange(0, len(h.Members)-1).Draw(h.t, "other")]
	switch rapid.IntRange(0, 6).Draw(h.t, "change") {
	case 0:
		fresh = ledgertest.NewMember(h.tb, ledger.AgencyID("in/"+string(rune('b'+len(h.Members)))))
		if rapid.Bool().Draw(h.t, "returns") {
			fresh.ID = other.ID
		}
		a := fresh.Agency()
		a.Generation = g.NextGeneration(fresh.ID)
		change = &ledger.Admit{Agency: a, Audiences: []ledger.AudienceName{everyone}}
	case 1:
		change = &ledger.Remove{Agency: other.ID}
	case 2:
		key = newKey(h.tb)
		change = rekey(h.tb, g, other.ID, key)
	case 3:
		change = &ledger.SetPolicy{Policy: ledger.DefaultPolicy(rapid.IntRange(1, len(g.Agencies)+1).Draw(h.t, "k"))}
	case 4:
		change = &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{h.Members[h.pick()].ID}}
	case 5:
		change = &ledger.Grant{Agency: other.ID, Audience: everyone, First: 1, Last: 1}
	case 6:
		target := rapid.IntRange(0, len(h.Entries)-1).Draw(h.t, "target")
		change = &ledger.Expunge{Target: uint64(target), Leaf: ledger.LeafHash(h.Entries[target].Leaf), Rows: []uint64{}, Order: [32]byte{1}}
	}
	known := len(h.Members)
	h.remember(change, fresh, key)
	if !h.apply(member, &ledger.Propose{Roster: g.Version, Change: ledger.NewChange(change)}) {
		h.Members = h.Members[:known]
	}
}

// remember keeps the keys a change brings, for when it is carried out.
func (h *history) remember(change any, fresh ledgertest.Member, key *crypto.AgencyKey) {
	switch c := change.(type) {
	case *ledger.Admit:
		h.Members = append(h.Members, fresh)
	case *ledger.Rekey:
		for _, i := range h.roster() {
			if again := h.Members[i]; again.ID == c.Agency {
				again.Key = key
				h.Members = append(h.Members, again)
			}
		}
	}
}

// seal writes an entry, where the audience is not stale.
func (h *history) seal() {
	member := h.pick()
	e, err := h.SealAs(member, h.Record(member, ledger.KindSealed), []ledger.AudienceName{ledger.AudienceName(h.Members[member].ID)}, ledgertest.Event("x"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.Append(h.tb, e)
}

// expunge tries to expunge any entry: it is accepted from its author, and from whom the members let, and from nobody else.
func (h *history) expunge() {
	member, target := h.pick(), uint64(rapid.IntRange(0, len(h.Entries)-1).Draw(h.t, "target"))
	m := h.Members[member].ID
	r := h.Record(member, ledger.KindExpungement)
	r.Target = target
	e, err := h.SealAs(member, r, []ledger.AudienceName{ledger.AudienceName(m)}, ledgertest.Event("order"))
	if err != nil {
		h.t.Fatal(err)
	}
	rec, _, err := ledger.OpenLeaf(h.Entries[target].Leaf)
	if err != nil {
		h.t.Fatal(err)
	}
	want := rec.Kind == ledger.KindSealed && (rec.Author == m || h.letBy[letBy{target, m}])
	next, result := h.State.Apply(e, h.Earlier)
	if (result.Verdict == ledger.Accepted) != want {
		h.t.Fatalf("%s expunges entry %d of %s: %v %v", m, target, rec.Author, result.Verdict, result.Reason)
	}
	if want {
		h.State, h.Entries = next, append(h.Entries, e)
	}
}

func (h *history) approve() {
	if ps := h.State.Governance.Proposals; len(ps) > 0 {
		p := rapid.SampledFrom(ps).Draw(h.t, "proposal")
		h.apply(h.pick(), &ledger.Approve{Proposal: p.ID})
	}
}

func (h *history) withdraw() {
	if ps := h.State.Governance.Proposals; len(ps) > 0 {
		h.apply(h.pick(), &ledger.Withdraw{Proposal: rapid.SampledFrom(ps).Draw(h.t, "proposal").ID})
	}
}

func (h *history) epoch() {
	a := rapid.SampledFrom(h.State.Governance.Audiences).Draw(h.t, "audience")
	if a.Due && len(a.Members) > 0 {
		h.apply(h.pick(), h.NextEpoch(h.tb, a.Name))
	}
}

func (h *history) badShare() {
	a := rapid.SampledFrom(h.State.Governance.Audiences).Draw(h.t, "audience")
	h.apply(h.pick(), &ledger.BadShare{Audience: a.Name, Epoch: a.Epoch})
}

func (h *history) replace() {
	i := h.pick()
	fresh := ledgertest.NewMember(h.tb, h.Members[i].ID)
	old := h.Members[i]
	h.Members[i].Node, h.Members[i].Checkpoint = fresh.Node, fresh.Checkpoint
	if !h.apply(i, &ledger.ReplaceNode{Node: h.Members[i].Agency().Node}) {
		h.t.Fatal("an agency could not replace its own node")
	}
	for j := range h.Members { // a re-key that waits is of the same node
		if h.Members[j].Node == old.Node {
			h.Members[j].Node, h.Members[j].Checkpoint = fresh.Node, fresh.Checkpoint
		}
	}
}

func (h *history) handOver() {
	for _, o := range h.State.Governance.Grants {
		h.apply(h.pick(), &ledger.HandOver{Agency: o.Agency, Audience: o.Audience, First: o.First, Shares: [][]byte{{1}}})
	}
	h.apply(h.pick(), &ledger.Took{Audience: everyone, OK: rapid.Bool().Draw(h.t, "ok")})
}

// canAct checks that from here the members can still decide, and every audience with members can get its next key.
func (h *history) canAct() {
	for _, a := range h.State.Governance.Audiences {
		free := func(id ledger.AgencyID) bool { _, ok := a.MayMake(id); return ok }
		if a.Due && len(a.Members) > 0 && !slices.ContainsFunc(a.Members, free) {
			h.t.Fatalf("nobody may make the next key of %s: members %v, barred %v", a.Name, a.Members, a.Barred)
		}
	}
	s := *h.Jurisdiction
	defer func() { *h.Jurisdiction = s }()
	in := h.roster()
	for _, p := range h.State.Governance.Proposals {
		if i := slices.IndexFunc(in, func(i int) bool { return h.Members[i].ID == p.Author }); i >= 0 {
			h.Govern(h.tb, in[i], &ledger.Withdraw{Proposal: p.ID})
		}
	}
	if len(h.State.Governance.Proposals) > 0 {
		h.t.Fatal("a proposal stays that nobody can take back")
	}
	version := h.State.Governance.Version
	id := h.Propose(h.tb, in[0], &ledger.SetPolicy{Policy: h.State.Governance.Policy})
	for _, i := range in[1:] {
		if h.State.Governance.Version == version {
			h.Govern(h.tb, i, &ledger.Approve{Proposal: id})
		}
	}
	if h.State.Governance.Version == version {
		h.t.Fatal("all together cannot change anything")
	}
}

func TestRandomGovernance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{letBy: map[letBy]bool{}, Jurisdiction: ledgertest.Found(t, "in", rapid.IntRange(1, 4).Draw(rt, "agencies")), t: rt, tb: t, pending: map[tlog.Hash]*pending{}}
		steps := []func(){h.propose, h.propose, h.approve, h.approve, h.approve, h.withdraw, h.epoch, h.epoch, h.badShare, h.replace, h.handOver, h.seal, h.seal, h.expunge, h.expunge}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			rapid.SampledFrom(steps).Draw(rt, "step")()
			h.canAct()
		}
		again := must(ledger.Found(h.Entries[0]))
		for _, e := range h.Entries[1:] {
			next, r := again.Apply(e, h.Earlier)
			if r.Verdict != ledger.Accepted {
				rt.Fatalf("replay: %v %v", r.Verdict, r.Reason)
			}
			again = next
		}
		stored := must(ledger.DecodeState(h.State.EncodeRosters(), h.State.EncodeMoving()))
		if again.Line() != h.State.Line() || stored.Line() != h.State.Line() {
			rt.Fatal("replayed or stored, it is another state")
		}
	})
}

// TestNobodyIsBarredAlone: who made a bad share and is then the only member left makes the next key after all.
func TestNobodyIsBarredAlone(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	j.NewEpoch(t, everyone)
	j.Govern(t, 1, &ledger.BadShare{Audience: everyone, Epoch: 3})
	if a, _ := j.State.Governance.Audience(everyone); !a.Stale || len(a.Barred) != 1 {
		t.Fatalf("%+v", a)
	}
	j.Change(t, &ledger.Remove{Agency: "in/a1"})
	j.NewEpoch(t, everyone)
}
