package store

import "time"

const (
	// flushEvery and flushBytes say how long and how much may wait in memory.
	flushEvery = 50 * time.Millisecond
	flushBytes = 4 << 20
	// waitBytes is how much may wait before Commit itself waits for the disk.
	waitBytes = 64 << 20

	segmentBytes = 64 << 20
	// nestedBuckets: a value of ledger.db lies in a bucket of a ledger's bucket.
	nestedBuckets = 2
	lockWait      = time.Second
	// batchBytes bounds what lies between two checkpoints, so that it fits one mirror batch with room to spare.
	batchBytes = 2 << 20
	// rebuildBatch is how many bytes of a journal are folded between two commits.
	rebuildBatch  = 8 << 20
	maxFrameBytes = 8 << 20

	maxCursorBytes = 4 << 10
)
