package ledger_test

import (
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestAReceiptThatWasNotKeptIsProved: the members signed a ledger that has another entry in its place. What was kept, or may be
// kept still, proves nothing: not even a checkpoint that was signed long after the deadline and does not reach the entry, as
// members sign them one after the other where a backlog is long.
func TestAReceiptThatWasNotKeptIsProved(t *testing.T) {
	j, other := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
	j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("x"))
	trust, foreign := ledger.TrustOf(j.State), ledger.TrustOf(other.State)
	few := ledger.TrustOf(j.State)
	few.Ledgers[0].Quorum = 4
	backlog, early := j.Checkpoint(t), j.State.Evidence() // the first stretch of a backlog, signed a minute too late
	j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("y"))
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
	under := func(signed []byte, e ledger.Evidence, receipt []byte, leaf []byte, path []tlog.Hash) *ledger.Unkept {
		u, err := ledger.MakeUnkept(receipt, signed, g, e, leaf, path)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	broken := receipt(there, tlog.Hash{1}, time.Minute, 1)
	prove := func() *ledger.Unkept { return under(signed, e, broken, leaf[:], path) }
	forged, moved, elsewhere, garbled := prove(), prove(), prove(), prove()
	forged.Receipt = receipt(there, tlog.Hash{1}, time.Minute, 2)
	moved.Path = append([]tlog.Hash{{1}}, moved.Path[1:]...)
	elsewhere.Checkpoint = other.Checkpoint(t)
	garbled.Receipt = []byte("x")
	before, short := hashes[:there], ledger.PathOf(hashes[:there], int(there-1))
	for name, c := range map[string]struct {
		proof *ledger.Unkept
		trust *ledger.Trust
		code  int
	}{
		"another entry stands there":       {prove(), &trust, 19},
		"whether or not its time is up":    {under(signed, e, receipt(there, tlog.Hash{1}, -time.Minute, 1), leaf[:], path), &trust, 19},
		"the entry is there":               {under(signed, e, receipt(there, leaf, time.Minute, 1), leaf[:], path), &trust, 11},
		"it is there, above a backlog":     {under(backlog, early, receipt(there, leaf, time.Minute, 1), before[there-1][:], short), &trust, 11},
		"what stands there is not shown":   {under(signed, e, broken, nil, nil), &trust, 15},
		"the ledger does not reach it":     {under(signed, e, receipt(there+3, tlog.Hash{1}, time.Minute, 1), leaf[:], path), &trust, 11},
		"what is shown stands elsewhere":   {moved, &trust, 11},
		"another agency's node signed it":  {forged, &trust, 10},
		"a checkpoint of another ledger":   {elsewhere, &trust, 15},
		"too few members signed":           {prove(), &few, 14},
		"nobody is trusted":                {prove(), nil, 13},
		"the trust file of another ledger": {prove(), &foreign, 18},
		"no receipt":                       {garbled, &trust, 10},
	} {
		if r := ledger.VerifyUnkept(c.proof.Encode(), c.trust); r.Code() != c.code || r.Verified {
			t.Errorf("%s: code %d, want %d: %+v", name, r.Code(), c.code, r.Checks)
		}
	}
	if _, err := ledger.MakeUnkept(forged.Receipt, signed, g, e, leaf[:], path); err == nil {
		t.Error("a proof was made of what another's node signed")
	}
	raw := prove().Encode()
	for i := range raw {
		bad := append([]byte{}, raw...)
		bad[i] ^= 1
		if r := ledger.VerifyUnkept(bad, &trust); r.Code() == 19 && !insideUnused(bad, raw) {
			t.Errorf("byte %d flipped, and it is proved still", i)
		}
	}
	if r := ledger.ReportReceipt(broken); r.Code() != 13 || r.Verified || r.Index != there {
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
	u, err := ledger.MakeUnkept(receipt, j.Checkpoint(f), j.State.Governance, j.State.Evidence(), make([]byte, 32), nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzzCodec(f, u.Encode(), ledger.DecodeUnkept, func(u *ledger.Unkept) []byte { return u.Encode() })
}
