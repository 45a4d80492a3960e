package api

import "time"

// WatchFacts is what is said of everything on a watch list.
type WatchFacts struct {
	Case     string `json:"case" minLength:"1" maxLength:"128" doc:"Your own case reference"`
	Note     string `json:"note,omitempty" maxLength:"4096"`
	Exercise bool   `json:"exercise,omitempty" doc:"Hits exercises only"`
}

// AddWatched is the body of POST /v1/watch-lists: many files of which the same is said.
type AddWatched struct {
	WatchFacts
	// Rows hold the signals of one file each.
	Rows [][]Signal `json:"rows" minItems:"1" maxItems:"10000"`
	// Atomic refuses everything when one row is bad; otherwise the good rows are committed.
	Atomic bool `json:"atomic,omitempty"`
}

// WatchList is a list of what this agency watches; nobody else can read it.
type WatchList struct {
	ID string `json:"id" doc:"wl_…"`
	WatchFacts
	Files    int       `json:"files" doc:"That were put on it"`
	Watched  int       `json:"watched" doc:"That still are"`
	Hits     int       `json:"hits"`
	Open     int       `json:"open" doc:"Hits that nobody has looked at"`
	Authored time.Time `json:"authored"`
}

// WatchListPage is one page, newest first.
type WatchListPage struct {
	Lists []WatchList `json:"lists"`
	Next  int64       `json:"next,omitempty" doc:"Continues as before"`
}

// WatchedFile is one file of a list.
type WatchedFile struct {
	ID      string   `json:"id" doc:"wl_….<row>"`
	Signals []Signal `json:"signals"`
}

// WatchListFiles is a list with one page of what is watched.
type WatchListFiles struct {
	WatchList
	Page []WatchedFile `json:"page"`
	Next int           `json:"next,omitempty" doc:"Continues as from"`
}

// RemoveWatched is the body of POST /v1/watch-lists/removals.
type RemoveWatched struct {
	Files  []string `json:"files,omitempty" maxItems:"1000" doc:"Ids of watched files"`
	Lists  []string `json:"lists,omitempty" maxItems:"100" doc:"Ids of lists of which everything goes"`
	Reason string   `json:"reason,omitempty" maxLength:"1024"`
}

// WatchHit is an alert that carries what this agency watches.
type WatchHit struct {
	ID      string      `json:"id" doc:"wh_…"`
	State   string      `json:"state" enum:"open,seen,done,dismissed"`
	Watched WatchedFile `json:"watched"`
	WatchFacts
	Alert     Alert     `json:"alert" doc:"Its standing says where it is disputed or retracted"`
	Algorithm string    `json:"alg" doc:"By which the two are nearest"`
	Distance  int       `json:"distance" doc:"0: the same fingerprint"`
	History   []HitSaid `json:"history,omitempty" doc:"Only on a single hit"`
}

// HitSaid is what was done about a hit.
type HitSaid struct {
	What     string    `json:"what" enum:"seen,done,dismissed,reopened"`
	Note     string    `json:"note,omitempty"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Authored time.Time `json:"authored"`
}

// WatchHitPage is one page, newest first.
type WatchHitPage struct {
	Hits     []WatchHit `json:"hits"`
	Next     int64      `json:"next,omitempty" doc:"Continues as before"`
	StaleFor float64    `json:"stale_for,omitempty" doc:"Seconds without a leader"`
}

// HandleHits is the body of POST /v1/watch-hits/handling.
type HandleHits struct {
	Hits []string `json:"hits" minItems:"1" maxItems:"1000"`
	What string   `json:"what" enum:"seen,done,dismissed,reopened"`
	Note string   `json:"note,omitempty" maxLength:"4096" doc:"What was done, or why it is of no use"`
}
