package api

// Fingerprint is a Signal that is looked for: in a batch a bad one refuses its row, not the batch.
type Fingerprint struct {
	Algorithm string `json:"alg" maxLength:"32" doc:"md5, sha1, sha256, pdq, vpdq-frame, photodna, tmk"`
	Value     string `json:"value" maxLength:"2048" doc:"Hex in any case; base64 for photodna and tmk"`
	Quality   *int   `json:"quality,omitempty" doc:"Of PDQ and frames, 0 to 100; frames below 50 do not count"`
}

// Match is the body of POST /v1/match.
type Match struct {
	// Rows hold the fingerprints of one file each; the frames of a film are vpdq-frame, one for each.
	Rows [][]Fingerprint `json:"rows" minItems:"1" maxItems:"1000"`
	// Radius is how many of 256 bits may differ for PDQ and frames; 31 where it is not stated.
	Radius *int `json:"radius,omitempty" minimum:"0" maximum:"63"`
	// Limit is how many alerts are answered for a row, the nearest; 10 where it is not stated.
	Limit int `json:"limit,omitempty" minimum:"0" maximum:"100"`
	// Exercise asks for exercises instead of casework.
	Exercise bool `json:"exercise,omitempty"`
	// Poor looks among stored PDQ of a quality below 50 too, which match too much.
	Poor bool `json:"poor,omitempty"`
}

// The verdicts on a row.
const (
	MatchHit     = "hit"     // an alert that is acted on
	MatchBarred  = "barred"  // only alerts that are not acted on; each says why
	MatchNone    = "none"    // nothing
	MatchRefused = "refused" // the row is bad; the error says why
)

// MatchAnswer answers every row in order.
type MatchAnswer struct {
	Results []MatchResult `json:"results"`
	Hits    int           `json:"hits" doc:"Rows with an alert that is acted on"`
	Refused int           `json:"refused" doc:"Rows that are bad"`
}

// MatchResult is what there is for one row, the nearest first; what is retracted is not among it.
type MatchResult struct {
	Row     int            `json:"row" doc:"0-based"`
	Verdict string         `json:"verdict" enum:"hit,barred,none,refused"`
	Hits    []MatchedAlert `json:"hits"`
	More    bool           `json:"more,omitempty" doc:"There is more than the limit"`
	Error   string         `json:"error,omitempty"`
}

// MatchedAlert is an alert with what matched. Its author is who to ask.
type MatchedAlert struct {
	Alert     Alert  `json:"alert"`
	Algorithm string `json:"alg" doc:"What matched"`
	Distance  int    `json:"distance" doc:"Bits that differ, of 256; 0 for what is the same"`
	// Frames is how much of either film matched.
	Frames *FrameShares `json:"frames,omitempty"`
}

// FrameShares are percentages.
type FrameShares struct {
	Queried float64 `json:"queried" doc:"Of the frames that were asked with"`
	Stored  float64 `json:"stored" doc:"Of the alert's frames"`
}

// SignalLine is one line of GET /v1/signals. Op is add, withdraw, or next, which carries nothing else: everything up to
// its cursor was sent.
type SignalLine struct {
	Op     string `json:"op" enum:"add,withdraw,next"`
	Cursor string `json:"cursor" doc:"Where to go on, by ?after="`
	// Number names the alert in this stream; a withdrawal names nothing else.
	Number  int64    `json:"number,omitempty"`
	Alert   string   `json:"alert,omitempty" doc:"Its id"`
	Signals []Signal `json:"signals,omitempty"`
	Author  string   `json:"author,omitempty" doc:"Whom to ask"`
	Urgency string   `json:"urgency,omitempty"`
	// Standing, Classifications and Handling are as on the alert.
	Standing        string           `json:"standing,omitempty"`
	Classifications []Classification `json:"classifications,omitempty"`
	Handling        *Handling        `json:"handling,omitempty"`
}
