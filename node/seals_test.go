package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func TestABoardBuiltAnewKeepsItsDates(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	raise := func(n *nodetest.Running, b byte) string {
		w, err := n.As(t, api.RoleAnalyst).Raise(t.Context(), "", api.RaiseAlert{Signals: md5(b)})
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	dated := func(n *nodetest.Running, id string) (date string) {
		analyst := n.As(t, api.RoleAnalyst)
		nodetest.Until(t, "a date", func() bool {
			a, err := analyst.Alert(t.Context(), id)
			if err == nil && a.NoLaterThan != nil {
				date = a.NoLaterThan.String()
			}
			return date != ""
		})
		return date
	}
	id := raise(n, 0x71)
	before := dated(n, id)
	// the ledger goes on until its newest checkpoint is of another second
	nodetest.Until(t, "a later date", func() bool { return dated(n, raise(n, 0x72)) != before })
	n.Stop()
	if err := os.RemoveAll(filepath.Join(c.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	n = nodetest.Run(t, c)
	nodetest.Until(t, "the date it had", func() bool { return dated(n, id) == before })
}
