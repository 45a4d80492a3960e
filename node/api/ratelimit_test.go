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

func TestARefusalIsRecordedOnceAMinute(t *testing.T) {
	var r refusals
	began := time.Now()
	for _, x := range []struct {
		name, reason string
		after        time.Duration
		more         uint64
		due          bool
	}{
		{"tk_1", "rate", 0, 0, true},
		{"tk_1", "rate", time.Second, 0, false},
		{"tk_1", "rate", refusalEvery - 1, 0, false},
		{"tk_1", "role", time.Second, 0, true},
		{"tk_2", "rate", time.Second, 0, true},
		{"tk_1", "rate", refusalEvery, 2, true},
		{"tk_1", "rate", refusalEvery + 1, 0, false},
		{"tk_1", "rate", 2 * refusalEvery, 1, true},
		{"tk_1", "rate", 3 * refusalEvery, 0, true},
	} {
		if more, due := r.due(x.name, x.reason, began.Add(x.after)); more != x.more || due != x.due {
			t.Errorf("%+v: %d more, due %v", x, more, due)
		}
	}
}
