package node_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

const order = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// holding returns the files of nodes that hold any of the bytes.
func holding(t *testing.T, configs []node.Config, needles ...[]byte) (files []string) {
	t.Helper()
	for _, c := range configs {
		err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // files come and go while nodes run
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			for _, n := range needles {
				if bytes.Contains(b, n) {
					files = append(files, path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestWhatIsExpungedIsOnNoNode: an alert of a list, then the list, then another agency's alert by a decision; whoever may not
// is refused; proofs made before still hold, and a node that joins afterwards gets none of it.
func TestWhatIsExpungedIsOnNoNode(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	lab, other := nodes[0].As(t, api.RoleLab), nodes[1].As(t, api.RoleLab)
	list, err := lab.RaiseList(t.Context(), "list", api.RaiseList{AlertFacts: api.AlertFacts{Title: "zebrawood"}, Rows: [][]api.Signal{md5(1), md5(2), md5(3)}})
	if err != nil {
		t.Fatal(err)
	}
	single, err := lab.Raise(t.Context(), "single", api.RaiseAlert{Signals: md5(4)})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := lab.Raise(t.Context(), "kept", api.RaiseAlert{Signals: md5(5)})
	if err != nil {
		t.Fatal(err)
	}
	found := func(c *api.Client, b byte) int {
		r, err := c.LookUp(t.Context(), api.LookUp{Signals: md5(b)})
		if err != nil {
			return -1
		}
		return len(r.Results[0].Alerts)
	}
	nodetest.Until(t, "all have it", func() bool { return found(other, 2) == 1 && found(other, 4) == 1 && found(other, 5) == 1 })
	var bundle []byte
	nodetest.Until(t, "a bundle", func() bool { bundle, err = lab.Bundle(t.Context(), single.ID); return err == nil })
	trust, err := lab.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nodes[2].Stop()
	gone := nodetest.Payloads(t, configs[2], list.Index, single.Index)
	nodes[2] = nodetest.Run(t, configs[2])
	if len(holding(t, configs, gone...)) < 6 {
		t.Fatal("the search finds nothing")
	}

	by := func(r api.Expunge) api.Expunge {
		r.Order, r.Authority = order, "High Court"
		return r
	}
	for name, x := range map[string]struct {
		by   *api.Client
		r    api.Expunge
		code int
		says string
	}{
		"by a third party":         {nodes[1].Operator, by(api.Expunge{Index: single.Index}), 403, "in/a0 wrote"},
		"by one without the right": {lab, by(api.Expunge{Index: single.Index}), 403, ""},
		"of what is not there":     {nodes[0].Operator, by(api.Expunge{Index: 1 << 40}), 404, "no entry"},
		"of a row not there":       {nodes[0].Operator, by(api.Expunge{Index: list.Index, Rows: []uint32{3}}), 404, "no row 3"},
		"of an act of governance":  {nodes[0].Operator, by(api.Expunge{Index: 0}), 409, "no sealed entry"},
		"without an order":         {nodes[0].Operator, api.Expunge{Index: single.Index, Authority: "x", Order: strings.Repeat("x", 64)}, 400, "SHA-256"},
	} {
		if _, err := x.by.Expunge(t.Context(), x.r); status(err) != x.code || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// One alert of the list, by its author.
	if _, err := nodes[0].Operator.Expunge(t.Context(), by(api.Expunge{Index: list.Index, Rows: []uint32{1}})); err != nil {
		t.Fatal(err)
	}
	clients := []*api.Client{lab, other, nodes[2].As(t, api.RoleLab)}
	for _, c := range clients {
		nodetest.Until(t, "one alert of the list is gone", func() bool { return found(c, 2) == 0 && found(c, 1) == 1 && found(c, 3) == 1 })
	}
	if _, err := nodes[0].Operator.Expunge(t.Context(), by(api.Expunge{Index: list.Index, Rows: []uint32{1}})); status(err) != 404 {
		t.Errorf("twice: %v", err)
	}
	var remains []byte
	nodetest.Until(t, "what is left has its proof", func() bool {
		r, err := lab.LookUp(t.Context(), api.LookUp{Signals: md5(3)})
		if err == nil && len(r.Results[0].Alerts) == 1 {
			remains, err = lab.Bundle(t.Context(), r.Results[0].Alerts[0].ID)
		}
		return err == nil && len(remains) > 0
	})

	// Another agency's alert, by a decision of the members.
	p, err := nodes[1].Operator.Expunge(t.Context(), by(api.Expunge{Alert: single.ID, Propose: true}))
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the approval says what it does", func() bool {
		for _, p := range agencies(t, nodes[0]).Proposals {
			if strings.Contains(p.Text, "lets in/a1 expunge row 0 of entry") && strings.Contains(p.Text, order) {
				return true
			}
		}
		return false
	})
	approve(t, nodes[0], p.ID)
	nodetest.Until(t, "decided", func() bool { return len(agencies(t, nodes[1]).Proposals) == 0 })
	decided := by(api.Expunge{Alert: single.ID})
	wrong := decided
	wrong.Order = strings.Repeat("b", 64)
	if _, err := nodes[1].Operator.Expunge(t.Context(), wrong); status(err) != 403 || !strings.Contains(err.Error(), "another expungement") {
		t.Errorf("by another order than was decided: %v", err)
	}
	if _, err := nodes[1].Operator.Expunge(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		nodetest.Until(t, "the alert is gone", func() bool { return found(c, 4) == 0 && found(c, 5) == 1 })
	}

	// The rest of the list.
	if _, err := nodes[0].Operator.Expunge(t.Context(), by(api.Expunge{Index: list.Index})); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		nodetest.Until(t, "the list is gone", func() bool { return found(c, 1)+found(c, 3) == 0 && found(c, 5) == 1 })
	}
	nodetest.Until(t, "every holder answers", func() bool {
		page, err := lab.Expungements(t.Context(), 0, 0)
		if err != nil || len(page.Expungements) != 3 {
			return false
		}
		for _, x := range page.Expungements {
			for _, h := range x.Holders {
				if h.State != "gone" || h.Answered == nil {
					return false
				}
			}
			if len(x.Holders) != 3 || x.Authority != "High Court" || x.Order != order {
				return false
			}
		}
		return true
	})
	nodetest.Until(t, "the index is saved without it", func() bool {
		n, err := nodes[0].Node.SavedRefs()
		return err == nil && n == 1
	})
	if files := holding(t, configs, gone...); len(files) > 0 {
		t.Errorf("still in %v", files)
	}
	for _, c := range clients {
		if page, err := c.Alerts(t.Context(), api.ListQuery{Text: "zebrawood"}); err != nil || len(page.Alerts) > 0 {
			t.Errorf("found by its words: %v", err)
		}
		if _, err := c.Alert(t.Context(), kept.ID); err != nil {
			t.Errorf("what was not expunged: %v", err)
		}
	}
	if e, err := lab.Entry(t.Context(), "", single.Index); err != nil || !strings.Contains(e.Note, "expunged by entry") || len(e.Events) > 0 {
		t.Errorf("%+v %v", e, err)
	}
	findings := 0
	if err := lab.Verify(t.Context(), func(l api.VerifyLine) {
		if l.Finding != "" {
			findings++
			t.Error(l.Finding)
		}
	}); err != nil {
		t.Error(err)
	}

	// What was proved before holds, offline, with the trust file of then and of now.
	now, err := lab.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{trust, now} {
		tr, err := ledger.ParseTrust(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{bundle, remains} {
			if r := ledger.VerifyBundle(b, tr); !r.Verified {
				t.Errorf("a bundle made before: %+v", r.Checks)
			}
		}
	}
	if _, err := lab.Bundle(t.Context(), single.ID); status(err) != 404 && status(err) != 410 {
		t.Errorf("a bundle of what is gone: %v", err)
	}

	// A node rebuilt from its kit gets none of it, and a board built anew is the same.
	k, err := node.MakeKit(t.Context(), configs[2], kitPass)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Open(kitPass)
	if err != nil {
		t.Fatal(err)
	}
	nodes[2].Stop()
	fresh := nodetest.Config(t, filepath.Join(t.TempDir(), "new"))
	if _, err := node.Replace(t.Context(), fresh, r); err != nil {
		t.Fatal(err)
	}
	rebuilt := nodetest.Run(t, fresh)
	again := rebuilt.As(t, api.RoleLab)
	nodetest.Until(t, "the rebuilt node reads the rest", func() bool { return found(again, 5) == 1 })
	if found(again, 1)+found(again, 2)+found(again, 3)+found(again, 4) != 0 {
		t.Error("the rebuilt node reads what was expunged")
	}
	if files := holding(t, []node.Config{fresh}, gone...); len(files) > 0 {
		t.Errorf("the rebuilt node holds it in %v", files)
	}
	page, err := again.Expungements(t.Context(), 0, 0)
	if err != nil || len(page.Expungements) != 3 {
		t.Errorf("the orders are lost: %+v %v", page, err)
	}

	// Who does not answer in time is counted.
	later := time.Now().Add(100 * time.Hour)
	if late := nodes[0].Node.LateAnswers(later); late != 0 {
		t.Errorf("%d are late who have answered", late)
	}
	rebuilt.Stop()
	if _, err := nodes[0].Operator.Expunge(t.Context(), by(api.Expunge{Index: kept.Index})); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the one that is down is late", func() bool {
		return nodes[0].Node.LateAnswers(later) == 1 && nodes[0].Node.LateAnswers(time.Now()) == 0
	})
}

// TestAnExpungementIsAnsweredOnceTheIndexIsSaved: what a node has of before is in its file when it starts, and is not when it says
// that all is gone.
func TestAnExpungementIsAnsweredOnceTheIndexIsSaved(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	w := raised(t, r.As(t, api.RoleLab), api.RaiseAlert{Signals: md5(1)})
	s, err := alert.ParseSignal("md5:" + md5(1)[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is filed", func() bool { return r.Node.Filed(s) })
	r.Stop()
	r = nodetest.Run(t, c)
	if has, err := r.Node.SavedHas(s); err != nil || !has {
		t.Fatalf("saved %v: %v", has, err)
	}
	if _, err := r.Operator.Expunge(t.Context(), api.Expunge{Index: w.Index, Order: order, Authority: "a court"}); err != nil {
		t.Fatal(err)
	}
	lab := r.As(t, api.RoleLab)
	nodetest.Until(t, "it is answered", func() bool {
		page, err := lab.Expungements(t.Context(), 0, 0)
		return err == nil && len(page.Expungements) == 1 && len(page.Expungements[0].Holders) == 1 && page.Expungements[0].Holders[0].State == "gone"
	})
	if has, err := r.Node.SavedHas(s); err != nil || has {
		t.Errorf("saved %v, when it was said to be gone: %v", has, err)
	}
}

// TestAnExpungedReportLeavesTheQueue: the queue in memory keeps nothing of it, and answers on.
func TestAnExpungedReportLeavesTheQueue(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	asha, _ := named(t, r, api.RoleLab, "asha")
	gone, err := chat.SubmitReport(ctx, "gone", submission(1, asIs))
	if err != nil {
		t.Fatal(err)
	}
	stays, err := chat.SubmitReport(ctx, "stays", submission(2, asIs))
	if err != nil {
		t.Fatal(err)
	}
	queued := func() (ids []string, err error) {
		q, err := asha.Queue(ctx, "", false, 0)
		for _, p := range q.Places {
			ids = append(ids, p.Report.ID)
		}
		return ids, err
	}
	if ids, err := queued(); err != nil || len(ids) != 2 {
		t.Fatalf("%v %v", ids, err)
	}
	x, err := asha.Report(ctx, gone.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Operator.Expunge(ctx, api.Expunge{Index: x.Index, Order: strings.Repeat("ab", 32), Authority: "a court"}); err != nil {
		t.Fatal(err)
	}
	if _, err := asha.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)}); err != nil { // what the report carried is weighed again
		t.Fatal(err)
	}
	nodetest.Until(t, "it is out of the queue", func() bool {
		ids, err := queued()
		return err == nil && len(ids) == 1 && ids[0] == stays.ID
	})
}
