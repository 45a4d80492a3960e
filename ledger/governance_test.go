package ledger_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

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
