package api

import "time"

// BeginExport is the body of POST /v1/exports.
type BeginExport struct {
	Format   string `json:"format" enum:"csv,vics" doc:"What is to be written; it decides what can leave"`
	Since    string `json:"since,omitempty" maxLength:"64" doc:"Id of an earlier export to go on from: what is new, and what was withdrawn since"`
	Exercise bool   `json:"exercise,omitempty"`
}

// Export is one export: what left this agency in an outside format.
type Export struct {
	ID        string    `json:"id" doc:"ex_…"`
	Format    string    `json:"format"`
	Since     string    `json:"since,omitempty"`
	By        string    `json:"by,omitempty"`
	Purpose   string    `json:"purpose,omitempty"`
	Case      string    `json:"case,omitempty"`
	Exercise  bool      `json:"exercise,omitempty"`
	Begun     time.Time `json:"begun"`
	Carried   int       `json:"carried" doc:"Alerts handed out so far"`
	Withdrawn int       `json:"withdrawn" doc:"Alerts it said are withdrawn"`
}

// ExportPage is one page, newest first.
type ExportPage struct {
	Exports []Export `json:"exports"`
	Next    int64    `json:"next,omitempty" doc:"Continues as before"`
}

// ExportMore is the body of POST /v1/exports/{id}/alerts and …/withdrawals: where to go on.
type ExportMore struct {
	After    int64  `json:"after,omitempty" doc:"next of the page before"`
	Standing string `json:"standing,omitempty" enum:"asserted,corroborated," doc:"Only this standing"`
}

// ExportAlerts are alerts that leave: they are recorded before they are answered.
type ExportAlerts struct {
	Alerts   []Alert `json:"alerts"`
	Withheld int     `json:"withheld" doc:"Kept back: by their handling, or without what the format identifies a file by"`
	Next     int64   `json:"next,omitempty" doc:"Continues as after; absent on the last page"`
}

// ExportWithdrawals are alerts that an earlier export carried, and that are not acted on any more.
type ExportWithdrawals struct {
	Withdrawals []Withdrawal `json:"withdrawals"`
	Next        int64        `json:"next,omitempty" doc:"Continues as after; absent on the last page"`
}

// Withdrawal says that what was handed out must not be acted on.
type Withdrawal struct {
	Alert       string     `json:"alert"`
	Author      string     `json:"author"`
	Because     string     `json:"because" enum:"retracted,disputed,known-benign,held,not-corroborated"`
	Signals     []Signal   `json:"signals"`
	Reason      string     `json:"reason,omitempty" doc:"The author's, of a retraction"`
	Retracted   *time.Time `json:"retracted,omitempty"`
	Replacement string     `json:"replacement,omitempty"`
}
