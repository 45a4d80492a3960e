package api

import "time"

// Person is who a notice or a screening is about. The node makes marks of it and forgets it.
type Person struct {
	Names     []string   `json:"names,omitempty" maxItems:"8" doc:"Full names, aliases and former names too"`
	Born      string     `json:"born,omitempty" maxLength:"10" doc:"YYYY-MM-DD; needed beside names"`
	Documents []Document `json:"documents,omitempty" maxItems:"8"`
}

// Document is an identity document.
type Document struct {
	Kind    string `json:"kind" enum:"passport,national-id,tax-id,driving-licence,voter-id"`
	Country string `json:"country" minLength:"2" maxLength:"2"`
	Number  string `json:"number" minLength:"1" maxLength:"64"`
}

// NoticeFacts is what a notice says beside whom it is about.
type NoticeFacts struct {
	Tier      string `json:"tier" enum:"low,moderate,habitual" doc:"How long it holds, by the policy's terms"`
	Ground    string `json:"ground" enum:"convicted,charged,arrested,order" doc:"Which of them answer screenings, the policy says"`
	Since     string `json:"since" maxLength:"10" doc:"Day from which its term runs, YYYY-MM-DD"`
	Authority string `json:"authority" minLength:"1" maxLength:"160" doc:"Court or authority"`
	Reference string `json:"reference" minLength:"1" maxLength:"160" doc:"Under which the registry is asked"`
}

// GiveNotice is the body of POST /v1/registry/notices.
type GiveNotice struct {
	Person
	NoticeFacts
	Audience []string `json:"audience,omitempty" maxItems:"16" doc:"Who can read it; everyone of our jurisdiction"`
	Exercise bool     `json:"exercise,omitempty"`
}

// CorrectNotice is the body of POST /v1/registry/notices/{id}/corrections: the whole notice as it is to be.
type CorrectNotice struct {
	Person
	NoticeFacts
	Reason string `json:"reason" minLength:"1" maxLength:"1024"`
}

// LiftNotice is the body of POST /v1/registry/notices/{id}/lifting.
type LiftNotice struct {
	Reason    string `json:"reason" minLength:"1" maxLength:"1024"`
	Authority string `json:"authority" minLength:"1" maxLength:"160"`
}

// ChallengeNotice is the body of POST /v1/registry/notices/{id}/challenges, and UpholdNotice of the answer to one.
type (
	ChallengeNotice struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1024"`
	}
	UpholdNotice struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1024"`
	}
)

// Notice is one registry notice as this agency sees it. It names nobody.
type Notice struct {
	ID          string     `json:"id"`
	Author      string     `json:"author"`
	Ledger      string     `json:"ledger"`
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	State       string     `json:"state" enum:"holds,not-screened,run-out,lifted" doc:"Only one that holds answers screenings"`
	Until       string     `json:"until,omitempty" doc:"First day on which it no longer holds; absent where it holds for life"`
	NoticeFacts
	Marks      int               `json:"marks" doc:"Names and documents it can be found by"`
	Audience   []string          `json:"audience"`
	Exercise   bool              `json:"exercise,omitempty"`
	Waiting    int               `json:"waiting,omitempty" doc:"Challenges that wait for its author's answer"`
	Owed       int               `json:"owed,omitempty" doc:"Changes that this agency has not acknowledged"`
	Changes    []NoticeChange    `json:"changes,omitempty" doc:"Only on a single notice"`
	Challenges []NoticeChallenge `json:"challenges,omitempty" doc:"Only on a single notice"`
}

// NoticeChange is a correction or the lifting, and who no longer goes by what it changed.
type NoticeChange struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" enum:"corrected,lifted"`
	Reason      string     `json:"reason"`
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	Due         *time.Time `json:"due,omitempty" doc:"Until when everyone who can read the notice has to acknowledge it"`
	Complete    bool       `json:"complete" doc:"Everyone who can answer has"`
	Expected    int        `json:"expected"`
	Done        int        `json:"done"`
	Late        int        `json:"late"`
	Pending     int        `json:"not_yet_heard"`
	Overdue     int        `json:"overdue"`
	Removed     int        `json:"removed"`
	Agencies    []Answer   `json:"agencies"`
	Unknown     []string   `json:"unknown,omitempty" doc:"Audiences of jurisdictions that are not linked"`
}

// Answer is where one agency stands.
type Answer struct {
	Agency      string     `json:"agency"`
	By          string     `json:"by,omitempty" doc:"The audience by which it can read the notice"`
	State       string     `json:"state" enum:"done,not-yet-heard,overdue,removed"`
	Late        bool       `json:"late,omitempty"`
	Signed      *time.Time `json:"signed,omitempty" doc:"The agency's word"`
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	Ledger      string     `json:"ledger,omitempty"`
	Index       uint64     `json:"index,omitempty"`
}

// NoticeChallenge is a word that a notice is wrong.
type NoticeChallenge struct {
	ID      string     `json:"id"`
	By      string     `json:"by"`
	Reason  string     `json:"reason"`
	Due     *time.Time `json:"due,omitempty"`
	Overdue bool       `json:"overdue,omitempty"`
	Answer  string     `json:"answer,omitempty" doc:"corrected, lifted, upheld; absent while it waits"`
}

// NoticePage is one page, what moved last first.
type NoticePage struct {
	Notices  []Notice `json:"notices"`
	Next     int64    `json:"next,omitempty" doc:"Continues as before"`
	StaleFor float64  `json:"stale_for,omitempty"`
}

// Screen is the body of POST /v1/registry/screenings.
type Screen struct {
	Person
	Purpose   string `json:"purpose" enum:"adoption,appointment,care,licence,volunteering"`
	Authority string `json:"authority" minLength:"1" maxLength:"160" doc:"Law or consent on which it is asked"`
	Reference string `json:"reference,omitempty" maxLength:"128" doc:"Of who asks; nobody's name"`
	Exercise  bool   `json:"exercise,omitempty"`
}

// Screened is the whole answer to a screening: one of two, in one shape and size.
type Screened struct {
	Answer  string `json:"answer" enum:"refer to registry,nothing held"`
	Padding string `json:"padding" doc:"Brings both answers to one length"`
}

// Screening is the record that somebody asked; whom they asked about is recorded nowhere.
type Screening struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	By        string    `json:"by"`
	Role      string    `json:"role"`
	Purpose   string    `json:"purpose"`
	Authority string    `json:"authority"`
	Reference string    `json:"reference,omitempty"`
	Answer    string    `json:"answer"`
	Exercise  bool      `json:"exercise,omitempty"`
}

// ScreeningPage is one page, the latest first.
type ScreeningPage struct {
	Screenings []Screening `json:"screenings"`
	Next       int64       `json:"next,omitempty"`
}
