package report

// Bounds, in bytes where a text is meant. What is over is refused, never cut.
const (
	MaxFiles        = 256 // and no more than fit one event
	MaxFileSignals  = 16
	MaxPointers     = 64
	MaxPrior        = 16
	MaxClasses      = 8
	MaxNoteBytes    = 2048
	MaxReasonBytes  = 2048
	MaxReference    = 128
	MaxPointerBytes = 512
	MaxServiceBytes = 64
	MaxRegionBytes  = 64
	MaxNameBytes    = 64  // of a platform
	MaxPersonBytes  = 256 // of somebody at the desk
	maxTokenBytes   = 64
	maxDesk         = 8
	MaxLinks        = 64 // alerts or referrals a move names
	maxIDBytes      = 48
	maxPort         = 65535
	maxZoneMinutes  = 14 * 60

	firstMoment = 631152000000  // 1990-01-01: there was no platform before
	lastMoment  = 4102444800000 // 2100-01-01
)
