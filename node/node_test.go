package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

func status(err error) int {
	var refusal *api.Refusal
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	if err != nil {
		return -1
	}
	return 0
}

// value is a synthetic hash.
func value(b byte) []byte {
	h := sha256.Sum256([]byte{b})
	return h[:16]
}

func md5(b byte) []api.Signal {
	return []api.Signal{{Algorithm: "md5", Value: hex.EncodeToString(value(b))}}
}

func TestOneNodeAnswers(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	analyst, auditor, platform := r.As(t, "analyst"), r.As(t, "auditor"), r.As(t, api.RolePlatform)

	t.Run("a write is there when it is answered, once", func(t *testing.T) {
		a := api.RaiseAlert{Signals: md5(0x11)}
		first, err := analyst.Raise(ctx, "key", a)
		if err != nil {
			t.Fatal(err)
		}
		again, err := analyst.Raise(ctx, "key", a)
		if err != nil || !again.Repeated || again.ID != first.ID || again.Index != first.Index {
			t.Fatalf("a retry: %+v %v", again, err)
		}
		a.Signals = md5(0x12)
		if _, err := analyst.Raise(ctx, "key", a); status(err) != http.StatusConflict {
			t.Fatalf("the key for something else: %v", err)
		}
		answer, err := platform.LookUp(ctx, api.LookUp{Signals: md5(0x11)})
		if err != nil || len(answer.Results[0].Alerts) != 1 {
			t.Fatalf("%+v %v", answer, err)
		}
		if _, _, err := ledger.OpenReceipt(first.Receipt); err != nil {
			t.Fatal(err)
		}
		got, err := auditor.Alert(ctx, first.ID[:12])
		if err != nil || got.ID != first.ID || got.Standing != "asserted" || len(got.Timeline) != 1 {
			t.Fatalf("%+v %v", got, err)
		}
	})

	t.Run("bad input is refused and changes nothing", func(t *testing.T) {
		before, err := r.Operator.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for name, a := range map[string]api.RaiseAlert{
			"no signal":           {},
			"unknown algorithm":   {Signals: []api.Signal{{Algorithm: "crc32", Value: "00"}}},
			"a short hash":        {Signals: []api.Signal{{Algorithm: "md5", Value: "00ff"}}},
			"not hexadecimal":     {Signals: []api.Signal{{Algorithm: "md5", Value: strings.Repeat("zz", 16)}}},
			"the empty file":      {Signals: []api.Signal{{Algorithm: "md5", Value: "d41d8cd98f00b204e9800998ecf8427e"}}},
			"an unknown urgency":  {Signals: md5(1), AlertFacts: api.AlertFacts{Urgency: "yesterday"}},
			"an unknown audience": {Signals: md5(1), Audience: []string{"in/@nobody"}},
			"not linked":          {Signals: md5(1), Audience: []string{"in/*", "uk/*"}},
			"a malformed name":    {Signals: md5(1), Audience: []string{"IN/*"}},
		} {
			if _, err := analyst.Raise(ctx, "", a); status(err) < 400 || status(err) >= 500 {
				t.Errorf("%s: %v", name, err)
			}
		}
		after, err := r.Operator.Status(ctx)
		if err != nil || after.Ledgers[0].Size != before.Ledgers[0].Size {
			t.Fatalf("%d entries became %d: %v", before.Ledgers[0].Size, after.Ledgers[0].Size, err)
		}
	})

	t.Run("roles", func(t *testing.T) {
		stranger, err := api.NewClient(api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stranger.Status(ctx); status(err) != http.StatusUnauthorized {
			t.Errorf("no token: %v", err)
		}
		if _, err := auditor.Raise(ctx, "", api.RaiseAlert{Signals: md5(2)}); status(err) != http.StatusForbidden {
			t.Errorf("an auditor writes: %v", err)
		}
		if _, err := r.Operator.Alerts(ctx, api.ListQuery{}); status(err) != http.StatusForbidden {
			t.Errorf("the operator reads content: %v", err)
		}
		if _, err := platform.Alerts(ctx, api.ListQuery{}); status(err) != http.StatusForbidden {
			t.Errorf("a platform lists alerts: %v", err)
		}
		gone := r.As(t, "analyst")
		tokens, err := r.Operator.Tokens(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Operator.RevokeToken(ctx, tokens[len(tokens)-1].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := gone.Alerts(ctx, api.ListQuery{}); status(err) != http.StatusUnauthorized {
			t.Errorf("a revoked token: %v", err)
		}
	})

	t.Run("batches", func(t *testing.T) {
		rows := [][]api.Signal{md5(0x21), {{Algorithm: "md5", Value: "short"}}, md5(0x22), md5(0x21)}
		if _, err := analyst.RaiseList(ctx, "atomic", api.RaiseList{Rows: rows, Atomic: true}); status(err) != http.StatusBadRequest {
			t.Fatalf("atomic: %v", err)
		}
		w, err := analyst.RaiseList(ctx, "loose", api.RaiseList{Rows: rows})
		if err != nil || w.Accepted != 2 || w.Refused != 2 {
			t.Fatalf("%+v %v", w, err)
		}
	})

	t.Run("retracted by its author", func(t *testing.T) {
		w, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(0x31)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := analyst.Assess(ctx, "", w.ID, api.Assess{Verdict: "confirms"}); status(err) != http.StatusConflict {
			t.Fatalf("its own alert assessed: %v", err)
		}
		if _, err := analyst.Retract(ctx, "", w.ID, api.Retract{Reason: "wrong file"}); err != nil {
			t.Fatal(err)
		}
		a, err := analyst.Alert(ctx, w.ID)
		if err != nil || a.Standing != "retracted" {
			t.Fatalf("%+v %v", a, err)
		}
	})

	t.Run("corrected by its author", func(t *testing.T) {
		wrong, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(0x32)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := analyst.Retract(ctx, "", wrong.ID, api.Retract{Reason: "r", Replacement: wrong.ID}); status(err) != http.StatusBadRequest {
			t.Fatalf("replaced by itself: %v", err)
		}
		if _, err := analyst.Retract(ctx, "", wrong.ID, api.Retract{Reason: "r", Replacement: "al_00000000"}); status(err) != http.StatusNotFound {
			t.Fatalf("replaced by nothing: %v", err)
		}
		right, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(0x33)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := analyst.Retract(ctx, "", wrong.ID, api.Retract{Reason: "another file", Replacement: right.ID}); err != nil {
			t.Fatal(err)
		}
		a, err := analyst.Alert(ctx, wrong.ID)
		if err != nil || a.Standing != "retracted" || a.Timeline[1].Replacement != right.ID {
			t.Fatalf("%+v %v", a, err)
		}
	})

	t.Run("the event stream resumes", func(t *testing.T) {
		var seen []string
		stop := errors.New("enough")
		err := analyst.Events(ctx, api.OldestEvent, func(e api.Change) error {
			if seen = append(seen, e.ID); len(seen) == 2 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		err = analyst.Events(ctx, seen[0], func(e api.Change) error {
			if e.ID != seen[1] {
				t.Errorf("resumed after %s with %s", seen[0], e.ID)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if err := analyst.Events(ctx, seen[0]+"000000", func(api.Change) error { return nil }); status(err) != http.StatusConflict {
			t.Fatalf("a cursor from the future: %v", err)
		}
	})

	t.Run("evidence", func(t *testing.T) {
		w, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: md5(0x41)})
		if err != nil {
			t.Fatal(err)
		}
		var bundle []byte
		nodetest.Until(t, "the bundle", func() bool { bundle, err = analyst.Bundle(ctx, w.ID); return err == nil })
		trustFile, err := analyst.Trust(ctx)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := ledger.ParseTrust(trustFile)
		if err != nil {
			t.Fatal(err)
		}
		if report := ledger.VerifyBundle(bundle, trust); !report.Verified {
			t.Fatalf("%+v", report)
		}
	})

	t.Run("invitations", func(t *testing.T) {
		for _, id := range []string{"in/ncrb", "uk/met", "nonsense"} {
			if _, err := r.Operator.Invite(ctx, api.Invite{Agency: id}); status(err) < 400 {
				t.Errorf("invited %s: %v", id, err)
			}
		}
		inv, err := r.Operator.Invite(ctx, api.Invite{Agency: "in/mh-cyber"})
		if err != nil {
			t.Fatal(err)
		}
		joiner := nodetest.Config(t, filepath.Join(t.TempDir(), "j"))
		if _, err := node.Join(ctx, joiner, node.Joining{Token: inv.Token[:len(inv.Token)-4], Suite: crypto.SuitePQ}); !errors.Is(err, node.ErrToken) {
			t.Errorf("a token cut short: %v", err)
		}
		if _, err := node.Join(ctx, joiner, node.Joining{Token: inv.Token, Suite: crypto.SuitePQ}); err != nil {
			t.Fatal(err)
		}
		twice := nodetest.Config(t, filepath.Join(t.TempDir(), "k"))
		if _, err := node.Join(ctx, twice, node.Joining{Token: inv.Token, Suite: crypto.SuitePQ}); !errors.Is(err, node.ErrJoinRefused) {
			t.Errorf("an invitation used twice: %v", err)
		}
	})

	r.Stop()
	t.Run("nothing in clear on disk", func(t *testing.T) { noPlaintext(t, c.Dir) })
}

// noPlaintext looks for a hash that was raised, in any of the forms it had.
func noPlaintext(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, form := range [][]byte{value(0x11), []byte(hex.EncodeToString(value(0x11)))} {
			if bytes.Contains(b, form) {
				t.Errorf("%s holds a hash in clear", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheBoardIsRebuiltAndTokensComeBack(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	analyst := r.As(t, "analyst")
	for i := range 5 {
		if _, err := analyst.Raise(t.Context(), "", api.RaiseAlert{Signals: md5(byte(0x51 + i))}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := analyst.Alerts(t.Context(), api.ListQuery{Sort: "oldest"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := r.Operator.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	for _, damage := range []func(string) error{os.RemoveAll, func(dir string) error { // gone; then a page of noise
		return os.WriteFile(filepath.Join(dir, "board.db"), bytes.Repeat([]byte{0xaa}, 40<<10), 0o600)
	}} {
		if err := damage(filepath.Join(c.Dir, "board")); err != nil {
			t.Fatal(err)
		}
		r = nodetest.Run(t, c)
		again, err := r.Operator.Tokens(t.Context())
		if err != nil || len(again) != len(tokens) {
			t.Fatalf("%d tokens of %d: %v", len(again), len(tokens), err)
		}
		after, err := r.As(t, "analyst").Alerts(t.Context(), api.ListQuery{Sort: "oldest"})
		if err != nil || len(after.Alerts) != len(before.Alerts) {
			t.Fatalf("%d alerts of %d: %v", len(after.Alerts), len(before.Alerts), err)
		}
		for i := range after.Alerts {
			if after.Alerts[i].ID != before.Alerts[i].ID {
				t.Fatal("another order")
			}
		}
		tokens = append(tokens, api.Token{})
		r.Stop()
	}
}

func TestWrongDirectoriesGetAHint(t *testing.T) {
	empty := nodetest.Config(t, t.TempDir())
	if _, err := node.Open(empty, nodetest.Quiet); !errors.Is(err, node.ErrNoDirectory) || !strings.Contains(err.Error(), "vigil init") {
		t.Errorf("an empty directory: %v", err)
	}
	c := nodetest.Found(t)
	if _, err := node.Init(c, node.Founding{Agency: "in/x", Threshold: 1, Suite: crypto.SuitePQ}); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("founded twice: %v", err)
	}
	other := nodetest.Found(t)
	mixed := c
	mixed.Dir = filepath.Join(t.TempDir(), "mixed")
	if err := os.CopyFS(mixed.Dir, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile(filepath.Join(other.Dir, "keys.pgp"))
	if err == nil {
		err = os.WriteFile(filepath.Join(mixed.Dir, "keys.pgp"), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(mixed, nodetest.Quiet); !errors.Is(err, node.ErrDirectory) {
		t.Errorf("another node's keys: %v", err)
	}
	wrong := c
	wrong.PassphraseFile = filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong.PassphraseFile, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(wrong, nodetest.Quiet); !errors.Is(err, crypto.ErrWrongPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
}

func TestConfigurationIsStrict(t *testing.T) {
	example, err := node.DefaultConfig("/var/lib/vigil").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.ParseConfig(example); err != nil {
		t.Errorf("the example: %v", err)
	}
	told := "dir = '/x'\n[peer.gateways]\nuk = ['/ip4/127.0.0.1/tcp/7/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo']"
	if _, err := node.ParseConfig([]byte(told)); err != nil {
		t.Errorf("a gateway that is told: %v", err)
	}
	shipped, err := os.ReadFile("../deploy/vigil.toml")
	if err != nil || !bytes.Equal(shipped, example) {
		t.Errorf("deploy/vigil.toml is not what 'vigil config example' prints: %v", err)
	}
	for name, text := range map[string]string{
		"an unknown key":     "directory = '/x'",
		"too wide a radius":  "[match]\nradius = 64",
		"a negative radius":  "[match]\nwatch_radius = -1",
		"a case's radius":    "[match.case_radius]\n'2026-117' = 64",
		"a wrong type":       "dir = 7",
		"an unknown level":   "[log]\nlevel = 'loud'",
		"half a certificate": "[api]\ncertificate = 'x.pem'",
		"no address":         "[api]\nlisten = ''",
		"a gateway of whom":  "[peer.gateways]\n'../uk' = ['/ip4/127.0.0.1/tcp/7/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo']",
		"a nameless gateway": "[peer.gateways]\nuk = ['/ip4/127.0.0.1/tcp/7']",
		"a placeless one":    "[peer.gateways]\nuk = ['/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo']",
		"too many gateways":  "[peer.gateways]\nuk = [" + strings.Repeat("'/ip4/127.0.0.1/tcp/7/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo',", 17) + "]",
		"no TOML":            "}{",
	} {
		if _, err := node.ParseConfig([]byte(text)); !errors.Is(err, node.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
