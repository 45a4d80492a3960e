package api

import "time"

// Classification is a value under a named scheme, with the context that gives it its meaning where the scheme needs one.
// Schemes stand side by side; nothing is turned from one into another.
type Classification struct {
	Scheme  string `json:"scheme" maxLength:"64" doc:"inhope-ucs, interpol-baseline, iwf, ncmec, vics, copine, sap, national, …"`
	Context string `json:"context,omitempty" maxLength:"32" doc:"Of vics and national: us, uk, …"`
	Value   string `json:"value" maxLength:"128"`
	By      string `json:"by,omitempty" maxLength:"64" doc:"The body that found so, where it is not the agency that says it"`
	Unit    string `json:"unit,omitempty" maxLength:"64" doc:"Its unit or the examiner's role; no person's name"`
	Day     string `json:"day,omitempty" maxLength:"10" doc:"When, as 2026-01-31"`
}

// AlertJudged is how an alert stands here.
type AlertJudged struct {
	Agencies    int    `json:"agencies" doc:"That stand for it, its author included"`
	Independent int    `json:"independent" doc:"Looks of their own among them: a repeated list counts once, a machine's result not at all"`
	Disputes    int    `json:"disputes,omitempty" doc:"Agencies that dispute it"`
	Actionable  bool   `json:"actionable" doc:"It is acted on: answered to platforms, exported, matched"`
	Sighted     int    `json:"sighted,omitempty" doc:"How often it was met, as far as this agency was told; only what an examiner found to be something else is left out"`
	Barred      string `json:"barred,omitempty" enum:"retracted,disputed,known-benign,held,not-corroborated," doc:"Why it is not"`
}

// AlertDetail is what only a single alert shows.
type AlertDetail struct {
	Assessments []Assessment `json:"assessments,omitempty" doc:"What other agencies say of it now"`
	// Equivalents follow from the classifications by the crosswalk; they are nobody's word.
	Equivalents       []Equivalent `json:"equivalents,omitempty"`
	WithoutEquivalent []string     `json:"without_equivalent,omitempty" doc:"Schemes in which nothing is stated and nothing follows"`
	Crosswalk         int          `json:"crosswalk,omitempty" doc:"Version of the table they follow by"`
	// Sightings are what agencies have met of it and told this one.
	Sightings []Sighting `json:"sightings,omitempty"`
	// Benign are declarations that a signal of it is benign: it conflicts with them, and is not acted on.
	Benign []BenignNote `json:"benign,omitempty"`
	// Related are alerts linked with it, directly or through others, nearest first.
	Related     []Related `json:"related,omitempty"`
	MoreRelated bool      `json:"more_related,omitempty" doc:"There are more than those"`
}

// Assessment is what one agency says of an alert now.
type Assessment struct {
	Agency          string           `json:"agency"`
	Verdict         string           `json:"verdict" enum:"confirms,disputes"`
	Basis           string           `json:"basis"`
	Source          string           `json:"source,omitempty"`
	Classifications []Classification `json:"classifications,omitempty"`
	Reason          string           `json:"reason,omitempty"`
}

// Equivalent is a class that follows from one that was stated.
type Equivalent struct {
	Class  string `json:"class" doc:"scheme:value"`
	From   string `json:"from" doc:"What was stated"`
	Source string `json:"source" doc:"Why it follows"`
}

// SightAlert is the body of POST /v1/alerts/{id}/sightings. It has no field for a place, a service or an account.
type SightAlert struct {
	Setting string `json:"setting,omitempty" enum:"platform,seized-media,investigation,hotline" doc:"Where it was met; of a platform's token always platform"`
	Review  string `json:"review,omitempty" enum:"not-reviewed,matches,false-positive" doc:"What an examiner found who looked"`
	Count   uint32 `json:"count,omitempty" maximum:"1000000" doc:"How often; 1"`
	Day     string `json:"day,omitempty" maxLength:"10" doc:"On which day, as 2026-01-31; today"`
}

// Sighting is what one agency met of an alert, in all.
type Sighting struct {
	Agency  string `json:"agency"`
	Setting string `json:"setting"`
	Review  string `json:"review"`
	Count   uint64 `json:"count"`
	First   string `json:"first" doc:"Day"`
	Last    string `json:"last" doc:"Day"`
}

// LinkAlert is the body of POST /v1/alerts/{id}/links.
type LinkAlert struct {
	Alert    string `json:"alert" minLength:"1" maxLength:"64" doc:"Id of the other, or a unique prefix of it"`
	Relation string `json:"relation" enum:"near-duplicate,same-series"`
	Verdict  string `json:"verdict,omitempty" enum:"confirms,disputes,withdraws" doc:"confirms: they belong together; disputes: they do not; withdraws: what this agency said before"`
	Reason   string `json:"reason,omitempty" maxLength:"1024"`
}

// Related is an alert that belongs with another.
type Related struct {
	ID       string `json:"id"`
	Author   string `json:"author"`
	Relation string `json:"relation" enum:"near-duplicate,same-series" doc:"Of the last step to it"`
	Steps    int    `json:"steps" doc:"1: linked with the alert itself"`
	Linked   int    `json:"linked" doc:"Agencies that say so"`
	Denied   int    `json:"denied,omitempty" doc:"Agencies that deny it: then nothing is followed from it"`
	Unknown  bool   `json:"unknown,omitempty" doc:"It cannot be read here"`
}

// BenignNote is an agency's word that a signal is benign.
type BenignNote struct {
	ID     string `json:"id"`
	Agency string `json:"agency"`
	Reason string `json:"reason"`
}

// DeclareBenign is the body of POST /v1/benign.
type DeclareBenign struct {
	Signals  []Signal `json:"signals" minItems:"1" maxItems:"1000"`
	Reason   string   `json:"reason" minLength:"1" maxLength:"1024"`
	Exercise bool     `json:"exercise,omitempty"`
	// Audience names who can read it: everyone at home by default.
	Audience []string `json:"audience,omitempty" maxItems:"16"`
}

// LiftBenign is the body of POST /v1/benign/{id}/lift.
type LiftBenign struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1024"`
}

// Benign is one declaration that signals are benign.
type Benign struct {
	ID       string        `json:"id"`
	Agency   string        `json:"agency"`
	InForce  bool          `json:"in_force" doc:"It counts here, and was not lifted"`
	Reason   string        `json:"reason"`
	Signals  []Signal      `json:"signals"`
	Authored time.Time     `json:"authored"`
	Audience []string      `json:"audience"`
	Exercise bool          `json:"exercise,omitempty"`
	Timeline []BenignEvent `json:"timeline,omitempty" doc:"Only on a single one"`
}

// BenignEvent is one event of a declaration.
type BenignEvent struct {
	Type     string    `json:"type" enum:"benign.declared,benign.lifted"`
	Author   string    `json:"author"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Authored time.Time `json:"authored"`
	Reason   string    `json:"reason"`
	Effect   string    `json:"effect,omitempty" doc:"Empty, or why it has none"`
}

// BenignPage is one page of declarations, what moved last first.
type BenignPage struct {
	Benigns  []Benign `json:"benigns"`
	Next     int64    `json:"next,omitempty" doc:"Continues as before"`
	StaleFor float64  `json:"stale_for,omitempty"`
}

// Floods are what members raised beyond their allowances.
type Floods struct {
	Floods []Flood `json:"floods"`
}

// Flood is what a member raised in one window of its ledger beyond its allowance.
type Flood struct {
	Ledger   string `json:"ledger"`
	Agency   string `json:"agency"`
	From     uint64 `json:"from" doc:"Entries from here"`
	To       uint64 `json:"to" doc:"to before this one hold what is over"`
	Signals  uint64 `json:"signals" doc:"That it raised in the window, in all"`
	Novel    uint64 `json:"novel" doc:"Of those, that no entry before carried"`
	Alerts   int    `json:"alerts" doc:"Over the allowance"`
	Held     int    `json:"held" doc:"Of those, not acted on until another agency looks"`
	Exercise bool   `json:"exercise,omitempty"`
}

// ReleaseFlood is the body of POST /v1/floods/release: another agency has looked at what is held.
type ReleaseFlood struct {
	Ledger   string `json:"ledger,omitempty" doc:"Origin; our own where it is not given"`
	Agency   string `json:"agency" minLength:"3" maxLength:"65" doc:"That raised it"`
	From     uint64 `json:"from" doc:"Entries from here"`
	To       uint64 `json:"to" doc:"to before this one"`
	Reason   string `json:"reason" minLength:"1" maxLength:"1024"`
	Exercise bool   `json:"exercise,omitempty"`
}
