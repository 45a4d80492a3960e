package api

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
	Barred      string `json:"barred,omitempty" enum:"retracted,disputed,known-benign,held,not-corroborated," doc:"Why it is not"`
}

// AlertDetail is what only a single alert shows.
type AlertDetail struct {
	Assessments []Assessment `json:"assessments,omitempty" doc:"What other agencies say of it now"`
	// Equivalents follow from the classifications by the crosswalk; they are nobody's word.
	Equivalents       []Equivalent `json:"equivalents,omitempty"`
	WithoutEquivalent []string     `json:"without_equivalent,omitempty" doc:"Schemes in which nothing is stated and nothing follows"`
	Crosswalk         int          `json:"crosswalk,omitempty" doc:"Version of the table they follow by"`
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
