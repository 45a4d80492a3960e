// Package nodetest runs whole nodes inside a test.
package nodetest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vigil/cmd/network/ports"
	"vigil/crypto"
	"vigil/node"
	"vigil/node/api"
)

// Quiet is a log that nobody reads.
var Quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// Config is for a node in dir, on free ports of the loopback.
func Config(t testing.TB, dir string) node.Config {
	t.Helper()
	c := node.DefaultConfig(dir)
	c.PassphraseFile = filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(c.PassphraseFile, []byte("test passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	c.API.Listen, c.Node.Listen, c.Peer.Listen = "127.0.0.1:0", "127.0.0.1:"+strconv.Itoa(port), nil
	return c
}

// Found founds a jurisdiction of one agency, in/ncrb, in a directory of the test.
func Found(t testing.TB) node.Config {
	t.Helper()
	c := Config(t, filepath.Join(t.TempDir(), "n"))
	if _, err := node.Init(c, node.Founding{Agency: "in/ncrb", Name: "bureau", Threshold: 2, Suite: crypto.SuitePQ}); err != nil {
		t.Fatal(err)
	}
	return c
}

// Running is a node in this process.
type Running struct {
	Node      *node.Node
	Addresses node.Addresses
	Operator  *api.Client
	Stop      func()       // ends it; an error fails the test
	End       func() error // ends it and returns with what
}

// Run runs a node until the test ends and waits until it is ready.
func Run(t testing.TB, c node.Config) *Running {
	t.Helper()
	n, err := node.Open(c, Quiet)
	if err != nil {
		t.Fatal(err)
	}
	r := Serve(t, c, n)
	Until(t, "ready", func() bool { s, err := r.Operator.Status(context.Background()); return err == nil && s.Ready })
	return r
}

// Serve runs an open node until the test ends.
func Serve(t testing.TB, c node.Config, n *node.Node) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var result error
	go func() { defer close(ended); result = n.Run(ctx) }()
	r := &Running{Node: n, Addresses: n.Addresses()}
	asked := false
	r.End = func() error { asked = true; cancel(); <-ended; return result }
	r.Stop = func() {
		if asked {
			return
		}
		if err := r.End(); err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(r.Stop)
	var err error
	if r.Operator, err = api.NewClient(api.Target{Server: "unix://" + c.SocketPath()}); err != nil {
		t.Fatal(err)
	}
	Until(t, "serving", func() bool { _, err := r.Operator.Status(ctx); return err == nil })
	return r
}

// Until waits until ok holds, with a deadline.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.Now().Add(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

// Target makes a token of a role and says how to reach the node with it.
func (r *Running) Target(t testing.TB, role string) api.Target {
	t.Helper()
	token, err := r.Operator.CreateToken(t.Context(), api.NewToken{Name: role, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: token.Secret}
}

// HTTP is a plain client, without cookies of its own, that trusts a node by its pin.
func HTTP(t testing.TB, pin string) *http.Client {
	t.Helper()
	verify := func(s tls.ConnectionState) error {
		if got := sha256.Sum256(s.PeerCertificates[0].Raw); hex.EncodeToString(got[:]) != pin {
			return errors.New("not the node's certificate")
		}
		return nil
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: verify}}}
}

// As makes a token of a role and returns a client that carries it.
func (r *Running) As(t testing.TB, role string) *api.Client {
	t.Helper()
	c, err := api.NewClient(r.Target(t, role))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
