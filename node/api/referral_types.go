package api

import "time"

// OpenReferral is the body of POST /v1/referrals. It has no field for material or attachments.
type OpenReferral struct {
	Kind    string `json:"kind" enum:"investigation,victim-support,take-down,registry-notice,mutual-legal-assistance,information"`
	To      string `json:"to" maxLength:"65" doc:"Agency that is asked, at home or abroad"`
	Urgency string `json:"urgency,omitempty" enum:"routine,priority,child-at-immediate-risk"`
	// Due is the opener's own deadline; the policy's hold beside it, and the earlier one counts.
	Due   *time.Time `json:"due,omitempty"`
	Title string     `json:"title,omitempty" maxLength:"256" doc:"Required, but for victim support, which has none"`
	Text  string     `json:"text,omitempty" maxLength:"4096"`
	// Alerts and Reports are ids of what it is about.
	Alerts  []string `json:"alerts,omitempty" maxItems:"64"`
	Reports []string `json:"reports,omitempty" maxItems:"64"`
	Also    []string `json:"also,omitempty" maxItems:"14" doc:"Further agencies that can read it, and to which it can be transferred"`
	// Support is what victim support says, and all that it says.
	Support  *Support `json:"support,omitempty"`
	Exercise bool     `json:"exercise,omitempty"`
}

// Support is what a support body is told.
type Support struct {
	Reference string   `json:"reference" minLength:"1" maxLength:"64" doc:"Under which the sender can be asked"`
	Needs     []string `json:"needs,omitempty" maxItems:"16" enum:"compensation,counselling,interpreter,legal-aid,medical,protection,schooling,shelter,support-person"`
	Age       string   `json:"age,omitempty" enum:"unknown,0-5,6-11,12-15,16-17,adult"`
	Language  string   `json:"language,omitempty" maxLength:"64"`
	District  string   `json:"district,omitempty" maxLength:"64"`
	Wish      *Wish    `json:"wish,omitempty" doc:"not-asked where it is left out"`
}

// Wish is what a victim wants to hear of further sightings; the body of POST /v1/referrals/{id}/wish.
type Wish struct {
	Choice string `json:"choice" enum:"not-asked,never,through-body,ask-later"`
	Ask    string `json:"ask,omitempty" maxLength:"10" doc:"Day on which to ask again, YYYY-MM-DD: at 18 the choice is their own"`
}

// MoveReferral is the body of POST /v1/referrals/{id}/moves.
type MoveReferral struct {
	Move string `json:"move" enum:"acknowledge,accept,release,decline,transfer,revoke,note,pause,resume,close,withdraw"`
	To   string `json:"to,omitempty" maxLength:"65" doc:"Of a transfer"`
	Text string `json:"text,omitempty" maxLength:"4096" doc:"Reason, outcome or note"`
	// Step is the referral's step as the caller saw it; another one now refuses the move.
	Step *uint64 `json:"step,omitempty"`
}

// LinkReferral is the body of POST /v1/referrals/{id}/links.
type LinkReferral struct {
	Alerts  []string `json:"alerts,omitempty" maxItems:"64"`
	Reports []string `json:"reports,omitempty" maxItems:"64"`
}

// GiveTask is the body of POST /v1/referrals/{id}/tasks.
type GiveTask struct {
	To   string     `json:"to" maxLength:"65" doc:"Agency whose task it is"`
	Text string     `json:"text" minLength:"1" maxLength:"4096"`
	Due  *time.Time `json:"due,omitempty"`
}

// EndTask is the body of POST /v1/referrals/{id}/tasks/{task}.
type EndTask struct {
	Ending string `json:"ending" enum:"done,dropped" doc:"done by whose task it is, dropped by who gave it"`
	Text   string `json:"text,omitempty" maxLength:"4096"`
}

// Referral is one referral as this agency sees it.
type Referral struct {
	ID      string `json:"id"`
	Ledger  string `json:"ledger" doc:"Where it was opened"`
	State   string `json:"state" enum:"open,acknowledged,handover,accepted,declined,closed,withdrawn"`
	Step    uint64 `json:"step" doc:"Moves that have taken effect"`
	Opener  string `json:"opener"`
	Holder  string `json:"holder"`
	Offered string `json:"offered,omitempty" doc:"Whose answer is awaited"`
	Kind    string `json:"kind"`
	Urgency string `json:"urgency"`
	Title   string `json:"title,omitempty"`
	Text    string `json:"text,omitempty"`
	// NoLaterThan is when enough members had signed a checkpoint that covers the opening.
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	// Deadline is the one that comes first.
	Deadline  *Deadline       `json:"deadline,omitempty"`
	Deadlines []Deadline      `json:"deadlines,omitempty" doc:"All that ran or run; only on a single referral"`
	Pauses    []Pause         `json:"pauses,omitempty" doc:"Only on a single referral"`
	Alerts    []string        `json:"alerts,omitempty"`
	Reports   []string        `json:"reports,omitempty"`
	Support   *Support        `json:"support,omitempty"`
	Audience  []string        `json:"audience"`
	Exercise  bool            `json:"exercise,omitempty"`
	OpenTasks int             `json:"open_tasks,omitempty"`
	Moves     []string        `json:"moves" doc:"What this agency may do now"`
	Tasks     []ReferralTask  `json:"tasks,omitempty" doc:"Only on a single referral"`
	Timeline  []ReferralEvent `json:"timeline,omitempty" doc:"Only on a single referral"`
}

// Deadline is what is awaited, and until when.
type Deadline struct {
	Stage string `json:"stage,omitempty" doc:"acknowledge, accept, outcome"`
	Owes  string `json:"owes,omitempty" doc:"Agency whose move is awaited"`
	// From is when it began to run: the first checkpoint that covers what began it.
	From *time.Time `json:"from,omitempty"`
	Warn *time.Time `json:"warn,omitempty" doc:"From when it is due soon"`
	Due  *time.Time `json:"due,omitempty"`
	// Status says where it stands; a deadline of an offer taken back is dropped.
	Status    string     `json:"status,omitempty" doc:"runs, soon, overdue, paused, met, late, dropped"`
	Overdue   bool       `json:"overdue,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
	Escalated string     `json:"escalated,omitempty" doc:"Agency whose node said that it has passed"`
	Basis     string     `json:"basis,omitempty" doc:"Law or agreement it follows from"`
}

// Pause is a time in which a clock stood.
type Pause struct {
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	From   *time.Time `json:"from,omitempty"`
	To     *time.Time `json:"to,omitempty" doc:"Absent while it lasts"`
	Lasts  bool       `json:"lasts,omitempty"`
}

// ReferralTask is a task on a referral.
type ReferralTask struct {
	ID      string     `json:"id"`
	By      string     `json:"by"`
	To      string     `json:"to"`
	Text    string     `json:"text"`
	Due     *time.Time `json:"due,omitempty"`
	Overdue bool       `json:"overdue,omitempty"`
	State   string     `json:"state" enum:"open,done,dropped"`
	Outcome string     `json:"outcome,omitempty"`
}

// ReferralEvent is one event of a referral's time line.
type ReferralEvent struct {
	Move     string    `json:"move" doc:"open, acknowledge, accept, …; link, task, finish, wish, escalate"`
	Author   string    `json:"author"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Authored time.Time `json:"authored"`
	// NoLaterThan is the time of the first checkpoint that covers it.
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	Step        uint64     `json:"step"`
	To          string     `json:"to,omitempty"`
	Text        string     `json:"text,omitempty"`
	Effect      string     `json:"effect,omitempty" doc:"Empty, or why it has none"`
}

// ReferralPage is one page of referrals.
type ReferralPage struct {
	Referrals []Referral `json:"referrals"`
	Next      string     `json:"next_cursor,omitempty"`
	StaleFor  float64    `json:"stale_for,omitempty"`
}
