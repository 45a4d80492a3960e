package accesslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must[*Log](t)(create(config(t), newMemory()))
		begun := time.Now()
		for i := range 50 {
			r := Record{Actor: Actor(fmt.Sprintf("user-%d", i%3)), Verb: Verb([]string{"look-up", "export"}[i%2]), Objects: []Object{Object(fmt.Sprint(i % 5))}, Count: 1, Case: fmt.Sprint(i % 7), Outcome: Answered}
			must[uint64](t)(l.Append(t.Context(), r))
			time.Sleep(10 * time.Minute)
		}
		all := everything(t, l)
		for name, q := range map[string]Query{
			"all": {}, "actor": {Actor: "user-1"}, "verb": {Verb: "export"}, "object": {Object: "3"}, "case": {Case: "6"},
			"from": {From: begun.Add(3 * time.Hour)}, "to": {To: begun.Add(3 * time.Hour)},
			"both":    {From: begun.Add(50 * time.Minute), To: begun.Add(61 * time.Minute), Verb: "look-up"},
			"nothing": {Actor: "nobody"}, "before": {Before: 17}, "beyond": {Before: 1000}, "later": {From: begun.Add(999 * time.Hour)},
		} {
			var want []uint64
			for _, e := range slices.Backward(all) {
				if q.wants(e) && (q.Before == 0 || e.Index < q.Before) {
					want = append(want, e.Index)
				}
			}
			for _, limit := range []int{0, 1, 4, 49} {
				q := q
				q.Limit = limit
				var got []uint64
				for {
					p := must[Page](t)(l.Query(t.Context(), q))
					if limit > 0 && len(p.Entries) > limit {
						t.Fatalf("%s: a page of %d", name, len(p.Entries))
					}
					for _, e := range p.Entries {
						got = append(got, e.Index)
					}
					if q.Before = p.Next; p.Next == 0 {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s by %d: %v, not %v", name, limit, got, want)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Query(ctx, Query{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

// The work for one page is bounded; the answer goes on.
func TestQueryScansSoMuch(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	for range scanSegments + 2 {
		fill(t, l, 1)
		if err := l.CloseSegment(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p := must[Page](t)(l.Query(t.Context(), Query{Actor: "nobody"}))
	if p.Next != 2 || len(p.Entries) != 0 {
		t.Fatal(p)
	}
	if p = must[Page](t)(l.Query(t.Context(), Query{Actor: "nobody", Before: p.Next})); p.Next != 0 {
		t.Fatal(p)
	}
}
