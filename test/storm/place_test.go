package storm

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"vigil/cmd/network"
	"vigil/ledger"
)

// places are network namespaces, one a node, joined by a bridge on which the test itself has an address.
type places struct {
	t    *testing.T
	of   map[ledger.AgencyID]int
	name string
}

const bridge = "vigil0"

func newPlaces(t *testing.T) *places {
	t.Helper()
	p := &places{t: t, of: map[ledger.AgencyID]int{}, name: fmt.Sprintf("vigil-%d", os.Getpid())}
	p.must(
		run("ip", "link", "add", bridge, "type", "bridge"),
		run("ip", "addr", "add", p.host(0)+"/24", "dev", bridge),
		run("ip", "link", "set", bridge, "up"),
	)
	return p
}

func (p *places) must(errs ...error) {
	p.t.Helper()
	if err := errors.Join(errs...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *places) host(i int) string      { return fmt.Sprintf("10.99.0.%d", i+1) }
func (p *places) namespace(i int) string { return fmt.Sprintf("%s-%d", p.name, i) }
func (p *places) link(i int) string      { return fmt.Sprintf("vigil%d", i) }

// place makes a namespace for an agency's node.
func (p *places) place(id ledger.AgencyID) network.Place {
	i := len(p.of) + 1
	p.of[id] = i
	ns, link := p.namespace(i), p.link(i)
	p.must(run("ip", "netns", "add", ns))
	p.t.Cleanup(func() {
		if err := run("ip", "netns", "del", ns); err != nil {
			p.t.Error(err)
		}
	})
	p.must(
		run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", ns),
		run("ip", "link", "set", link, "master", bridge, "up"),
		run("ip", "-n", ns, "addr", "add", p.host(i)+"/24", "dev", "eth0"),
		run("ip", "-n", ns, "link", "set", "eth0", "up"),
		run("ip", "-n", ns, "link", "set", "lo", "up"),
	)
	return network.Place{Host: p.host(i), Within: []string{"ip", "netns", "exec", ns}}
}

// mute lets nothing that a node sends reach another; heard again once it is not mute.
func (p *places) mute(from, to *network.Node, mute bool) error {
	verb := "del"
	if mute {
		verb = "add"
	}
	return run("ip", "-n", p.namespace(p.of[from.Agency]), "route", verb, "blackhole", p.host(p.of[to.Agency])+"/32")
}

// pull takes a node's cable out, so that the test does not reach it either, or puts it back.
func (p *places) pull(x *network.Node, out bool) error {
	state := "up"
	if out {
		state = "down"
	}
	return run("ip", "link", "set", p.link(p.of[x.Agency]), state)
}
