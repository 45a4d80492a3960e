package draft

import "time"

const (
	// MaxOfOwner and maxDrafts bound what is kept at once.
	MaxOfOwner   = 100
	maxDrafts    = 2000
	maxBodyBytes = 128 << 10
	maxFileBytes = maxBodyBytes + 1<<10

	// A draft lives for a day from its opening, and an hour from its last change, whichever is later; never over a week.
	openFor    = 24 * time.Hour
	changedFor = time.Hour
	longest    = 7 * 24 * time.Hour

	sweepEvery = time.Minute
)
