package store

import "time"

const (
	// flushEvery is how long nothing must have come before what waits in memory is written; flushLooks is how many times that
	// it may wait where something always comes, and flushBytes how much. One flush writes some twenty pages however little is in
	// it, and until then raft's log has it all.
	flushEvery = 50 * time.Millisecond
	flushLooks = 20
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
	// stretchEntries is how many entries a journal reads in one transaction.
	stretchEntries = 256
	// pieceBytes and pieceFrames are how much of a journal is prepared at once, while what is before it is folded.
	pieceBytes  = 1 << 20
	pieceFrames = 256

	maxCursorBytes = 4 << 10
	// fetchWait is how long others may take to send what is to be mended, while nothing is flushed.
	fetchWait = 20 * time.Second
)
