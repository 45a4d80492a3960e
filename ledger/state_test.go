package ledger_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func TestSealedEntryReachesThePartner(t *testing.T) {
	in := ledgertest.Found(t, "in", 4)
	uk := ledgertest.Found(t, "uk", 3)
	ledgertest.Link(t, in, uk)

	in.Seal(t, 1, []ledger.AudienceName{"in/*"}, ledgertest.Event("home"))
	released := in.Seal(t, 2, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("abroad"))

	batch := in.Batch(t, uk)
	state, result := uk.State.ApplyMirror(batch)
	if result.Verdict != ledger.MirrorApplied || result.Next != in.State.Size() {
		t.Fatalf("mirror: %+v", result)
	}
	if state.Partners[in.Origin()].Mirror.Tree.Root() != in.State.Root() {
		t.Fatal("the mirror has another root")
	}
	rec, err := released.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(released.Payload, rec, uk.Ring(1))
	if err != nil || string(p.Events[0].Rows) != "abroad" {
		t.Fatalf("opened abroad: %v", err)
	}
	for i, item := range batch.Items {
		if !item.IsBare() && uint64(i) == in.State.Size()-2 {
			t.Error("an entry for the home audience went abroad in full")
		}
	}
	again, err := ledger.DecodeState(state.EncodeRosters(), state.EncodeMoving())
	if err != nil || again.Line() != state.Line() {
		t.Fatalf("the state does not survive its encoding: %v", err)
	}
}

func TestApplyRefusals(t *testing.T) {
	j := ledgertest.Found(t, "in", 3)
	other := ledgertest.Found(t, "in", 1)
	everyone := []ledger.AudienceName{"in/*"}
	good := func() ledger.Record { return j.Record(0, ledger.KindSealed) }
	sign := func(r ledger.Record, member int) ledger.Entry {
		e, err := j.SealAs(member, r, everyone, ledgertest.Event("x"))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	tests := []struct {
		name    string
		entry   func() ledger.Entry
		verdict ledger.Verdict
		reason  *ledger.Reason
	}{
		{"good", func() ledger.Entry { return sign(good(), 0) }, ledger.Accepted, nil},
		{"garbage", func() ledger.Entry { return ledger.Entry{Leaf: []byte{1, 2, 3}} }, ledger.Refused, ledger.ErrMalformedEntry},
		{"other ledger", func() ledger.Entry { r := good(); r.Origin = other.Origin(); return sign(r, 0) }, ledger.Refused, ledger.ErrOtherLedger},
		{"unknown author", func() ledger.Entry { r := good(); r.Author = "in/nobody"; return sign(r, 0) }, ledger.Refused, ledger.ErrUnknownAuthor},
		{"another's writer", func() ledger.Entry { r := good(); r.Writer = j.Members[1].Node.Public().ID(); return sign(r, 0) }, ledger.Refused, ledger.ErrOtherWriter},
		{"repeat", func() ledger.Entry { r := good(); r.Sequence--; return sign(r, 0) }, ledger.Repeat, nil},
		{"gap", func() ledger.Entry { r := good(); r.Sequence++; return sign(r, 0) }, ledger.Gap, nil},
		{"another's key", func() ledger.Entry { return sign(good(), 1) }, ledger.Refused, ledger.ErrSignature},
		{"other payload", func() ledger.Entry { e := sign(good(), 0); e.Payload = append([]byte{0}, e.Payload...); return e }, ledger.Refused, ledger.ErrPayloadHash},
		{"stale epoch", func() ledger.Entry {
			r := good()
			r.Audience = []ledger.AudienceRef{{Name: "in/*", Epoch: 1}}
			e, err := j.SealRecord(0, r, ledgertest.Event("x"))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrStaleEpoch},
		{"no such audience", func() ledger.Entry {
			r := good()
			r.Audience = []ledger.AudienceRef{{Name: "in/@none", Epoch: 1}}
			e, err := j.SealRecord(0, r, ledgertest.Event("x"))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrNoAudience},
		{"not linked", func() ledger.Entry {
			r := good()
			r.Audience = []ledger.AudienceRef{{Name: "uk/*", Epoch: 1}}
			e, err := j.SealRecord(0, r, ledgertest.Event("x"))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrNotLinked},
		{"author outside", func() ledger.Entry {
			r := good()
			r.Audience = []ledger.AudienceRef{{Name: "in/a1", Epoch: 1}}
			e, err := j.SealRecord(0, r, ledgertest.Event("x"))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrAuthorOutside},
		{"genesis again", func() ledger.Entry {
			r := j.Record(0, ledger.KindGovernance)
			e, err := ledger.SignEntry(j.Members[0].Key, r, j.Entries[0].Payload)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrGenesisTwice},
		{"unknown act", func() ledger.Entry {
			r := j.Record(0, ledger.KindGovernance)
			e, err := ledger.SignEntry(j.Members[0].Key, r, ledger.Marshal([]any{1, "dance", []byte{}}))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, ledger.Refused, ledger.ErrMalformedEntry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := j.State.Line()
			next, r := j.State.Apply(tt.entry(), nil)
			if r.Verdict != tt.verdict || r.Reason != tt.reason {
				t.Fatalf("verdict %v, reason %v", r.Verdict, r.Reason)
			}
			if tt.verdict != ledger.Accepted && (next != j.State || next.Line() != before) {
				t.Fatal("a refused entry changed the state")
			}
		})
	}
}

func TestMirrorRefusals(t *testing.T) {
	in := ledgertest.Found(t, "in", 3)
	uk := ledgertest.Found(t, "uk", 3)
	ledgertest.Link(t, in, uk)
	released := in.Seal(t, 0, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("abroad"))
	in.Seal(t, 1, []ledger.AudienceName{"in/*"}, ledgertest.Event("home"))
	last := func(b *ledger.MirrorBatch) *ledger.MirrorItem { return &b.Items[len(b.Items)-2] }

	tests := []struct {
		name    string
		forge   func(b *ledger.MirrorBatch)
		verdict ledger.MirrorVerdict
		reason  error
	}{
		{"as it is", func(*ledger.MirrorBatch) {}, ledger.MirrorApplied, nil},
		{"not linked", func(b *ledger.MirrorBatch) { b.Origin = ledger.NewOrigin("fr", [16]byte{}) }, ledger.MirrorRefused, ledger.ErrMirrorLink},
		{"ahead", func(b *ledger.MirrorBatch) { b.From++ }, ledger.MirrorAhead, nil},
		{"released entry withheld", func(b *ledger.MirrorBatch) { *last(b) = ledger.Bare(ledger.LeafHash(released.Leaf)) }, ledger.MirrorRefused, ledger.ErrMirrorState},
		{"flipped leaf", func(b *ledger.MirrorBatch) {
			i := last(b)
			i.Leaf = append([]byte{}, i.Leaf...)
			i.Leaf[len(i.Leaf)-1] ^= 1
		}, ledger.MirrorRefused, ledger.ErrMirrorEntry},
		{"flipped payload", func(b *ledger.MirrorBatch) {
			i := last(b)
			i.Payload = append([]byte{}, i.Payload...)
			i.Payload[0] ^= 1
		}, ledger.MirrorRefused, ledger.ErrMirrorEntry},
		{"another hash", func(b *ledger.MirrorBatch) { b.Items[len(b.Items)-1].Hash = make([]byte, 32) }, ledger.MirrorRefused, ledger.ErrMirrorRoot},
		{"no signatures", func(b *ledger.MirrorBatch) {
			cp, lines, err := ledger.ParseSigned(b.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			b.Checkpoint = ledger.Assemble(cp, lines[0])
		}, ledger.MirrorRefused, ledger.ErrMirrorQuorum},
		{"other evidence", func(b *ledger.MirrorBatch) { b.Evidence.Writers[0] ^= 1 }, ledger.MirrorRefused, ledger.ErrMirrorState},
		{"entries swapped", func(b *ledger.MirrorBatch) { b.Items[0] = b.Items[1] }, ledger.MirrorRefused, ledger.ErrMirrorRoot},
		{"cut short", func(b *ledger.MirrorBatch) { b.Items = b.Items[:len(b.Items)-1] }, ledger.MirrorRefused, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := in.Batch(t, uk)
			tt.forge(b)
			next, r := uk.State.ApplyMirror(b)
			if r.Verdict != tt.verdict || tt.reason != nil && !errors.Is(r.Reason, tt.reason) {
				t.Fatalf("verdict %v, reason %v", r.Verdict, r.Reason)
			}
			if tt.verdict != ledger.MirrorApplied && next != uk.State {
				t.Fatal("a refused batch changed the state")
			}
		})
	}
	for name, act := range map[string][]byte{
		"an act that this binary does not know": ledger.Marshal([]any{1, "dance", []byte{}}),
		"an act of a newer version":             ledger.Marshal([]any{9, "withdraw", []byte{}}),
	} { // their members let it in: it is no lie, and the link waits for an upgrade
		e := must(ledger.SignEntry(in.Members[1].Key, in.Record(1, ledger.KindGovernance), act))
		b := in.Batch(t, uk)
		b.Items = append(b.Items, ledger.Full(e))
		if next, r := uk.State.ApplyMirror(b); r.Verdict != ledger.MirrorNewer || next != uk.State {
			t.Errorf("%s: %v, %v", name, r.Verdict, r.Reason)
		}
		stranger := must(ledger.SignEntry(newKey(t), in.Record(1, ledger.KindGovernance), act))
		b.Items[len(b.Items)-1] = ledger.Full(stranger)
		if _, r := uk.State.ApplyMirror(b); !errors.Is(r.Reason, ledger.ErrMirrorEntry) {
			t.Errorf("%s, signed by nobody of theirs: %v, %v", name, r.Verdict, r.Reason)
		}
	}
	b := in.Batch(t, uk)
	next, _ := uk.State.ApplyMirror(b)
	if _, r := next.ApplyMirror(b); r.Verdict != ledger.MirrorRepeat {
		t.Fatalf("a repeated batch: %v", r.Verdict)
	}
}

func TestCosignatureTime(t *testing.T) {
	key, err := crypto.GenerateNodeKey()
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Checkpoint{Origin: ledger.NewOrigin("in", [16]byte{1}), Size: 7}
	var lines []string
	for i, name := range []ledger.AgencyID{"in/a", "in/b", "in/c"} {
		l, err := ledger.Cosign(c, name, key, time.Unix(int64(100*(3-i)), 0))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	keys := map[ledger.AgencyID][]crypto.NodePublic{"in/a": {key.Public()}, "in/b": {key.Public()}, "in/c": {key.Public()}}
	_, cos, err := ledger.VerifyCosignatures(ledger.Assemble(c, lines...), keys)
	if err != nil || len(cos) != 3 {
		t.Fatal(len(cos), err)
	}
	if ok, at := ledger.Counts(cos, 2); !ok || at != 200 {
		t.Fatalf("counts %v at %d", ok, at)
	}
	for _, claimed := range []int64{1 << 40, -1 << 62} { // what verifies, and what a kept checkpoint may name; deadlines are added
		lies := slices.Clone(cos)
		for i := range lies {
			lies[i].Time = claimed
		}
		ok, at := ledger.Counts(lies, 2)
		if _, err := time.Unix(at, 0).UTC().AddDate(50, 0, 0).MarshalJSON(); !ok || err != nil {
			t.Errorf("%d: counts %v at %d: %v", claimed, ok, at, err)
		}
	}
	if ok, _ := ledger.Counts(cos, 4); ok {
		t.Fatal("three agencies counted as four")
	}
	if ok, _ := ledger.Counts(append(cos[:2:2], cos[0]), 3); ok {
		t.Fatal("one agency counted twice")
	}
}
