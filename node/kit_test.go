package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

var kitPass = []byte("a passphrase for years")

// TestANodeIsRebuiltFromItsKit: the machine is gone, and what is left is the kit. People, lists and alerts come back, the
// node key does not, and whatever is not this agency's kit is refused.
func TestANodeIsRebuiltFromItsKit(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	lab := nodes[2].As(t, api.RoleLab)
	w, err := lab.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.AddWatched(t.Context(), "w", api.AddWatched{WatchFacts: api.WatchFacts{Case: "2024/117"}, Rows: [][]api.Signal{md5(2)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[2].Operator.AddUser(t.Context(), api.NewUser{Name: "asha", Roles: []string{api.RoleAnalyst}}); err != nil {
		t.Fatal(err)
	}
	if _, err := node.MakeKit(t.Context(), configs[2], []byte("too short")); !errors.Is(err, node.ErrKitPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	k, err := node.MakeKit(t.Context(), configs[2], kitPass) // it runs
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in-a2.kit")
	if err := node.WriteKit(path, k); err != nil {
		t.Fatal(err)
	}
	if err := node.WriteKit(path, k); !errors.Is(err, node.ErrKit) {
		t.Errorf("a kit was overwritten: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if k, err = node.ReadKit(path); err != nil || k.Header.Agency != "in/a2" || len(k.Header.Members) != 3 {
		t.Fatalf("%+v %v", k.Header, err)
	}

	// Who was replaced is kept, to see that it does not return.
	nodes[2].Stop()
	kept := configs[2]
	kept.Dir = filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept.Dir, os.DirFS(configs[2].Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(configs[2].Dir); err != nil {
		t.Fatal(err)
	}

	fresh := nodetest.Config(t, filepath.Join(t.TempDir(), "new"))
	for name, change := range map[string]func(h map[string]any){
		"another agency's": func(h map[string]any) { h["agency"] = "in/a0" },
		"another ledger's": func(h map[string]any) { h["origin"] = "in/" + strings.Repeat("a", 26) },
		"another genesis":  func(h map[string]any) { h["genesis"] = "x" },
	} {
		changed := edit(t, k.Encode(), change)
		bad, err := node.ParseKit(changed)
		if err != nil {
			t.Errorf("%s: %v", name, err) // it is noticed when it is opened
			continue
		}
		if _, err := bad.Open(kitPass); !errors.Is(err, node.ErrKit) || !strings.Contains(err.Error(), "changed") {
			t.Errorf("%s kit was opened: %v", name, err)
		}
	}
	if _, err := k.Open([]byte("another passphrase")); !errors.Is(err, node.ErrKit) {
		t.Errorf("another passphrase: %v", err)
	}
	r, err := k.Open(kitPass)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Moved(map[string]string{"in/nobody": "127.0.0.1:1"}); !errors.Is(err, node.ErrKit) {
		t.Errorf("a member it does not name: %v", err)
	}

	// The kit of another ledger: members of this one refuse it.
	other, otherConfigs := jurisdiction(t, 1, nil)
	foreign, err := node.MakeKit(t.Context(), otherConfigs[0], kitPass)
	if err != nil {
		t.Fatal(err)
	}
	other[0].Stop()
	wrong, err := foreign.Open(kitPass)
	if err != nil {
		t.Fatal(err)
	}
	wrong.Members = r.Members
	refused := nodetest.Config(t, filepath.Join(t.TempDir(), "refused"))
	if _, err := node.Replace(t.Context(), refused, wrong); !errors.Is(err, node.ErrReplaceRefused) || !strings.Contains(err.Error(), "another ledger") {
		t.Errorf("the kit of another ledger: %v", err)
	}
	if _, err := node.ReadIdentity(refused.Dir); !errors.Is(err, node.ErrNoDirectory) {
		t.Errorf("a refused replacement left a node: %v", err)
	}

	// A directory in use is refused; an interrupted replacement goes on with the same node.
	if _, err := node.Replace(t.Context(), kept, r); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("a directory in use: %v", err)
	}
	id, err := node.Replace(t.Context(), fresh, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(fresh.Dir, "identity.json")); err != nil {
		t.Fatal(err)
	}
	again, err := node.Replace(t.Context(), fresh, r)
	if err != nil || again.Node != id.Node {
		t.Fatalf("interrupted, then: %v %v", again.Node, err)
	}
	rebuilt := nodetest.Run(t, fresh)
	lab = rebuilt.As(t, api.RoleLab)
	nodetest.Until(t, "alerts come back", func() bool { _, err := lab.Alert(t.Context(), w.ID); return err == nil })
	nodetest.Until(t, "watch lists come back", func() bool {
		lists, err := lab.WatchLists(t.Context(), api.WatchQuery{})
		return err == nil && len(lists.Lists) == 1 && lists.Lists[0].Case == "2024/117"
	})
	users, err := rebuilt.Operator.Users(t.Context())
	if err != nil || len(users) != 1 || users[0].Name != "asha" {
		t.Errorf("%+v %v", users, err)
	}
	if _, err := lab.Raise(t.Context(), "k2", api.RaiseAlert{Signals: md5(3)}); err != nil {
		t.Error(err)
	}

	// The old node's key never returns.
	n, err := node.Open(kept, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	old := nodetest.Serve(t, kept, n)
	nodetest.Until(t, "the old node is told", func() bool {
		s, err := old.Operator.Status(t.Context())
		return err == nil && !s.Ready && len(s.Problems) > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := old.Operator.CreateToken(ctx, api.NewToken{Name: "old", Role: api.RoleLab}); err == nil {
		t.Error("the old node wrote")
	}
}

func edit(t *testing.T, kit []byte, change func(map[string]any)) []byte {
	t.Helper()
	var file struct {
		Version int             `json:"vigil_kit"`
		Agency  string          `json:"agency"`
		Origin  string          `json:"origin"`
		Genesis string          `json:"genesis"`
		Key     string          `json:"key"`
		Made    string          `json:"made"`
		Members json.RawMessage `json:"members"`
		Locked  []byte          `json:"locked"`
	}
	if err := json.Unmarshal(kit, &file); err != nil {
		t.Fatal(err)
	}
	h := map[string]any{"agency": file.Agency, "origin": file.Origin, "genesis": file.Genesis}
	change(h)
	file.Agency, file.Origin, file.Genesis = h["agency"].(string), h["origin"].(string), h["genesis"].(string)
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// FuzzParseKit: what is accepted is written the same again.
func FuzzParseKit(f *testing.F) {
	f.Add([]byte(`{"vigil_kit":1}`))
	f.Add([]byte("{\n  \"vigil_kit\": 1,\n  \"agency\": \"in/a\",\n  \"origin\": \"in/aaaaaaaaaaaaaaaaaaaaaaaaaa\",\n  \"genesis\": \"\",\n  \"key\": \"\",\n  \"made\": \"2024-01-01T00:00:00Z\",\n  \"members\": null,\n  \"locked\": null\n}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := node.ParseKit(b)
		if err != nil {
			return
		}
		if !bytes.Equal(k.Encode(), b) {
			t.Fatal("another file")
		}
		if _, err := k.Open(kitPass); err == nil {
			t.Fatal("opened")
		}
	})
}
