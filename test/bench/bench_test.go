package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestEveryTableIsPrinted measures each for a moment: figures are not judged, but they are there.
func TestEveryTableIsPrinted(t *testing.T) {
	defer func() { out = os.Stdout }()
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"ledger":  {[]string{"-pairs", "1", "-slice", "300ms", "-writers", "16"}, []string{"raft + raft-boltdb", "single alerts", "1000 alerts a request", "against itself", "etcd", "rqlite"}},
		"catchup": {[]string{"-entries", "300", "-lists", "2"}, []string{"a node, entries of one event", "a partner, lists of 10000"}},
		"start":   {[]string{"-entries", "20", "-rows", "1000", "-times", "1"}, []string{"after it was stopped", "after it was killed"}},
		"peer":    {[]string{"-nodes", "in/a,uk/a", "-alerts", "20", "-writers", "1,4"}, []string{"abroad/commit", "\n1 ", "\n4 ", "disk after"}},
		"import":  {[]string{"-nodes", "in/a,in/b", "-rows", "2000"}, []string{"2000 hashes", "leader", "follower", "on every board"}},
		"idle":    {[]string{"-nodes", "in/a", "-for", "200ms"}, []string{"in/a", " MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			out = &b
			if err := commands[name](t.Context(), c.args); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("no %q in\n%s", want, b.String())
				}
			}
		})
	}
}
