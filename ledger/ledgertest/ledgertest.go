// Package ledgertest builds whole jurisdictions in memory for tests: founded, grown by real proposals, approvals and
// epochs, linked by real cards. Everything in it goes through ledger's own doors.
package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// Member is one agency with its private keys.
type Member struct {
	ID         ledger.AgencyID
	Key        *crypto.AgencyKey
	Node       *crypto.NodeKey
	Checkpoint *crypto.NodeKey
	Address    string
	Peers      []string // where it is a gateway; nil is a place of no meaning
}

// Agency returns the member's line of the roster.
func (m Member) Agency() ledger.Agency {
	peers := m.Peers
	if peers == nil {
		peers = []string{"/ip4/127.0.0.1/tcp/1"}
	}
	return ledger.Agency{
		ID: m.ID, Name: string(m.ID), Certificate: m.Key.Certificate().Bytes(), Generation: 1,
		Node: ledger.Node{Key: m.Node.Public(), Checkpoint: m.Checkpoint.Public(), Address: m.Address, Peers: peers},
	}
}

// Jurisdiction is a ledger with everything its members know.
type Jurisdiction struct {
	Members []Member
	State   *ledger.State
	Entries []ledger.Entry
	// Epochs are the audience keys by number, from 1.
	Epochs []*crypto.AgencyKey
	Now    time.Time
}

// NewMember makes an agency's keys.
func NewMember(t testing.TB, id ledger.AgencyID) Member {
	t.Helper()
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1_700_000_000, 0))
	node, err1 := crypto.GenerateNodeKey()
	cp, err2 := crypto.GenerateNodeKey()
	if err != nil || err1 != nil || err2 != nil {
		t.Fatal(err, err1, err2)
	}
	return Member{ID: id, Key: key, Node: node, Checkpoint: cp, Address: "127.0.0.1:1"}
}

// Found founds a jurisdiction of n agencies a0, a1, … with a threshold of two.
func Found(t testing.TB, name ledger.JurisdictionID, n int) *Jurisdiction {
	t.Helper()
	return FoundAt(t, name, ledger.StateFormat, n)
}

// FoundAt founds one whose ledger has an older format than this binary's.
func FoundAt(t testing.TB, name ledger.JurisdictionID, format uint64, n int) *Jurisdiction {
	t.Helper()
	members := make([]Member, n)
	for i := range members {
		members[i] = NewMember(t, ledger.AgencyID(fmt.Sprintf("%s/a%d", name, i)))
	}
	return foundBy(t, name, format, members)
}

// FoundBy founds a jurisdiction of the members given, the first being the founder.
func FoundBy(t testing.TB, name ledger.JurisdictionID, members ...Member) *Jurisdiction {
	t.Helper()
	return foundBy(t, name, ledger.StateFormat, members)
}

func foundBy(t testing.TB, name ledger.JurisdictionID, format uint64, members []Member) *Jurisdiction {
	t.Helper()
	j := &Jurisdiction{Now: time.Unix(1_700_000_000, 0)}
	founder := members[0]
	j.Members = []Member{founder}
	key, epoch := j.epoch(t, ledger.Everyone(name), 1, []ledger.Agency{founder.Agency()})
	random := [16]byte(founder.Node.Seed())
	g := &ledger.Genesis{Random: random, Founder: founder.Agency(), Policy: ledger.DefaultPolicy(2), Epoch: epoch, Format: format}
	rec := ledger.Record{
		Version: ledger.RecordVersion, Origin: ledger.NewOrigin(name, random), Author: founder.ID, Writer: founder.Node.Public().ID(),
		Sequence: 1, Kind: ledger.KindGovernance, AuthoredAt: j.Now.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
	entry, err := ledger.SignEntry(founder.Key, rec, ledger.EncodeAct(g))
	if err != nil {
		t.Fatal(err)
	}
	if j.State, err = ledger.Found(entry); err != nil {
		t.Fatal(err)
	}
	j.Entries, j.Epochs = []ledger.Entry{entry}, []*crypto.AgencyKey{key}
	for _, m := range members[1:] {
		j.Admit(t, m)
	}
	return j
}

func (j *Jurisdiction) epoch(t testing.TB, name ledger.AudienceName, number uint64, members []ledger.Agency) (*crypto.AgencyKey, ledger.Epoch) {
	t.Helper()
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, j.Now)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.MakeEpoch(key, name, number, members)
	if err != nil {
		t.Fatal(err)
	}
	return key, e
}

// Origin returns the ledger's origin.
func (j *Jurisdiction) Origin() ledger.Origin { return j.State.Governance.Origin }

// Record returns the next record of a member, without payload.
func (j *Jurisdiction) Record(member int, kind ledger.Kind) ledger.Record {
	m := j.Members[member]
	id := m.Node.Public().ID()
	j.Now = j.Now.Add(time.Second)
	return ledger.Record{
		Version: ledger.RecordVersion, Origin: j.Origin(), Author: m.ID, Writer: id, Sequence: j.State.Writers[id].Sequence + 1,
		Kind: kind, AuthoredAt: j.Now.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
}

// Append applies an entry that must be accepted.
func (j *Jurisdiction) Append(t testing.TB, e ledger.Entry) ledger.Result {
	t.Helper()
	next, r := j.State.Apply(e, j.Earlier)
	if r.Verdict != ledger.Accepted {
		t.Fatalf("entry %v: %v", r.Verdict, r.Reason)
	}
	j.State, j.Entries = next, append(j.Entries, e)
	return r
}

// Earlier finds the leaf of an entry.
func (j *Jurisdiction) Earlier(i ledger.Index) ([]byte, error) { return j.Entries[i].Leaf, nil }

// Naming appends an entry of a member that names an earlier one and carries rows of it to audiences.
func (j *Jurisdiction) Naming(t testing.TB, member int, kind ledger.Kind, target ledger.Index, p *ledger.Payload, show []int, to []ledger.AudienceName, also ...ledger.Event) ledger.Result {
	t.Helper()
	return j.Append(t, j.Named(t, member, kind, target, p, show, to, also...))
}

// Named makes such an entry without appending it.
func (j *Jurisdiction) Named(t testing.TB, member int, kind ledger.Kind, target ledger.Index, p *ledger.Payload, show []int, to []ledger.AudienceName, also ...ledger.Event) ledger.Entry {
	t.Helper()
	r := j.Record(member, kind)
	r.Target = target
	if p != nil {
		carried, err := ledger.CarryEvent(j.Origin(), target, j.Entries[target].Leaf, p, show)
		if err != nil {
			t.Fatal(err)
		}
		also = append(also, carried)
	}
	e, err := j.SealAs(member, r, to, also...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Opened opens an entry with what a member has.
func (j *Jurisdiction) Opened(t testing.TB, member int, target ledger.Index) *ledger.Payload {
	t.Helper()
	rec, err := j.Entries[target].Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(j.Entries[target].Payload, rec, j.Ring(member))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Govern signs and appends an act of a member.
func (j *Jurisdiction) Govern(t testing.TB, member int, act any) ledger.Result {
	t.Helper()
	return j.Append(t, j.Act(t, member, act))
}

// Act signs an act of a member without appending it.
func (j *Jurisdiction) Act(t testing.TB, member int, act any) ledger.Entry {
	t.Helper()
	e, err := ledger.SignEntry(j.Members[member].Key, j.Record(member, ledger.KindGovernance), ledger.EncodeAct(act))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Propose appends a member's proposal and returns its id.
func (j *Jurisdiction) Propose(t testing.TB, member int, change any) tlog.Hash {
	t.Helper()
	return j.Govern(t, member, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(change)}).Leaf
}

// Change proposes a change by member 0 and approves it by others until it is carried out.
func (j *Jurisdiction) Change(t testing.TB, change any) {
	t.Helper()
	version := j.State.Governance.Version
	r := j.Govern(t, 0, &ledger.Propose{Roster: version, Change: ledger.NewChange(change)})
	for i := 1; j.State.Governance.Version == version; i++ {
		j.Govern(t, i, &ledger.Approve{Proposal: r.Leaf})
	}
}

// Admit admits a member to everyone and makes the next epoch.
func (j *Jurisdiction) Admit(t testing.TB, m Member) {
	t.Helper()
	everyone := ledger.Everyone(m.ID.Jurisdiction())
	j.Change(t, &ledger.Admit{Agency: m.Agency(), Audiences: []ledger.AudienceName{everyone}})
	j.Members = append(j.Members, m)
	j.NewEpoch(t, everyone)
}

// NewEpoch makes the next key of an audience, by member 0.
func (j *Jurisdiction) NewEpoch(t testing.TB, name ledger.AudienceName) {
	t.Helper()
	j.Govern(t, 0, j.NextEpoch(t, name))
}

// NextEpoch makes the act that gives an audience its next key, and keeps the key.
func (j *Jurisdiction) NextEpoch(t testing.TB, name ledger.AudienceName) *ledger.NewEpoch {
	t.Helper()
	g := j.State.Governance
	a, _ := g.Audience(name)
	var members []ledger.Agency
	for _, id := range a.Members {
		m, _ := g.Agency(id)
		members = append(members, *m)
	}
	key, e := j.epoch(t, name, a.Epoch+1, members)
	j.Epochs = append(j.Epochs, key)
	return &ledger.NewEpoch{Roster: g.Version, Epoch: e}
}

// Ring returns what a member can open with.
func (j *Jurisdiction) Ring(member int) *crypto.Keyring {
	return crypto.NewKeyring(j.Epochs...).With(j.Members[member].Key)
}

// Event returns a harmless event with one row.
func Event(row string) ledger.Event {
	return ledger.Event{ID: ledger.EventIDFor("test/x", row), Type: "test.noted", Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: []byte(row)}
}

// Seal seals events of a member and appends the entry.
func (j *Jurisdiction) Seal(t testing.TB, member int, to []ledger.AudienceName, events ...ledger.Event) ledger.Entry {
	t.Helper()
	e, err := j.SealAs(member, j.Record(member, ledger.KindSealed), to, events...)
	if err != nil {
		t.Fatal(err)
	}
	j.Append(t, e)
	return e
}

// SealAs seals events under a given record to the current epochs and signs it with a member's key.
func (j *Jurisdiction) SealAs(member int, r ledger.Record, to []ledger.AudienceName, events ...ledger.Event) (ledger.Entry, error) {
	r.Audience = nil
	for _, name := range to {
		ref, _, err := j.State.Recipient(name)
		if err != nil {
			return ledger.Entry{}, err
		}
		r.Audience = append(r.Audience, ref)
	}
	return j.SealRecord(member, r, events...)
}

// SealRecord seals events under a record with its audience as it stands; an audience that is not there is sealed to
// the member itself.
func (j *Jurisdiction) SealRecord(member int, r ledger.Record, events ...ledger.Event) (ledger.Entry, error) {
	to := []*crypto.Certificate{}
	for _, a := range r.Audience {
		_, raw, err := j.State.Recipient(a.Name)
		if err != nil {
			raw = j.Members[member].Key.Certificate().Bytes()
		}
		c, err := crypto.ParseCertificate(raw)
		if err != nil {
			return ledger.Entry{}, err
		}
		to = append(to, c)
	}
	p := &ledger.Payload{Author: r.Author, Origin: r.Origin, Audience: r.Audience, Seed: [32]byte{byte(r.Sequence)}, Events: events}
	sealed, root, err := ledger.SealPayload(p, to...)
	if err != nil {
		return ledger.Entry{}, err
	}
	r.EventsRoot = root
	return ledger.SignEntry(j.Members[member].Key, r, sealed)
}

// Checkpoint returns the current checkpoint, cosigned by every member.
func (j *Jurisdiction) Checkpoint(t testing.TB) []byte {
	t.Helper()
	c := ledger.Checkpoint{Origin: j.Origin(), Size: j.State.Size(), Root: j.State.Root(), State: j.State.Line()}
	var lines []string
	for _, m := range j.Members {
		l, err := ledger.Cosign(c, m.ID, m.Checkpoint, j.Now)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return ledger.Assemble(c, lines...)
}

// Card returns the partner card.
func (j *Jurisdiction) Card() ledger.PartnerCard {
	m := j.Members[0]
	return ledger.PartnerCard{
		Version: 1, Origin: j.Origin(), Genesis: j.State.Governance.Genesis, Roster: j.State.Governance.Version,
		Quorum: uint64(j.State.Governance.QuorumSize()), Gateways: []ledger.Gateway{{Agency: m.ID, Key: m.Node.Public(), Peers: m.Agency().Node.Peers}},
	}
}

// Link links two jurisdictions with each other and mirrors what there is.
func Link(t testing.TB, a, b *Jurisdiction) {
	t.Helper()
	cardA, cardB := a.Card(), b.Card()
	a.Change(t, &ledger.Link{Card: cardB})
	b.Change(t, &ledger.Link{Card: cardA})
	a.Mirror(t, b)
	b.Mirror(t, a)
}

// Batch returns the mirror batch that brings a partner up to date.
func (j *Jurisdiction) Batch(t testing.TB, partner *Jurisdiction) *ledger.MirrorBatch {
	t.Helper()
	from := partner.State.Partners[j.Origin()].Mirror.Size()
	b := &ledger.MirrorBatch{Origin: j.Origin(), From: from, Checkpoint: j.Checkpoint(t), Evidence: j.State.Evidence()}
	for _, e := range j.Entries[from:] {
		rec, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if ledger.ReleasedTo(rec, partner.Origin().Jurisdiction()) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(ledger.LeafHash(e.Leaf)))
		}
	}
	return b
}

// Mirror brings j's mirror of a partner up to date.
func (j *Jurisdiction) Mirror(t testing.TB, of *Jurisdiction) {
	t.Helper()
	next, r := j.State.ApplyMirror(of.Batch(t, j))
	if r.Verdict != ledger.MirrorApplied {
		t.Fatalf("mirror: %v: %v", r.Verdict, r.Reason)
	}
	j.State = next
}

// Close says where a jurisdiction's ledger ends, for a successor that a member founds.
func (j *Jurisdiction) Close(member int) ledger.Closed {
	s := j.State
	return ledger.Closed{Origin: j.Origin(), Genesis: s.Governance.Genesis, Size: s.Size(), Root: s.Root(), State: s.Line(), By: j.Members[member].ID}
}

// Successor makes the founding act of a successor by a member, whose new node it returns with the audience keys.
func (j *Jurisdiction) Successor(t testing.TB, member int) (*ledger.Successor, Member, []*crypto.AgencyKey) {
	t.Helper()
	g, founder := j.State.Governance, NewMember(t, j.Members[member].ID)
	founder.Key = j.Members[member].Key
	var epochs []ledger.Epoch
	var keys []*crypto.AgencyKey
	for _, a := range g.NextEpochs() {
		var members []ledger.Agency
		for _, id := range a.Members {
			m, _ := g.Agency(id)
			members = append(members, *m)
		}
		key, e := j.epoch(t, a.Name, a.Epoch, members)
		epochs, keys = append(epochs, e), append(keys, key)
	}
	s, err := g.Succeed([16]byte(founder.Node.Seed()), j.Close(member), founder.Agency().Node, epochs, g.Partners)
	if err != nil {
		t.Fatal(err)
	}
	return s, founder, keys
}

// SignSuccessor makes entry 0 of a successor.
func (j *Jurisdiction) SignSuccessor(t testing.TB, s *ledger.Successor, founder Member) ledger.Entry {
	t.Helper()
	j.Now = j.Now.Add(time.Second)
	rec := ledger.Record{
		Version: ledger.RecordVersion, Origin: ledger.NewOrigin(s.Founder.Jurisdiction(), s.Random), Author: s.Founder, Writer: founder.Node.Public().ID(),
		Sequence: 1, Kind: ledger.KindGovernance, AuthoredAt: j.Now.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
	e, err := ledger.SignEntry(founder.Key, rec, ledger.EncodeAct(s))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Succeed founds the successor of a ledger by a member; the others keep the nodes they had.
func (j *Jurisdiction) Succeed(t testing.TB, member int) *Jurisdiction {
	t.Helper()
	act, founder, keys := j.Successor(t, member)
	e := j.SignSuccessor(t, act, founder)
	state, err := ledger.Found(e)
	if err != nil {
		t.Fatal(err)
	}
	next := &Jurisdiction{Members: append([]Member{}, j.Members...), State: state, Entries: []ledger.Entry{e}, Epochs: append(append([]*crypto.AgencyKey{}, j.Epochs...), keys...), Now: j.Now}
	next.Members[member] = founder
	return next
}

// Rest returns what a mirror of a ledger lacks up to its end, under its founder's signature alone.
func (j *Jurisdiction) Rest(t testing.TB, mirror *ledger.State, by int) *ledger.MirrorBatch {
	t.Helper()
	size := mirror.Partners[j.Origin()].Mirror.Size()
	c := j.Close(by).Checkpoint()
	line, err := ledger.Cosign(c, j.Members[by].ID, j.Members[by].Checkpoint, j.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := &ledger.MirrorBatch{Origin: j.Origin(), From: size, Checkpoint: ledger.Assemble(c, line), Evidence: j.State.Evidence()}
	for _, e := range j.Entries[size:] {
		rec, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if ledger.ReleasedTo(rec, mirror.Governance.Origin.Jurisdiction()) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(ledger.LeafHash(e.Leaf)))
		}
	}
	return b
}
