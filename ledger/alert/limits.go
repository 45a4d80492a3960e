package alert

import "vigil/ledger"

// Bounds, in bytes where a text is meant. What is over is refused, never cut.
const (
	// MaxRows bounds the rows of one list.
	MaxRows = ledger.MaxEntryLeaves
	// MaxListBytes bounds the rows of one list together, so that it fits one sealed entry with its shared part.
	MaxListBytes = 960 << 10
	// MaxSignals bounds the fingerprints of one file: a video has one per sampled frame.
	MaxSignals = 1024
	// MaxTitleBytes, MaxNotesBytes, MaxReasonBytes, MaxSourceBytes and MaxSeriesBytes bound the free texts.
	MaxTitleBytes  = 256
	MaxNotesBytes  = 4096
	MaxReasonBytes = 2048
	MaxSourceBytes = 256
	MaxSeriesBytes = 128
	// MaxClassifications bounds the schemes' values one alert carries.
	MaxClassifications = 16
	maxSchemeBytes     = 64
	maxContextBytes    = 32
	maxValueBytes      = 128
	maxByBytes         = 64
	maxUnitBytes       = 64
	// MaxCaveats bounds the caveats of a handling, MaxCaveatBytes each of them.
	MaxCaveats     = 16
	MaxCaveatBytes = 256

	// MaxSightings bounds what one event counts.
	MaxSightings = 1_000_000

	// MaxBenign bounds the signals of one declaration.
	MaxBenign = 1_000

	// MaxFileBytes bounds the values of one file together.
	MaxFileBytes = 96 << 10

	maxSharedBytes = 24 << 10 // every shared part at its bounds
	maxRaisedRow   = MaxFileBytes + MaxSignals*8
	maxQuality     = 100
	maxColumns     = 8
	maxMediaBytes  = 1 << 50 // a petabyte: an absurd size is refused

	maxWindow    = 1 << 20 // entries
	maxRecent    = 64      // windows
	maxFactor    = 1_000
	maxAllowance = 1 << 40 // signals a window
	maxReleased  = 1 << 20 // entries
)
