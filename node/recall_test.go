package node_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/board"
	"vigil/test/nodetest"
)

// carry runs an export and returns its id, what it handed out and what it withdrew.
func carry(t *testing.T, c *api.Client, b api.BeginExport) (id string, alerts []api.Alert, withdrawn []api.Withdrawal) {
	t.Helper()
	x, err := c.BeginExport(t.Context(), "", b)
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.ExportAlerts(t.Context(), x.ID, api.ExportMore{})
	if err != nil || page.Next != 0 {
		t.Fatalf("%+v %v", page, err)
	}
	back, err := c.ExportWithdrawals(t.Context(), x.ID, api.ExportMore{})
	if err != nil || back.Next != 0 {
		t.Fatalf("%+v %v", back, err)
	}
	return x.ID, page.Alerts, back.Withdrawals
}

func TestARecallIsAnsweredWithWhatWasMadeOfIt(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx := t.Context()
	analyst := r.As(t, api.RoleAnalyst)
	raise := func(i int, f api.AlertFacts) string {
		t.Helper()
		w, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: numbered(i), AlertFacts: f})
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	wrong, good := raise(1, api.AlertFacts{}), raise(2, api.AlertFacts{})
	drill := raise(3, api.AlertFacts{Exercise: true})
	raise(4, api.AlertFacts{Handling: &api.Handling{TLP: "red", Releases: []string{"in/ncrb"}}})
	if _, err := analyst.AddWatched(ctx, "", api.AddWatched{WatchFacts: api.WatchFacts{Case: "c"}, Rows: [][]api.Signal{numbered(1)}}); err != nil {
		t.Fatal(err)
	}
	first, alerts, withdrawn := carry(t, analyst, api.BeginExport{Format: "csv"})
	if len(alerts) != 2 || alerts[0].ID != wrong || len(withdrawn) != 0 {
		t.Fatalf("%+v %+v", alerts, withdrawn)
	}
	if _, err := analyst.Recall(ctx, wrong); status(err) != 409 {
		t.Errorf("an alert that stands: %v", err)
	}
	right := raise(5, api.AlertFacts{})
	if _, err := analyst.Retract(ctx, "", wrong, api.Retract{Reason: "another file", Replacement: right}); err != nil {
		t.Fatal(err)
	}
	var got api.Recall
	done := func() bool {
		var err error
		got, err = analyst.Recall(ctx, wrong)
		return err == nil && got.Complete && got.NoLaterThan != nil && got.Agencies[0].NoLaterThan != nil
	}
	nodetest.Until(t, "the answer", done)
	a := got.Agencies[0]
	if got.Expected != 1 || got.Done != 1 || got.Replacement != right || got.Reason != "another file" || got.Due == nil || a.Agency != "in/ncrb" || a.By != "in/*" || a.State != "done" || a.Late {
		t.Errorf("%+v", got)
	}
	if a.Hits != 1 || a.Exports != 1 || a.Told != 0 {
		t.Errorf("%+v", a)
	}
	e, err := analyst.Entry(ctx, a.Ledger, a.Index)
	if err != nil || len(e.Events) != 1 {
		t.Errorf("the answer's entry: %+v %v", e, err)
	}

	second, alerts, withdrawn := carry(t, analyst, api.BeginExport{Format: "vics", Since: first})
	if len(alerts) != 1 || alerts[0].ID != right || len(withdrawn) != 1 || withdrawn[0].Alert != wrong || withdrawn[0].Because != "retracted" || withdrawn[0].Replacement != right || withdrawn[0].Reason != "another file" {
		t.Errorf("%+v %+v", alerts, withdrawn)
	}
	_, alerts, withdrawn = carry(t, analyst, api.BeginExport{Format: "csv", Since: second})
	if len(alerts) != 0 || len(withdrawn) != 0 {
		t.Errorf("nothing is new: %+v %+v", alerts, withdrawn)
	}
	_, alerts, withdrawn = carry(t, analyst, api.BeginExport{Format: "csv", Exercise: true})
	if len(alerts) != 1 || len(withdrawn) != 0 || alerts[0].ID == good {
		t.Errorf("an exercise: %+v %+v", alerts, withdrawn)
	}

	if _, err := analyst.Retract(ctx, "", drill, api.Retract{Reason: "the exercise is over"}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the exercise's answer", func() bool {
		x, err := analyst.Recall(ctx, drill)
		return err == nil && x.Complete && x.Exercise && x.Exports == 1
	})

	// The board is lost: what left is known still, and nothing is answered twice.
	before, err := r.Operator.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if err := os.RemoveAll(filepath.Join(c.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	analyst = r.As(t, api.RoleAnalyst)
	nodetest.Until(t, "the answer on the new board", done)
	exports, err := analyst.Exports(ctx, false, 0, 0)
	if err != nil || len(exports.Exports) != 3 || exports.Exports[2].ID != first || exports.Exports[2].Carried != 2 || exports.Exports[1].Withdrawn != 1 {
		t.Errorf("%+v %v", exports, err)
	}
	last, err := analyst.Raise(ctx, "", api.RaiseAlert{Signals: numbered(6)})
	if err != nil {
		t.Fatal(err)
	}
	after := answers(t, ctx, analyst, before.Ledgers[0].Size, last.Index)
	if after != 0 {
		t.Errorf("%d answers again", after)
	}
	page, err := analyst.Recalls(ctx, api.RecallQuery{})
	if err != nil || len(page.Recalls) != 1 || page.Recalls[0].Alert != wrong || !page.Recalls[0].Complete || page.Recalls[0].Agencies != nil {
		t.Errorf("%+v %v", page, err)
	}
}

// answers counts the answers to recalls in entries from one index to another.
func answers(t *testing.T, ctx context.Context, c *api.Client, from, to uint64) (n int) {
	t.Helper()
	for i := from; i < to; i++ {
		e, err := c.Entry(ctx, "", i)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range e.Events {
			if m, ok := x.(map[string]any); ok && m["type"] == "recall.answered" {
				n++
			}
		}
	}
	return n
}

func TestExportsAreRefusedWithTheReason(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	analyst, lab, auditor := r.As(t, api.RoleAnalyst), r.As(t, api.RoleLab), r.As(t, api.RoleAuditor)
	x, err := analyst.BeginExport(ctx, "", api.BeginExport{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		try  func() error
		want int
	}{
		"unknown format": {func() error { _, err := analyst.BeginExport(ctx, "", api.BeginExport{Format: "doc"}); return err }, 400},
		"since nothing": {func() error {
			_, err := analyst.BeginExport(ctx, "", api.BeginExport{Format: "csv", Since: "ex_00000000"})
			return err
		}, 404},
		"since an alert": {func() error {
			_, err := analyst.BeginExport(ctx, "", api.BeginExport{Format: "csv", Since: "al_00000000"})
			return err
		}, 400},
		"another's":        {func() error { _, err := lab.ExportAlerts(ctx, x.ID, api.ExportMore{}); return err }, 403},
		"another's still":  {func() error { _, err := lab.ExportWithdrawals(ctx, x.ID, api.ExportMore{}); return err }, 403},
		"an auditor":       {func() error { _, err := auditor.BeginExport(ctx, "", api.BeginExport{Format: "csv"}); return err }, 403},
		"unknown standing": {func() error { _, err := analyst.ExportAlerts(ctx, x.ID, api.ExportMore{Standing: "odd"}); return err }, 400},
		"mixed": {func() error {
			_, err := analyst.BeginExport(ctx, "", api.BeginExport{Format: "csv", Since: x.ID, Exercise: true})
			return err
		}, 409},
		"no alert":          {func() error { _, err := analyst.Recall(ctx, "al_00000000"); return err }, 404},
		"the operator asks": {func() error { _, err := r.Operator.Recalls(ctx, api.RecallQuery{}); return err }, 403},
	} {
		if got := status(c.try()); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if _, err := lab.BeginExport(ctx, "", api.BeginExport{Format: "csv", Since: x.ID}); err != nil {
		t.Errorf("to go on from another's: %v", err)
	}
}

func TestWhoIsToldOfARecall(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t)).Node
	in := func(agency ledger.AgencyID, by ledger.AudienceName, since uint64) board.Holder {
		return board.Holder{Agency: agency, By: by, Since: since}
	}
	for name, c := range map[string]struct {
		holders []board.Holder
		unknown []ledger.AudienceName
		want    []ledger.AudienceName
	}{
		"everyone":                      {[]board.Holder{in("in/ncrb", "in/*", 0)}, nil, []ledger.AudienceName{"in/*"}},
		"ourselves":                     {[]board.Holder{in("in/ncrb", "in/ncrb", 3)}, nil, []ledger.AudienceName{"in/ncrb"}},
		"an audience that is no more":   {[]board.Holder{in("in/ncrb", "in/@lab", 1)}, nil, []ledger.AudienceName{"in/ncrb"}},
		"one that left":                 {[]board.Holder{in("in/ncrb", "in/*", 0), in("in/gone", "in/*", 0)}, nil, []ledger.AudienceName{"in/*"}},
		"a link that is not there":      {[]board.Holder{in("in/ncrb", "in/*", 0), in("uk/x", "uk/x", 0)}, []ledger.AudienceName{"us/*"}, []ledger.AudienceName{"in/*"}},
		"an alert that nobody here had": {nil, nil, []ledger.AudienceName{"in/ncrb"}},
	} {
		if got := n.RecallAudience(c.holders, c.unknown); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		holder board.Holder
		want   bool
	}{
		"a member":                   {in("in/ncrb", "in/*", 0), false},
		"a member since":             {in("in/ncrb", "in/*", 5), false},
		"not in the roster":          {in("in/gone", "in/*", 2), true},
		"of a jurisdiction unlinked": {in("uk/x", "uk/*", 2), false},
	} {
		if got := n.RemovedSince(c.holder); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
