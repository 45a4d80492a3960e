package recall

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

const (
	maxDeadlines = 16
	maxHours     = 366 * 24
)

// Urgencies, the least urgent first; the words are those of alerts.
var Urgencies = []string{"routine", "priority", "child-at-immediate-risk"}

// Policy is what a jurisdiction agreed on for recalls.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Deadlines say how long an answer may take; the first that fits applies.
	Deadlines []Deadline `json:"deadlines"`
}

// Deadline is how long the answer to a recall may take, from the first checkpoint that covers the retraction.
type Deadline struct {
	_       struct{} `cbor:",toarray"`
	Urgency string   `json:"urgency,omitempty"` // of the alert; empty: any
	Hours   uint64   `json:"hours"`
}

// Section is the policy's part for recalls.
var Section = noun.Section[*Policy]{Name: "recall", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

// defaultPolicy allows three days, for nodes answer by themselves: who does not answer in that time is down or cut off.
func defaultPolicy() *Policy {
	return &Policy{Deadlines: []Deadline{{Urgency: "child-at-immediate-risk", Hours: 24}, {Hours: 72}}}
}

// Validate accepts deadlines that end with one for everything.
func (p *Policy) Validate() error {
	if len(p.Deadlines) == 0 || len(p.Deadlines) > maxDeadlines {
		return noun.At("deadlines", noun.ErrCount)
	}
	for i, d := range p.Deadlines {
		if d.Urgency != "" && noun.OneOf(Urgencies, d.Urgency) != nil {
			return noun.At(noun.Item("deadlines", i)+".urgency", noun.ErrUnknownName)
		}
		if d.Hours == 0 || d.Hours > maxHours {
			return noun.At(noun.Item("deadlines", i)+".hours", noun.ErrCount)
		}
	}
	if p.Deadlines[len(p.Deadlines)-1].Urgency != "" {
		return noun.At("deadlines", noun.ErrRequired)
	}
	return nil
}

// Within returns how long the answer to the recall of an alert of an urgency may take.
func Within(p ledger.Policy, urgency string) time.Duration {
	section, _ := Section.In(p)
	for _, d := range section.Deadlines {
		if d.Urgency == "" || d.Urgency == urgency {
			return time.Duration(d.Hours) * time.Hour
		}
	}
	panic("recall: a policy without a deadline for everything was accepted")
}
