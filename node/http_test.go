package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// plainHTTP speaks to a node's socket without our client.
type plainHTTP struct {
	t     *testing.T
	c     http.Client
	token string
}

func overSocket(t *testing.T, c node.Config, token string) *plainHTTP {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.SocketPath())
	}
	return &plainHTTP{t: t, c: http.Client{Transport: &http.Transport{DialContext: dial}}, token: token}
}

func (h *plainHTTP) do(method, path, body string, header ...string) (*http.Response, []byte) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, "http://vigil"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, b
}

func TestEveryRefusalIsAProblemThatNamesItsReason(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	h := overSocket(t, c, r.Target(t, "lab").Token)
	before := r.Node.Size()
	md5 := `{"alg":"md5","value":"0cc175b9c0f1b6a831c399e269772661"}`
	for name, x := range map[string]struct {
		method, path, body string
		status             int
		says               string // somewhere in the problem
	}{
		"no JSON":              {"POST", "/v1/alerts", `{`, 400, "json"},
		"not an object":        {"POST", "/v1/alerts", `[]`, 400, "expected object"},
		"an unknown field":     {"POST", "/v1/alerts", `{"signals":[` + md5 + `],"colour":"red"}`, 400, "body.colour"},
		"a wrong type":         {"POST", "/v1/alerts", `{"signals":"x"}`, 400, "body.signals"},
		"an unknown algorithm": {"POST", "/v1/alerts", `{"signals":[{"alg":"crc32","value":"00"}]}`, 400, "body.signals[0].alg"},
		"a short hash":         {"POST", "/v1/alerts", `{"signals":[{"alg":"md5","value":"00ff"}]}`, 400, "body.signals[0].value"},
		"no signals":           {"POST", "/v1/alerts", `{"signals":[]}`, 400, "body.signals"},
		"seventeen signals":    {"POST", "/v1/alerts", `{"signals":[` + strings.Repeat(md5+",", 16) + md5 + `]}`, 400, "16"},
		"a long title":         {"POST", "/v1/alerts", `{"signals":[` + md5 + `],"title":"` + strings.Repeat("x", 257) + `"}`, 400, "256"},
		"a long key":           {"POST", "/v1/alerts?key", `{"signals":[` + md5 + `]}`, 400, "128"},
		"nested too deep":      {"POST", "/v1/alerts", `{"signals":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, 400, "depth"},
		"over a mebibyte":      {"POST", "/v1/alerts", `{"notes":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "1048576"},
		"10,001 rows":          {"POST", "/v1/alerts/batch", `{"rows":[` + strings.Repeat("["+md5+"],", 10_000) + "[" + md5 + `]]}`, 400, "10000"},
		"a page of 501":        {"GET", "/v1/alerts?limit=501", "", 400, "500"},
		"another's cursor":     {"GET", "/v1/alerts?cursor=AAAA", "", 400, "cursor"},
		"1,001 look-ups":       {"POST", "/v1/lookup", `{"signals":[` + strings.Repeat(md5+",", 1000) + md5 + `]}`, 400, "1000"},
		"no such path":         {"GET", "/v1/nothing", "", 404, "/docs"},
		"no such method":       {"PATCH", "/v1/alerts", "{}", 404, "method"},
		"a token in the path":  {"GET", "/v1/alerts?token=x", "", 400, "logs"},
		"another's role":       {"POST", "/v1/tokens", `{"name":"x","role":"analyst"}`, 403, "it is for"},
		"no such alert":        {"GET", "/v1/alerts/al_00000000000000000000000000000000", "", 404, "nothing has such an id"},
		"no such tile":         {"GET", "/v1/ledger/tile/0/999", "", 404, "tlog-tiles"},
		"no tile at all":       {"GET", "/v1/ledger/tile/..%2f..%2fkeys.pgp", "", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.t = t
			var header []string
			if strings.HasSuffix(x.path, "?key") {
				x.path, header = strings.TrimSuffix(x.path, "?key"), []string{"Idempotency-Key", strings.Repeat("k", 129)}
			}
			resp, b := h.do(x.method, x.path, x.body, header...)
			var p api.Problem
			if resp.StatusCode != x.status || resp.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(b, &p) != nil || p.Status != x.status || p.Detail == "" {
				t.Fatalf("%d %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), b)
			}
			if !strings.Contains(strings.ToLower(string(b)), strings.ToLower(x.says)) {
				t.Errorf("it does not say %q: %s", x.says, b)
			}
			if strings.Contains(string(b), "0cc175b9c0f1b6a831c399e269772661") {
				t.Error("a hash is echoed")
			}
		})
	}
	if after := r.Node.Size(); after != before {
		t.Errorf("%d entries became %d", before, after)
	}
	if page, err := r.As(t, "analyst").Alerts(t.Context(), api.ListQuery{}); err != nil || len(page.Alerts) != 0 {
		t.Errorf("something was stored: %+v %v", page, err)
	}
	if resp, _ := h.do("GET", "/v1/status", "", "X-Long", strings.Repeat("x", 64<<10)); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of header: %d", resp.StatusCode)
	}
}

func TestHealthMetricsAndDescriptionAreServed(t *testing.T) {
	c := nodetest.Found(t)
	nodetest.Run(t, c)
	h := overSocket(t, c, "")
	for path, says := range map[string]string{
		"/livez":        "ok\n",
		"/readyz":       "[+] ledger",
		"/metrics":      "\nvigil_ledger_entries 1\n",
		"/openapi.json": `"openapi":"3.1`,
		"/docs":         "<td><code>/v1/signals</code></td>",
	} {
		resp, b := h.do("GET", path, "")
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(b), says) {
			t.Errorf("%s: %d %.200s", path, resp.StatusCode, b)
		}
	}
	type media map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		} `json:"schema"`
	}
	var described struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name string `json:"name"`
			} `json:"parameters"`
			Responses map[string]struct {
				Content media `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	_, b := h.do("GET", "/openapi.json", "")
	if err := json.Unmarshal(b, &described); err != nil {
		t.Fatal(err)
	}
	for path, of := range map[string][3]string{
		"/v1/signals": {"application/x-ndjson", "#/components/schemas/SignalLine", "after"},
		"/v1/events":  {"text/event-stream", "#/components/schemas/Change", "Last-Event-ID"},
	} {
		op := described.Paths[path]["get"]
		if op.Responses["200"].Content[of[0]].Schema.Ref != of[1] || op.Parameters[0].Name != of[2] || op.Responses["409"].Content["application/problem+json"].Schema.Ref != "#/components/schemas/Problem" {
			t.Errorf("%s: %+v", path, op)
		}
	}
}

// TestOrdinaryToolsVerifyTheLedger reads checkpoint and tiles as anybody's tool for transparency logs does.
func TestOrdinaryToolsVerifyTheLedger(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	analyst := r.As(t, "analyst")
	var last api.Written
	for i := range 20 {
		w, err := analyst.Raise(t.Context(), "", api.RaiseAlert{Signals: md5(byte(i + 1))})
		if err != nil {
			t.Fatal(err)
		}
		last = w
	}
	nodetest.Until(t, "the checkpoint", func() bool { s, _ := r.Node.Sealed(r.Node.Identity().Origin); return s > last.Index })
	h := overSocket(t, c, "")
	_, signed := h.do("GET", "/v1/ledger/checkpoint", "")
	tree, hashes := openNote(t, analyst, signed)
	reader := tlog.TileHashReader(tree, tiles{h})
	if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash || tree.N <= int64(last.Index) {
		t.Fatalf("the tiles' root of %d entries: %v", tree.N, err)
	}

	_, bundle := h.do("GET", fmt.Sprintf("/v1/ledger/tile/entries/000.p/%d", tree.N), "")
	for i := range tree.N {
		n := int(binary.BigEndian.Uint16(bundle))
		leaf := bundle[2 : 2+n]
		bundle = bundle[2+n:]
		want, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
		if err != nil || tlog.RecordHash(leaf) != want[0] {
			t.Fatalf("entry %d does not hash to its place: %v", i, err)
		}
	}
	if len(bundle) > 0 || hashes != 1 {
		t.Errorf("%d bytes behind the last entry, %d signatures verified", len(bundle), hashes)
	}

	// Our own proof and receipt name the same tree.
	p, err := analyst.Proof(t.Context(), "", last.Index)
	if err != nil {
		t.Fatal(err)
	}
	path := make(tlog.RecordProof, len(p.Path))
	for i, text := range p.Path {
		path[i] = hash(t, text)
	}
	at, _, err := ledger.ParseSigned([]byte(p.Checkpoint))
	if err != nil || tlog.CheckRecord(path, int64(at.Size), at.Root, int64(p.Index), hash(t, p.Leaf)) != nil {
		t.Errorf("the proof of entry %d does not hold: %v", p.Index, err)
	}
	receipt, _, err := ledger.OpenReceipt(last.Receipt)
	if err != nil || receipt.Hash != hash(t, p.Leaf) || receipt.Index != last.Index || receipt.Deadline-receipt.At != 10_000 {
		t.Errorf("the receipt: %+v %v", receipt, err)
	}
	if bytes.Contains(signed, []byte(" \n")) {
		t.Error("the note has trailing space")
	}
}

func hash(t *testing.T, text string) tlog.Hash {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != tlog.HashSize {
		t.Fatalf("%q is no hash: %v", text, err)
	}
	return tlog.Hash(b)
}

// openNote verifies the plain line of a checkpoint with the common note package, under the key the trust file pins.
func openNote(t *testing.T, c *api.Client, signed []byte) (tree tlog.Tree, verified int) {
	t.Helper()
	raw, err := c.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ledger.ParseTrust(raw)
	if err != nil {
		t.Fatal(err)
	}
	own := trust.Ledgers[len(trust.Ledgers)-1]
	key, err := base64.StdEncoding.DecodeString(own.Members["in/ncrb"])
	if err != nil || len(key) != len(crypto.NodePublic{}) {
		t.Fatal(err)
	}
	text, err := note.NewEd25519VerifierKey(string(own.Origin), ed25519.PublicKey(key))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		t.Fatalf("%v\n%s", err, signed)
	}
	lines := strings.Split(n.Text, "\n")
	if lines[0] != string(own.Origin) {
		t.Fatalf("a checkpoint of %s", lines[0])
	}
	if _, err := fmt.Sscan(lines[1], &tree.N); err != nil {
		t.Fatal(err)
	}
	tree.Hash = hash(t, lines[2])
	return tree, len(n.Sigs)
}

// tiles reads C2SP tiles over HTTP.
type tiles struct{ h *plainHTTP }

func (tiles) Height() int { return 8 }

func (r tiles) ReadTiles(all []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range all {
		resp, b := r.h.do("GET", "/v1/ledger/tile/"+strings.TrimPrefix(tile.Path(), "tile/8/"), "")
		if resp.StatusCode != http.StatusOK {
			return nil, errors.New(tile.Path() + ": " + resp.Status)
		}
		out = append(out, b)
	}
	return out, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
