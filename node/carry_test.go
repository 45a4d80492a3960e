package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/crypto"
	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// TestWhatIsReleasedIsReadAndNothingElse: a support body reads one alert of an entry that holds two, once its author, or the
// members in its place, released it; whoever may not is refused.
func TestWhatIsReleasedIsReadAndNothingElse(t *testing.T) {
	nodes, configs := jurisdiction(t, 2, nil)
	inv, err := nodes[0].Operator.Invite(t.Context(), api.Invite{Agency: "in/support", Audiences: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	config := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	joined, err := node.Join(t.Context(), config, node.Joining{Token: inv.Token, Suite: crypto.SuiteClassic})
	if err != nil {
		t.Fatal(err)
	}
	approve(t, nodes[1], joined.Proposal)
	nodes, configs = append(nodes, nodetest.Run(t, config)), append(configs, config)
	lab, other, support := nodes[0].As(t, api.RoleLab), nodes[1].As(t, api.RoleLab), nodes[2].As(t, api.RoleLab)

	list, err := lab.RaiseList(t.Context(), "list", api.RaiseList{Rows: [][]api.Signal{md5(1), md5(2)}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := lab.Raise(t.Context(), "one", api.RaiseAlert{Signals: md5(3)})
	if err != nil {
		t.Fatal(err)
	}
	red, err := lab.Raise(t.Context(), "red", api.RaiseAlert{Signals: md5(4), AlertFacts: api.AlertFacts{Handling: &api.Handling{TLP: "red", Releases: []string{"in/a1"}}}, Audience: []string{"in/a0", "in/a1"}})
	if err != nil {
		t.Fatal(err)
	}
	reads := func(c *api.Client, id string) bool { _, err := c.Alert(t.Context(), id); return err == nil }
	nodetest.Until(t, "the members read it", func() bool { return reads(other, one.ID) && reads(other, red.ID) })
	to := []string{"in/support"}
	for name, x := range map[string]struct {
		by   *api.Client
		r    api.Release
		code int
		says string
	}{
		"by another":                   {other, api.Release{Alert: one.ID, To: to}, 403, "in/a0 wrote"},
		"by one who cannot open it":    {support, api.Release{Index: one.Index, To: to}, 409, "not sealed to this agency"},
		"to an audience not there":     {lab, api.Release{Alert: one.ID, To: []string{"in/@nobody"}}, 409, "no such audience"},
		"to a jurisdiction not linked": {lab, api.Release{Alert: one.ID, To: []string{"uk/*"}}, 409, "not linked"},
		"to those who read it":         {lab, api.Release{Alert: one.ID, To: []string{"in/*"}}, 409, "sealed to in/* already"},
		"of what is not there":         {lab, api.Release{Index: 1 << 40, To: to}, 404, "no entry"},
		"of a row not there":           {lab, api.Release{Index: one.Index, Rows: []uint32{9}, To: to}, 404, "has the rows 0 to 0"},
		"of an act of governance":      {lab, api.Release{Index: 0, To: to}, 409, "no sealed entry"},
		"of what is for named people":  {lab, api.Release{Alert: red.ID, To: to}, 409, "TLP:RED"},
		"of an alert and an index":     {lab, api.Release{Alert: one.ID, Index: 3, To: to}, 400, "not both"},
	} {
		if _, err := x.by.Release(t.Context(), x.r); status(err) != x.code || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}

	asked, err := support.AskRelease(t.Context(), "ask", api.AskRelease{Index: one.Index, Reason: "our case"})
	if err != nil {
		t.Fatal(err)
	}
	state := func(c *api.Client) string {
		page, err := c.Releases(t.Context(), "", 0, 0)
		if err != nil || len(page.Asks) == 0 {
			return ""
		}
		return page.Asks[len(page.Asks)-1].State
	}
	nodetest.Until(t, "the author sees the request", func() bool { return state(lab) == "open" })
	if _, err := lab.Release(t.Context(), api.Release{Alert: one.ID, To: to}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is read", func() bool { return reads(support, one.ID) })
	nodetest.Until(t, "the request is answered", func() bool { return state(lab) == "released" && state(support) == "released" })
	if reads(support, red.ID) {
		t.Fatal("it reads more than was released")
	}
	if _, err := lab.Release(t.Context(), api.Release{Alert: one.ID, To: to}); status(err) != 409 || !strings.Contains(err.Error(), "already") {
		t.Errorf("released twice: %v", err)
	}
	if a, err := support.Alert(t.Context(), one.ID); err != nil || a.Author != "in/a0" || a.Index != one.Index {
		t.Errorf("%+v %v", a, err)
	}
	if _, err := support.DeclineAsk(t.Context(), "d", asked.ID, "no"); err != nil {
		t.Errorf("an agency of the ledger's jurisdiction declines: %v", err)
	}

	// The author is gone: another member releases the list by a decision.
	index := list.Index
	p, err := other.Release(t.Context(), api.Release{Index: index, To: to, Propose: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Release(t.Context(), api.Release{Index: index, To: to}); status(err) != 403 {
		t.Errorf("released before it was decided: %v", err)
	}
	nodetest.Until(t, "the approval says what it does", func() bool {
		for _, p := range agencies(t, nodes[0]).Proposals {
			if strings.Contains(p.Text, "lets in/a1 release entry") && strings.Contains(p.Text, "in/support") {
				return true
			}
		}
		return false
	})
	approve(t, nodes[0], p.ID)
	nodetest.Until(t, "it is released by the decision", func() bool {
		_, err := other.Release(t.Context(), api.Release{Index: index, To: to})
		return err == nil
	})
	nodetest.Until(t, "both rows are read", func() bool {
		found, err := support.LookUp(t.Context(), api.LookUp{Signals: append(md5(1), md5(2)...)})
		return err == nil && len(found.Results[0].Alerts) == 1 && len(found.Results[1].Alerts) == 1
	})
	e, err := lab.Entry(t.Context(), "", index)
	if err != nil || e.Kind != "sealed" {
		t.Errorf("%+v %v", e, err)
	}

	// A board built anew shows the same.
	nodes[2].Stop()
	if err := os.RemoveAll(filepath.Join(configs[2].Dir, "board")); err != nil {
		t.Fatal(err)
	}
	again := nodetest.Run(t, configs[2]).As(t, api.RoleLab)
	nodetest.Until(t, "a board built anew reads it", func() bool { return reads(again, one.ID) })
	if reads(again, red.ID) {
		t.Error("it reads more than was released")
	}
}
