package ledger_test

import (
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestAReceiptThatWasNotKeptIsProved: the members signed, after the deadline, a ledger without the entry. What was kept, or may
// be kept still, proves nothing.
func TestAReceiptThatWasNotKeptIsProved(t *testing.T) {
	j, other := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
	j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("x"))
	trust, foreign := ledger.TrustOf(j.State), ledger.TrustOf(other.State)
	few := ledger.TrustOf(j.State)
	few.Ledgers[0].Quorum = 4
	there := j.State.Size() - 1
	g, e, signed := j.State.Governance, j.State.Evidence(), j.Checkpoint(t)
	var hashes []tlog.Hash
	for _, x := range j.Entries {
		hashes = append(hashes, ledger.LeafHash(x.Leaf))
	}
	path, leaf := ledger.PathOf(hashes, int(there)), hashes[there]
	receipt := func(index ledger.Index, hash tlog.Hash, before time.Duration, by int) []byte {
		due := j.Now.Add(-before)
		return ledger.SignReceipt(ledger.Receipt{
			Origin: j.Origin(), Hash: hash, Index: index, At: due.Add(-10 * time.Second).UnixMilli(), Deadline: due.UnixMilli(), Agency: "in/a1",
		}, j.Members[by].Node)
	}
	prove := func(receipt []byte, leaf []byte, path []tlog.Hash) *ledger.Unkept {
		u, err := ledger.MakeUnkept(receipt, signed, g, e, leaf, path)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	beyond := receipt(there+3, tlog.Hash{1}, time.Minute, 1)
	forged := prove(beyond, nil, nil)
	forged.Receipt = receipt(there+3, tlog.Hash{1}, time.Minute, 2)
	moved := prove(receipt(there, tlog.Hash{1}, time.Minute, 1), leaf[:], path)
	moved.Path = append([]tlog.Hash{{1}}, moved.Path[1:]...)
	elsewhere := prove(beyond, nil, nil)
	elsewhere.Checkpoint = other.Checkpoint(t)
	for name, c := range map[string]struct {
		proof *ledger.Unkept
		trust *ledger.Trust
		code  int
	}{
		"the ledger does not reach it":        {prove(beyond, nil, nil), &trust, 19},
		"another entry stands there":          {prove(receipt(there, tlog.Hash{1}, time.Minute, 1), leaf[:], path), &trust, 19},
		"the entry is there":                  {prove(receipt(there, leaf, time.Minute, 1), leaf[:], path), &trust, 11},
		"what stands there is not shown":      {prove(receipt(there, tlog.Hash{1}, time.Minute, 1), nil, nil), &trust, 11},
		"what is shown stands elsewhere":      {moved, &trust, 11},
		"the deadline is not over":            {prove(receipt(there+3, tlog.Hash{1}, -time.Minute, 1), nil, nil), &trust, 16},
		"another agency's node signed it":     {forged, &trust, 10},
		"a checkpoint of another ledger":      {elsewhere, &trust, 15},
		"too few members signed":              {prove(beyond, nil, nil), &few, 14},
		"nobody is trusted":                   {prove(beyond, nil, nil), nil, 13},
		"the trust file of another ledger":    {prove(beyond, nil, nil), &foreign, 18},
		"a receipt that somebody else forged": {func() *ledger.Unkept { u := prove(beyond, nil, nil); u.Receipt = []byte("x"); return u }(), &trust, 10},
	} {
		if r := ledger.VerifyUnkept(c.proof.Encode(), c.trust); r.Code() != c.code || r.Verified {
			t.Errorf("%s: code %d, want %d: %+v", name, r.Code(), c.code, r.Checks)
		}
	}
	if _, err := ledger.MakeUnkept(receipt(there+3, tlog.Hash{1}, time.Minute, 2), signed, g, e, nil, nil); err == nil {
		t.Error("a proof was made of what another's node signed")
	}
	raw := prove(beyond, nil, nil).Encode()
	for i := range raw {
		bad := append([]byte{}, raw...)
		bad[i] ^= 1
		if r := ledger.VerifyUnkept(bad, &trust); r.Code() == 19 && !insideUnused(bad, raw) {
			t.Errorf("byte %d flipped, and it is proved still", i)
		}
	}
	if r := ledger.ReportReceipt(beyond); r.Code() != 13 || r.Verified || r.Index != there+3 {
		t.Errorf("a receipt alone: %+v", r)
	}
	if r := ledger.ReportReceipt([]byte("x")); r.Code() != 10 {
		t.Errorf("no receipt: %+v", r)
	}
}

// insideUnused says whether two proofs differ in a cosignature that is not needed: two of three are.
func insideUnused(a, b []byte) bool {
	x, errX := ledger.DecodeUnkept(a)
	y, errY := ledger.DecodeUnkept(b)
	return errX == nil && errY == nil && string(x.Checkpoint) != string(y.Checkpoint)
}

func FuzzDecodeUnkept(f *testing.F) {
	j := ledgertest.Found(f, "in", 1)
	receipt := ledger.SignReceipt(ledger.Receipt{Origin: j.Origin(), Index: 9, Agency: "in/a0"}, j.Members[0].Node)
	u, err := ledger.MakeUnkept(receipt, j.Checkpoint(f), j.State.Governance, j.State.Evidence(), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzzCodec(f, u.Encode(), ledger.DecodeUnkept, func(u *ledger.Unkept) []byte { return u.Encode() })
}
