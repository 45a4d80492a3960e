package store_test

import (
	"bytes"
	"testing"
)

// TestAMirrorIsWholeBeforeItIsOnDisk: where a mirror's batches end, and what remains of it for a partner, is the same before any
// of it was flushed and after.
func TestAMirrorIsWholeBeforeItIsOnDisk(t *testing.T) {
	s, in, uk := filled(t, t.TempDir())
	defer s.Close()
	origin := uk.Origin()
	last := s.Size(origin) - 1
	for _, when := range []string{"before", "after"} {
		ends, err := s.MirrorEnds(origin)
		if err != nil || len(ends) != 1 || len(ends[0].Checkpoint) == 0 {
			t.Errorf("%s: %d ends of one batch: %v", when, len(ends), err)
		}
		if none, err := s.MirrorEnds(in.Origin()); err != nil || len(none) != 0 {
			t.Errorf("%s: our own ledger is a mirror: %v", when, err)
		}
		b, err := s.Remaining(origin, "in", last)
		if err != nil || b == nil || b.From != last || len(b.Items) != 1 || !bytes.Equal(b.Items[0].Leaf, uk.Entries[last].Leaf) {
			t.Errorf("%s: what remains of it from entry %d is %+v: %v", when, last, b, err)
		}
		if b, err := s.Remaining(origin, "in", last+1); err != nil || b != nil {
			t.Errorf("%s: something remains behind its end: %v", when, err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}
