package registry

import (
	"errors"
	"slices"
	"time"

	"vigil/ledger/noun"
)

// Policy is what a jurisdiction agreed on for notices and screenings.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Terms say how long notices of a tier hold.
	Terms []Term `json:"terms"`
	// Screened are the grounds that answer a screening, sorted.
	Screened []string `json:"screened"`
	// AcknowledgeHours is how long a reader's node may take to acknowledge a change; AnswerHours how long a notice's
	// author may take to answer a challenge.
	AcknowledgeHours uint64 `json:"acknowledge_hours"`
	AnswerHours      uint64 `json:"answer_hours"`
	// PerHour is how many screenings one who asks may have in an hour, AtOnce how many of them at once.
	PerHour uint64 `json:"screenings_per_hour"`
	AtOnce  uint64 `json:"screenings_at_once"`
}

// Term is how long notices of a tier hold, from their day.
type Term struct {
	_     struct{} `cbor:",toarray"`
	Tier  string   `json:"tier"`
	Years uint64   `json:"years,omitempty"` // 0: for life
}

// Section is the policy's part for notices.
var Section = noun.Section[*Policy]{Name: "registry", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

// defaultPolicy has the terms of India's registry: 15 years, 25 years, life.
func defaultPolicy() *Policy {
	return &Policy{
		Terms:    []Term{{Tier: "low", Years: 15}, {Tier: "moderate", Years: 25}, {Tier: "habitual"}},
		Screened: []string{"convicted", "order"}, AcknowledgeHours: 24, AnswerHours: 72, PerHour: 60, AtOnce: 10,
	}
}

var errTiers = errors.New("each tier has one term")

// Validate accepts a policy that says of every tier how long it holds.
func (p *Policy) Validate() error {
	if len(p.Terms) > maxTerms {
		return noun.At("terms", noun.ErrCount)
	}
	var tiers []string
	for i, t := range p.Terms {
		if err := noun.OneOf(Tiers, t.Tier); err != nil {
			return noun.At(noun.Item("terms", i)+".tier", err)
		}
		if t.Years > maxYears {
			return noun.At(noun.Item("terms", i)+".years", noun.ErrCount)
		}
		tiers = append(tiers, t.Tier)
	}
	if len(tiers) != len(Tiers) || len(noun.Set(tiers)) != len(Tiers) {
		return noun.At("terms", errTiers)
	}
	return noun.First(
		noun.SortedSet("screened", p.Screened, len(Grounds), func(g string) error { return noun.OneOf(Grounds, g) }),
		noun.At("acknowledge_hours", between(p.AcknowledgeHours, maxHours)),
		noun.At("answer_hours", between(p.AnswerHours, maxHours)),
		noun.At("screenings_per_hour", between(p.PerHour, maxPerHour)),
		noun.At("screenings_at_once", between(p.AtOnce, p.PerHour)),
	)
}

func between(n, most uint64) error {
	if n == 0 || n > most {
		return noun.ErrCount
	}
	return nil
}

// Until returns the first day on which a notice no longer holds; ends is false where it holds for life.
func (p *Policy) Until(n *Notice) (until time.Time, ends bool) {
	since, err := time.Parse(time.DateOnly, n.Since)
	i := slices.IndexFunc(p.Terms, func(t Term) bool { return t.Tier == n.Tier })
	if err != nil || i < 0 || p.Terms[i].Years == 0 {
		return time.Time{}, false
	}
	return since.AddDate(int(p.Terms[i].Years), 0, 0), true // of February 29: March 1 in other years
}

// Screens says whether notices that rest on a ground answer screenings.
func (p *Policy) Screens(ground string) bool { return slices.Contains(p.Screened, ground) }

// Within returns how long a reader may take to acknowledge a change, and the author to answer a challenge.
func (p *Policy) Within() (acknowledge, answer time.Duration) {
	return time.Duration(p.AcknowledgeHours) * time.Hour, time.Duration(p.AnswerHours) * time.Hour
}
