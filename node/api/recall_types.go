package api

import "time"

// Recall is where the recall of an alert stands: every agency that held it, at home and abroad, and its answer.
type Recall struct {
	Alert    string `json:"alert"`
	Author   string `json:"author"`
	Exercise bool   `json:"exercise,omitempty"`
	Urgency  string `json:"urgency"`
	// Ledger, Index, Authored and NoLaterThan are of the retraction.
	Ledger      string     `json:"ledger"`
	Index       uint64     `json:"index"`
	Authored    time.Time  `json:"authored"`
	NoLaterThan *time.Time `json:"no_later_than,omitempty" doc:"Of the first checkpoint that covers the retraction: the time runs from it"`
	Reason      string     `json:"reason,omitempty"`
	Replacement string     `json:"replacement,omitempty" doc:"The alert that stands in its place"`
	Due         *time.Time `json:"due,omitempty"`

	Complete bool `json:"complete" doc:"Everyone who can answer has"`
	Expected int  `json:"expected"`
	Done     int  `json:"done"`
	Late     int  `json:"late" doc:"Done, and signed after it was due"`
	Pending  int  `json:"not_yet_heard"`
	Overdue  int  `json:"overdue"`
	Removed  int  `json:"removed" doc:"Left their jurisdiction's roster without an answer"`
	RecallDerived
	Agencies []RecallAnswer `json:"agencies,omitempty" doc:"Only on a single recall"`
	Unknown  []string       `json:"unknown,omitempty" doc:"Audiences of jurisdictions that are not linked: who is in them is not known here"`
}

// RecallDerived counts what had been made of the alert.
type RecallDerived struct {
	Hits    uint64 `json:"hits" doc:"Of watch lists, marked"`
	Exports uint64 `json:"exports" doc:"That carried it; the next ones say that it is withdrawn"`
	Told    uint64 `json:"told" doc:"Subscribers that were told"`
}

// RecallAnswer is where one agency stands. Its answer is an event that it signed in its own ledger.
type RecallAnswer struct {
	Agency      string     `json:"agency"`
	By          string     `json:"by,omitempty" doc:"The audience by which it held the alert"`
	State       string     `json:"state" enum:"done,not-yet-heard,overdue,removed"`
	Late        bool       `json:"late,omitempty"`
	Signed      *time.Time `json:"signed,omitempty" doc:"The agency's word"`
	NoLaterThan *time.Time `json:"no_later_than,omitempty" doc:"Of the first checkpoint that covers its answer"`
	Ledger      string     `json:"ledger,omitempty"`
	Index       uint64     `json:"index,omitempty"`
	Position    uint32     `json:"position,omitempty"`
	RecallDerived
}

// RecallPage is one page, the latest retraction first.
type RecallPage struct {
	Recalls  []Recall `json:"recalls"`
	Next     int64    `json:"next,omitempty" doc:"Continues as before"`
	StaleFor float64  `json:"stale_for,omitempty" doc:"Seconds without a leader"`
}
