package node_test

import (
	"math"
	"strings"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestARefusedFormLeavesTheFirstCode(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	_, code, _ := strings.Cut(r.Node.FirstLink(t.Context()), "/first#")
	stranger := client(t, api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin})
	for _, x := range []struct {
		code, name string
		want       int
	}{
		{code, "Asha", 400}, {code, "", 400}, {code + "x", "asha", 401}, {code, "asha", 0}, {code, "ravi", 401},
	} {
		if _, err := stranger.AddFirstPerson(t.Context(), api.FirstPerson{Code: x.code, Name: x.name}); status(err) != x.want {
			t.Errorf("%q: %v, not %d", x.name, err, x.want)
		}
	}
}

func TestAWriteThatFailsLeavesTheFirstCode(t *testing.T) {
	c := nodetest.Found(t)
	n, err := node.Open(c, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	n.SetSpaceFloor(math.MaxUint64)
	r := nodetest.Serve(t, c, n)
	code := n.FirstCode(t.Context())
	stranger := client(t, api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin})
	for range 2 {
		if _, err := stranger.AddFirstPerson(t.Context(), api.FirstPerson{Code: code, Name: "asha"}); status(err) != 503 {
			t.Errorf("%v: the code is gone, and nobody was added", err)
		}
	}
	_ = r.End() // with what happened to the disk
}
