package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/report"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// named makes a token of a role under a name and returns a client that carries it, and its secret.
func named(t *testing.T, r *nodetest.Running, role, name string) (*api.Client, string) {
	t.Helper()
	token, err := r.Operator.CreateToken(t.Context(), api.NewToken{Name: name, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.NewClient(api.Target{Server: "https://" + r.Addresses.API, Pin: r.Addresses.Pin, Token: token.Secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, token.Secret
}

func submission(seed byte, change func(*api.SubmitReport)) api.SubmitReport {
	r := api.SubmitReport{ReportStatement: api.ReportStatement{
		Kind: "abuse-material", Reference: fmt.Sprint("case ", seed), About: []api.ReportPointer{{Role: "reported", Kind: "account", Value: fmt.Sprint("user-", seed)}},
		Files: []api.ReportFile{{Signals: md5(seed), Reference: "f1"}},
	}}
	change(&r)
	return r
}

func asIs(*api.SubmitReport) {}

func TestAPlatformReports(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	again, _ := named(t, r, api.RolePlatform, "chat.example")
	other, _ := named(t, r, api.RolePlatform, "other.example")
	lab, _ := named(t, r, api.RoleLab, "asha")

	at, err := time.Parse(time.RFC3339, "2026-02-28T14:05:00+05:30")
	if err != nil {
		t.Fatal(err)
	}
	first, err := chat.SubmitReport(ctx, "k1", submission(1, func(r *api.SubmitReport) { r.Occurred = &at }))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("it gets a receipt at once, and the same again", func(t *testing.T) {
		receipt, _, err := ledger.OpenReceipt(first.Receipt)
		if err != nil || receipt.Index != first.Index || receipt.Agency != "in/ncrb" || receipt.Deadline-receipt.At != 10_000 {
			t.Fatalf("%+v %v", receipt, err)
		}
		for name, c := range map[string]*api.Client{"the same token": chat, "another token of the platform": again} {
			w, err := c.SubmitReport(ctx, "k1", submission(1, func(r *api.SubmitReport) { r.Occurred = &at }))
			if err != nil || !w.Repeated || w.ID != first.ID || w.Leaf != first.Leaf {
				t.Fatalf("%s: %+v %v", name, w, err)
			}
			second, _, err := ledger.OpenReceipt(w.Receipt)
			if err != nil || second.Hash != receipt.Hash || second.Event != receipt.Event {
				t.Fatalf("%s: another receipt: %+v %v", name, second, err)
			}
		}
		if _, err := chat.SubmitReport(ctx, "k1", submission(2, asIs)); status(err) != http.StatusConflict {
			t.Errorf("the key for something else: %v", err)
		}
		if _, err := chat.SubmitReport(ctx, "k1", submission(1, func(r *api.SubmitReport) { r.Kind = "travel"; r.Files, r.About = nil, nil })); status(err) != http.StatusConflict {
			t.Errorf("the key for something that is refused anyway: %v", err)
		}
		w, err := other.SubmitReport(ctx, "k1", submission(1, asIs))
		if err != nil || w.Repeated || w.ID == first.ID {
			t.Errorf("another platform's key: %+v %v", w, err)
		}
	})

	t.Run("it hears what would make it better", func(t *testing.T) {
		if first.Completeness <= 0.3 || first.Completeness >= 0.8 || len(first.Missing) == 0 || first.Missing[0].Gain < first.Missing[len(first.Missing)-1].Gain {
			t.Fatalf("%+v", first.ReportQuality)
		}
	})

	t.Run("it sees its own reports and no others", func(t *testing.T) {
		got, err := chat.Report(ctx, first.ID)
		if err != nil || got.Desk != nil || got.Statement.Reference != "case 1" || got.Statement.Occurred.Format(time.RFC3339) != "2026-02-28T14:05:00+05:30" || len(got.Receipt) == 0 {
			t.Fatalf("%+v %v", got, err)
		}
		for name, id := range map[string]string{"another's": first.ID, "by its beginning": first.ID[:20], "none": "rp_" + strings.Repeat("0", 32), "malformed": "rp_" + strings.Repeat("z", 32)} {
			if _, err := other.Report(ctx, id); status(err) != http.StatusNotFound {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := other.ReportBundle(ctx, id, 0); status(err) != http.StatusNotFound {
				t.Errorf("the bundle of %s: %v", name, err)
			}
			if _, err := other.WithdrawReport(ctx, "", id, api.WithdrawReport{Reason: "x"}); status(err) != http.StatusNotFound {
				t.Errorf("withdraws %s: %v", name, err)
			}
		}
		page, err := other.Reports(ctx, api.ReportQuery{Platform: "chat.example"})
		if err != nil || len(page.Reports) != 1 || page.Reports[0].Platform != "other.example" || page.Reports[0].Desk != nil {
			t.Fatalf("%+v %v", page, err)
		}
		if _, err := chat.Queue(ctx, "", false, 0); status(err) != http.StatusForbidden {
			t.Errorf("the queue: %v", err)
		}
		if _, err := chat.TriageReport(ctx, "", first.ID, api.TriageReport{Move: "claim"}); status(err) != http.StatusForbidden {
			t.Errorf("claims: %v", err)
		}
		if _, err := lab.SubmitReport(ctx, "k", submission(9, asIs)); status(err) != http.StatusForbidden {
			t.Errorf("the lab reports: %v", err)
		}
	})

	t.Run("it amends and withdraws", func(t *testing.T) {
		w, err := chat.SubmitReport(ctx, "k2", submission(3, asIs))
		if err != nil {
			t.Fatal(err)
		}
		zero := uint64(0)
		change := api.AmendReport{ReportStatement: submission(4, asIs).ReportStatement, Revision: &zero, Reason: "the wrong file"}
		a, err := chat.AmendReport(ctx, "a1", w.ID, change)
		if err != nil || a.ID != w.ID || len(a.Receipt) == 0 {
			t.Fatalf("%+v %v", a, err)
		}
		if b, err := chat.AmendReport(ctx, "a1", w.ID, change); err != nil || !b.Repeated || b.Index != a.Index {
			t.Errorf("a retry: %+v %v", b, err)
		}
		change.Reason = "another"
		if _, err := chat.AmendReport(ctx, "a1", w.ID, change); status(err) != http.StatusConflict {
			t.Errorf("the key for something else: %v", err)
		}
		if _, err := chat.AmendReport(ctx, "a2", w.ID, change); status(err) != http.StatusConflict {
			t.Errorf("a stale view: %v", err)
		}
		if _, err := chat.WithdrawReport(ctx, "w1", w.ID, api.WithdrawReport{Reason: "mistaken"}); err != nil {
			t.Fatal(err)
		}
		got, err := chat.Report(ctx, w.ID)
		if err != nil || !got.Withdrawn || got.Revision != 2 || got.Statement.Reference != "case 4" || len(got.Timeline) != 3 {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := chat.AmendReport(ctx, "", w.ID, api.AmendReport{ReportStatement: change.ReportStatement}); status(err) != http.StatusConflict {
			t.Errorf("amended after it was withdrawn: %v", err)
		}
	})

	t.Run("it proves its report to a court, and nothing else", func(t *testing.T) {
		var all sync.WaitGroup
		ids := make([]api.ReportWritten, 8) // at once, so that they share entries
		for i := range ids {
			all.Go(func() {
				w, err := chat.SubmitReport(ctx, fmt.Sprint("court ", i), submission(byte(100+i), asIs))
				if err != nil {
					t.Error(err)
				}
				ids[i] = w
			})
		}
		all.Wait()
		trustFile, err := chat.Trust(ctx)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := ledger.ParseTrust(trustFile)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range ids {
			var raw []byte
			nodetest.Until(t, "the bundle", func() bool { raw, err = chat.ReportBundle(ctx, w.ID, 0); return err == nil })
			if v := ledger.VerifyBundle(raw, trust); !v.Verified {
				t.Fatalf("%+v", v)
			}
			bundle, err := ledger.DecodeBundle(raw)
			if err != nil {
				t.Fatal(err)
			}
			receipt, _, err := ledger.OpenReceipt(w.Receipt)
			if err != nil || receipt.Hash != ledger.LeafHash(bundle.Carried.Leaf) {
				t.Fatalf("the receipt is for another entry: %v", err)
			}
			if v := ledger.VerifyReceipt(w.Receipt, raw, trust); !v.Verified {
				t.Fatalf("%+v", v)
			}
			if v := ledger.VerifyReceipt(ids[(i+1)%len(ids)].Receipt, raw, trust); v.Verified || v.Code() != 16 {
				t.Fatalf("another's receipt: %+v", v)
			}
			forged := bytes.Clone(w.Receipt)
			forged[len(forged)/2] ^= 1
			if v := ledger.VerifyReceipt(forged, raw, trust); v.Verified || v.Code() != 10 {
				t.Fatalf("a forged receipt: %+v", v)
			}
			if stranger, err := crypto.GenerateNodeKey(); err != nil {
				t.Fatal(err)
			} else if v := ledger.VerifyReceipt(ledger.SignReceipt(receipt, stranger), raw, trust); v.Verified || v.Code() != 10 {
				t.Fatalf("a stranger's receipt: %+v", v)
			}
			if shown := shownEvent(t, bundle); shown.Digest() != receipt.Event || !bytes.Contains(shown.Rows, fmt.Appendf(nil, "case %d", 100+i)) {
				t.Fatal("the receipt is for another report")
			}
		}
		got, err := chat.Report(ctx, ids[0].ID)
		if err != nil || !got.Sealed || got.Proof == nil || got.Proof.Leaf != ids[0].Leaf || got.NoLaterThan == nil && !got.Sealed {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := chat.ReportBundle(ctx, ids[0].ID, 1); status(err) != http.StatusNotFound {
			t.Errorf("a revision that is not there: %v", err)
		}
	})

	t.Run("it sees how useful its reports were", func(t *testing.T) {
		own, err := chat.Platforms(ctx, "other.example", false)
		if err != nil || len(own) != 1 || own[0].Platform != "chat.example" || own[0].Months[0].Reports != 10 || own[0].Months[0].Withdrawn != 1 || own[0].Months[0].Amended != 1 {
			t.Fatalf("%+v %v", own, err)
		}
		all, err := lab.Platforms(ctx, "", false)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v %v", all, err)
		}
	})
}

// shownEvent puts the one event of a bundle that is shown together again.
func shownEvent(t *testing.T, b *ledger.Bundle) ledger.Event {
	t.Helper()
	var shown []ledger.Event
	for _, row := range b.Carried.Rows {
		if len(row.Hash) > 0 {
			continue
		}
		facts, err := ledger.OpenShared(b.Carried.Shared[row.Shared])
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, ledger.Event{ID: facts.ID, Type: facts.Type, Version: facts.Version, Shared: facts.Shared, Width: facts.Width, Rows: row.Row})
	}
	if len(shown) != 1 {
		t.Fatalf("%d events are shown", len(shown))
	}
	return shown[0]
}

// raw asks a node by hand, on its socket with a token.
func raw(t *testing.T, c node.Config, token, method, path string, header map[string]string, body string) (*http.Response, api.Refusal) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.SocketPath())
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://vigil"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var refusal api.Refusal
	if resp.StatusCode >= 400 && json.Unmarshal(answer, &refusal) != nil {
		t.Fatalf("%s %s: %d, and no problem: %s", method, path, resp.StatusCode, answer)
	}
	return resp, refusal
}

func TestNoMediaEver(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	_, token := named(t, r, api.RolePlatform, "chat.example")
	jpeg := "\xff\xd8\xff\xe0\x00\x10JFIF\x00" + strings.Repeat("x", 300)
	picture := strings.Repeat("/9j/4AAQSkZJRgABAQ", 20)
	good, err := json.Marshal(submission(1, asIs))
	if err != nil {
		t.Fatal(err)
	}
	with := func(field, value string) string {
		return strings.Replace(string(good), `{`, fmt.Sprintf(`{%q:%s,`, field, value), 1)
	}
	size := func() uint64 {
		s, err := r.Operator.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Ledgers[0].Size
	}
	before := size()
	for name, x := range map[string]struct {
		kind, body string
		want       int
		field      string
	}{
		"a JPEG":                     {"image/jpeg", jpeg, 415, ""},
		"a JPEG that says JSON":      {"application/json", jpeg, 415, ""},
		"a JPEG that says nothing":   {"", jpeg, 415, ""},
		"an archive":                 {"application/json", "PK\x03\x04" + string(good), 415, ""},
		"bytes":                      {"application/octet-stream", string(good), 415, ""},
		"an upload":                  {"multipart/form-data; boundary=x", "--x\r\n\r\n" + string(good) + "\r\n--x--", 415, ""},
		"a video type":               {"video/mp4", string(good), 415, ""},
		"a field for material":       {"application/json", with("content", `"x"`), 400, "content"},
		"a file's field for it":      {"application/json", strings.Replace(string(good), `"signals"`, `"data":"x","signals"`, 1), 400, "data"},
		"a data address":             {"application/json", with("note", `"see data:image/png;base64,iVBORw0KGgo="`), 400, "note"},
		"a picture in base64":        {"application/json", with("note", `"see `+picture+`"`), 400, "note"},
		"a picture as a name":        {"application/json", strings.Replace(string(good), `user-1`, picture, 1), 400, "about[0].value"},
		"a picture as a hash":        {"application/json", strings.Replace(string(good), md5(1)[0].Value, picture, 1), 400, "signals[0].value"},
		"not JSON":                   {"application/json", "<report/>", 400, ""},
		"two reports in one":         {"application/json", string(good) + string(good), 400, ""},
		"an unknown priority":        {"application/json", with("priority", `["soon"]`), 400, "priority"},
		"a time without a zone":      {"application/json", with("occurred", `"2026-02-28T14:05:00"`), 400, "occurred"},
		"a time in the year 99999":   {"application/json", with("occurred", `"99999-02-28T14:05:00Z"`), 400, "occurred"},
		"tomorrow":                   {"application/json", with("occurred", `"`+time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)+`"`), 400, "occurred"},
		"an exercise that is a word": {"application/json", with("exercise", `"yes"`), 400, "exercise"},
	} {
		for _, path := range []string{"/v1/reports", "/v1/drafts"} {
			if path == "/v1/drafts" && name == "tomorrow" {
				continue // a draft may be wrong; it is not finished so
			}
			resp, refusal := raw(t, c, token, http.MethodPost, path, map[string]string{"Content-Type": x.kind, "Idempotency-Key": name}, x.body)
			if resp.StatusCode != x.want {
				t.Errorf("%s to %s: %d %+v", name, path, resp.StatusCode, refusal)
			}
			if x.field != "" && (len(refusal.Errors) == 0 || !strings.Contains(fmt.Sprint(refusal.Errors), x.field)) {
				t.Errorf("%s to %s: does not name %s: %+v", name, path, x.field, refusal)
			}
			if strings.Contains(fmt.Sprint(refusal), picture) {
				t.Errorf("%s: the refusal says it again", name)
			}
		}
	}
	if resp, refusal := raw(t, c, token, http.MethodPost, "/v1/reports", map[string]string{"Content-Type": "application/json"}, string(good)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a key: %d %+v", resp.StatusCode, refusal)
	}
	if resp, refusal := raw(t, c, token, http.MethodPost, "/v1/reports", map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k"}, `{"kind":"travel"}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("nothing: %d %+v", resp.StatusCode, refusal)
	}
	if after := size(); after != before {
		t.Errorf("%d entries became %d", before, after)
	}
	if resp, refusal := raw(t, c, token, http.MethodPost, "/v1/reports", map[string]string{"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": "k"}, string(good)); resp.StatusCode != http.StatusCreated {
		t.Errorf("a good one: %d %+v", resp.StatusCode, refusal)
	}
}

func second[T any](_ T, err error) error { return err }

func TestOutcomesAreToldAsThePolicySays(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	lab, _ := named(t, r, api.RoleLab, "asha")
	w, err := chat.SubmitReport(ctx, "k", submission(1, asIs))
	if err != nil {
		t.Fatal(err)
	}
	outcome := func() string {
		x, err := chat.Report(ctx, w.ID)
		if err != nil || len(x.Timeline) != 1 {
			t.Fatalf("%+v %v", x, err)
		}
		return x.Outcome
	}
	if outcome() != "" {
		t.Error("an outcome before there is one")
	}
	if _, err := lab.TriageReport(ctx, "", w.ID, api.TriageReport{Move: "conclude", Outcome: report.NotActionable, Text: "for the desk"}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(); got != report.NotActionable {
		t.Errorf("told %q", got)
	}
	if _, err := lab.TriageReport(ctx, "", w.ID, api.TriageReport{Move: "tell", Outcome: report.ChildSafeguarded}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(); got != "" {
		t.Errorf("told %q, which the policy keeps", got)
	}
	x, err := lab.Report(ctx, w.ID)
	if err != nil || x.Outcome != report.ChildSafeguarded || x.Desk.Told != "" || len(x.Timeline) != 3 {
		t.Errorf("%+v %v", x, err)
	}
	own, err := chat.Platforms(ctx, "", false)
	if err != nil || len(own[0].Months[0].Outcomes) != 0 {
		t.Errorf("figures tell what the policy keeps: %+v %v", own, err)
	}
	policy, err := r.Operator.Policy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	policy.Sections = map[string]json.RawMessage{"report": json.RawMessage(`{"desk":[],"tell":["child-safeguarded"]}`)}
	if _, err := r.Operator.ProposePolicy(ctx, policy); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the policy", func() bool { return outcome() == report.ChildSafeguarded })
	for name, section := range map[string]string{"an unknown outcome": `{"tell":["all"]}`, "an unknown field": `{"telling":[]}`, "no audience": `{"desk":["LAB"]}`} {
		policy.Sections["report"] = json.RawMessage(section)
		if _, err := r.Operator.ProposePolicy(ctx, policy); status(err) != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !slices.Contains(report.Outcomes, report.ChildSafeguarded) {
		t.Error("the outcome is not one of the known ones")
	}
}
