package node_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// numbered is the fingerprint of a file that does not exist.
func numbered(i int) []api.Signal {
	return []api.Signal{{Algorithm: "md5", Value: fmt.Sprintf("%02x", i%255+1) + hex.EncodeToString(value(byte(i)))[2:30] + fmt.Sprintf("%02x", i/255%255+1)}}
}

func TestWhatIsWatchedIsToldAtOnceAndComesBack(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx := t.Context()
	analyst := r.As(t, api.RoleAnalyst)

	w, err := analyst.AddWatched(ctx, "k", api.AddWatched{WatchFacts: api.WatchFacts{Case: "2024/117", Note: "laptop"}, Rows: [][]api.Signal{numbered(1), numbered(2), numbered(3)}})
	if err != nil || w.Accepted != 3 || w.ID[:3] != "wl_" {
		t.Fatalf("%+v %v", w, err)
	}
	again, err := analyst.AddWatched(ctx, "k", api.AddWatched{WatchFacts: api.WatchFacts{Case: "2024/117", Note: "laptop"}, Rows: [][]api.Signal{numbered(1), numbered(2), numbered(3)}})
	if err != nil || !again.Repeated || again.ID != w.ID {
		t.Errorf("a retry: %+v %v", again, err)
	}

	told := make(chan string, 1)
	follow, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_ = analyst.Events(follow, api.OldestEvent, func(e api.Change) error {
			if e.Kind == "watch.hit" {
				told <- e.Object
				return errors.New("enough")
			}
			return nil
		})
	}()
	raised, err := analyst.Raise(ctx, "a", api.RaiseAlert{Signals: numbered(2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := analyst.Raise(ctx, "b", api.RaiseAlert{Signals: numbered(3), AlertFacts: api.AlertFacts{Exercise: true}}); err != nil {
		t.Fatal(err)
	}
	id := <-told
	hit, err := analyst.WatchHit(ctx, id)
	if err != nil || hit.Alert.ID != raised.ID || hit.Case != "2024/117" || hit.Watched.ID != w.ID+".1" || hit.State != "open" || hit.Distance != 0 {
		t.Fatalf("%+v %v", hit, err)
	}

	if _, err := analyst.HandleHits(ctx, "h", api.HandleHits{Hits: []string{id}, What: "done", Note: "referred"}); err != nil {
		t.Fatal(err)
	}
	if _, err := analyst.RemoveWatched(ctx, "r", api.RemoveWatched{Files: []string{w.ID + ".0"}}); err != nil {
		t.Fatal(err)
	}
	if x, err := analyst.RemoveWatched(ctx, "r", api.RemoveWatched{Files: []string{w.ID + ".0"}}); err != nil || !x.Repeated {
		t.Errorf("a retry: %+v %v", x, err)
	}
	if _, err := analyst.Retract(ctx, "", raised.ID, api.Retract{Reason: "wrong file"}); err != nil {
		t.Fatal(err)
	}
	check := func(c *api.Client) {
		t.Helper()
		page, err := c.WatchHits(ctx, api.HitQuery{})
		if err != nil || len(page.Hits) != 1 || page.Hits[0].State != "done" || page.Hits[0].Alert.Standing != "retracted" {
			t.Errorf("%+v %v", page, err)
		}
		lists, err := c.WatchLists(ctx, api.WatchQuery{Case: "2024/117"})
		if err != nil || len(lists.Lists) != 1 || lists.Lists[0].Watched != 2 || lists.Lists[0].Hits != 1 || lists.Lists[0].Open != 0 {
			t.Errorf("%+v %v", lists, err)
		}
	}
	check(analyst)
	if h, err := analyst.WatchHit(ctx, id); err != nil || len(h.History) != 1 || h.History[0].Note != "referred" {
		t.Errorf("%+v %v", h, err)
	}

	// The board is lost; the ledger and the key are not.
	r.Stop()
	if err := os.RemoveAll(filepath.Join(c.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	check(r.As(t, api.RoleLab))
}

func TestWatchListsAreRefusedWithTheReason(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	analyst, platform, auditor := r.As(t, api.RoleAnalyst), r.As(t, api.RolePlatform), r.As(t, api.RoleAuditor)
	w, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: api.WatchFacts{Case: "c"}, Rows: [][]api.Signal{numbered(1)}})
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Operator.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	facts := api.WatchFacts{Case: "c"}
	for name, c := range map[string]struct {
		try  func() error
		want int
	}{
		"no case": {func() error {
			_, err := analyst.AddWatched(ctx, "", api.AddWatched{Rows: [][]api.Signal{numbered(1)}})
			return err
		}, 400},
		"a dirty case": {func() error {
			_, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: api.WatchFacts{Case: "a\x00"}, Rows: [][]api.Signal{numbered(1)}})
			return err
		}, 400},
		"one bad row of two": {func() error {
			_, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: facts, Atomic: true, Rows: [][]api.Signal{numbered(1), {{Algorithm: "md5", Value: "00"}}}})
			return err
		}, 400},
		"the empty file": {func() error {
			_, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: facts, Rows: [][]api.Signal{{{Algorithm: "md5", Value: "d41d8cd98f00b204e9800998ecf8427e"}}}})
			return err
		}, 400},
		"nothing": {func() error { _, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: facts}); return err }, 400},
		"a platform watches": {func() error {
			_, err := platform.AddWatched(ctx, "", api.AddWatched{WatchFacts: facts, Rows: [][]api.Signal{numbered(1)}})
			return err
		}, 403},
		"an auditor removes": {func() error {
			_, err := auditor.RemoveWatched(ctx, "", api.RemoveWatched{Files: []string{w.ID}})
			return err
		}, 403},
		"the operator reads": {func() error { _, err := r.Operator.WatchLists(ctx, api.WatchQuery{}); return err }, 403},
		"removes nothing":    {func() error { _, err := analyst.RemoveWatched(ctx, "", api.RemoveWatched{}); return err }, 400},
		"removes no such row": {func() error {
			_, err := analyst.RemoveWatched(ctx, "", api.RemoveWatched{Files: []string{w.ID + ".7"}})
			return err
		}, 404},
		"removes one of two": {func() error {
			_, err := analyst.RemoveWatched(ctx, "", api.RemoveWatched{Files: []string{w.ID, "wl_00000000"}})
			return err
		}, 404},
		"no such hit": {func() error {
			_, err := analyst.HandleHits(ctx, "", api.HandleHits{Hits: []string{"wh_00000000"}, What: "seen"})
			return err
		}, 404},
		"unknown handling": {func() error {
			_, err := analyst.HandleHits(ctx, "", api.HandleHits{Hits: []string{"wh_00000000"}, What: "open"})
			return err
		}, 400},
		"an unknown state": {func() error { _, err := analyst.WatchHits(ctx, api.HitQuery{State: "gone"}); return err }, 400},
	} {
		if got := status(c.try()); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	after, err := r.Operator.Status(ctx)
	if err != nil || after.Ledgers[0].Size != before.Ledgers[0].Size {
		t.Errorf("%d entries became %d: %v", before.Ledgers[0].Size, after.Ledgers[0].Size, err)
	}
	if page, err := auditor.WatchLists(ctx, api.WatchQuery{}); err != nil || len(page.Lists) != 1 {
		t.Errorf("an auditor reads: %+v %v", page, err)
	}
}
