package signin

import (
	"context"
	"testing"
	"time"

	"vigil/ledger/noun"
)

// TestWhatWasEndedDoesNotComeBack commits a session that was looked up before all of its person were ended, as a request
// that is under way does.
func TestWhatWasEndedDoesNotComeBack(t *testing.T) {
	s, err := newStore(&Keeping{Dir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	until := time.Now().Add(time.Hour)
	person := noun.Key{Author: "in/a"}
	if err := s.CommitCtx(context.WithValue(t.Context(), beginning{}, person), token, []byte("x"), until); err != nil {
		t.Fatal(err)
	}
	s.endAll(person)
	if err := s.CommitCtx(t.Context(), token, []byte("x"), until); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := s.Find(token); found {
		t.Error("a session that was ended is there again")
	}
	if items, err := s.files.load(nil, time.Now()); err != nil || len(items) != 0 {
		t.Errorf("%v, %v: it is on disk", items, err)
	}
}
