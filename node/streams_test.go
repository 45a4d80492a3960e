package node_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// open begins to read an answer that may not end.
func (h *plainHTTP) open(ctx context.Context, path string) (*http.Response, *bufio.Reader) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vigil"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := h.c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
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
