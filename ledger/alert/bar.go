package alert

// Bar is why an alert is not acted on: not answered to platforms, not exported, not matched. It is derived, never set,
// and an alert that is barred is shown with the reason, never dropped. The numbers are stored on boards only.
type Bar uint8

// The bars, the first that applies counting.
const (
	Open          Bar = 0 // it is acted on
	BarUnreadable Bar = 1 // the cause cannot be read here
	BarRetracted  Bar = 2
	BarDisputed   Bar = 3
	BarBenign     Bar = 4 // it carries a signal that is known to be benign
	BarHeld       Bar = 5 // its author raised far more than its share, and no other agency has looked yet
	BarUnproven   Bar = 6 // the policy acts on corroborated alerts only
)

var barNames = []string{"", "unreadable", "retracted", "disputed", "known-benign", "held", "not-corroborated"}

// String returns the public name, "" for an alert that is acted on.
func (b Bar) String() string {
	if b == Open {
		return ""
	}
	return nameOf(barNames, b)
}

// Bar derives whether an alert is acted on. held says that a flood's quarantine covers it and was not lifted by a
// release; another agency's own look lifts it for this alert alone.
func (r Rules) Bar(s Standing, benign, held bool) Bar {
	switch {
	case s.State == Orphan:
		return BarUnreadable
	case s.State == Withdrawn:
		return BarRetracted
	case s.State == Disputed:
		return BarDisputed
	case benign:
		return BarBenign
	case held && !s.Seconded:
		return BarHeld
	case s.State < r.From:
		return BarUnproven
	}
	return Open
}
