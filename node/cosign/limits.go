package cosign

import "time"

const (
	// everyMost is the least time between two checkpoints while the ledger grows.
	everyMost = 50 * time.Millisecond
	askWait   = 2 * time.Second
	// linger is how long a checkpoint that already counts waits for further signatures.
	linger = 100 * time.Millisecond
	// standIn is how long a node that does not lead waits for a checkpoint before it asks itself.
	standIn = 3 * time.Second
	// retryAfter is the pause after an attempt that found too few signatures.
	retryAfter = 500 * time.Millisecond
	// rosterTries is how often a size is looked for whose roster is in force.
	rosterTries = 3
	// formerLines is how many lines in one agency's name are kept that none of its keys verifies now.
	formerLines = 2
)
