package referral

// Bounds.
const (
	MaxTitleBytes   = 256
	MaxTextBytes    = 4096
	MaxSupportBytes = 512 // of a text about victim support
	MaxLinks        = 64  // alerts, and reports, of one event
	MaxAlso         = 14  // an entry has at most 16 audiences
	maxIDBytes      = 48
	maxNameBytes    = 64
	maxDate         = 4_102_444_800_000 // ms; the year 2100
	maxNeeds        = 16

	maxRules       = 64
	maxHours       = 5 * 366 * 24
	maxWorkingDays = 2 * 366
	maxHolidays    = 366
	maxBasisBytes  = 160
	maxZoneBytes   = 64
)
