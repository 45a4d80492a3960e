package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

var update = flag.Bool("update", false, "write the vectors anew")

func sample(t testing.TB) (*ledgertest.Jurisdiction, ledger.Entry) {
	t.Helper()
	j := ledgertest.Found(t, "in", 2)
	e, err := j.SealAs(0, j.Record(0, ledger.KindSealed), []ledger.AudienceName{"in/*"}, ledgertest.Event("row"), ledgertest.Event("other row"))
	if err != nil {
		t.Fatal(err)
	}
	j.Append(t, e)
	return j, e
}

// fuzzCodec checks that what a decoder accepts encodes to the same bytes again.
func fuzzCodec[T any](f *testing.F, seed []byte, decode func([]byte) (T, error), encode func(T) []byte) {
	f.Helper()
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := decode(b); err == nil && !bytes.Equal(encode(v), b) {
			t.Fatal("accepted in another encoding")
		}
	})
}

func FuzzDecodeLeaf(f *testing.F) {
	_, e := sample(f)
	fuzzCodec(f, e.Leaf, ledger.DecodeLeaf, ledger.Leaf.Encode)
}

func FuzzDecodeRecord(f *testing.F) {
	_, e := sample(f)
	l, err := ledger.DecodeLeaf(e.Leaf)
	if err != nil {
		f.Fatal(err)
	}
	fuzzCodec(f, l.Record, ledger.DecodeRecord, (*ledger.Record).Encode)
}

func FuzzDecodePayload(f *testing.F) {
	p := &ledger.Payload{Author: "in/a0", Origin: ledger.NewOrigin("in", [16]byte{}), Events: []ledger.Event{ledgertest.Event("x")}}
	fuzzCodec(f, p.Encode(), ledger.DecodePayload, (*ledger.Payload).Encode)
}

func FuzzDecodeAct(f *testing.F) {
	j, _ := sample(f)
	fuzzCodec(f, j.Entries[0].Payload, ledger.DecodeAct, func(a any) []byte { return ledger.EncodeAct(a) })
}

func FuzzDecodeMirrorBatch(f *testing.F) {
	b := &ledger.MirrorBatch{Origin: ledger.NewOrigin("in", [16]byte{}), Items: []ledger.MirrorItem{ledger.Bare(tlog.Hash{})}}
	fuzzCodec(f, b.Encode(), ledger.DecodeMirrorBatch, (*ledger.MirrorBatch).Encode)
}

func FuzzDecodePartnerCard(f *testing.F) {
	j, _ := sample(f)
	fuzzCodec(f, j.Card().Encode(), ledger.DecodePartnerCard, ledger.PartnerCard.Encode)
}

func FuzzParseSigned(f *testing.F) {
	j, _ := sample(f)
	f.Add(j.Checkpoint(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, lines, err := ledger.ParseSigned(b)
		if err == nil && !bytes.Equal(ledger.Assemble(c, lines...), b) {
			t.Fatal("accepted in another form")
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	j, _ := sample(f)
	rosters := j.State.EncodeRosters()
	f.Add(rosters, j.State.EncodeMoving())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s, err := ledger.DecodeState(a, b)
		if err != nil {
			return
		}
		again, err := ledger.DecodeState(s.EncodeRosters(), s.EncodeMoving())
		if err != nil || again.Line() != s.Line() {
			t.Fatal("a state that was read is written as another")
		}
	})
}

// TestAStateOfAnyLengthIsReadAgain: what only grows, as nodes that left do, keeps nobody from starting.
func TestAStateOfAnyLengthIsReadAgain(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	for i := range 140_000 {
		id := crypto.NodeID(sha256.Sum256([]byte(fmt.Sprint(i))))
		j.State.Governance.Removed = append(j.State.Governance.Removed, ledger.Removed{Agency: "in/a0", Node: id})
		j.State.Writers[id] = ledger.Writer{Agency: "in/a0", Sequence: 1}
	}
	again, err := ledger.DecodeState(j.State.EncodeRosters(), j.State.EncodeMoving())
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Governance.Removed) != 140_000 || len(again.Writers) < 140_000 {
		t.Errorf("%d nodes that left, %d writers", len(again.Governance.Removed), len(again.Writers))
	}
}

func FuzzVerifyBundle(f *testing.F) {
	f.Add(bundle(f).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := ledger.VerifyBundle(b, nil); r.Verified {
			t.Fatal("verified without anything to trust")
		}
	})
}

func bundle(t testing.TB) *ledger.Bundle {
	t.Helper()
	j, e := sample(t)
	return bundleOf(t, j, e)
}

// bundleOf makes the evidence of the second row of the last entry.
func bundleOf(t testing.TB, j *ledgertest.Jurisdiction, e ledger.Entry) *ledger.Bundle {
	t.Helper()
	rec, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(e.Payload, rec, j.Ring(1))
	if err != nil {
		t.Fatal(err)
	}
	index := j.State.Size() - 1
	c, err := ledger.Carry(j.Origin(), index, e.Leaf, p, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	var hashes []tlog.Hash
	for _, x := range j.Entries {
		hashes = append(hashes, ledger.LeafHash(x.Leaf))
	}
	c.Path = ledger.PathOf(hashes, int(index))
	b, err := ledger.MakeBundle(c, j.Checkpoint(t), j.State.Governance, rec.Author, j.State.Evidence())
	if err != nil {
		t.Fatal(err)
	}
	trustOf[string(b.Encode())] = ledger.TrustOf(j.State)
	return b
}

var trustOf = map[string]ledger.Trust{}

func TestBundles(t *testing.T) {
	b := bundle(t)
	raw := b.Encode()
	trust := trustOf[string(raw)]
	if r := ledger.VerifyBundle(raw, &trust); !r.Verified || r.Author != "in/a0" || r.NoLaterThan.IsZero() {
		t.Fatalf("%+v", r)
	}
	if r := ledger.VerifyBundle(raw, nil); r.Verified || r.Code() != 13 {
		t.Fatalf("without trust: %+v", r)
	}
	if bytes.Contains(raw, []byte("\x43row\x40")) {
		t.Fatal("the other row is disclosed")
	}
	codes := map[int]bool{}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if r := ledger.VerifyBundle(bad, &trust); r.Verified {
			t.Fatalf("verified with byte %d of %d flipped", i, len(raw))
		}
		// A forger sets the sum right too.
		const sum = 32
		if i >= len(raw)-sum {
			continue
		}
		clear(bad[len(bad)-sum:])
		right := sha256.Sum256(bad)
		copy(bad[len(bad)-sum:], right[:])
		r := ledger.VerifyBundle(bad, &trust)
		if r.Verified {
			t.Fatalf("verified with byte %d of %d flipped and the sum set right", i, len(raw))
		}
		codes[r.Code()] = true
	}
	for _, code := range []int{10, 11, 14, 15, 16} { // signature, inclusion, quorum, form, content
		if !codes[code] {
			t.Errorf("no flipped byte was refused with %d: %v", code, codes)
		}
	}
	stranger := ledgertest.Found(t, "in", 1)
	other := ledger.TrustOf(stranger.State)
	if r := ledger.VerifyBundle(raw, &other); r.Code() != 18 {
		t.Fatalf("another ledger's trust file: %+v", r)
	}
	few := trust
	few.Ledgers = []ledger.TrustLedger{trust.Ledgers[0]}
	few.Ledgers[0].Quorum = 3
	if r := ledger.VerifyBundle(raw, &few); r.Code() != 14 {
		t.Fatalf("too few cosignatures: %+v", r)
	}
}

// TestABundleStatesWhatWasSignedAlone: a forger adds the shared part of an event that the author never wrote, and sets the
// sum right.
func TestABundleStatesWhatWasSignedAlone(t *testing.T) {
	b := bundle(t)
	trust := trustOf[string(b.Encode())]
	if r := ledger.VerifyBundle(b.Encode(), &trust); !r.Verified || len(r.Types) != 1 {
		t.Fatalf("%+v", r)
	}
	forged := ledgertest.Event("row")
	forged.Type = "alert.retracted"
	for name, parts := range map[string][][]byte{"before": {forged.SharedPart(), b.Carried.Shared[0]}, "behind": {b.Carried.Shared[0], forged.SharedPart()}} {
		bad := *b
		bad.Carried.Rows = slices.Clone(b.Carried.Rows)
		bad.Carried.Shared = parts
		if name == "before" {
			bad.Carried.Rows[1].Shared = 1
		}
		if r := ledger.VerifyBundle(bad.Encode(), &trust); r.Verified || r.Code() != 16 || len(r.Types) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestResealedCiphertextHasNoEffect: a member seals what another sealed under a record of its own.
func TestTrustPinsEveryPartnerAsAWitness(t *testing.T) {
	in, uk, fr := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2), ledgertest.Found(t, "fr", 1)
	ledgertest.Link(t, in, uk)
	ledgertest.Link(t, in, fr)
	raw, err := ledger.TrustOf(in.State).Encode()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ledger.ParseTrust(raw)
	if err != nil || len(trust.Ledgers) != 3 {
		t.Fatalf("%+v %v", trust, err)
	}
	for _, l := range trust.Ledgers {
		want := map[ledger.Origin]int{in.Origin(): 3, uk.Origin(): 2, fr.Origin(): 2}[l.Origin]
		if len(l.Witnesses) != want {
			t.Errorf("%s has %d witnesses, want %d", l.Origin, len(l.Witnesses), want)
		}
	}
}

// TestOneValueHasOneEncoding: what decodes to the same value by other bytes is refused.
func TestOneValueHasOneEncoding(t *testing.T) {
	type pair struct {
		_    struct{} `cbor:",toarray"`
		A, B any
	}
	for name, b := range map[string][]byte{
		"a number longer than it must be": {0x82, 0x18, 0x05, 0x01},
		"a length longer than it must be": {0x98, 0x02, 0x01, 0x01},
		"a text longer than it must be":   {0x82, 0x01, 0x78, 0x01, 'a'},
		"keys out of order":               {0x82, 0x01, 0xA2, 0x61, 'b', 0x01, 0x61, 'a', 0x01},
		"a float that is a shorter one":   {0x82, 0x01, 0xFB, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0},
	} {
		if err := ledger.Unmarshal(b, &pair{}, 64); !errors.Is(err, ledger.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ledger.Unmarshal([]byte{0x82, 0x05, 0x61, 'a'}, &pair{}, 64); err != nil {
		t.Errorf("the shortest form: %v", err)
	}
}

func TestResealedCiphertextHasNoEffect(t *testing.T) {
	j, e := sample(t)
	rec, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	thief := j.Record(1, ledger.KindSealed)
	thief.Audience, thief.EventsRoot = rec.Audience, rec.EventsRoot
	stolen, err := ledger.SignEntry(j.Members[1].Key, thief, e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	j.Append(t, stolen) // State cannot tell; readers can
	own, err := stolen.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenPayload(stolen.Payload, own, j.Ring(0)); err == nil {
		t.Fatal("someone else's ciphertext took effect under another author")
	}
	wider := j.Record(0, ledger.KindSealed)
	wider.EventsRoot = rec.EventsRoot
	wider.Audience = append(slices.Clone(rec.Audience), ledger.AudienceRef{Name: "uk/*", Epoch: 1})
	shown, err := ledger.SignEntry(j.Members[0].Key, wider, e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	own, err = shown.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenPayload(shown.Payload, own, j.Ring(0)); !errors.Is(err, ledger.ErrBinding) {
		t.Fatalf("an entry that says it is for others than its payload is: %v", err)
	}
}

func TestTreesAgreeWithAnotherImplementation(t *testing.T) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "leaves")
		other := factory.NewEmptyRange(0)
		var tree ledger.Frontier
		var hashes []tlog.Hash
		for i := range n {
			leaf := []byte{byte(i), byte(i >> 8)}
			hashes = append(hashes, ledger.LeafHash(leaf))
			tree.Append(hashes[i])
			if err := other.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
				t.Fatal(err)
			}
		}
		root, err := other.GetRootHash(nil)
		if err != nil || !bytes.Equal(root, bytesOf(tree.Root())) || ledger.RootOf(hashes) != tree.Root() {
			t.Fatalf("another root for %d leaves: %v", n, err)
		}
		at := rapid.IntRange(0, n-1).Draw(t, "index")
		if err := ledger.CheckInclusion(ledger.PathOf(hashes, at), uint64(n), tree.Root(), uint64(at), hashes[at]); err != nil {
			t.Fatal(err)
		}
	})
}

func bytesOf(h tlog.Hash) []byte { return h[:] }

func TestPaddingHidesTheLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70_000).Draw(t, "bytes")
		p := &ledger.Payload{Author: "in/a", Origin: ledger.NewOrigin("in", [16]byte{}), Events: []ledger.Event{{Type: "x", Shared: []byte{}, Width: uint32(n), Rows: make([]byte, n)}}}
		b := p.Encode()
		again, err := ledger.DecodePayload(b)
		if err != nil || len(again.Events[0].Rows) != n {
			t.Fatal(err)
		}
		if len(b) > n+200+n/8 {
			t.Fatalf("%d bytes became %d", n, len(b))
		}
	})
}

// TestVectors pins the bytes that other implementations must produce, in test/vectors.
func TestVectors(t *testing.T) {
	p := &ledger.Payload{
		Author: "in/a", Origin: ledger.NewOrigin("in", [16]byte{1, 2, 3}), Audience: []ledger.AudienceRef{{Name: "in/*", Epoch: 2}}, Seed: [32]byte{9},
		Events: []ledger.Event{{ID: ledger.EventIDFor("in/a", "key"), Type: "test.noted", Version: 1, Shared: []byte{0x80}, Width: 2, Rows: []byte("aabbcc")}},
	}
	r := ledger.Record{
		Version: 1, Origin: p.Origin, Author: p.Author, Writer: crypto.NodeID{5}, Sequence: 7, Kind: ledger.KindSealed, AuthoredAt: 1_700_000_000_123,
		Audience: p.Audience, PayloadLength: 100, EventsRoot: p.EventsRoot(),
	}
	key, err := crypto.ParseNodeKey(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	cp := ledger.Checkpoint{Origin: p.Origin, Size: 3, Root: tlog.Hash{1}, State: tlog.Hash{2}}
	line, err := ledger.Cosign(cp, "in/a", key, time.Unix(1_700_000_001, 0))
	if err != nil {
		t.Fatal(err)
	}
	salts := p.Salts()
	got := map[string]string{
		"record": hex.EncodeToString(r.Encode()), "plaintext": hex.EncodeToString(p.Encode()), "events_root": hex.EncodeToString(bytesOf(p.EventsRoot())),
		"salt_2": hex.EncodeToString(salts[2][:]), "event_id": p.Events[0].ID.String(), "origin": string(p.Origin), "checkpoint": cp.Text(), "cosignature": line,
		"cosigner_key": ledger.CosignerKey("in/a", key.Public()), "state_line": hex.EncodeToString(bytesOf(ledger.StateLine(tlog.Hash{3}, ledger.Evidence{Released: []tlog.Hash{{4}}, Writers: tlog.Hash{5}}))),
	}
	path := filepath.Join("..", "test", "vectors", "ledger.json")
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	for name, value := range got {
		if want[name] != value {
			t.Errorf("%s: %s, pinned %s", name, value, want[name])
		}
	}
}
