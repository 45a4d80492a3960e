package node_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// operation is one of the API, as its own document names it.
type operation struct{ method, path string }

// operations reads the document; streams, which do not end, are left out.
func operations(f *testing.F, c *http.Client, base string) (out []operation) {
	f.Helper()
	resp, err := c.Get(base + "/openapi.json")
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil {
		f.Fatal(err)
	}
	for path, item := range document.Paths {
		for method, said := range item {
			if !bytes.Contains(said, []byte("text/event-stream")) && !bytes.Contains(said, []byte("ndjson")) {
				out = append(out, operation{strings.ToUpper(method), path})
			}
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method)) })
	if len(out) < 20 {
		f.Fatalf("%d operations", len(out))
	}
	return out
}

// FuzzRequest asks a running node for any operation with any parameter, query and body: it answers, refuses with a reason, and
// never fails by a fault of its own.
func FuzzRequest(f *testing.F) {
	n := nodetest.Run(f, nodetest.Found(f))
	target := n.Target(f, api.RoleLab)
	c := nodetest.HTTP(f, n.Addresses.Pin)
	all := operations(f, c, target.Server)
	for i := range all {
		f.Add(uint16(i), "in/a", "limit=3&sort=urgency", `{"signals":[{"alg":"md5","value":"00000000000000000000000000000000"}]}`)
	}
	f.Add(uint16(0), "../x", "cursor=AAAA&q=%00", "{")
	f.Fuzz(func(t *testing.T, which uint16, parameter, query, body string) {
		o := all[int(which)%len(all)]
		path := o.path
		for {
			from := strings.IndexByte(path, '{')
			if from < 0 {
				break
			}
			to := from + strings.IndexByte(path[from:], '}')
			path = path[:from] + url.PathEscape(parameter) + path[to+1:]
		}
		req, err := http.NewRequestWithContext(t.Context(), o.method, target.Server+path, strings.NewReader(body))
		if err != nil {
			return // no client sends that
		}
		req.URL.RawQuery = query
		req.Header.Set("Authorization", "Bearer "+target.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return // what is no HTTP is closed
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode == http.StatusInternalServerError {
			t.Fatalf("%s %s: %d %s %v", o.method, req.URL, resp.StatusCode, said, err)
		}
		if resp.StatusCode == http.StatusBadRequest && string(said) == "400 Bad Request" {
			return // no HTTP: net/http answers by itself
		}
		if resp.StatusCode >= 400 && strings.HasPrefix(o.path, "/v1/") && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
			t.Fatalf("%s %s: a refusal that is no problem: %d %s %s", o.method, req.URL, resp.StatusCode, resp.Header.Get("Content-Type"), said)
		}
	})
}

// FuzzParseConfig: what is accepted is written and read to the same again.
func FuzzParseConfig(f *testing.F) {
	sample, err := node.DefaultConfig("/var/lib/vigil").Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte("dir = 'x'\n[match]\nradius = 31\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := node.ParseConfig(raw)
		if err != nil {
			return
		}
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := node.ParseConfig(b)
		if err != nil {
			t.Fatalf("what was accepted is refused once it is written: %v\n%s", err, b)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(second, b) {
			t.Fatalf("another configuration: %v\n%s\n%s", err, b, second)
		}
	})
}
