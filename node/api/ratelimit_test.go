package api

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestABucketRunsEmptyAndFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiters
		chat, other, lab := principal{name: "1", roles: []string{RolePlatform}}, principal{name: "2", roles: []string{RolePlatform}}, principal{name: "3", roles: []string{RoleLab}}
		limit := limits[RolePlatform]
		ask := func(p principal) (http.Header, *Problem) {
			h := http.Header{}
			return h, l.within(h, p)
		}
		for i := range limit.burst {
			if _, refusal := ask(chat); refusal != nil {
				t.Fatalf("request %d refused", i)
			}
		}
		h, refusal := ask(chat)
		if refusal == nil || refusal.Status != http.StatusTooManyRequests || h.Get("RateLimit") != `"token";r=0;t=4` {
			t.Fatalf("%v %v", h, refusal)
		}
		if _, refusal := ask(other); refusal != nil {
			t.Error("another token's bucket is empty, too")
		}
		if h, refusal := ask(lab); refusal != nil || len(h) != 0 {
			t.Error("a role without a limit has one")
		}
		time.Sleep(time.Second)
		for i := range limit.each {
			if _, refusal := ask(chat); refusal != nil {
				t.Fatalf("request %d of the next second refused", i)
			}
		}
		if _, refusal := ask(chat); refusal == nil {
			t.Error("more than a second's worth")
		}
	})
}
