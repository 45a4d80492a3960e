package signin

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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

// TestNobodyIsKeptFromBeginning: who begins a ceremony finishes it, whatever others begin who finish none.
func TestNobodyIsKeptFromBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending()
		put := func(from string) (string, error) {
			time.Sleep(time.Millisecond)
			return p.put(from, from)
		}
		first, err := put("10.1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		var last string
		for i := range maxCeremonies {
			if last, err = put(fmt.Sprintf("10.0.%d.%d", i/256, i%256)); err != nil {
				t.Fatalf("ceremony %d: %v", i, err)
			}
		}
		if len(p.open) != maxCeremonies {
			t.Errorf("%d are open", len(p.open))
		}
		if _, ok := p.take(first); ok {
			t.Error("the oldest is still there")
		}
		if _, ok := p.take(last); !ok {
			t.Error("the newest is not there")
		}
	})
}

func TestCeremoniesOfOnePlaceAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending()
		for i := range ceremonyBurst {
			if _, err := p.put(fmt.Sprintf("2001:db8::%x", i), "x"); err != nil {
				t.Fatalf("ceremony %d: %v", i, err)
			}
		}
		for from, want := range map[string]error{
			"2001:db8::ffff:0:0:1": ErrTooOften, "2001:db8:0:1::1": nil, "192.0.2.1": nil, "::ffff:192.0.2.1": nil, "@": nil,
		} {
			if _, err := p.put(from, "x"); !errors.Is(err, want) {
				t.Errorf("%s: %v, not %v", from, err, want)
			}
		}
		time.Sleep(ceremonyEvery)
		if _, err := p.put("2001:db8::1", "x"); err != nil {
			t.Errorf("after a while: %v", err)
		}
	})
}

// TestOnePersonHasFewSessions begins one more than there may be: the oldest ends, also on disk, and nobody else's.
func TestOnePersonHasFewSessions(t *testing.T) {
	s, err := newStore(&Keeping{Dir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	token := func(i int) string { return fmt.Sprintf("%043d", i) }
	begin := func(i int, person noun.Key) {
		t.Helper()
		if err := s.CommitCtx(context.WithValue(t.Context(), beginning{}, person), token(i), []byte("x"), until.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	begin(0, noun.Key{Author: "in/b"})
	for i := range maxSessionsEach + 1 {
		begin(1+i, noun.Key{Author: "in/a"})
	}
	onDisk, err := s.files.load(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxSessionsEach + 2 {
		_, found, _ := s.Find(token(i))
		if _, kept := onDisk[token(i)]; found != (i != 1) || kept != found {
			t.Errorf("session %d: found %v, on disk %v", i, found, kept)
		}
	}
}
