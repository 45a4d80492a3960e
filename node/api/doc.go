// Package api is the HTTP face of a node: OpenAPI 3.1, RFC 9457 problems, idempotency keys, cursors, an event stream
// that resumes, and the Go client that speaks it. The client is the only thing the command line uses.
//
// It decides through ledger/alert, writes through the author it is given and reads through the board it is given. It
// does not know raft, libp2p, SQL or files.
package api
