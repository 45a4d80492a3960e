package board

import "time"

const (
	batchRows    = 20_000                // rows folded in one transaction
	batchTime    = 50 * time.Millisecond // after which a transaction takes no further entry
	batchEntries = 1_024
	readAgain    = time.Second // an entry that could not be read, or a log that could not be emptied
	maxFoldBytes = 32 << 20    // of events whose folds stay in memory, so that the next event of an object folds by itself
	staleBatch   = 256         // objects folded again in one transaction
	// alarmApart is how much later the next of those concerned says that a deadline has passed where nobody did.
	alarmApart   = 10 * time.Minute
	maxPage      = 500
	defaultPage  = 50
	maxChanges   = 1_000
	maxStandings = 10_000
	maxListed    = 1_000 // of events without effect, and of objects without a cause
	maxChain     = 1_000 // exports that go on from each other
	maxTextBytes = 256
	maxAccounts  = 4_096
	maxTextWords = 16
	maxRelated   = 200
	maxHops      = 6
	maxBenigns   = 8 // declarations shown with one signal
	readers      = 4
	samples      = 64    // entries, and objects, that a scrub folds again
	sampleRows   = 1_000 // of one of them
	// maxKeyBytes bounds what the index over signals holds of a value; of a longer one it holds the SHA-256.
	maxKeyBytes = 32
)
