package ledger_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// liar signs whatever history it is given.
type liar struct {
	t      testing.TB
	j      *ledgertest.Jurisdiction
	leaves []tlog.Hash
}

func (l *liar) sign(c ledger.Checkpoint, member int) []byte {
	l.t.Helper()
	m := l.j.Members[member]
	line, err := ledger.Cosign(c, m.ID, m.Checkpoint, time.Unix(1_700_000_000, 0))
	if err != nil {
		l.t.Fatal(err)
	}
	return ledger.Assemble(c, line)
}

// history is a checkpoint over the first size leaves, with another one in the place of replaced.
func (l *liar) history(size, replaced int) (ledger.Checkpoint, []tlog.Hash) {
	leaves := append([]tlog.Hash{}, l.leaves[:size]...)
	if replaced >= 0 {
		leaves[replaced][0] ^= 1
	}
	return ledger.Checkpoint{Origin: l.j.Origin(), Size: uint64(size), Root: ledger.RootOf(leaves)}, leaves
}

func (l *liar) side(size, replaced, index int) ledger.ForkSide {
	c, leaves := l.history(size, replaced)
	return ledger.ForkSide{Checkpoint: l.sign(c, 0), Leaf: leaves[index][:], Path: ledger.PathOf(leaves, index)}
}

func newLiar(t testing.TB) *liar {
	l := &liar{t: t, j: ledgertest.Found(t, "in", 2)}
	for i := range 11 {
		l.leaves = append(l.leaves, ledger.LeafHash([]byte{byte(i)}))
	}
	return l
}

func TestForksAreProved(t *testing.T) {
	l := newLiar(t)
	trust := ledger.TrustOf(l.j.State)
	other := ledger.TrustOf(ledgertest.Found(t, "in", 2).State)
	key := l.j.Members[0].Checkpoint.Public()
	good, _ := l.history(8, -1)
	forged, _ := l.history(8, 3)
	state := good
	state.State[0] ^= 1
	short, _ := l.history(7, -1)
	elsewhere := forged
	elsewhere.Origin = ledger.NewOrigin("uk", [16]byte{1})
	prove := func(a, b ledger.Checkpoint) *ledger.Fork {
		return ledger.ProveFork("in/a0", key, l.sign(a, 0), l.sign(b, 0))
	}
	at := func(index int, a, b ledger.ForkSide) *ledger.Fork {
		return ledger.ProveForkAt("in/a0", key, uint64(index), a, b)
	}
	for name, c := range map[string]struct {
		proof *ledger.Fork
		trust *ledger.Trust
		code  int
	}{
		"two roots":                           {prove(good, forged), &trust, 12},
		"two state lines":                     {prove(good, state), &trust, 12},
		"two leaves at one index":             {at(3, l.side(8, -1, 3), l.side(11, 3, 3)), &trust, 12},
		"two leaves, a tree of one":           {at(0, l.side(1, 0, 0), l.side(11, -1, 0)), &trust, 12},
		"two roots, nobody pinned":            {prove(good, forged), nil, 13},
		"two roots, another ledger's members": {prove(good, forged), &other, 18},
		"two roots, another's name": {func() *ledger.Fork {
			f := ledger.ProveFork("in/a1", key, l.sign(good, 0), l.sign(forged, 0))
			return f
		}(), &trust, 10},
		"one root":                      {prove(good, good), &trust, 11},
		"two sizes":                     {prove(good, short), &trust, 11},
		"two ledgers":                   {prove(good, elsewhere), &trust, 11},
		"one leaf":                      {at(2, l.side(8, 3, 2), l.side(11, -1, 2)), &trust, 11},
		"a leaf on one side":            {at(3, l.side(8, -1, 3), ledger.ForkSide{Checkpoint: l.sign(forged, 0)}), &trust, 11},
		"a leaf of another place":       {at(3, l.side(8, -1, 3), l.side(11, 3, 4)), &trust, 11},
		"an index beyond":               {at(9, l.side(8, -1, 3), l.side(11, 3, 3)), &trust, 11},
		"signed by another on one side": {ledger.ProveFork("in/a0", key, l.sign(good, 0), l.sign(forged, 1)), &trust, 10},
		"not signed":                    {ledger.ProveFork("in/a0", key, []byte("x"), l.sign(forged, 0)), &trust, 10},
	} {
		if r := ledger.VerifyFork(c.proof.Encode(), c.trust); r.Code() != c.code || r.Verified {
			t.Errorf("%s: code %d, want %d: %+v", name, r.Code(), c.code, r.Checks)
		}
	}
	raw := prove(good, forged).Encode()
	for i := range raw {
		bad := append([]byte{}, raw...)
		bad[i] ^= 1
		if r := ledger.VerifyFork(bad, &trust); r.Code() == 12 {
			t.Errorf("byte %d flipped, and the fork is proved still", i)
		}
	}
}

func FuzzDecodeFork(f *testing.F) {
	l := newLiar(f)
	a, b := l.side(8, -1, 3), l.side(11, 3, 3)
	seed := ledger.ProveForkAt("in/a0", l.j.Members[0].Checkpoint.Public(), 3, a, b).Encode()
	fuzzCodec(f, seed, ledger.DecodeFork, func(f *ledger.Fork) []byte { return f.Encode() })
}

// FuzzParseTrust: what is accepted is written and read to the same again, and nothing behind it is passed over.
func FuzzParseTrust(f *testing.F) {
	sample, err := ledger.Trust{Version: 1}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(append(bytes.Clone(sample), "{}"...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := ledger.ParseTrust(raw)
		if err != nil {
			return
		}
		var any map[string]any
		if json.Unmarshal(raw, &any) != nil {
			t.Fatal("accepted what is no JSON, or more than one value")
		}
		b, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ledger.ParseTrust(b); err != nil || !reflect.DeepEqual(again, x) {
			t.Fatalf("another trust file: %v", err)
		}
	})
}

func FuzzOpenReceipt(f *testing.F) {
	key, err := crypto.ParseNodeKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	r := ledger.Receipt{Origin: ledger.NewOrigin("in", [16]byte{1}), Index: 7, At: 1, Deadline: 10_001, Agency: "in/a"}
	f.Add(ledger.SignReceipt(r, key))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, by, err := ledger.OpenReceipt(raw); err == nil && by == key.Public() && string(ledger.SignReceipt(got, key)) != string(raw) {
			t.Fatal("accepted in another encoding")
		}
	})
}

// hashes are the stored hashes of a tree in memory.
type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = h[n]
	}
	return out, nil
}

// TestAForkThatHasGrown: who signed a larger history that the smaller one is not the beginning of, lied; who let one grow,
// did not.
func TestAForkThatHasGrown(t *testing.T) {
	l := newLiar(t)
	trust := ledger.TrustOf(l.j.State)
	m := l.j.Members[0]
	key := m.Checkpoint.Public()
	smaller, _ := l.history(5, 2)
	honest, _ := l.history(5, -1)
	larger, leaves := l.history(9, -1)
	var stored hashes
	for i, leaf := range leaves {
		h, err := tlog.StoredHashesForRecordHash(int64(i), leaf, stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	path, err := tlog.ProveTree(9, 5, stored)
	if err != nil {
		t.Fatal(err)
	}
	short, err := tlog.ProveTree(9, 4, stored)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		a, b   []byte
		root   tlog.Hash
		path   tlog.TreeProof
		proved bool
	}{
		{"two histories", l.sign(smaller, 0), l.sign(larger, 0), honest.Root, path, true},
		{"one that has grown", l.sign(honest, 0), l.sign(larger, 0), honest.Root, path, false},
		{"another's signature", l.sign(smaller, 1), l.sign(larger, 0), honest.Root, path, false},
		{"a root that was never there", l.sign(honest, 0), l.sign(larger, 0), smaller.Root, path, false},
		{"a path from another size", l.sign(smaller, 0), l.sign(larger, 0), honest.Root, short, false},
		{"the larger one first", l.sign(larger, 0), l.sign(smaller, 0), honest.Root, path, false},
	} {
		raw := ledger.ProveForkGrown(m.ID, key, c.a, c.b, c.root, c.path).Encode()
		if got := ledger.VerifyFork(raw, &trust).Code() == 12; got != c.proved {
			t.Errorf("%s: proved %t", c.name, got)
		}
	}
}
