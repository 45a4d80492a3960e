package watch

import (
	"vigil/ledger"
	"vigil/ledger/alert"
)

// Bounds, in bytes where a text is meant. What is over is refused, never cut.
const (
	// MaxRows bounds the rows of one list.
	MaxRows = alert.MaxRows
	// MaxHandled bounds the hits that one event is about.
	MaxHandled = ledger.MaxEntryLeaves
	// MaxCaseBytes, MaxNoteBytes and MaxReasonBytes bound the texts.
	MaxCaseBytes   = 128
	MaxNoteBytes   = 4096
	MaxReasonBytes = 1024

	maxSharedBytes = 8 << 10
	maxFileBytes   = alert.MaxFileBytes + alert.MaxSignals*8
)
