package watch

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// Add asks to watch one file.
type Add struct {
	Event   ledger.EventID
	Details Details
	File    alert.File
}

// AddList asks to watch many files.
type AddList struct {
	Event   ledger.EventID
	Details Details
	Files   []alert.File // same algorithms in each; see alert.SplitFiles
}

// Remove asks to end the watch for rows of a list.
type Remove struct {
	Event  ledger.EventID
	Target Key
	Rows   alert.RowSet
	Reason string
}

// Handle says what was done about hits.
type Handle struct {
	Event ledger.EventID
	What  Handling
	Note  string
	Hits  []HitID
}

// Decide returns the event, or why there is none.
func (c Add) Decide() (ledger.Event, error) {
	files, err := alert.NormalFiles([]alert.File{c.File})
	if err != nil {
		return ledger.Event{}, err
	}
	return (&Added{Details: c.Details, Watching: files[0]}).Encode(c.Event)
}

// Decide returns the event, or why there is none, with the file it is about.
func (c AddList) Decide() (ledger.Event, error) {
	files, err := alert.NormalFiles(c.Files)
	if err != nil {
		return ledger.Event{}, err
	}
	p, err := alert.NewPack(files)
	if err != nil {
		return ledger.Event{}, err
	}
	return (&Listed{Details: c.Details, Pack: p}).Encode(c.Event)
}

// Decide returns the event on the list as it stands; nil where it is not known.
func (c Remove) Decide(l *List) (ledger.Event, error) {
	if l == nil || l.Cause == nil || l.Key != c.Target {
		return ledger.Event{}, noun.Refuse("no such watch list")
	}
	rows := c.Rows.Normal()
	if err := rows.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if !l.has(rows) {
		return ledger.Event{}, noun.At("rows", alert.ErrNoSuchRow)
	}
	if !l.watches(rows) {
		return ledger.Event{}, noun.Refuse("it is not watched any more")
	}
	return (&Removed{Target: c.Target, Rows: rows, Reason: c.Reason}).Encode(c.Event)
}

// watches says whether any row of a set is watched still.
func (l *List) watches(rows alert.RowSet) bool {
	if !rows.IsAll() {
		return slices.ContainsFunc(rows, l.Watched)
	}
	for row := range uint32(l.Rows()) {
		if l.Watched(row) {
			return true
		}
	}
	return false
}

// Decide returns the event. known are the hits there are: what is said is about hits that this agency has.
func (c Handle) Decide(known func(HitID) bool) (ledger.Event, error) {
	hits := slices.Clone(c.Hits)
	slices.SortFunc(hits, compareHits)
	hits = slices.Compact(hits)
	h := &Handled{What: c.What, Note: c.Note, Hits: hits}
	if err := h.Validate(); err != nil {
		return ledger.Event{}, err
	}
	for _, hit := range hits {
		if !known(hit) {
			return ledger.Event{}, noun.Refuse("there is no hit %s", hit)
		}
	}
	return h.Encode(c.Event)
}
