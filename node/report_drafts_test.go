package node_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestDraftsSurviveARestartAndAreReportedOnce(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	chat, secret := named(t, r, api.RolePlatform, "chat.example")
	other, _ := named(t, r, api.RolePlatform, "other.example")
	begun := submission(1, func(r *api.SubmitReport) { r.Files, r.About = nil, nil })
	d, err := chat.OpenDraft(ctx, "d1", begun)
	if err != nil || d.Expires.Sub(d.Opened) != 24*time.Hour {
		t.Fatalf("%+v %v", d, err)
	}
	if _, err := chat.FinishDraft(ctx, d.ID); status(err) != http.StatusBadRequest {
		t.Errorf("finished with nothing in it: %v", err)
	}
	for i, x := range []struct {
		ref      string
		seed     byte
		files    int
		repeated bool
	}{{"f1", 1, 1, false}, {"f1", 1, 1, true}, {"f1", 2, 1, false}, {"f2", 3, 2, false}, {"", 4, 3, false}, {"", 4, 3, true}} {
		got, err := chat.AddFile(ctx, d.ID, api.ReportFile{Reference: x.ref, Signals: md5(x.seed)})
		if err != nil || len(got.Statement.Files) != x.files || got.Repeated != x.repeated {
			t.Fatalf("%d: %+v %v", i, got, err)
		}
	}
	if again, err := chat.OpenDraft(ctx, "d1", begun); err != nil || !again.Repeated || again.ID != d.ID || len(again.Statement.Files) != 3 {
		t.Errorf("begun again: %+v %v", again, err)
	}
	if _, err := chat.OpenDraft(ctx, "d1", submission(9, asIs)); status(err) != http.StatusConflict {
		t.Errorf("the key for something else: %v", err)
	}
	if _, err := other.AddFile(ctx, d.ID, api.ReportFile{Signals: md5(9)}); status(err) != http.StatusNotFound {
		t.Errorf("another platform's draft: %v", err)
	}
	if list, err := other.Drafts(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := chat.Report(ctx, d.ID); status(err) != http.StatusNotFound {
		t.Errorf("a draft is a report: %v", err)
	}

	r.Stop()
	r = nodetest.Run(t, c)
	if chat, err = api.NewClient(api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: secret}); err != nil {
		t.Fatal(err)
	}
	got, err := chat.Draft(ctx, d.ID)
	if err != nil || len(got.Statement.Files) != 3 || !got.Opened.Equal(d.Opened) {
		t.Fatalf("after a restart: %+v %v", got, err)
	}
	w, err := chat.FinishDraft(ctx, d.ID)
	if err != nil || w.ID != d.ID || len(w.Receipt) == 0 || w.Repeated {
		t.Fatalf("%+v %v", w, err)
	}
	if again, err := chat.FinishDraft(ctx, d.ID); err != nil || !again.Repeated || again.Index != w.Index || len(again.Receipt) == 0 {
		t.Errorf("finished again: %+v %v", again, err)
	}
	for name, err := range map[string]error{
		"a file is added": second(chat.AddFile(ctx, d.ID, api.ReportFile{Signals: md5(9)})), "begun again": second(chat.OpenDraft(ctx, "d1", begun)), "shown": second(chat.Draft(ctx, d.ID)),
		"removed": chat.RemoveDraft(ctx, d.ID),
	} {
		if refusal := (*api.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != "finished" {
			t.Errorf("%s after it was finished: %v", name, err)
		}
	}
	if x, err := chat.Report(ctx, d.ID); err != nil || len(x.Statement.Files) != 3 {
		t.Errorf("%+v %v", x, err)
	}
	gone, err := chat.OpenDraft(ctx, "d2", begun)
	if err != nil || chat.RemoveDraft(ctx, gone.ID) != nil {
		t.Fatal(err)
	}
	if _, err := chat.FinishDraft(ctx, gone.ID); status(err) != http.StatusNotFound {
		t.Errorf("a draft that was removed: %v", err)
	}
	if _, err := chat.FinishDraft(ctx, "rp_"+strings.Repeat("z", 32)); status(err) != http.StatusBadRequest {
		t.Errorf("not an id: %v", err)
	}
}

// What a lost leader leaves of a draft that is being finished is finished by asking again, and changed by nobody.
func TestADraftThatIsBeingFinishedIsChangedByNobody(t *testing.T) {
	var left atomic.Int64
	left.Store(1 << 40)
	r, chat, _, _ := deskOf(t, func(n *node.Node) error {
		return n.WriteThrough(func(a api.Author) api.Author { return limited{a, &left} })
	})
	ctx := t.Context()
	d, err := chat.OpenDraft(ctx, "d", submission(1, asIs))
	if err != nil {
		t.Fatal(err)
	}
	left.Store(0)
	if _, err := chat.FinishDraft(ctx, d.ID); status(err) != http.StatusServiceUnavailable {
		t.Fatalf("without a leader: %v", err)
	}
	for name, err := range map[string]error{"a file is added": second(chat.AddFile(ctx, d.ID, api.ReportFile{Signals: md5(9)})), "removed": chat.RemoveDraft(ctx, d.ID)} {
		if refusal := (*api.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != "finishing" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := chat.Draft(ctx, d.ID); err != nil || !got.Finishing {
		t.Errorf("%+v %v", got, err)
	}
	left.Store(1 << 40)
	w, err := chat.FinishDraft(ctx, d.ID)
	if err != nil || w.Repeated || len(w.Receipt) == 0 {
		t.Fatalf("%+v %v", w, err)
	}
	if x, err := chat.Report(ctx, w.ID); err != nil || len(x.Statement.Files) != 1 {
		t.Errorf("%+v %v", x, err)
	}
	if list, err := chat.Drafts(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if s, err := r.Operator.Status(ctx); err != nil || !s.Ready {
		t.Errorf("%+v %v", s, err)
	}
}
