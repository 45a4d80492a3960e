package registry

// Bounds.
const (
	MarkBytes      = 16
	maxMarks       = 64
	maxNames       = 8
	maxDocuments   = 8
	maxNameBytes   = 200
	maxNumberBytes = 64
	maxTextBytes   = 1024
	maxLineBytes   = 160
	maxCaseBytes   = 128 // as in the access log
	maxTerms       = 16
	maxYears       = 120
	maxHours       = 366 * 24
	maxPerHour     = 10_000

	// Argon2id: 8 MiB and 3 passes, some 10 ms on one core of 2024. A guess costs as much as a screening.
	blindKiB    = 8 << 10
	blindPasses = 3
	blindLanes  = 1
)
