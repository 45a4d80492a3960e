package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// demoNode is one agency's node as a process of its own.
type demoNode struct {
	agency ledger.AgencyID
	config node.Config
	link   *cutLink // its address for partners; nil where it is no gateway
	cmd    *exec.Cmd
	op     *api.Client // on the operator's socket
	work   *api.Client // with an analyst's token, over HTTPS
	pin    string
	token  string
}

// demoAgencies are the two jurisdictions; the first of each founds it.
var demoAgencies = map[string][]string{
	"in": {"ncrb", "mh-cyber", "ka-cyber", "forensic-lab"},
	"uk": {"nca", "met", "psni"},
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// newDemoNode makes a node's configuration. The first two of a jurisdiction are its gateways, reached by partners
// through a link that the demo can cut.
func newDemoNode(dir, passphrase string, agency ledger.AgencyID, gateway bool) (*demoNode, error) {
	n := &demoNode{agency: agency}
	ports := make([]int, 3)
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	c := node.DefaultConfig(filepath.Join(dir, strings.ReplaceAll(string(agency), "/", "-")))
	c.PassphraseFile = passphrase
	c.API.Listen, c.Node.Listen = "127.0.0.1:"+strconv.Itoa(ports[0]), "127.0.0.1:"+strconv.Itoa(ports[1])
	c.Peer.Listen = nil
	c.Log.Level = "warn"
	if gateway {
		link, err := newCutLink("127.0.0.1:" + strconv.Itoa(ports[2]))
		if err != nil {
			return nil, err
		}
		n.link = link
		c.Peer.Listen = []string{"/ip4/127.0.0.1/tcp/" + strconv.Itoa(ports[2])}
		c.Peer.Announce = []string{"/ip4/127.0.0.1/tcp/" + strconv.Itoa(link.port())}
	}
	n.config = c
	return n, nil
}

// start runs the node as a process and waits until its socket answers.
func (n *demoNode) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	config, err := n.config.Encode()
	if err != nil {
		return err
	}
	path := n.config.Dir + ".toml"
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return err
	}
	logs, err := os.OpenFile(n.config.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	n.cmd = exec.Command(self, "serve", "--config", path)
	n.cmd.Stderr, n.cmd.Stdout = logs, logs
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	if n.op, err = api.NewClient(api.Target{Server: "unix://" + n.config.SocketPath()}); err != nil {
		return err
	}
	return eventually(ctx, 20*time.Second, func() error { _, err := n.op.Status(ctx); return err })
}

// kill ends the process without a word, as a power cut would.
func (n *demoNode) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // gone already is as good
	_ = n.cmd.Wait()
	n.cmd = nil
}

// stop ends the process politely.
func (n *demoNode) stop() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(10*time.Second, func() { _ = n.cmd.Process.Kill() })
	_ = n.cmd.Wait()
	timer.Stop()
	n.cmd = nil
}

// analyst makes a token and a client with it over HTTPS, pinned to the certificate the node printed.
func (n *demoNode) analyst(ctx context.Context) error {
	if n.token == "" {
		t, err := n.op.CreateToken(ctx, api.NewToken{Name: "demo", Role: api.RoleLab})
		if err != nil {
			return err
		}
		n.token = t.Secret
	}
	pin, err := pinFrom(n.config.Dir + ".log")
	if err != nil {
		return err
	}
	n.pin = pin
	n.work, err = api.NewClient(api.Target{Server: "https://" + n.config.API.Listen, Token: n.token, Pin: pin})
	return err
}

func pinFrom(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	at := strings.LastIndex(string(b), "pin ")
	if at < 0 || len(b) < at+68 {
		return "", errors.New("the node has not printed its pin")
	}
	return string(b[at+4 : at+68]), nil
}

// eventually asks until there is no error or the time is up.
func eventually(ctx context.Context, most time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", most, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// cutLink passes connections on to a gateway until it is cut.
type cutLink struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool                  // guarded by mu
	conns map[net.Conn]struct{} // guarded by mu
}

func newCutLink(to string) (*cutLink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cutLink{l: l, to: to, conns: map[net.Conn]struct{}{}}
	go c.accept()
	return c, nil
}

func (c *cutLink) port() int { return c.l.Addr().(*net.TCPAddr).Port }

func (c *cutLink) accept() {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return
		}
		if !c.keep(conn) {
			_ = conn.Close()
			continue
		}
		go c.pass(conn)
	}
}

func (c *cutLink) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut {
		c.conns[conn] = struct{}{}
	}
	return !c.cut
}

func (c *cutLink) pass(in net.Conn) {
	defer c.drop(in)
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	if !c.keep(out) {
		_ = out.Close()
		return
	}
	defer c.drop(out)
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // the other direction ends with it
			done <- struct{}{}
		}()
	}
	<-done
}

func (c *cutLink) drop(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	_ = conn.Close()
}

// set cuts or heals the link.
func (c *cutLink) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			_ = conn.Close()
		}
	}
}

func (c *cutLink) close() {
	c.set(true)
	_ = c.l.Close()
}
