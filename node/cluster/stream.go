package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"vigil/crypto"
)

// StreamTo sends body to a route of a node, pinned to its id, and returns the answer as it comes; it ends with ctx. The caller
// closes it.
func StreamTo(ctx context.Context, key *crypto.NodeKey, to crypto.NodeID, address, route string, body []byte) (io.ReadCloser, error) {
	own, err := certificate(key)
	if err != nil {
		return nil, err
	}
	client := pinnedClient(own, to, dialTCP, func() (string, bool) { return address, true }, func(conn net.Conn) net.Conn { return conn })
	client.Timeout = 0
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.Short()+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer client.CloseIdleConnections()
		defer resp.Body.Close()
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // what came of it is enough
		return nil, fmt.Errorf("%w: %d: %s", ErrRemote, resp.StatusCode, bytes.TrimSpace(why))
	}
	return &streamed{resp.Body, client}, nil
}

type streamed struct {
	io.ReadCloser
	client *http.Client
}

// Close ends the connection, too.
func (s *streamed) Close() error {
	defer s.client.CloseIdleConnections()
	return s.ReadCloser.Close()
}

// CheckDir reads the raft directory of a node that does not run.
func CheckDir(dir string, key *crypto.NodeKey, cfg Config) (read uint64, found []LogDamage) {
	cfg.Dir, cfg.Key = dir, key
	c := &Cluster{cfg: cfg, self: key.Public().ID()}
	if err := c.openForInspection(); err != nil {
		return 0, []LogDamage{{0, err}}
	}
	defer func() { _ = c.closeLog() }() // it was only read
	for from := uint64(1); from > 0; {
		next, n, some := c.ScrubLog(from, 1<<20)
		from, read, found = next, read+n, append(found, some...)
	}
	return read, found
}
