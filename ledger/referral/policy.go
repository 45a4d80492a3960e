package referral

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

const (
	maxDeadlines = 64
	maxHours     = 366 * 24
)

// Policy is what a jurisdiction agreed on for referrals.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Deadlines say how long an answer may take; the first that fits applies.
	Deadlines []Deadline `json:"deadlines"`
}

// Deadline is how long the answer to a referral may take, from the first checkpoint that covers its opening.
type Deadline struct {
	_       struct{} `cbor:",toarray"`
	Kind    Kind     `json:"kind,omitempty"`    // empty: any
	Urgency string   `json:"urgency,omitempty"` // empty: any
	Hours   uint64   `json:"hours"`
}

// Section is the policy's part for referrals.
var Section = noun.Section[*Policy]{Name: "referral", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

// defaultPolicy has 24 hours for victim support, as India's rules have it for the child welfare committee.
func defaultPolicy() *Policy {
	const day = 24
	return &Policy{Deadlines: []Deadline{
		{Urgency: "child-at-immediate-risk", Hours: day},
		{Kind: VictimSupport, Hours: day},
		{Urgency: "priority", Hours: 3 * day},
		{Kind: LegalAid, Hours: 30 * day},
		{Hours: 14 * day},
	}}
}

// Validate accepts deadlines that end with one for everything.
func (p *Policy) Validate() error {
	if len(p.Deadlines) == 0 || len(p.Deadlines) > maxDeadlines {
		return noun.At("deadlines", noun.ErrCount)
	}
	for i, d := range p.Deadlines {
		if err := d.validate(); err != nil {
			return noun.At(noun.Item("deadlines", i), err)
		}
	}
	if last := p.Deadlines[len(p.Deadlines)-1]; last.Kind != "" || last.Urgency != "" {
		return noun.At("deadlines", noun.ErrRequired)
	}
	return nil
}

func (d Deadline) validate() error {
	if d.Kind != "" && noun.OneOf(Kinds, d.Kind) != nil {
		return noun.At("kind", noun.ErrUnknownName)
	}
	if d.Urgency != "" && noun.OneOf(Urgencies, d.Urgency) != nil {
		return noun.At("urgency", noun.ErrUnknownName)
	}
	if d.Hours == 0 || d.Hours > maxHours {
		return noun.At("hours", noun.ErrCount)
	}
	return nil
}

// Within returns how long the answer to a referral may take under a jurisdiction's policy.
func (o *Opened) Within(p ledger.Policy) time.Duration {
	section, _ := Section.In(p)
	for _, d := range section.Deadlines {
		if (d.Kind == "" || d.Kind == o.Kind) && (d.Urgency == "" || d.Urgency == o.Urgency) {
			return time.Duration(d.Hours) * time.Hour
		}
	}
	panic("referral: a policy without a deadline for everything was accepted")
}
