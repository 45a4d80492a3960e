package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// casework is the demo's second act: from a platform's report to its outcome, with a wrong alert called back on the way.
type casework struct {
	desk     map[ledger.AgencyID]*api.Client // an analyst of each agency
	platform *api.Client

	report   string
	signals  []api.Signal // of the reported file
	alert    string       // raised from the report
	referral string
	wrong    string // the alert that turns out wrong
}

// desks gives every agency an analyst, and a platform a token at the lab.
func (d *demo) desks(ctx context.Context) (err error) {
	d.act2.desk = map[ledger.AgencyID]*api.Client{}
	for _, id := range d.net.Order() {
		if d.act2.desk[id], err = d.net.Node(id).As(ctx, api.RoleAnalyst); err != nil {
			return err
		}
	}
	d.act2.platform, err = d.net.Node("in/forensic-lab").As(ctx, api.RolePlatform)
	return err
}

// reported lets an agency watch for a file, and a platform report it.
func (d *demo) reported(ctx context.Context) (figures, error) {
	if err := d.desks(ctx); err != nil {
		return nil, err
	}
	d.act2.signals = network.RandomSignals()
	watch := api.AddWatched{Rows: [][]api.Signal{d.act2.signals[:1]}}
	watch.Case, watch.Note = "cold case 7", "exhibit of an old case"
	if _, err := d.act2.desk["in/ka-cyber"].AddWatched(ctx, "demo-watch", watch); err != nil {
		return nil, err
	}
	r := api.SubmitReport{ReportStatement: api.ReportStatement{
		Kind: "abuse-material", Reference: "demo 1", Files: []api.ReportFile{{Reference: "file 1", Signals: d.act2.signals, Media: "image", Viewed: "yes"}},
	}}
	began := time.Now()
	w, err := d.act2.platform.SubmitReport(ctx, "demo-report", r)
	if err != nil {
		return nil, err
	}
	d.act2.report = w.ID
	if len(w.Receipt) == 0 {
		return nil, errors.New("the platform got no receipt")
	}
	return figures{"receipt_after_ms": time.Since(began).Milliseconds(), "receipt_bytes": len(w.Receipt)}, nil
}

// triaged takes the report from the lab's queue: one action raises an alert and opens a referral to the state that watches.
func (d *demo) triaged(ctx context.Context) (figures, error) {
	lab := d.net.Node("in/forensic-lab").Work
	var why []string
	err := network.Eventually(ctx, 20*time.Second, func() error {
		q, err := lab.Queue(ctx, "", false, 10)
		if err == nil && len(q.Places) == 0 {
			err = errors.New("the report is not in the queue")
		}
		if err == nil {
			for _, x := range q.Places[0].Parts {
				why = append(why, fmt.Sprintf("%s +%d: %s", x.Name, x.Points, x.Why))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e := api.EscalateReport{
		Alert:     &api.EscalateAlert{Audience: []string{"in/*", "uk/*"}},
		Referrals: []api.OpenReferral{{Kind: "investigation", To: "in/ka-cyber", Urgency: "priority", Title: "identify the uploader"}},
	}
	e.Alert.Title, e.Alert.Urgency, e.Alert.Handling = "from a platform's report", "priority", &api.Handling{TLP: "amber"}
	out, err := lab.EscalateReport(ctx, "demo-triage", d.act2.report, e)
	if err != nil {
		return nil, err
	}
	if len(out.Alerts) != 1 || len(out.Referrals) != 1 || len(out.Reports) != 1 {
		return nil, fmt.Errorf("%d alerts, %d referrals, %d reports concluded", len(out.Alerts), len(out.Referrals), len(out.Reports))
	}
	d.act2.alert, d.act2.referral = out.Alerts[0], out.Referrals[0]
	return figures{"rank_because": why}, nil
}

// met waits for the hit on the other state's watch list, and has that state take the referral.
func (d *demo) met(ctx context.Context) (figures, error) {
	began := time.Now()
	desk := d.act2.desk["in/ka-cyber"]
	err := network.Eventually(ctx, 20*time.Second, func() error {
		hits, err := desk.WatchHits(ctx, api.HitQuery{State: "open"})
		if err == nil && !slices.ContainsFunc(hits.Hits, func(h api.WatchHit) bool { return h.Alert.ID == d.act2.alert }) {
			err = errors.New("the alert did not hit the watch list")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f := figures{"hit_within_ms": time.Since(began).Milliseconds()}
	others, err := d.act2.desk["in/mh-cyber"].WatchHits(ctx, api.HitQuery{})
	if err != nil || len(others.Hits) > 0 {
		return f, errors.Join(err, fmt.Errorf("another state sees %d hits", len(others.Hits)))
	}
	for _, move := range []string{"acknowledge", "accept"} {
		if err := d.move(ctx, "in/ka-cyber", api.MoveReferral{Move: move}); err != nil {
			return f, err
		}
	}
	if _, err := d.act2.desk["in/mh-cyber"].Referral(ctx, d.act2.referral); err == nil {
		return f, errors.New("a state that is not concerned reads the referral")
	}
	r, err := desk.Referral(ctx, d.act2.referral)
	if err == nil && (r.State != "accepted" || r.Holder != "in/ka-cyber") {
		err = fmt.Errorf("the referral is %s, held by %s", r.State, r.Holder)
	}
	return f, err
}

func (d *demo) move(ctx context.Context, by ledger.AgencyID, m api.MoveReferral) error {
	return network.Eventually(ctx, 20*time.Second, func() error {
		_, err := d.act2.desk[by].MoveReferral(ctx, "demo-"+m.Move, d.act2.referral, m)
		return err
	})
}

// sighted has a partner meet the alert abroad; the count comes back to who raised it.
func (d *demo) sighted(ctx context.Context) (figures, error) {
	began := time.Now()
	err := network.Eventually(ctx, 30*time.Second, func() error {
		_, err := d.act2.desk["uk/met"].Sight(ctx, "demo-sighting", d.act2.alert, api.SightAlert{Setting: "seized-media", Review: "matches", Count: 3})
		return err
	})
	if err != nil {
		return nil, err
	}
	var seen int
	err = network.Eventually(ctx, 30*time.Second, func() error {
		a, err := d.act2.desk["in/forensic-lab"].Alert(ctx, d.act2.alert)
		if seen = a.Sighted; err == nil && seen != 3 {
			err = fmt.Errorf("sighted %d times", seen)
		}
		return err
	})
	return figures{"sighted": seen, "known_after_ms": time.Since(began).Milliseconds()}, err
}

// recalled takes a wrong alert back and waits until everyone who held it, at home and abroad, has proved that it is gone.
func (d *demo) recalled(ctx context.Context) (figures, error) {
	desk := d.act2.desk["in/mh-cyber"]
	a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}}
	a.Title, a.Handling = "a wrong one", &api.Handling{TLP: "amber"}
	w, err := desk.Raise(ctx, "demo-wrong", a)
	if err != nil {
		return nil, err
	}
	d.act2.wrong = w.ID
	if err := d.net.Settled(ctx, "in", "uk"); err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := desk.Retract(ctx, "demo-recall", w.ID, api.Retract{Reason: "it is a test pattern"}); err != nil {
		return nil, err
	}
	var r api.Recall
	err = network.Eventually(ctx, 60*time.Second, func() (err error) {
		if r, err = desk.Recall(ctx, w.ID); err == nil && (!r.Complete || r.Done != len(demoAgencies)) {
			err = fmt.Errorf("%d of %d have answered", r.Done, r.Expected)
		}
		return err
	})
	return figures{"answered": r.Done, "expected": r.Expected, "overdue": r.Overdue, "everyone_after_ms": time.Since(began).Milliseconds()}, err
}

// outcome closes the referral; the platform learns what became of its report, and can prove to a court that it was taken.
func (d *demo) outcome(ctx context.Context) (figures, error) {
	if err := d.move(ctx, "in/ka-cyber", api.MoveReferral{Move: "close", Text: "a child is safe"}); err != nil {
		return nil, err
	}
	var r api.Report
	err := network.Eventually(ctx, 30*time.Second, func() (err error) {
		if r, err = d.act2.platform.Report(ctx, d.act2.report); err == nil && (r.Outcome != "actioned" || r.Proof == nil) {
			err = fmt.Errorf("the platform reads outcome %q", r.Outcome)
		}
		return err
	})
	if err == nil && r.Desk != nil {
		err = errors.New("the platform sees the desk's work")
	}
	return figures{"outcome": r.Outcome, "proved_under_entries": sizeOf(r.Proof)}, err
}

func sizeOf(p *api.Proof) uint64 {
	if p == nil {
		return 0
	}
	return p.Size
}
