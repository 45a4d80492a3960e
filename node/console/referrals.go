package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"vigil/ledger/referral"
	"vigil/node/api"
)

// referralsPage is the board of referrals.
type referralsPage struct {
	Query     api.ReferralQuery
	Referrals []api.Referral
	Next      string
	Stale     float64
	Filtered  bool
	Columns   []referralColumn // of the board; none of the list
	// Addresses of the list and of the board, with the filters as they are.
	AsList, AsBoard string
}

// referralColumn is one state of the board.
type referralColumn struct {
	State     string
	Referrals []api.Referral
}

// referralStates are the columns of the board, in the order in which a referral goes through them.
var referralStates = []string{"open", "acknowledged", "handover", "accepted", "declined", "closed", "withdrawn"}

// columns sorts referrals into states. Those that are over stand last, and only where there are some.
func columns(all []api.Referral) (out []referralColumn) {
	for i, state := range referralStates {
		c := referralColumn{State: state}
		for _, r := range all {
			if r.State == state {
				c.Referrals = append(c.Referrals, r)
			}
		}
		if i < 4 || len(c.Referrals) > 0 {
			out = append(out, c)
		}
	}
	return out
}

func (v *visit) referrals() error {
	q := api.ReferralQuery{
		State: v.form("state"), Kind: v.form("kind"), Holder: v.form("holder"), Cursor: v.form("cursor"), Overdue: v.form("overdue") != "",
		Exercise: v.Look.Exercise, Limit: listed,
	}
	board := v.form("view") == "board"
	if board {
		q.State, q.Limit = "", boarded
	}
	page, err := v.api.Referrals(v.ctx(), q)
	if err != nil {
		return err
	}
	p := referralsPage{Query: q, Referrals: page.Referrals, Stale: page.StaleFor, Filtered: q.State+q.Kind+q.Holder != "" || q.Overdue, AsList: v.viewed("list"), AsBoard: v.viewed("board")}
	if board {
		p.Columns = columns(page.Referrals)
	}
	if page.Next != "" {
		next := v.r.URL.Query()
		next.Set("cursor", page.Next)
		p.Next = "/referrals?" + next.Encode()
	}
	v.render(http.StatusOK, "referrals", p)
	return nil
}

// viewed is the address of this page in another view.
func (v *visit) viewed(view string) string {
	q := v.r.URL.Query()
	q.Del("cursor")
	q.Set("view", view)
	return v.r.URL.Path + "?" + q.Encode()
}

func (v *visit) referral() error {
	r, err := v.api.Referral(v.ctx(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	slices.SortStableFunc(r.Moves, func(a, b string) int { return slices.Index(movesOffered, a) - slices.Index(movesOffered, b) })
	v.render(http.StatusOK, "referral", referralPage{r, referral.Choices})
	return nil
}

// movesOffered is the order in which moves are offered: what takes a referral further first, what ends it last.
var movesOffered = []string{"acknowledge", "accept", "release", "note", "resume", "pause", "transfer", "revoke", "close", "decline", "withdraw"}

// referralPage is one referral, with what can be said of it.
type referralPage struct {
	api.Referral
	Wishes []string
}

// Over says whether nothing is awaited of anybody any more.
func (p referralPage) Over() bool { return slices.Contains(referralStates[4:], p.State) }

// Readers are the agencies that can be given a task.
func (p referralPage) Readers() []string { return p.Audience }

// moveReferral makes the reader's move on the step that they saw; another one meanwhile refuses it.
func (v *visit) moveReferral() error {
	step, err := strconv.ParseUint(v.form("step"), 10, 62)
	if err != nil {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	m := api.MoveReferral{Move: v.form("move"), To: v.form("to"), Text: v.form("text"), Step: &step}
	if m.Text == "" && slices.Contains([]string{"decline", "withdraw", "close", "revoke", "pause"}, m.Move) {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "reason"}
	}
	if _, err := v.api.MoveReferral(v.ctx(), v.key(), v.r.PathValue("id"), m); err != nil {
		return err
	}
	return v.onReferral("move-"+m.Move, nil)
}

func (v *visit) onReferral(said string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/referrals/"+url.PathEscape(v.r.PathValue("id")))
}

// giveTask gives an agency that reads a referral a task on it.
func (v *visit) giveTask() error {
	due, err := v.due()
	if err != nil {
		return err
	}
	_, err = v.api.GiveTask(v.ctx(), v.key(), v.r.PathValue("id"), api.GiveTask{To: v.form("to"), Text: v.form("text"), Due: due})
	return v.onReferral("task", err)
}

// endTask says that a task is done, or drops it.
func (v *visit) endTask() error {
	ending := api.EndTask{Ending: v.form("ending"), Text: v.form("text")}
	if ending.Ending == "dropped" && ending.Text == "" {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "reason"}
	}
	_, err := v.api.EndTask(v.ctx(), v.key(), v.r.PathValue("id"), v.r.PathValue("task"), ending)
	return v.onReferral("task-"+ending.Ending, err)
}

// linkReferral names further alerts and reports.
func (v *visit) linkReferral() error {
	l := api.LinkReferral{Alerts: fields(v.form("alerts")), Reports: fields(v.form("reports"))}
	_, err := v.api.LinkReferral(v.ctx(), v.key(), v.r.PathValue("id"), l)
	return v.onReferral("linked", err)
}

// wish records what a victim wants to hear.
func (v *visit) wish() error {
	_, err := v.api.RecordWish(v.ctx(), v.key(), v.r.PathValue("id"), api.Wish{Choice: v.form("choice"), Ask: v.form("ask")})
	return v.onReferral("wished", err)
}

// due is the end of the day that a form names; nil where it names none.
func (v *visit) due() (*time.Time, error) {
	day := v.form("due")
	if day == "" {
		return nil, nil
	}
	due, err := time.Parse("2006-01-02", day)
	if err != nil {
		return nil, &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	due = due.Add(24*time.Hour - time.Second)
	return &due, nil
}

// referPage is the form to open a referral: to victim support, which has fields of its own, or any other.
type referPage struct {
	Agencies            api.Agencies
	Partners            []api.PartnerStatus
	Alerts              string
	Support             bool
	Needs, Ages, Wishes []string
}

func (v *visit) referForm() error {
	p := referPage{Alerts: v.form("alert"), Support: v.form("kind") == "victim-support", Needs: referral.Needs, Ages: referral.Ages, Wishes: referral.Choices}
	var err error
	if p.Agencies, err = v.api.Agencies(v.ctx()); err != nil {
		return err
	}
	if p.Partners, err = v.api.Partners(v.ctx()); err != nil {
		return err
	}
	v.render(http.StatusOK, "refer", p)
	return nil
}

func (v *visit) refer() error {
	o := api.OpenReferral{
		Kind: v.form("kind"), To: v.form("to"), Urgency: v.form("urgency"), Title: v.form("title"), Text: v.form("text"),
		Alerts: fields(v.form("alerts")), Reports: fields(v.form("reports")), Also: fields(v.form("also")), Exercise: v.Look.Exercise,
	}
	if o.Kind == string(referral.VictimSupport) {
		o.Support = &api.Support{
			Reference: v.form("reference"), Needs: v.r.Form["needs"], Age: v.form("age"), Language: v.form("language"), District: v.form("district"),
			Wish: &api.Wish{Choice: v.form("choice"), Ask: v.form("ask")},
		}
	}
	var err error
	if o.Due, err = v.due(); err != nil {
		return err
	}
	w, err := v.api.OpenReferral(v.ctx(), v.key(), o)
	if err != nil {
		return err
	}
	return v.done("referred", "/referrals/"+url.PathEscape(w.ID))
}
