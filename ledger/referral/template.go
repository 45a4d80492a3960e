package referral

// Templates are policies to begin from, by name. They are examples of what a jurisdiction may agree on: holidays are to
// be filled in, and its own law is to be read.
var Templates = map[string]func() *Policy{"default": defaultPolicy, "india": india}

const (
	pocso19  = "POCSO Act 2012 s.19(6): police tell the Child Welfare Committee and the Special Court within 24 hours"
	identify = "victim identification: 10 working days"
)

// india has what its law and practice ask: the child welfare committee hears by victim support, the special court by a
// request for information, both within 24 hours, which nothing stops; a victim is identified within 10 working days.
func india() *Policy {
	p := defaultPolicy()
	p.Deadlines = append([]Rule{
		{Stage: ToAcknowledge, Kind: VictimSupport, Due: hours(day), Warn: hours(12), Basis: pocso19},
		{Stage: ToAccept, Kind: VictimSupport, Due: hours(day), Warn: hours(12), Basis: pocso19},
		{Stage: ToAcknowledge, Kind: Information, Due: hours(day), Warn: hours(12), Basis: pocso19},
		{Stage: ToOutcome, Kind: TakeDown, Due: hours(day), Warn: hours(12), Basis: "IT Rules 2021 r.3(2)(b): removal within 24 hours"},
		{Stage: ToOutcome, Kind: Investigation, Due: workingDays(10), Warn: workingDays(7), Pausable: true, Basis: identify},
	}, p.Deadlines...)
	p.Calendar = Calendar{Zone: "+05:30", Weekend: []string{"saturday", "sunday"}, Holidays: []string{"2026-01-26", "2026-08-15", "2026-10-02"}}
	return p
}
