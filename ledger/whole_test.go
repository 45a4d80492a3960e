package ledger_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// whole is a small ledger with every key, for other implementations: what it holds must be accepted, with these results.
// Bytes are hex.
type whole struct {
	Members      []wholeMember `json:"members"`
	AudienceKeys []string      `json:"audience_keys"` // secret keys of the epochs of "in/*", from 1
	Entries      []wholeEntry  `json:"entries"`
	Checkpoint   string        `json:"checkpoint"` // signed, over all entries
	Opened       string        `json:"opened"`     // plaintext of the last entry
	Bundle       string        `json:"bundle"`     // of its second row
	Trust        string        `json:"trust"`
	Card         string        `json:"card"`
	Mirror       string        `json:"mirror"` // the batch for a partner to whom nothing is released
	Receipt      string        `json:"receipt"`
}

type wholeMember struct {
	Agency     ledger.AgencyID `json:"agency"`
	Key        string          `json:"key"`
	Node       string          `json:"node"`
	Checkpoint string          `json:"checkpoint"`
}

type wholeEntry struct {
	Leaf     string `json:"leaf"`
	Payload  string `json:"payload"`
	LeafHash string `json:"leaf_hash"`
	Root     string `json:"root"`       // after it
	State    string `json:"state_line"` // after it
}

var wholePath = filepath.Join("..", "test", "vectors", "whole.json")

func text(b []byte) string { return hex.EncodeToString(b) }

func raw(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// makeWhole makes another one: keys and signatures are random, so that the file is written once for each format.
func makeWhole(t *testing.T) whole {
	t.Helper()
	j, last := sample(t)
	b := bundleOf(t, j, last)
	trust, err := trustOf[string(b.Encode())].Encode()
	if err != nil {
		t.Fatal(err)
	}
	uk := ledgertest.Found(t, "uk", 1)
	card := j.Card()
	uk.Change(t, &ledger.Link{Card: card})
	leaf := ledger.LeafHash(last.Leaf)
	w := whole{
		Checkpoint: text(b.Checkpoint), Opened: text(opened(t, last, j.Ring(1)).Encode()), Bundle: text(b.Encode()), Trust: string(trust),
		Card: text(card.Encode()), Mirror: text(j.Batch(t, uk).Encode()),
		Receipt: text(ledger.SignReceipt(ledger.Receipt{Origin: j.Origin(), Hash: leaf, Index: j.State.Size() - 1, At: 1, Deadline: 10_001, Agency: "in/a0"}, j.Members[0].Node)),
	}
	for _, m := range j.Members {
		w.Members = append(w.Members, wholeMember{m.ID, text(m.Key.Secret()), text(m.Node.Seed()), text(m.Checkpoint.Seed())})
	}
	for _, k := range j.Epochs {
		w.AudienceKeys = append(w.AudienceKeys, text(k.Secret()))
	}
	var state *ledger.State
	for _, e := range j.Entries {
		state = after(t, state, e)
		leaf, root, line := ledger.LeafHash(e.Leaf), state.Root(), state.Line()
		w.Entries = append(w.Entries, wholeEntry{text(e.Leaf), text(e.Payload), text(leaf[:]), text(root[:]), text(line[:])})
	}
	return w
}

func after(t *testing.T, state *ledger.State, e ledger.Entry) *ledger.State {
	t.Helper()
	if state == nil {
		next, err := ledger.Found(e)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	next, r := state.Apply(e, nil)
	if r.Verdict != ledger.Accepted {
		t.Fatalf("entry %d: %v %v", state.Size(), r.Verdict, r.Reason)
	}
	return next
}

func opened(t *testing.T, e ledger.Entry, ring *crypto.Keyring) *ledger.Payload {
	t.Helper()
	rec, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(e.Payload, rec, ring)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTheWholeLedgerIsAcceptedAsItWas reads the file as another implementation would.
func TestTheWholeLedgerIsAcceptedAsItWas(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(makeWhole(t), "", "  ")
		if err == nil {
			err = os.WriteFile(wholePath, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(wholePath)
	if err != nil {
		t.Fatal(err)
	}
	var w whole
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	state, last := w.replay(t)
	w.read(t, last)
	w.prove(t, state, last)
}

// replay folds the entries and compares what comes out after each.
func (w *whole) replay(t *testing.T) (state *ledger.State, last ledger.Entry) {
	t.Helper()
	for i, x := range w.Entries {
		last = ledger.Entry{Leaf: raw(t, x.Leaf), Payload: raw(t, x.Payload)}
		state = after(t, state, last)
		leaf, root, line := ledger.LeafHash(last.Leaf), state.Root(), state.Line()
		if text(leaf[:]) != x.LeafHash || text(root[:]) != x.Root || text(line[:]) != x.State {
			t.Errorf("entry %d folds to another leaf hash, root or state line", i)
		}
		rec, _, err := ledger.OpenLeaf(last.Leaf)
		if err != nil || rec.Kind == ledger.KindSealed {
			continue
		}
		act, err := ledger.DecodeAct(last.Payload)
		if err != nil || text(ledger.EncodeAct(act)) != x.Payload {
			t.Errorf("the act of entry %d is written otherwise now: %v", i, err)
		}
	}
	return state, last
}

// read opens the last entry with every member's own keys and the audience's.
func (w *whole) read(t *testing.T, last ledger.Entry) {
	t.Helper()
	for _, secret := range w.AudienceKeys[len(w.AudienceKeys)-1:] {
		key, err := crypto.ParseAgencyKey(raw(t, secret))
		if err != nil {
			t.Fatal(err)
		}
		p := opened(t, last, crypto.NewKeyring(key))
		if text(p.Encode()) != w.Opened {
			t.Error("the last entry opens to something else")
		}
	}
	for _, m := range w.Members {
		key, err := crypto.ParseAgencyKey(raw(t, m.Key))
		if err != nil {
			t.Fatal(err)
		}
		learned := crypto.NewKeyring()
		for _, x := range w.Entries {
			if act, err := ledger.DecodeAct(raw(t, x.Payload)); err == nil {
				if n, ok := act.(*ledger.NewEpoch); ok {
					k, err := n.Epoch.OpenShare(m.Agency, crypto.NewKeyring(key))
					if err != nil {
						t.Fatalf("the share of %s: %v", m.Agency, err)
					}
					learned = learned.With(k)
				}
			}
		}
		opened(t, last, learned)
	}
}

// prove checks checkpoint, bundle, receipt and what a partner gets.
func (w *whole) prove(t *testing.T, state *ledger.State, last ledger.Entry) {
	t.Helper()
	cp, cosignatures, err := ledger.VerifyCosignatures(raw(t, w.Checkpoint), state.Governance.CheckpointKeys())
	if err != nil || len(cosignatures) != len(w.Members) || cp.Size != state.Size() || cp.Root != state.Root() || cp.State != state.Line() {
		t.Errorf("the checkpoint: %+v, %d cosignatures, %v", cp, len(cosignatures), err)
	}
	trust, err := ledger.ParseTrust([]byte(w.Trust))
	if err != nil {
		t.Fatal(err)
	}
	if r := ledger.VerifyBundle(raw(t, w.Bundle), trust); !r.Verified {
		t.Errorf("the bundle: %+v", r)
	}
	receipt, _, err := ledger.OpenReceipt(raw(t, w.Receipt))
	if err != nil || receipt.Hash != ledger.LeafHash(last.Leaf) {
		t.Errorf("the receipt: %+v %v", receipt, err)
	}
	card, err := ledger.DecodePartnerCard(raw(t, w.Card))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := ledger.DecodeMirrorBatch(raw(t, w.Mirror))
	if err != nil {
		t.Fatal(err)
	}
	uk := ledgertest.Found(t, "uk", 1)
	uk.Change(t, &ledger.Link{Card: card})
	next, r := uk.State.ApplyMirror(batch)
	if r.Verdict != ledger.MirrorApplied || next.Partners[card.Origin].Mirror.Tree.Root() != state.Root() {
		t.Errorf("the mirror batch: %v %v", r.Verdict, r.Reason)
	}
}
