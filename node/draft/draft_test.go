package draft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/node/draft"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func id(n int) ledger.EventID { return ledger.EventIDFor("in/a", fmt.Sprint(n)) }

func open(t testing.TB, dir string, key byte) *draft.Store {
	t.Helper()
	s, err := draft.Open(draft.Config{Dir: dir, Key: [32]byte{key}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *draft.Store, n int, owner, body string) draft.Draft {
	t.Helper()
	d, err := s.Put(id(n), owner, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADraftIsThereAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1)
	first := put(t, s, 1, "chat", "one")
	put(t, s, 1, "chat", "secret words")
	put(t, s, 2, "chat", "two")
	put(t, s, 3, "other", "three")
	if err := s.Remove(id(2)); err != nil {
		t.Fatal(err)
	}
	// what a crash leaves of a file that was being replaced
	if err := os.WriteFile(filepath.Join(dir, ".x123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 1)
	got, err := s.Get(id(1), "chat")
	if err != nil || string(got.Body) != "secret words" || !got.Opened.Equal(first.Opened) || got.Changed.Before(first.Changed) {
		t.Fatalf("%+v %v", got, err)
	}
	if list := s.List("chat"); len(list) != 1 || list[0].ID != id(1) || list[0].Body != nil {
		t.Errorf("%+v", list)
	}
	for name, err := range map[string]error{"removed": failure(s.Get(id(2), "chat")), "another's": failure(s.Get(id(3), "chat")), "another's, changed": failure(s.Put(id(3), "chat", nil)), "none": failure(s.Get(id(9), "chat"))} {
		if !errors.Is(err, draft.ErrAbsent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil || bytes.Contains(raw, []byte("secret")) || bytes.Contains(raw, []byte("chat")) {
			t.Errorf("%s is in clear: %v", f.Name(), err)
		}
	}
}

func failure[T any](_ T, err error) error { return err }

func TestADamagedDraftIsToldNotForgotten(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"a byte": func(path string) error {
			raw, err := os.ReadFile(path)
			if err == nil {
				raw[len(raw)/2] ^= 1
				err = os.WriteFile(path, raw, 0o600)
			}
			return err
		},
		"cut short":      func(path string) error { return os.Truncate(path, 20) },
		"empty":          func(path string) error { return os.Truncate(path, 0) },
		"another's file": func(path string) error { return os.Rename(filepath.Join(filepath.Dir(path), id(2).String()), path) },
	} {
		dir := t.TempDir()
		s := open(t, dir, 1)
		put(t, s, 1, "chat", "one")
		put(t, s, 2, "chat", "two")
		if err := damage(filepath.Join(dir, id(1).String())); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(id(1), "chat"); !errors.Is(err, draft.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		s = open(t, dir, 1)
		if _, err := s.Get(id(1), "chat"); !errors.Is(err, draft.ErrDamaged) {
			t.Errorf("%s, after a start: %v", name, err)
		}
		if _, err := s.Put(id(1), "chat", nil); !errors.Is(err, draft.ErrAbsent) {
			t.Errorf("%s, changed: %v", name, err)
		}
	}
}

func TestBounds(t *testing.T) {
	s := open(t, t.TempDir(), 1)
	if _, err := s.Put(id(1), "chat", make([]byte, 1<<20)); !errors.Is(err, draft.ErrTooLarge) {
		t.Errorf("a megabyte: %v", err)
	}
	for i := range draft.MaxOfOwner {
		put(t, s, i, "chat", "x")
	}
	if _, err := s.Put(id(-1), "chat", nil); !errors.Is(err, draft.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	put(t, s, 0, "chat", "one that is there may change")
	put(t, s, -1, "other", "another may begin")
}

func TestDraftsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		put(t, s, 1, "chat", "x")
		put(t, s, 2, "chat", "x")
		time.Sleep(23*time.Hour + 30*time.Minute)
		put(t, s, 2, "chat", "y") // kept for another hour
		time.Sleep(31 * time.Minute)
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("a day after: %v %v", files, err)
		}
		if _, err := s.Get(id(1), "chat"); !errors.Is(err, draft.ErrAbsent) {
			t.Errorf("%v", err)
		}
		if d, err := s.Get(id(2), "chat"); err != nil || time.Until(d.Expires()) != 29*time.Minute {
			t.Errorf("%s %v", time.Until(d.Expires()), err)
		}
		time.Sleep(30 * time.Minute)
		if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
			t.Errorf("an hour after it was changed: %v %v", files, err)
		}
		put(t, s, 3, "chat", "x")
		for range 8 * 48 {
			time.Sleep(30 * time.Minute)
			if _, err := s.Get(id(3), "chat"); err == nil {
				put(t, s, 3, "chat", "kept alive")
			}
		}
		if _, err := s.Get(id(3), "chat"); !errors.Is(err, draft.ErrAbsent) {
			t.Errorf("after a week and a day: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Whatever is put and removed, and however often the process starts anew, the store holds what a plain map holds.
func TestTheStoreIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "drafts")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := open(t, dir, 1)
		want := map[int]string{}
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			n := rapid.IntRange(0, 4).Draw(rt, "draft")
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				s = open(t, dir, 1)
			case 1:
				if err := s.Remove(id(n)); err != nil {
					rt.Fatal(err)
				}
				delete(want, n)
			default:
				want[n] = rapid.StringN(0, 50, -1).Draw(rt, "body")
				if _, err := s.Put(id(n), "chat", []byte(want[n])); err != nil {
					rt.Fatal(err)
				}
			}
			for n := range 5 {
				d, err := s.Get(id(n), "chat")
				body, there := want[n]
				if there != (err == nil) || there && string(d.Body) != body {
					rt.Fatalf("draft %d: %q, %v", n, d.Body, err)
				}
			}
		}
	})
}
