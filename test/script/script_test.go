// Package script runs the command line as its users do: the real binaries, one file a behaviour.
package script

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vigil/cmd/network"
	"vigil/cmd/network/ports"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestScripts(t *testing.T) {
	bin := t.TempDir()
	for _, command := range []string{nodetest.Vigil, nodetest.Verify} {
		if err := nodetest.Build(bin+"/", command); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("VIGIL_DIR", filepath.Join(e.WorkDir, "node"))
			if err := writeConfig(e); err != nil {
				return err
			}
			e.Values[running{}] = &world{binary: filepath.Join(bin, "vigil")}
			e.Defer(e.Values[running{}].(*world).stop)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"network": start, "as": as, "settled": settled, "image": drawImage, "exits": exits, "until": until},
	})
}

// world is the network of one script, of real processes.
type world struct {
	binary string
	dir    string
	net    *network.Network
}

type running struct{}

const startWait = 3 * time.Minute

func worldOf(ts *testscript.TestScript) *world { return ts.Value(running{}).(*world) }

func (w *world) stop() {
	if w.net != nil {
		w.net.Stop()
		_ = os.RemoveAll(w.dir)
	}
}

// start is "network AGENCY…": it runs a node for each agency, founds their jurisdictions, and links them where there are
// two. Commands that follow speak to the first as its laboratory.
func start(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	w := worldOf(ts)
	var err error
	w.dir, err = os.MkdirTemp("", "vigil-script-") // short: a socket's path is bounded
	ts.Check(err)
	w.net, err = network.New(w.dir, w.binary)
	ts.Check(err)
	home := ledger.AgencyID(args[0]).Jurisdiction()
	abroad := home
	for _, id := range args {
		ts.Check(w.net.Add(ctx, ledger.AgencyID(id)))
		if j := ledger.AgencyID(id).Jurisdiction(); j != home {
			abroad = j
		}
	}
	if abroad != home {
		ts.Check(w.net.Connect(ctx, home, abroad))
	}
	as(ts, neg, args[:1])
}

// as is "as AGENCY": commands that follow speak to its node as its laboratory; "as AGENCY operator", on its socket; "as
// AGENCY ROLE", with a token of that role.
func as(ts *testscript.TestScript, _ bool, args []string) {
	n := worldOf(ts).net.Node(ledger.AgencyID(args[0]))
	if n == nil {
		ts.Fatalf("no agency %s", args[0])
	}
	token := filepath.Join(worldOf(ts).dir, strings.ReplaceAll(args[0], "/", "-")+".token") // one each: a command may still run
	ts.Check(os.WriteFile(token, []byte(n.Token+"\n"), 0o600))
	ts.Setenv("VIGIL_SERVER", "https://"+n.Config.API.Listen)
	ts.Setenv("VIGIL_PIN", n.Pin)
	ts.Setenv("VIGIL_TOKEN_FILE", token)
	if len(args) > 1 && args[1] != "operator" {
		t, err := n.Operator.CreateToken(context.Background(), api.NewToken{Name: args[1], Role: args[1]})
		ts.Check(err)
		ts.Check(os.WriteFile(token, []byte(t.Secret+"\n"), 0o600))
		return
	}
	if len(args) > 1 {
		ts.Setenv("VIGIL_SERVER", "unix://"+n.Config.SocketPath())
		ts.Setenv("VIGIL_TOKEN_FILE", "")
	}
}

// settled is "settled": it waits until every node has read everything.
func settled(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	w := worldOf(ts)
	var all []ledger.JurisdictionID
	for _, id := range w.net.Order() {
		all = append(all, id.Jurisdiction())
	}
	ts.Check(w.net.Settled(ctx, all...))
}

// exits is "exits CODE COMMAND…": the command ends with exactly this code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		code = ended.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("it ended with %d, not %s", code, args[0])
	}
}

// until is "until COMMAND…": it runs the command again and again until it succeeds.
func until(ts *testscript.TestScript, _ bool, args []string) {
	deadline, tick := time.Now().Add(startWait), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not in time: %v", err)
		}
		<-tick.C
	}
}

// writeConfig makes one.toml and two.toml: configurations on free ports of the loopback, with data in $WORK.
func writeConfig(e *testscript.Env) error {
	pass := filepath.Join(e.WorkDir, "passphrase")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"one", "two"} {
		c := node.DefaultConfig(filepath.Join(e.WorkDir, name))
		var port [3]string
		for i := range port {
			free, err := ports.Free()
			if err != nil {
				return err
			}
			port[i] = strconv.Itoa(free)
		}
		c.PassphraseFile, c.API.Listen, c.Node.Listen = pass, "127.0.0.1:"+port[0], "127.0.0.1:"+port[1]
		c.Peer.Listen = []string{"/ip4/127.0.0.1/tcp/" + port[2]}
		c.API.Socket = filepath.Join(os.TempDir(), "vigil-"+port[0]+".sock") // short: a socket's path is bounded
		b, err := c.Encode()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.WorkDir, name+".toml"), b, 0o600); err != nil {
			return err
		}
		e.Setenv(strings.ToUpper(name), "unix://"+c.API.Socket)
	}
	return nil
}
