package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// verbs are what the log says was done, oldest first, of one actor.
func verbs(t *testing.T, auditor *api.Client, q api.AccessQuery) []string {
	t.Helper()
	page, err := auditor.Access(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range slices.Backward(page.Records) {
		if r.Role != api.RoleAuditor {
			out = append(out, r.Verb+" "+r.Outcome)
		}
	}
	return out
}

func TestEveryReadOfContentIsInTheAccessLog(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	analyst, auditor, platform := n.As(t, api.RoleLab), n.As(t, api.RoleAuditor), n.As(t, api.RolePlatform)
	w, err := analyst.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range []func() error{
		func() error { _, err := analyst.Alerts(t.Context(), api.ListQuery{}); return err },
		func() error { _, err := analyst.Alert(t.Context(), w.ID); return err },
		func() error { _, err := platform.LookUp(t.Context(), api.LookUp{Signals: md5(1)}); return err },
		func() error { _, err := analyst.Entry(t.Context(), "", w.Index); return err },
		func() error {
			_, err := platform.Alert(t.Context(), w.ID)
			if status(err) != 403 {
				t.Errorf("a platform reads an alert: %v", err)
			}
			return nil
		},
	} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"alert.list answered", "alert.show answered", "alert.look-up answered", "entry.show answered", "getalert refused"}
	if got := verbs(t, auditor, api.AccessQuery{}); !slices.Equal(got, want) {
		t.Errorf("the log has %v, not %v", got, want)
	}
	if got := verbs(t, auditor, api.AccessQuery{Object: w.ID}); len(got) != 3 {
		t.Errorf("of the alert: %v", got)
	}
	page, err := auditor.Access(t.Context(), api.AccessQuery{Verb: "alert.show"})
	if err != nil || len(page.Records) != 1 || page.Records[0].Count != 1 || page.Records[0].Objects[0] != w.ID || page.Records[0].Actor == "" {
		t.Errorf("%+v, %v", page, err)
	}
	for role, x := range map[string]*api.Client{"lab": analyst, "operator": n.Operator, "platform": platform} {
		if _, err := x.Access(t.Context(), api.AccessQuery{}); status(err) != 403 {
			t.Errorf("a %s reads the access log: %v", role, err)
		}
	}
	if r, err := auditor.VerifyAccess(t.Context()); err != nil || !r.OK || r.Size < 6 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestNothingIsReadUnrecorded: where the access log cannot be written, nothing is answered.
func TestNothingIsReadUnrecorded(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	analyst := n.As(t, api.RoleLab)
	w, err := analyst.Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := analyst.Alert(t.Context(), w.ID); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.Dir, "access"), filepath.Join(t.TempDir(), "access")); err != nil {
		t.Fatal(err)
	}
	if _, err := analyst.Alert(t.Context(), w.ID); status(err) != 503 {
		t.Errorf("a read without a record: %v", err)
	}
}

func TestWhyContentIsReadIsRecorded(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	auditor := n.As(t, api.RoleAuditor)
	target := n.Target(t, api.RoleAnalyst)
	target.Purpose, target.Case = "identification", "2026/117"
	c, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Alerts(t.Context(), api.ListQuery{}); err != nil {
		t.Fatal(err)
	}
	page, err := auditor.Access(t.Context(), api.AccessQuery{Case: "2026/117"})
	if err != nil || len(page.Records) != 1 || page.Records[0].Purpose != "identification" {
		t.Errorf("%+v, %v", page, err)
	}
	target.Purpose = strings.Repeat("x", 600)
	if c, err = api.NewClient(target); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Alerts(t.Context(), api.ListQuery{}); status(err) != 400 {
		t.Errorf("a purpose over the bound: %v", err)
	}
}

func TestATamperedAccessLogStopsTheNodeAndIsKept(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	analyst := n.As(t, api.RoleAnalyst)
	for range 3 {
		if _, err := analyst.Alerts(t.Context(), api.ListQuery{}); err != nil {
			t.Fatal(err)
		}
	}
	n.Stop()
	files, err := filepath.Glob(filepath.Join(c.Dir, "access", "records-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "alert.list") {
		t.Error("the access log is readable on disk")
	}
	b[60] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(c, nodetest.Quiet); err == nil || !strings.Contains(err.Error(), "set-aside") {
		t.Fatalf("a changed access log: %v", err)
	}
	kept, err := node.SetAccessLogAside(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); errors.Is(err, os.ErrNotExist) {
		t.Error("it was not kept")
	}
	nodetest.Run(t, c)
}

func TestAClosedSegmentReachesTheLedger(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	analyst, auditor := n.As(t, api.RoleAnalyst), n.As(t, api.RoleAuditor)
	if _, err := analyst.Alerts(t.Context(), api.ListQuery{}); err != nil {
		t.Fatal(err)
	}
	before := n.Node.Size()
	if err := n.Node.CloseAccessSegment(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the segment is in the ledger", func() bool {
		r, err := auditor.VerifyAccess(t.Context())
		return err == nil && r.OK && r.Segments == 1 && r.Unanchored == 0
	})
	e, err := auditor.Entry(t.Context(), "", before)
	if err != nil || len(e.Audience) != 1 || !strings.HasPrefix(e.Audience[0], "in/ncrb") {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestWhoIsRefusedAgainAndAgainFillsNoLog: one record for each reason, which is the true one. Streams count as what is asked.
func TestWhoIsRefusedAgainAndAgainFillsNoLog(t *testing.T) {
	c := nodetest.Found(t)
	n := nodetest.Run(t, c)
	h := overSocket(t, c, n.Target(t, api.RolePlatform).Token)
	for range 20 {
		if resp, b := h.do("GET", "/v1/alerts", ""); resp.StatusCode != 403 {
			t.Fatalf("%s: %s", resp.Status, b)
		}
	}
	for _, path := range []string{"/v1/events", "/v1/alerts", "/v1/alerts"} {
		full := false
		for i := 0; !full && i < 5000; i++ {
			resp, _ := h.do("GET", path, "")
			full = resp.StatusCode == 429 && resp.Header.Get("Retry-After") != ""
		}
		if !full {
			t.Errorf("%s: never over the rate", path)
		}
	}
	page, err := n.As(t, api.RoleAuditor).Access(t.Context(), api.AccessQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range slices.Backward(page.Records) {
		if r.Outcome == "refused" {
			got = append(got, r.Verb+" "+r.Role+" "+r.Reason)
		}
	}
	if want := []string{"listalerts reporter role", "listalerts reporter rate"}; !slices.Equal(got, want) {
		t.Errorf("the log has %v, not %v", got, want)
	}
}
