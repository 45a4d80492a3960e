package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vigil/cmd/network"
	"vigil/cmd/network/ports"
)

// rqlite is a peer that replicates with the same raft library: three servers as they come, without TLS and authentication, whose
// leader inserts a row for each value.
type rqlite struct {
	dir       string
	processes []*exec.Cmd
	addresses []string // of HTTP
	leader    string   // its URL for statements
	body      []byte   // an insert of a value
	client    *http.Client
}

const (
	rqliteBinary      = "rqlited"
	rqliteAnswerBytes = 64 << 10
	rqliteTable       = "CREATE TABLE alerts (id INTEGER PRIMARY KEY, value TEXT)"
)

// startRqlite returns nil where there is no rqlite on this machine.
func startRqlite(ctx context.Context, value int) (*rqlite, error) {
	binary, err := exec.LookPath(rqliteBinary)
	if err != nil {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "vigil-bench-rqlite-")
	if err != nil {
		return nil, err
	}
	insert, err := json.Marshal([][]string{{"INSERT INTO alerts (value) VALUES (?)", strings.Repeat("v", value)}})
	r := &rqlite{dir: dir, body: insert, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}}
	if err == nil {
		err = r.start(binary)
	}
	if err == nil {
		err = network.Eventually(ctx, 30*time.Second, func() error { return r.found(ctx) })
	}
	if err == nil {
		var table []byte
		if table, err = json.Marshal([]string{rqliteTable}); err == nil {
			err = r.execute(ctx, table)
		}
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("rqlite: %w", err)
	}
	return r, nil
}

func (r *rqlite) start(binary string) error {
	var rafts []string
	for range 3 {
		for _, all := range []*[]string{&r.addresses, &rafts} {
			port, err := ports.Free()
			if err != nil {
				return err
			}
			*all = append(*all, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}
	}
	for i, address := range r.addresses {
		p := exec.Command(binary, "-node-id", strconv.Itoa(i), "-http-addr", address, "-raft-addr", rafts[i], "-raft-log-level", "ERROR",
			"-bootstrap-expect", "3", "-join", strings.Join(rafts, ","), filepath.Join(r.dir, strconv.Itoa(i)))
		p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nobody else ends it where this is killed
		if err := p.Start(); err != nil {
			return err
		}
		r.processes = append(r.processes, p)
	}
	return nil
}

// found learns who leads three servers that can all be reached.
func (r *rqlite) found(ctx context.Context) error {
	b, err := r.ask(ctx, http.MethodGet, "http://"+r.addresses[0]+"/nodes", nil)
	if err != nil {
		return err
	}
	var servers map[string]struct {
		API       string `json:"api_addr"`
		Reachable bool   `json:"reachable"`
		Leader    bool   `json:"leader"`
	}
	if err := json.Unmarshal(b, &servers); err != nil {
		return err
	}
	reached := 0
	for _, s := range servers {
		if s.Reachable {
			reached++
		}
		if s.Leader {
			r.leader = s.API + "/db/execute"
		}
	}
	if reached < 3 || r.leader == "" {
		return fmt.Errorf("%d of 3 servers are reached", reached)
	}
	return nil
}

func (r *rqlite) ask(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	a, err := r.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, rqliteAnswerBytes))
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", a.Status, b)
	}
	return b, err
}

// execute has the leader commit a statement.
func (r *rqlite) execute(ctx context.Context, statement []byte) error {
	b, err := r.ask(ctx, http.MethodPost, r.leader, statement)
	if err != nil {
		return err
	}
	var a struct {
		Results []struct {
			Error string `json:"error"`
		} `json:"results"`
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return err
	}
	if len(a.Results) != 1 || a.Results[0].Error != "" {
		return fmt.Errorf("an answer that is none: %s", b)
	}
	return nil
}

// load commits one value after the other.
func (r *rqlite) load() *load {
	l := inProcess(1, func(ctx context.Context, _ int64) error { return r.execute(ctx, r.body) })
	l.used, l.wrote = r.usage, r.wrote
	return l
}

// usage is how much processor time the servers have used, and wrote how much they have had written to disk.
func (r *rqlite) usage() (sum time.Duration) {
	for _, p := range r.processes {
		sum += usedBy(p.Process.Pid)
	}
	return sum
}

func (r *rqlite) wrote() (sum int64) {
	for _, p := range r.processes {
		sum += written(strconv.Itoa(p.Process.Pid))
	}
	return sum
}

func (r *rqlite) close() {
	if r == nil {
		return
	}
	for _, p := range r.processes {
		_ = p.Process.Signal(syscall.SIGTERM) // one that is gone is gone
	}
	for _, p := range r.processes {
		_ = p.Wait() // it ends by the signal
	}
	r.client.CloseIdleConnections()
	_ = os.RemoveAll(r.dir)
}
