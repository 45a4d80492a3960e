package console

import (
	"net/http"
	"sync"

	"vigil/node/api"
)

// nowPage is what arrived and what waits.
type nowPage struct {
	Alerts    []api.Alert
	Queue     api.Queue
	Mine      []api.Referral // that wait for this agency's move
	Overdue   []api.Referral
	Hits      []api.WatchHit
	Recalls   []api.Recall
	Consents  []api.Consent
	Proposals []api.Proposal
	Refused   *api.Refusal // of the first part that was refused for want of a purpose
}

// Nothing says that nothing waits.
func (p nowPage) Nothing() bool {
	return len(p.Queue.Places)+len(p.Mine)+len(p.Overdue)+len(p.Hits)+len(p.Consents)+len(p.Proposals)+len(p.Recalls) == 0
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
			p.Alerts = x.Alerts
			return err
		}},
		{deskRoles, func() (err error) { p.Queue, err = v.api.Queue(ctx, "", exercise, shortList); return err }},
		{referralRoles, func() error {
			x, err := v.api.Referrals(ctx, api.ReferralQuery{Exercise: exercise, Limit: listed})
			for _, r := range x.Referrals {
				switch {
				case r.Deadline != nil && r.Deadline.Overdue:
					p.Overdue = append(p.Overdue, r)
				case v.waitsForUs(r):
					p.Mine = append(p.Mine, r)
				}
			}
			return err
		}},
		{writers, func() error {
			x, err := v.api.WatchHits(ctx, api.HitQuery{State: "open", Exercise: exercise, Limit: shortList})
			p.Hits = x.Hits
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

// waitsForUs says whether a referral waits for a move of the reader's agency.
func (v *visit) waitsForUs(r api.Referral) bool {
	if r.Deadline != nil && r.Deadline.Owes != "" {
		return r.Deadline.Owes == v.Me.Agency
	}
	return r.Offered == v.Me.Agency || r.Holder == v.Me.Agency && r.State == "open"
}
