package cluster

import (
	"bytes"
	"testing"

	"vigil/ledger"
)

// FuzzWhatNodesSay decodes what members send each other beside raft: commands, answers, heights.
func FuzzWhatNodesSay(f *testing.F) {
	f.Add(ledger.Marshal(command{Kind: commandEntries, Entries: []ledger.Entry{{Leaf: []byte{1}, Payload: []byte{2}}}}))
	f.Add(encodeAnswer(answer{results: []ledger.Result{{Verdict: ledger.Accepted, Index: 7}}}))
	f.Add(encodeAnswer(answer{results: []ledger.Result{{Verdict: ledger.Refused}}}))
	f.Add(ledger.Marshal(heightWire{Term: 1, Last: 2, Size: 3, Now: 4, Follows: []string{"uk/x"}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c command
		if ledger.Unmarshal(raw, &c, maxRequestBytes) == nil && !bytes.Equal(ledger.Marshal(c), raw) {
			t.Fatal("a command accepted in another encoding")
		}
		var h heightWire
		if ledger.Unmarshal(raw, &h, maxHeightBytes) == nil && !bytes.Equal(ledger.Marshal(h), raw) {
			t.Fatal("a height accepted in another encoding")
		}
		for n := range 3 {
			a := decodeAnswer(raw, n)
			if a.err == nil && len(a.results) != n {
				t.Fatalf("%d answers for %d entries", len(a.results), n)
			}
			for _, r := range a.results {
				if (r.Verdict == ledger.Refused) != (r.Reason != nil) {
					t.Fatalf("a refusal has a reason, and nothing else: %+v", r)
				}
			}
		}
	})
}
