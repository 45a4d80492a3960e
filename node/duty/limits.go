package duty

import "time"

const (
	lookEvery  = 100 * time.Millisecond // looks are at least so far apart
	retryAfter = 2 * time.Second        // after what failed
	writeWait  = 30 * time.Second
	maxEvents  = 256 // of one entry
)
