package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vigil/cmd/network/ports"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// Node is one agency's node as a process of its own.
type Node struct {
	Agency   ledger.AgencyID
	Config   node.Config
	Operator *api.Client // on the operator's socket
	Work     *api.Client // with a lab's token, over HTTPS
	Pin      string
	Token    string
	Link     *Link // its address for partners; nil where it is no gateway

	binary string
	within []string
	cmd    *exec.Cmd
}

// Place is where a node's process runs.
type Place struct {
	Host   string   // whose address its sockets have
	Within []string // the command that runs it there, before its own; empty where that is here
}

var here = Place{Host: "127.0.0.1"}

// What partners reach a gateway over.
const (
	overTCP  = "tcp"
	overQUIC = "quic"
)

// newNode makes a node's configuration. A gateway is reached by partners through a link that can be cut.
func newNode(dir, binary, passphrase string, agency ledger.AgencyID, gateway string, place Place) (*Node, error) {
	n := &Node{Agency: agency, binary: binary, within: place.Within}
	var port [3]int
	for i := range port {
		var err error
		if port[i], err = ports.Free(); err != nil {
			return nil, err
		}
	}
	c := node.DefaultConfig(filepath.Join(dir, strings.ReplaceAll(string(agency), "/", "-")))
	c.PassphraseFile = passphrase
	c.API.Listen, c.Node.Listen = net.JoinHostPort(place.Host, strconv.Itoa(port[0])), net.JoinHostPort(place.Host, strconv.Itoa(port[1]))
	c.Peer.Listen = nil
	c.Log.Level = "warn"
	if gateway != "" {
		open, format := NewLink, "/ip4/127.0.0.1/tcp/%d"
		if gateway == overQUIC {
			open, format = NewDatagramLink, "/ip4/127.0.0.1/udp/%d/quic-v1"
		}
		link, err := open("127.0.0.1:" + strconv.Itoa(port[2]))
		if err != nil {
			return nil, err
		}
		n.Link = link
		c.Peer.Listen, c.Peer.Announce = []string{fmt.Sprintf(format, port[2])}, []string{fmt.Sprintf(format, link.port())}
	}
	n.Config = c
	return n, nil
}

// Start runs the node as a process and waits until its socket answers.
func (n *Node) Start(ctx context.Context) error {
	config, err := n.Config.Encode()
	if err != nil {
		return err
	}
	path := n.Config.Dir + ".toml"
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return err
	}
	logs, err := os.OpenFile(n.Config.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	run := append(slices.Clone(n.within), n.binary, "serve", "--config", path)
	n.cmd = exec.Command(run[0], run[1:]...)
	n.cmd.Stderr, n.cmd.Stdout = logs, logs
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	if n.Operator, err = api.NewClient(api.Target{Server: "unix://" + n.Config.SocketPath()}); err != nil {
		return err
	}
	return Eventually(ctx, 20*time.Second, func() error { _, err := n.Operator.Status(ctx); return err })
}

// Upgrade lets the next start run another binary.
func (n *Node) Upgrade(binary string) { n.binary = binary }

// Kill ends the process without a word, as a power cut would.
func (n *Node) Kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // gone already is as good
	_ = n.cmd.Wait()
	n.cmd = nil
}

// Stop ends the process politely.
func (n *Node) Stop() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(10*time.Second, func() { _ = n.cmd.Process.Kill() })
	_ = n.cmd.Wait()
	timer.Stop()
	n.cmd = nil
}

// Lab makes a token and a client with it over HTTPS, pinned to the certificate the node printed.
func (n *Node) Lab(ctx context.Context) error {
	if n.Token == "" {
		t, err := n.Operator.CreateToken(ctx, api.NewToken{Name: "lab", Role: api.RoleLab})
		if err != nil {
			return err
		}
		n.Token = t.Secret
	}
	pin, err := pinFrom(n.Config.Dir + ".log")
	if err != nil {
		return err
	}
	n.Pin = pin
	n.Work, err = api.NewClient(api.Target{Server: "https://" + n.Config.API.Listen, Token: n.Token, Pin: pin})
	return err
}

// As makes a token of a role and returns a client with it.
func (n *Node) As(ctx context.Context, role string) (*api.Client, error) {
	t, err := n.Operator.CreateToken(ctx, api.NewToken{Name: role, Role: role})
	if err != nil {
		return nil, err
	}
	pin, err := pinFrom(n.Config.Dir + ".log")
	if err != nil {
		return nil, err
	}
	return api.NewClient(api.Target{Server: "https://" + n.Config.API.Listen, Token: t.Secret, Pin: pin})
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

// Running says whether the process was started and not ended here.
func (n *Node) Running() bool { return n.cmd != nil }

// Process returns the id of the running process.
func (n *Node) Process() int { return n.cmd.Process.Pid }

// Pause stops the process where it is; Resume lets it go on as if nothing had happened.
func (n *Node) Pause() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// LookUp asks by an alert's first signal, with a client made anew: a node that was restarted has another certificate.
func (n *Node) LookUp(ctx context.Context, signals []api.Signal) (api.LookUpAnswer, error) {
	if err := Eventually(ctx, 20*time.Second, func() error { return n.Lab(ctx) }); err != nil {
		return api.LookUpAnswer{}, err
	}
	return n.Work.LookUp(ctx, api.LookUp{Signals: signals[:1]})
}

// Eventually asks until there is no error or the time is up.
func Eventually(ctx context.Context, most time.Duration, f func() error) error {
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
