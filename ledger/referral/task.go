package referral

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Tasked gives a task to an agency that can read the referral. The event's author and id name the task.
type Tasked struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64
	To     ledger.AgencyID
	Due    int64 // ms; 0 where there is no deadline
	Text   string
}

// TaskKey names a task within its referral.
type TaskKey struct {
	_      struct{} `cbor:",toarray"`
	Author ledger.AgencyID
	Event  ledger.EventID
}

// TaskPrefix begins the ids people use of tasks.
const TaskPrefix = "tk_"

// ID returns the form people use.
func (k TaskKey) ID() string { return TaskPrefix + k.Event.String() }

// Endings of a task: done by whom it was given to, dropped by who gave it.
const (
	Done    = "done"
	Dropped = "dropped"
)

// Finished ends a task.
type Finished struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64
	Task   TaskKey
	Ending string
	Text   string
}

// Task is a task as it stands.
type Task struct {
	TaskKey
	To      ledger.AgencyID
	Due     int64
	Text    string
	Given   Mark
	Ending  string // empty while it is open
	Outcome string
	Ended   Mark
}

// About implements noun.Fact.
func (t *Tasked) About() (Key, bool) { return t.Target, true }
func (t *Tasked) seen() uint64       { return t.Step }

// About implements noun.Fact.
func (f *Finished) About() (Key, bool) { return f.Target, true }
func (f *Finished) seen() uint64       { return f.Step }

// Validate accepts what can be encoded.
func (t *Tasked) Validate() error {
	return noun.First(
		noun.At("target", t.Target.Validate()),
		noun.At("to", agency(t.To)),
		noun.At("due", date(t.Due)),
		noun.At("text", noun.Words(t.Text, MaxTextBytes)),
	)
}

// Validate accepts what can be encoded.
func (f *Finished) Validate() error {
	return noun.First(
		noun.At("target", f.Target.Validate()),
		noun.At("task", agency(f.Task.Author)),
		noun.At("ending", noun.OneOf([]string{Done, Dropped}, f.Ending)),
		noun.At("text", noun.Prose(f.Text, MaxTextBytes)),
	)
}

// Task returns a task by its name.
func (r *Referral) Task(k TaskKey) (*Task, bool) {
	for i := range r.Tasks {
		if r.Tasks[i].TaskKey == k {
			return &r.Tasks[i], true
		}
	}
	return nil, false
}

// permitsTask says whether an agency may give a task, as things stood at the step it saw.
func (r *Referral) permitsTask(by ledger.AgencyID, t *Tasked) error {
	switch {
	case !r.party(by):
		return noun.Refuse("only those who opened it or were offered it give tasks")
	case !r.reads(t.To):
		return noun.Refuse("%s cannot read it", t.To)
	case r.moments[t.Step].ended():
		return noun.Refuse("it is %s", r.moments[t.Step].State)
	}
	return nil
}

// permitsFinish says whether an agency may end a task so.
func (r *Referral) permitsFinish(by ledger.AgencyID, f *Finished) error {
	t, ok := r.Task(f.Task)
	switch {
	case !ok:
		return noun.Refuse("it has no such task")
	case t.Ending != "":
		return noun.Refuse("the task is %s already", t.Ending)
	case f.Ending == Done && t.To != by:
		return noun.Refuse("the task is %s's to do", t.To)
	case f.Ending == Dropped && t.Author != by:
		return noun.Refuse("only %s, who gave the task, drops it", t.Author)
	}
	return nil
}
