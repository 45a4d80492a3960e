package node_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// open begins to read an answer that may not end.
func (h *plainHTTP) open(ctx context.Context, path string, header ...string) (*http.Response, *bufio.Reader) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vigil"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// TestAStreamEndsWithItsCredential: nothing is sent that the next request would be refused.
func TestAStreamEndsWithItsCredential(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	analyst := r.As(t, api.RoleAnalyst)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	revoke := func() {
		tokens, err := r.Operator.Tokens(ctx)
		do(err)
		do(r.Operator.RevokeToken(ctx, tokens[len(tokens)-1].ID))
	}
	_, asha := person(t, r, "asha", api.RoleAnalyst)
	_, ravi := person(t, r, "ravi", api.RoleAnalyst)
	_, _ = person(t, r, "meena", api.RoleAnalyst)
	for i, x := range []struct {
		what, path string
		credential func() string
		end        func(secret string)
	}{
		{"a revoked token, events", "/v1/events", func() string { return r.Target(t, api.RoleAnalyst).Token }, func(string) { revoke() }},
		{"a revoked token, signals", "/v1/signals?follow=true", func() string { return r.Target(t, api.RoleAnalyst).Token }, func(string) { revoke() }},
		{"other roles", "/v1/events", func() string { return signedIn(t, r, "asha") }, func(string) {
			_, err := r.Operator.ChangeUser(ctx, asha.ID, api.ChangeUser{Roles: []string{api.RoleLab}})
			do(err)
		}},
		{"removed", "/v1/events", func() string { return signedIn(t, r, "ravi") }, func(string) {
			_, err := r.Operator.RemoveUser(ctx, ravi.ID, api.RemoveUser{Reason: "left"})
			do(err)
		}},
		{"signed out", "/v1/signals?follow=true", func() string { return signedIn(t, r, "meena") }, func(secret string) {
			do(client(t, api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: secret}).SignOut(ctx))
		}},
	} {
		h := overSocket(t, c, x.credential())
		resp, in := h.open(ctx, x.path)
		before := raised(t, analyst, plain(byte(2*i+1)))
		for line := ""; !strings.Contains(line, before.ID); {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatalf("%s: %s, %v", x.what, resp.Status, err)
			}
		}
		x.end(h.token)
		after := raised(t, analyst, plain(byte(2*i+2)))
		if rest, err := io.ReadAll(in); err != nil || strings.Contains(string(rest), after.ID) {
			t.Errorf("%s: %v, and the stream goes on with %s", x.what, err, rest)
		}
	}
}

func TestOneHasSoManyStreams(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	h := overSocket(t, c, r.Target(t, api.RoleAnalyst).Token)
	ctx, closeAll := context.WithCancel(t.Context())
	defer closeAll()
	opened := 0
	resp, in := h.open(ctx, "/v1/events")
	for ; resp.StatusCode == http.StatusOK && opened < 1000; opened++ {
		resp, in = h.open(ctx, "/v1/events")
	}
	said, _ := in.ReadString('\n')
	if opened != 256 || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(said, `"code":"streams"`) {
		t.Errorf("after %d: %s %s", opened, resp.Status, said)
	}
	other := overSocket(t, c, r.Target(t, api.RoleAnalyst).Token)
	if resp, _ := other.open(t.Context(), "/v1/events"); resp.StatusCode != http.StatusOK {
		t.Errorf("another's: %s", resp.Status)
	}
	closeAll()
	nodetest.Until(t, "a place is free", func() bool {
		resp, _ := h.open(t.Context(), "/v1/events")
		return resp.StatusCode == http.StatusOK
	})
}

// TestTheEventsOfABoardThatWasBuiltAnew: its numbers mean other changes, so that nobody goes on from what they have of another.
func TestTheEventsOfABoardThatWasBuiltAnew(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	target := r.Target(t, api.RoleAnalyst)
	last := raised(t, client(t, target), plain(1)).ID
	lastEvent := func() string {
		t.Helper()
		me, err := client(t, target).WhoAmI(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return me.LastEvent
	}
	old := lastEvent()
	h := overSocket(t, c, target.Token)
	says := func(id string, want int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		resp, in := h.open(ctx, "/v1/events", "Last-Event-ID", id)
		if resp.StatusCode != want {
			said, _ := in.ReadString('\n')
			t.Errorf("%q: %s %s", id, resp.Status, said)
		}
	}
	_, number, _ := strings.Cut(old, "-")
	says(old, http.StatusOK)
	says(number, http.StatusConflict)
	says(old+"0", http.StatusConflict)
	says("yesterday", http.StatusBadRequest)
	r.Stop()
	if err := os.RemoveAll(filepath.Join(c.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	target.Server, target.Pin = "https://"+r.Addresses.API, r.Addresses.Pin
	h = overSocket(t, c, target.Token)
	raised(t, client(t, target), plain(2))
	if now := lastEvent(); now == old {
		t.Errorf("%s: as before", now)
	}
	says(old, http.StatusConflict)
	says(lastEvent(), http.StatusOK)
	stop := errors.New("found")
	err := client(t, target).Events(t.Context(), api.OldestEvent, func(e api.Change) error {
		if e.Object == last {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}
