// Package test holds what crosses packages. This file checks the house itself: which way dependencies point, what
// pure packages may not touch, and that every package says what it is for.
package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pure packages: bytes and values in, bytes and values out.
var pure = []string{
	"crypto",
	"ledger",
	"ledger/account",
	"ledger/alert",
	"ledger/export",
	"ledger/expunge",
	"ledger/noun",
	"ledger/pointer",
	"ledger/recall",
	"ledger/referral",
	"ledger/registry",
	"ledger/release",
	"ledger/report",
	"ledger/subscription",
	"ledger/watch",
	"node/hashing/pdq",
}

// forbidden imports of pure packages.
var impure = []string{
	"net", "os", "log", "log/slog", "context", "net/http",
	"github.com/hashicorp/raft", "go.etcd.io/bbolt", "github.com/libp2p/go-libp2p",
}

// nouns that are about another noun, and import it.
var upon = map[string]string{"ledger/watch": "ledger/alert", "ledger/report": "ledger/alert", "ledger/export": "ledger/alert"}

// siblings under node/ that may import another one, downwards; durable lies below all of them.
var downwards = map[string][]string{
	"board":   {"figures"},
	"cluster": {"store"},
	"duty":    {"board", "author"},
	"triage":  {"board", "match"},
	"notify":  {"board"},
	"api":     {"board", "author", "interop", "accesslog", "signin", "draft", "figures", "notify"},
	"console": {"api"},
	"interop": {},
}

type file struct {
	pkg, path string
	syntax    *ast.File
	fset      *token.FileSet
}

func files(t *testing.T, tests bool) []file {
	t.Helper()
	var out []file
	for _, top := range []string{"crypto", "ledger", "node", "cmd"} {
		root := filepath.Join("..", top)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests {
				return err
			}
			fset := token.NewFileSet()
			syntax, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel("..", filepath.Dir(path))
			out = append(out, file{pkg: filepath.ToSlash(rel), path: path, syntax: syntax, fset: fset})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func imports(f file) []string {
	var out []string
	for _, i := range f.syntax.Imports {
		out = append(out, strings.Trim(i.Path.Value, `"`))
	}
	return out
}

func TestPurePackagesStayPure(t *testing.T) {
	for _, f := range files(t, false) {
		if !slices.Contains(pure, f.pkg) {
			continue
		}
		for _, i := range imports(f) {
			if slices.Contains(impure, i) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a go statement", f.fset.Position(n.Pos()))
			case *ast.ChanType:
				t.Errorf("%s: a channel", f.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Now" {
					t.Errorf("%s: time.Now", f.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestDependenciesPointDown(t *testing.T) {
	for _, f := range files(t, false) {
		for _, i := range imports(f) {
			if own, ok := strings.CutPrefix(i, "vigil/"); ok && !mayImport(f.pkg, own) {
				t.Errorf("%s: %s may not import %s", f.path, f.pkg, own)
			}
		}
	}
}

// mayImport is the direction crypto ← ledger ← ledger/noun ← ledger/* ← node/* ← node ← cmd.
func mayImport(from, to string) bool {
	switch {
	case from == "cmd/vigil-verify":
		return to == "crypto" || to == "ledger"
	case strings.HasPrefix(from, "cmd/"):
		return true
	case from == "crypto":
		return false
	case from == "ledger":
		return to == "crypto"
	case strings.HasPrefix(from, "ledger/"):
		return to == "crypto" || to == "ledger" || to == "ledger/noun" && from != "ledger/ledgertest" || to == upon[from] || strings.HasPrefix(to, from+"/")
	case from == "node":
		return !strings.HasPrefix(to, "cmd/")
	}
	part, inNode := strings.CutPrefix(from, "node/")
	if !inNode {
		return false
	}
	part, _, _ = strings.Cut(part, "/")
	sibling, other := strings.CutPrefix(to, "node/")
	if !other {
		return to == "crypto" || to == "ledger" || strings.HasPrefix(to, "ledger/")
	}
	sibling, _, _ = strings.Cut(sibling, "/")
	return sibling == part || sibling == "durable" || slices.Contains(downwards[part], sibling)
}

func TestVerifierLinksOnlyTheCore(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "vigil/cmd/vigil-verify").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.HasPrefix(p, "vigil/") && p != "vigil/crypto" && p != "vigil/ledger" && p != "vigil/cmd/vigil-verify" {
			t.Errorf("vigil-verify links %s", p)
		}
		if p == "net/http" || p == "go.etcd.io/bbolt" {
			t.Errorf("vigil-verify links %s", p)
		}
	}
}

// TestHashingReachesNoNetwork: what sees files has nothing to send them with, and does not know the node.
func TestHashingReachesNoNetwork(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "vigil/node/hashing").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		inHouse := strings.HasPrefix(p, "vigil/node/hashing") || p == "vigil/crypto" || strings.HasPrefix(p, "vigil/ledger")
		if p == "net" || strings.HasPrefix(p, "net/") || strings.HasPrefix(p, "vigil/") && !inHouse {
			t.Errorf("hashing links %s", p)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said := map[string]bool{}
	for _, f := range files(t, false) {
		said[f.pkg] = said[f.pkg] || f.syntax.Doc != nil
	}
	for p, ok := range said {
		if !ok {
			t.Errorf("%s has no package comment", p)
		}
	}
}

func TestTestsDoNotSleepOrSkip(t *testing.T) {
	for _, f := range files(t, true) {
		bubble := slices.Contains(imports(f), "testing/synctest")
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := call.X.(*ast.Ident)
			if ok && x.Name == "time" && call.Sel.Name == "Sleep" && !bubble {
				t.Errorf("%s: time.Sleep outside a synctest bubble", f.fset.Position(n.Pos()))
			}
			if ok && strings.HasPrefix(call.Sel.Name, "Skip") && x.Name == "t" {
				t.Errorf("%s: a skipped test proves nothing", f.fset.Position(n.Pos()))
			}
			return true
		})
	}
}
