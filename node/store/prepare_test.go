package store_test

import (
	"bytes"
	"io"
	"testing"

	"vigil/node/store"
)

func TestFlushWaitsWhileMoreComesButNotForEver(t *testing.T) {
	if n := store.Looks(0); n != 1 {
		t.Errorf("what nothing follows is written at look %d, not at the next one", n)
	}
	if n := store.Looks(1); n < 2 || n > 100 {
		t.Errorf("what more always follows is written at look %d", n)
	}
}

func TestALongJournalIsFoldedInPieces(t *testing.T) {
	s, in, uk := filledWith(t, t.TempDir(), 150) // two frames each, and a piece has at most 256
	defer s.Close()
	journal := journalOf(t, s)
	other := open(t, t.TempDir(), in.Origin())
	defer other.Close()
	for _, at := range []int{len(journal) / 3, len(journal) * 9 / 10} {
		bad := bytes.Clone(journal)
		bad[at] ^= 1
		if err := other.Receive(bytes.NewReader(bad)); err == nil || other.State() != nil {
			t.Errorf("a journal with a flipped bit at %d of %d: %v", at, len(journal), err)
		}
	}
	rest := bytes.NewReader(append(bytes.Clone(journal), "behind"...))
	if err := other.Receive(struct{ io.Reader }{rest}); err != nil {
		t.Fatal(err)
	}
	check(t, other, in, uk)
}
