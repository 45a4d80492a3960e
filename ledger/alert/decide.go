package alert

import (
	"crypto/sha256"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// View is what a decision may look at: who decides, and the object concerned as the agency's board has it.
type View struct {
	Agency ledger.AgencyID
	Object *Object // the command's target, or what already has the new event's id; nil where there is none
	// Replacement is what a retraction names as standing in the target's place; nil where there is none.
	Replacement *Object
	// Other is the second of two alerts that are linked.
	Other *Object
}

// Raise asks for one alert.
type Raise struct {
	Event   ledger.EventID
	Details Details
	File    File
}

// List asks for many alerts that share their details.
type List struct {
	Event   ledger.EventID
	Details Details
	Files   []File // same algorithms in each; see SplitFiles
}

// Assess asks for a judgement of rows of another agency's alert.
type Assess struct {
	Event           ledger.EventID
	Target          Key
	Rows            RowSet
	Verdict         Verdict
	Basis           Basis
	Source          string
	Classifications []Classification
	Reason          string
}

// Retract asks to take back rows of one's own alert, or with a replacement to correct them.
type Retract struct {
	Event       ledger.EventID
	Target      Key
	Rows        RowSet
	Reason      string
	Replacement *Key
}

// EventIDFor derives the event id of an idempotency key, so that a retry names the same event.
func EventIDFor(agency ledger.AgencyID, idempotencyKey string) ledger.EventID {
	sum := sha256.Sum256([]byte(string(agency) + "\x00" + idempotencyKey))
	return ledger.EventID(sum[:16])
}

// Decide returns the event for a single alert, or the refusal.
func (c Raise) Decide(v View) (ledger.Event, error) {
	if v.Object != nil {
		return ledger.Event{}, ErrExists
	}
	details, err := c.Details.decided()
	if err != nil {
		return ledger.Event{}, err
	}
	r := &Raised{Details: details, File: c.File.Normal()}
	if err := noun.First(r.Validate(), r.Details.Handling.addressed(), r.File.worthwhile()); err != nil {
		return ledger.Event{}, err
	}
	return r.Encode(c.Event)
}

// Decide returns the event for a list, or the refusal with the row it is about.
func (c List) Decide(v View) (ledger.Event, error) {
	if v.Object != nil {
		return ledger.Event{}, ErrExists
	}
	if len(c.Files) > MaxRows {
		return ledger.Event{}, noun.At("files", noun.ErrCount)
	}
	files, err := NormalFiles(c.Files)
	if err != nil {
		return ledger.Event{}, err
	}
	details, err := c.Details.decided()
	if err != nil {
		return ledger.Event{}, err
	}
	l, err := NewListed(details, files)
	if err != nil {
		return ledger.Event{}, err
	}
	if err := l.Details.Handling.addressed(); err != nil {
		return ledger.Event{}, err
	}
	return l.Encode(c.Event)
}

// NormalFiles returns files in canonical form, and refuses a worthless signal and the same fingerprints twice.
func NormalFiles(in []File) ([]File, error) {
	files := make([]File, len(in))
	known := make(map[[32]byte]bool, len(in))
	for i, f := range in {
		files[i] = f.Normal()
		if err := noun.First(files[i].Validate(), files[i].worthwhile()); err != nil {
			return nil, noun.At(noun.Item("files", i), err)
		}
		sum := sha256.Sum256(ledger.Marshal(files[i].Signals))
		if known[sum] {
			return nil, noun.At(noun.Item("files", i), ErrRepeatedRow)
		}
		known[sum] = true
	}
	return files, nil
}

// Decide returns the assessment, or the refusal.
func (c Assess) Decide(v View) (ledger.Event, error) {
	cause, rows, err := v.target(c.Target, c.Rows)
	if err != nil {
		return ledger.Event{}, err
	}
	if c.Target.Author == v.Agency {
		return ledger.Event{}, ErrOwnAlert
	}
	classes, err := classified(c.Classifications)
	if err != nil {
		return ledger.Event{}, err
	}
	a := &Assessed{
		Target: c.Target, Rows: rows, Verdict: c.Verdict, Basis: c.Basis, Source: c.Source,
		Classifications: classes, Reason: c.Reason, Exercise: DetailsOf(cause).Exercise,
	}
	if err := noun.First(a.Validate(), v.assessable(a)); err != nil {
		return ledger.Event{}, err
	}
	return a.Encode(c.Event)
}

// assessable refuses rows that are retracted, and a verdict that would change no row.
func (v View) assessable(a *Assessed) error {
	standing, changing := 0, 0
	for row := range v.each(a.Rows) {
		if v.Object.Retraction(row) == nil {
			standing++
		} else if !a.Rows.IsAll() {
			return ErrRetracted
		}
		if v.says(row) != a.Verdict {
			changing++
		}
	}
	if standing == 0 {
		return ErrRetracted
	}
	if changing == 0 && a.Verdict == Withdraws {
		return ErrNothingToWithdraw
	}
	if changing == 0 {
		return ErrAlreadyAssessed
	}
	return nil
}

// says returns the agency's verdict on a row as it stands; Withdraws where it has none.
func (v View) says(row uint32) Verdict {
	for _, o := range v.Object.Opinions(row) {
		if o.Agency == v.Agency {
			return o.Verdict
		}
	}
	return Withdraws
}

// Decide returns the retraction, or the refusal.
func (c Retract) Decide(v View) (ledger.Event, error) {
	cause, rows, err := v.target(c.Target, c.Rows)
	if err != nil {
		return ledger.Event{}, err
	}
	if c.Target.Author != v.Agency {
		return ledger.Event{}, ErrNotAuthor
	}
	r := &Retracted{Target: c.Target, Rows: rows, Reason: c.Reason, Exercise: DetailsOf(cause).Exercise, Replacement: c.Replacement}
	if err := noun.First(r.Validate(), v.retractable(rows), noun.At("replacement", v.replaceable(r))); err != nil {
		return ledger.Event{}, err
	}
	return r.Encode(c.Event)
}

// retractable refuses what would change nothing.
func (v View) retractable(rows RowSet) error {
	for row := range v.each(rows) {
		if v.Object.Retraction(row) == nil {
			return nil
		}
	}
	return ErrAlreadyRetracted
}

// replaceable refuses a replacement that cannot be read here, is retracted as a whole, or is an exercise for casework.
func (v View) replaceable(r *Retracted) error {
	if r.Replacement == nil {
		return nil
	}
	if v.Replacement == nil || v.Replacement.Key != *r.Replacement {
		return ErrReplacement
	}
	cause, ok := v.Replacement.Cause()
	if !ok || DetailsOf(cause).Exercise != r.Exercise {
		return ErrReplacement
	}
	for row := range uint32(cause.Rows()) {
		if v.Replacement.Retraction(row) == nil {
			return nil
		}
	}
	return ErrReplacement
}

// target finds the alert and the rows meant; for a single alert all rows are row 0.
func (v View) target(k Key, rows RowSet) (Cause, RowSet, error) {
	if v.Object == nil || v.Object.Key != k {
		return nil, nil, ErrUnknownAlert
	}
	cause, ok := v.Object.Cause()
	if !ok {
		return nil, nil, ErrUnknownAlert
	}
	if rows.IsAll() {
		if cause.Rows() == 1 {
			rows = RowSet{0}
		}
		return cause, rows, nil
	}
	rows = rows.Normal()
	if err := rows.Validate(); err != nil {
		return nil, nil, err
	}
	if int(rows[len(rows)-1]) >= cause.Rows() {
		return nil, nil, noun.At("rows", ErrNoSuchRow)
	}
	return cause, rows, nil
}

// each iterates over the rows of a set.
func (v View) each(rows RowSet) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		if !rows.IsAll() {
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
			return
		}
		for row := range uint32(v.Object.Rows()) {
			if !yield(row) {
				return
			}
		}
	}
}
