package ledger_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// history drives random governance and knows, naively, who approved what.
type history struct {
	*ledgertest.Jurisdiction
	t       *rapid.T
	tb      testing.TB
	pending map[tlog.Hash]*pending
	letBy   map[letBy]bool
	partner *ledgertest.Jurisdiction // which mirrors this one, and may be linked
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
	if next.Governance.Version == before.Governance.Version {
		h.undecided(before.Governance, member, act)
	}
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
	} else if _, swap := act.(*ledger.SwapVoter); swap { // a policy that waited was made for other voters
		for id, p := range h.pending {
			if _, policy := p.change.(*ledger.SetPolicy); policy {
				delete(h.pending, id)
			}
		}
	}
	return true
}

// undecided checks that what no decision was behind changed nothing that needs one: an agency changes its own node, a voter
// moves one vote within its bounds, and that is all.
func (h *history) undecided(before *ledger.Governance, member int, act any) {
	after := h.State.Governance
	who := func(g *ledger.Governance) (out []string) {
		for _, a := range g.Agencies {
			line := string(a.ID) + string(a.Certificate) + a.Name
			if _, replaces := act.(*ledger.ReplaceNode); !replaces || a.ID != h.Members[member].ID {
				line += string(ledger.AgencyPart(a))
			}
			out = append(out, line)
		}
		for _, a := range g.Audiences {
			out = append(out, fmt.Sprint(a.Name, a.Members))
		}
		p := g.Policy
		p.Voters = nil
		return append(out, fmt.Sprint(p, g.Partners, g.Format, g.Approved))
	}
	if !slices.Equal(who(before), who(after)) {
		h.t.Fatalf("%T changed what only a decision changes", act)
	}
	was, is := before.Voters(), after.Voters()
	if _, swap := act.(*ledger.SwapVoter); !swap && !slices.Equal(was, is) {
		h.t.Fatalf("%T moved a vote: %v, then %v", act, was, is)
	}
	moved := 0
	for _, v := range is {
		if !slices.Contains(was, v) {
			moved++
		}
	}
	if moved > 1 || len(was) != len(is) || moved == 1 && !slices.Contains(was, h.Members[member].ID) {
		h.t.Fatalf("%s moved %d votes: %v, then %v", h.Members[member].ID, moved, was, is)
	}
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
	switch rapid.IntRange(0, 10).Draw(h.t, "change") {
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
		change = &ledger.SetPolicy{Policy: h.policy()}
	case 4:
		change = &ledger.SetAudience{Name: rapid.SampledFrom([]ledger.AudienceName{everyone, "in/@desk", "in/@lab"}).Draw(h.t, "audience"), Members: h.some()}
	case 5:
		a := rapid.SampledFrom(g.Audiences).Draw(h.t, "audience")
		change = &ledger.Grant{Agency: other.ID, Audience: a.Name, First: 1, Last: rapid.Uint64Range(1, max(a.Epoch, 1)).Draw(h.t, "last")}
	case 6:
		target := rapid.IntRange(0, len(h.Entries)-1).Draw(h.t, "target")
		change = &ledger.Expunge{Target: uint64(target), Leaf: ledger.LeafHash(h.Entries[target].Leaf), Rows: []uint64{}, Order: [32]byte{1}}
	}
	if change == nil {
		change = h.rarer(g)
	}
	known := len(h.Members)
	h.remember(change, fresh, key)
	if !h.apply(member, &ledger.Propose{Roster: g.Version, Change: ledger.NewChange(change)}) {
		h.Members = h.Members[:known]
	}
}

// rarer is a change of partners, of a late release, or of the format: now and then to one that this binary does not know.
func (h *history) rarer(g *ledger.Governance) any {
	switch rapid.IntRange(0, 3).Draw(h.t, "rarer") {
	case 0:
		return &ledger.Link{Card: h.partner.Card()}
	case 1:
		return &ledger.Suspend{Origin: h.partner.Origin(), Suspend: rapid.Bool().Draw(h.t, "suspend")}
	case 2:
		target := rapid.IntRange(0, len(h.Entries)-1).Draw(h.t, "target")
		return &ledger.Release{Target: uint64(target), Leaf: ledger.LeafHash(h.Entries[target].Leaf), Rows: []uint64{}, Audiences: []ledger.AudienceName{everyone}}
	}
	format := g.Format + 1
	if format > ledger.StateFormat && rapid.IntRange(0, 5).Draw(h.t, "beyond") > 0 {
		format = g.Format
	}
	return &ledger.RaiseFormat{Format: format}
}

// some are any of the members, in roster order.
func (h *history) some() []ledger.AgencyID {
	all := h.State.Governance.Agencies
	mask := rapid.IntRange(1, 1<<len(all)-1).Draw(h.t, "members")
	var out []ledger.AgencyID
	for i := range all {
		if mask>>i&1 == 1 {
			out = append(out, all[i].ID)
		}
	}
	return out
}

func (h *history) policy() ledger.Policy {
	p := ledger.DefaultPolicy(rapid.IntRange(1, len(h.State.Governance.Agencies)+1).Draw(h.t, "k"))
	p.Quorum = rapid.Uint64Range(ledger.QuorumMajority, ledger.QuorumTwoThirds).Draw(h.t, "quorum")
	if rapid.Bool().Draw(h.t, "names voters") {
		p.Voters = h.some()
	}
	if rapid.Bool().Draw(h.t, "has a section") {
		p = p.WithSection("recall", []byte{rapid.Byte().Draw(h.t, "section")})
	}
	return p
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

// swap has a voter move another's vote; a day may have gone by.
func (h *history) swap() {
	h.Now = h.Now.Add(time.Duration(rapid.IntRange(0, 26).Draw(h.t, "hours")) * time.Hour)
	out := rapid.SampledFrom(h.State.Governance.Voters()).Draw(h.t, "out")
	if in, ok := h.State.Governance.NextVoter(out); ok {
		h.apply(h.pick(), &ledger.SwapVoter{Out: out, In: in})
	}
}

// needsUpgrade checks that a ledger of a newer format takes nothing more from anybody.
func (h *history) needsUpgrade() bool {
	if !h.State.Newer() {
		return false
	}
	for _, i := range h.roster() {
		for _, act := range []any{&ledger.Withdraw{}, &ledger.ReplaceNode{Node: h.Members[i].Agency().Node}} {
			if next, r := h.State.Apply(h.Act(h.tb, i, act), h.Earlier); r.Reason != ledger.ErrNewerFormat || next != h.State {
				h.t.Fatalf("a ledger of format %d took %T: %v", h.State.Governance.Format, act, r.Reason)
			}
		}
	}
	return true
}

// mirrored checks that a partner that follows this ledger folds the same from what it is shown.
func (h *history) mirrored() {
	h.partner.Change(h.tb, &ledger.Link{Card: h.Card()})
	next, r := h.partner.State.ApplyMirror(h.Batch(h.tb, h.partner))
	if h.State.Newer() {
		if r.Verdict == ledger.MirrorApplied && next.Partners[h.Origin()].Mirror.Governance.PublicRoot() != h.State.Governance.PublicRoot() {
			h.t.Fatal("a partner folds a newer format otherwise")
		}
		return
	}
	if r.Verdict != ledger.MirrorApplied || next.Partners[h.Origin()].Mirror.Governance.PublicRoot() != h.State.Governance.PublicRoot() {
		h.t.Fatalf("a partner folds another roster: %v, %v", r.Verdict, r.Reason)
	}
}

// canAct checks that from here the members can still decide, and every audience with members can get its next key.
func (h *history) canAct() {
	for _, a := range h.State.Governance.Audiences {
		free := func(id ledger.AgencyID) bool { _, ok := a.MayMake(id); return ok }
		if a.Due && len(a.Members) > 0 && !slices.ContainsFunc(a.Members, free) {
			h.t.Fatalf("nobody may make the next key of %s: members %v, barred %v", a.Name, a.Members, a.Barred)
		}
	}
	voters := h.State.Governance.Voters()
	for i, v := range voters {
		if _, member := h.State.Governance.Agency(v); !member || slices.Contains(voters[:i], v) {
			h.t.Fatalf("%s votes: %v", v, voters)
		}
	}
	if !slices.Contains([]int{1, 2, 3, 5}, len(voters)) {
		h.t.Fatalf("%d voters: %v", len(voters), voters)
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

// TestRandomGovernance: members come and go, keys, nodes, voters, audiences, epochs, partners, policies and the format change, in
// any order, by whoever tries. No change is carried out without enough approvals, at every step those who are in can decide
// and write, and whoever folds the same entries, at once, later, from disk or abroad, has the same.
func TestRandomGovernance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{
			Jurisdiction: ledgertest.FoundAt(t, "in", rapid.Uint64Range(1, ledger.StateFormat).Draw(rt, "format"), rapid.IntRange(1, 5).Draw(rt, "agencies")),
			letBy:        map[letBy]bool{}, t: rt, tb: t, pending: map[tlog.Hash]*pending{}, partner: ledgertest.Found(t, "uk", 1),
		}
		steps := []func(){
			h.propose, h.propose, h.propose, h.approve, h.approve, h.approve, h.approve, h.withdraw, h.epoch, h.epoch, h.badShare, h.replace,
			h.handOver, h.swap, h.swap, h.seal, h.expunge,
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			rapid.SampledFrom(steps).Draw(rt, "step")()
			if h.needsUpgrade() {
				break
			}
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
		h.mirrored()
	})
}
