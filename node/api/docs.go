package api

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const docsStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ddd}code{font-size:.95em}
@media (prefers-color-scheme:dark){body{color:#e4e4e8;background:#16161a}th,td{border-color:#333}a{color:#9cc2ff}}`

var docsStyleHash = func() string {
	h := sha256.Sum256([]byte(docsStyle))
	return base64.StdEncoding.EncodeToString(h[:])
}()

var docsPage = template.Must(template.New("docs").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vigil API</title>
<meta name="viewport" content="width=device-width"><style>{{.Style}}</style></head><body><h1>Vigil API</h1>
<p>Version {{.Version}}. The whole description is <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). Every request but
<code>/livez</code> and <code>/readyz</code> carries <code>Authorization: Bearer …</code>; writes take <code>Idempotency-Key</code>; errors are
RFC 9457 problems. Live changes: <code>GET /v1/events</code> (server-sent events, resumed by <code>Last-Event-ID</code>). Other plain
paths: <code>/metrics</code>, <code>/v1/ledger/tile/…</code>, <code>POST /v1/ledger/verify</code>, <code>POST /v1/ledger/scrub</code>, <code>POST /v1/backup</code>.</p>
<table><thead><tr><th>Method</th><th>Path</th><th>What it does</th><th>For</th></tr></thead><tbody>
{{range .Operations}}<tr><td>{{.Method}}</td><td><code>{{.Path}}</code></td><td>{{.Summary}}</td><td>{{.Roles}}</td></tr>
{{end}}</tbody></table></body></html>`))

type described struct{ summary, roles string }

func describe(op any) described {
	o, ok := op.(*huma.Operation)
	if !ok || o == nil {
		return described{}
	}
	roles, _ := o.Metadata["roles"].([]string)
	return described{o.Summary, strings.Join(roles, ", ")}
}
