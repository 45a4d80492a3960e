package console

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"vigil/ledger/alert"
	"vigil/node/api"
)

// nowPage is what arrived and what waits.
type nowPage struct {
	Alerts    []api.Alert
	Urgent    []api.Alert // of the last days, in which a child is at immediate risk; they stand before everything else
	Queue     api.Queue
	Mine      []api.Referral // that wait for this agency's move
	Overdue   []api.Referral
	Hits      []api.WatchHit
	Recalls   []api.Recall
	Consents  []api.Consent
	Proposals []api.Proposal
	Stale     float64
	MoreHits  bool // than are shown
	MoreRisks bool
}

// Nothing says that nothing waits.
func (p nowPage) Nothing() bool {
	return len(p.Queue.Places)+len(p.Mine)+len(p.Overdue)+len(p.Hits)+len(p.Consents)+len(p.Proposals)+len(p.Recalls)+len(p.Urgent) == 0
}

// urgent are the latest alerts in which a child is at immediate risk, however much arrived after them, and whether there are more.
func (v *visit) urgent() (risks []api.Alert, more bool, err error) {
	x, err := v.api.Alerts(v.ctx(), api.ListQuery{Urgency: alert.ImmediateRisk.String(), Exercise: v.Look.Exercise, Limit: listed})
	for _, a := range x.Alerts {
		if a.Standing != "retracted" && time.Since(a.Authored) < urgentAge {
			risks = append(risks, a)
		}
	}
	if len(risks) > shortList {
		return risks[:shortList], true, err
	}
	return risks, false, err
}

// Roles for what the page gathers.
var (
	deskRoles     = []string{api.RoleAnalyst, api.RoleLab}
	referralRoles = []string{api.RoleAnalyst, api.RoleLab, api.RoleAuditor, api.RoleLiaison, api.RoleSupport}
	consentRoles  = []string{api.RoleAnalyst, api.RoleLab, api.RoleCoordinator}
)

// now asks for every part at once: each is a read in the access log.
func (v *visit) now() error {
	p, ctx, exercise := nowPage{}, v.ctx(), v.Look.Exercise
	parts := []struct {
		roles []string
		ask   func() error
	}{
		{readers, func() error {
			x, err := v.api.Alerts(ctx, api.ListQuery{Exercise: exercise, Limit: shortList})
			p.Alerts, p.Stale = x.Alerts, x.StaleFor
			return err
		}},
		{readers, func() (err error) { p.Urgent, p.MoreRisks, err = v.urgent(); return err }},
		{deskRoles, func() (err error) { p.Queue, err = v.api.Queue(ctx, "", exercise, shortList); return err }},
		{referralRoles, func() (err error) { p.Overdue, p.Mine, err = v.waiting(); return err }},
		{writers, func() error {
			x, err := v.api.WatchHits(ctx, api.HitQuery{State: "open", Exercise: exercise, Limit: shortList})
			p.Hits, p.MoreHits = x.Hits, x.Next > 0
			return err
		}},
		{readers, func() error {
			x, err := v.api.Recalls(ctx, api.RecallQuery{Exercise: exercise, Limit: listed})
			for _, r := range x.Recalls {
				if r.Overdue > 0 {
					p.Recalls = append(p.Recalls, r)
				}
			}
			return err
		}},
		{consentRoles, func() error {
			x, err := v.api.Consents(ctx, "waiting", 0)
			for _, c := range x.Consents {
				if c.By != v.Me.ID {
					p.Consents = append(p.Consents, c)
				}
			}
			return err
		}},
		{[]string{api.RoleCoordinator}, func() error {
			x, err := v.api.Agencies(ctx)
			for _, q := range x.Proposals {
				if q.Author != v.Me.Agency && !contains(q.Approvals, v.Me.Agency) {
					p.Proposals = append(p.Proposals, q)
				}
			}
			return err
		}},
	}
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		if v.may(part.roles...) {
			all.Go(func() { errs[i] = part.ask() })
		}
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	v.render(http.StatusOK, "now", p)
	return nil
}

// waiting are the referrals that are overdue, whoever has them, and those that wait for the reader's agency: among what it
// holds, what was offered to it, and what moved last.
func (v *visit) waiting() (overdue, mine []api.Referral, err error) {
	seen := map[string]bool{}
	for _, q := range []api.ReferralQuery{{Overdue: true}, {Holder: v.Me.Agency}, {State: "handover"}, {}} {
		q.Exercise, q.Limit = v.Look.Exercise, listed
		x, err := v.api.Referrals(v.ctx(), q)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range x.Referrals {
			switch {
			case seen[r.ID]:
			case r.Deadline != nil && r.Deadline.Overdue:
				overdue = append(overdue, r)
			case v.waitsForUs(r):
				mine = append(mine, r)
			}
			seen[r.ID] = true
		}
	}
	slices.SortStableFunc(overdue, sooner)
	slices.SortStableFunc(mine, sooner)
	return overdue, mine, nil
}

// sooner compares referrals by when they are due; those without a deadline come last.
func sooner(a, b api.Referral) int {
	due := func(r api.Referral) time.Time {
		if r.Deadline == nil || r.Deadline.Due == nil {
			return time.Unix(1<<40, 0)
		}
		return *r.Deadline.Due
	}
	return due(a).Compare(due(b))
}

// Next is where somebody for whom nothing waits goes on: the words for it and the page.
func (v *visit) Next() (next struct{ Word, To string }) {
	switch {
	case v.may(readers...) && !v.may(api.RoleAuditor):
		next.Word, next.To = "title.lookup", "/look-up"
	case v.may(api.RoleAuditor):
		next.Word, next.To = "title.access", "/access"
	case v.may(referralRoles...):
		next.Word, next.To = "title.referrals", "/referrals"
	default:
		next.Word, next.To = "title.network", "/network"
	}
	return next
}

// waitsForUs says whether a referral waits for a move of the reader's agency.
func (v *visit) waitsForUs(r api.Referral) bool {
	if r.Deadline != nil && r.Deadline.Owes != "" {
		return r.Deadline.Owes == v.Me.Agency
	}
	return r.Offered == v.Me.Agency || r.Holder == v.Me.Agency && r.State == "open"
}
