package api

import "time"

// The shapes of reports on the wire. A report id is "rp_<32 hex>"; a draft has the id that its report will have.

// ReportFile is what a platform says of one file: its fingerprints, never the file.
type ReportFile struct {
	Reference       string           `json:"reference,omitempty" maxLength:"128" doc:"The platform's own number for it"`
	Signals         []Signal         `json:"signals" minItems:"1" maxItems:"16"`
	Size            uint64           `json:"size,omitempty" doc:"Bytes"`
	Media           string           `json:"media,omitempty" enum:"image,video,audio,text,other,unknown"`
	AIGenerated     string           `json:"ai_generated,omitempty" enum:"no,partly,fully,unknown"`
	Viewed          string           `json:"viewed,omitempty" enum:"yes,no" doc:"Has a person at the platform looked at it"`
	Public          string           `json:"public,omitempty" enum:"yes,no" doc:"Could anyone reach it"`
	Uploaded        *time.Time       `json:"uploaded,omitempty" doc:"With the zone it is stated in"`
	Classifications []Classification `json:"classifications,omitempty" maxItems:"8" doc:"The platform's, with their schemes"`
	Labels          []string         `json:"labels,omitempty" maxItems:"9" doc:"bestiality, drawing, infant, livestream, physical-harm, possible-meme, possible-self-production, violence, viral"`
	Supplemental    bool             `json:"supplemental,omitempty" doc:"Sent along, not what is reported"`
}

// ReportPointer points at somebody: the least that lets an agency ask further.
type ReportPointer struct {
	Role    string     `json:"role" enum:"reported,recipient,child"`
	Kind    string     `json:"kind" enum:"account,screen-name,email,phone,device,wallet,ip,url"`
	Value   string     `json:"value" minLength:"1" maxLength:"512"`
	Service string     `json:"service,omitempty" maxLength:"64" doc:"Where it belongs to, if not to the platform"`
	Port    int        `json:"port,omitempty" minimum:"1" maximum:"65535" doc:"Of an ip"`
	Seen    *time.Time `json:"seen,omitempty" doc:"When; an ip means little without"`
}

// ReportPlace is where a platform believes those reported are.
type ReportPlace struct {
	Country string `json:"country" minLength:"2" maxLength:"2" doc:"ISO 3166 alpha-2"`
	Region  string `json:"region,omitempty" maxLength:"64"`
}

// ReportStatement is what a platform says. There is no field for material, and unknown fields are refused.
type ReportStatement struct {
	Reference string          `json:"reference,omitempty" maxLength:"128" doc:"The platform's own number for it"`
	Kind      string          `json:"kind" enum:"abuse-material,trafficking,travel,contact-abuse,enticement,unsolicited,misleading-name,misleading-words"`
	Priority  []string        `json:"priority,omitempty" maxItems:"8" doc:"child-at-immediate-risk, livestream, minor-to-minor, sadistic-online-exploitation, sextortion, solicitation, spam, viral-batch"`
	Occurred  *time.Time      `json:"occurred,omitempty" doc:"The incident, with the zone it is stated in"`
	Place     *ReportPlace    `json:"place,omitempty"`
	About     []ReportPointer `json:"about,omitempty" maxItems:"64"`
	Files     []ReportFile    `json:"files,omitempty" maxItems:"256"`
	Note      string          `json:"note,omitempty" maxLength:"2048" doc:"What makes it urgent"`
	Prior     []string        `json:"prior,omitempty" maxItems:"16" doc:"Ids of earlier reports it goes with"`
}

// SubmitReport is the body of POST /v1/reports and of POST /v1/drafts.
type SubmitReport struct {
	ReportStatement
	Exercise bool `json:"exercise,omitempty" doc:"A drill, never mixed with casework"`
}

// ReportGap is a field that would make a report more complete.
type ReportGap struct {
	Field string  `json:"field"`
	Gain  float64 `json:"gain"`
}

// ReportQuality says how much of what a desk needs a report has.
type ReportQuality struct {
	Completeness float64     `json:"completeness" doc:"0 to 1"`
	Missing      []ReportGap `json:"missing,omitempty" doc:"What would raise it, the most first"`
}

// ReportWritten is the answer to a report: where it is in the ledger, with a signed receipt.
type ReportWritten struct {
	Written
	ReportQuality
}

// ReportDraft is what a platform has begun. It is kept on this node alone, over a crash too, until it expires; it is no
// report and has no receipt before it is finished.
type ReportDraft struct {
	ID        string           `json:"id" doc:"The report's, once it is finished"`
	Opened    time.Time        `json:"opened"`
	Expires   time.Time        `json:"expires" doc:"A day after it was opened or an hour after it was changed, whichever is later"`
	Finishing bool             `json:"finishing,omitempty" doc:"Finishing has begun: finish it again for the receipt"`
	Exercise  bool             `json:"exercise,omitempty"`
	Statement *ReportStatement `json:"statement,omitempty" doc:"Not in a list"`
	Repeated  bool             `json:"repeated,omitempty" doc:"It was so before"`
	Quality   *ReportQuality   `json:"quality,omitempty" doc:"Not in a list"`
}

// AmendReport is the body of POST /v1/reports/{id}/amendments: the whole statement as it should be.
type AmendReport struct {
	ReportStatement
	Revision *uint64 `json:"revision,omitempty" doc:"The revision as the caller saw it; another one now refuses"`
	Reason   string  `json:"reason,omitempty" maxLength:"2048"`
}

// WithdrawReport is the body of POST /v1/reports/{id}/withdrawal.
type WithdrawReport struct {
	Revision *uint64 `json:"revision,omitempty" doc:"The revision as the caller saw it; another one now refuses"`
	Reason   string  `json:"reason" minLength:"1" maxLength:"2048"`
}

// Report is one report, as far as who asks may know: a platform sees what it said, that it is in the ledger, and the
// outcome where the policy tells it.
type Report struct {
	ID          string           `json:"id"`
	Platform    string           `json:"platform"`
	Agency      string           `json:"agency" doc:"That took it in"`
	Ledger      string           `json:"ledger"`
	Index       uint64           `json:"index"`
	Received    time.Time        `json:"received"`
	NoLaterThan *time.Time       `json:"no_later_than,omitempty" doc:"When enough members had signed a checkpoint that covers it"`
	Sealed      bool             `json:"sealed"`
	Revision    uint64           `json:"revision" doc:"Amendments, and the withdrawal, that have taken effect"`
	Withdrawn   bool             `json:"withdrawn,omitempty"`
	Outcome     string           `json:"outcome,omitempty"`
	Exercise    bool             `json:"exercise,omitempty"`
	Statement   *ReportStatement `json:"statement,omitempty" doc:"As it stands; not in a list"`
	ReportQuality
	Summary  ReportSummary `json:"summary"`
	Receipt  []byte        `json:"receipt,omitempty" doc:"Signed receipt, CBOR; on a single report, at the agency that took it in"`
	Proof    *Proof        `json:"proof,omitempty" doc:"Inclusion under the newest checkpoint; the bundle proves the content, too"`
	Timeline []ReportEvent `json:"timeline,omitempty" doc:"On a single report"`
	Desk     *ReportDesk   `json:"desk,omitempty" doc:"For the desk only"`
}

// ReportSummary is a statement in a line.
type ReportSummary struct {
	Reference string     `json:"reference,omitempty"`
	Kind      string     `json:"kind"`
	Priority  []string   `json:"priority,omitempty"`
	Occurred  *time.Time `json:"occurred,omitempty"`
	Files     int        `json:"files"`
	Viewed    int        `json:"viewed" doc:"Files that a person at the platform has looked at"`
	About     int        `json:"about" doc:"Pointers"`
}

// ReportDesk is what the desk knows and does.
type ReportDesk struct {
	State     string      `json:"state" enum:"waiting,claimed,concluded"`
	Step      uint64      `json:"step" doc:"Moves that have taken effect"`
	Holder    string      `json:"holder,omitempty" doc:"Agency of whoever works on it"`
	Person    string      `json:"person,omitempty" doc:"Who works on it"`
	Again     bool        `json:"again,omitempty" doc:"It was concluded, and amended since"`
	Alerts    []string    `json:"alerts,omitempty" doc:"That came of it or carry its files, as concluded"`
	Referrals []string    `json:"referrals,omitempty"`
	Told      string      `json:"told,omitempty" doc:"The outcome as the platform hears it"`
	Audience  []string    `json:"audience"`
	Token     string      `json:"token" doc:"Id of the token it came under"`
	Moves     []string    `json:"moves" doc:"What this agency may do now"`
	Hits      []ReportHit `json:"hits,omitempty" doc:"What is known of its files now; on a single report"`
	Same      []string    `json:"same,omitempty" doc:"Reports that carry one of its files; on a single report"`
}

// ReportHit is an alert that carries a file of a report, or an entry of a list of files known to be harmless.
type ReportHit struct {
	File     int    `json:"file" doc:"0-based"`
	Alert    string `json:"alert,omitempty"`
	Standing string `json:"standing,omitempty"`
	Bar      string `json:"bar,omitempty" doc:"Why the alert is not acted on"`
	Urgency  string `json:"urgency,omitempty"`
	Harmless bool   `json:"harmless,omitempty"`
	Near     bool   `json:"near,omitempty" doc:"The alert carries what looks alike, not the file itself"`
	Distance int    `json:"distance,omitempty" doc:"Of perceptual hashes, in bits"`
	Shared   int    `json:"shared,omitempty" doc:"Of a film: how many percent of its frames the alert's has"`
}

// ReportEvent is one event of a report's time line.
type ReportEvent struct {
	Type      string    `json:"type" doc:"report.received, report.amended, report.withdrawn, report.triaged"`
	Author    string    `json:"author"`
	Ledger    string    `json:"ledger"`
	Index     uint64    `json:"index"`
	Authored  time.Time `json:"authored"`
	Revision  *uint64   `json:"revision,omitempty" doc:"That it was made at"`
	Step      *uint64   `json:"step,omitempty"`
	Move      string    `json:"move,omitempty" doc:"claim, assign, release, conclude, tell, reopen"`
	By        string    `json:"by,omitempty"`
	To        string    `json:"to,omitempty"`
	Outcome   string    `json:"outcome,omitempty"`
	Text      string    `json:"text,omitempty"`
	Alerts    []string  `json:"alerts,omitempty"`
	Referrals []string  `json:"referrals,omitempty"`
	Effect    string    `json:"effect,omitempty" doc:"Empty, or why it has none"`
}

// ReportPage is one page of reports, what moved last first.
type ReportPage struct {
	Reports  []Report `json:"reports"`
	Next     int64    `json:"next,omitempty" doc:"Continues as before"`
	StaleFor float64  `json:"stale_for,omitempty"`
}

// Platform says how useful what a platform reported was, month by month.
type Platform struct {
	Platform string          `json:"platform"`
	Months   []PlatformMonth `json:"months"`
}

// PlatformMonth is one month's figures. Outcomes are counted as who asks may know them.
type PlatformMonth struct {
	Month        string         `json:"month" doc:"2026-03"`
	Reports      int            `json:"reports"`
	Completeness float64        `json:"completeness" doc:"On average"`
	Files        int            `json:"files"`
	Viewed       int            `json:"viewed" doc:"Files that a person at the platform had looked at"`
	Amended      int            `json:"amended"`
	Withdrawn    int            `json:"withdrawn"`
	Outcomes     map[string]int `json:"outcomes"`
}

// QueuePart is one reason for a rank.
type QueuePart struct {
	Name   string `json:"name"`
	Points int    `json:"points"`
	Why    string `json:"why"`
}

// QueuePlace is one place in the queue: a report, those with the same files, what is known of them, and why it stands here.
type QueuePlace struct {
	Score  int         `json:"score"`
	Parts  []QueuePart `json:"parts"`
	Report Report      `json:"report"`
	Copies []string    `json:"copies,omitempty" doc:"Reports with the same files; the first hundred"`
	Count  int         `json:"count" doc:"Reports in this place"`
	Hits   []ReportHit `json:"hits,omitempty"`
}

// Queue is one page of what waits, the most pressing first.
type Queue struct {
	Places   []QueuePlace `json:"places"`
	Waiting  int          `json:"waiting" doc:"Places in the whole queue"`
	Next     string       `json:"next_cursor,omitempty"`
	StaleFor float64      `json:"stale_for,omitempty"`
}

// TriageReport is the body of POST /v1/reports/{id}/triage.
type TriageReport struct {
	Move      string   `json:"move" enum:"claim,assign,release,conclude,tell,reopen"`
	To        string   `json:"to,omitempty" maxLength:"64" doc:"Of an assignment: the person"`
	Outcome   string   `json:"outcome,omitempty" enum:"actioned,known,duplicate,not-actionable,child-safeguarded,no-further-action" doc:"Of conclude and tell"`
	Text      string   `json:"text,omitempty" maxLength:"2048" doc:"For the desk; the platform does not see it"`
	Alerts    []string `json:"alerts,omitempty" maxItems:"64"`
	Referrals []string `json:"referrals,omitempty" maxItems:"64"`
	Also      []string `json:"also,omitempty" maxItems:"256" doc:"Ids of further reports to make the same move on: all of them or none"`
	Step      *uint64  `json:"step,omitempty" doc:"The step as the caller saw it; another one now refuses"`
	Revision  *uint64  `json:"revision,omitempty" doc:"The revision as the caller saw it; a conclusion of another one is refused"`
}

// EscalateReport is the body of POST /v1/reports/{id}/escalation: raise alerts, open referrals and conclude, in one request.
type EscalateReport struct {
	Alert     *EscalateAlert `json:"alert,omitempty"`
	Referrals []OpenReferral `json:"referrals,omitempty" maxItems:"8" doc:"Each gets the alerts raised, and those that carry the files already"`
	Outcome   string         `json:"outcome,omitempty" enum:"actioned,known,duplicate,not-actionable,child-safeguarded,no-further-action" doc:"Actioned where left out and something is raised or referred"`
	Text      string         `json:"text,omitempty" maxLength:"2048"`
	Also      []string       `json:"also,omitempty" maxItems:"256" doc:"Ids of reports with the same files, concluded alike"`
	Revision  *uint64        `json:"revision,omitempty" doc:"The revision as the caller saw it; another one now refuses"`
}

// EscalateAlert says what the alerts are like, one for each file. What is left out is taken from the report.
type EscalateAlert struct {
	AlertFacts
	Audience []string `json:"audience,omitempty" maxItems:"16"`
	Files    []int    `json:"files,omitempty" maxItems:"256" doc:"0-based; those that no alert carries where left out"`
}

// Escalated is what came of it.
type Escalated struct {
	Alerts    []string  `json:"alerts" doc:"Raised"`
	Sighted   []string  `json:"sighted,omitempty" doc:"Alerts that carried files already: whoever raised them hears of it"`
	Referrals []string  `json:"referrals"`
	Reports   []string  `json:"reports" doc:"Concluded"`
	Writes    []Written `json:"writes" doc:"One for each event"`
	Repeated  bool      `json:"repeated,omitempty" doc:"All of it was there already"`
}
