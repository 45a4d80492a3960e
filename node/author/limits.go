package author

import "time"

// Bounds of the group seal.
const (
	maxWaiting        = 4096 // requests queued before Submit blocks
	maxRound          = 2048 // requests gathered into one round
	maxInFlight       = 64   // entries proposed in one round
	maxEntryPlaintext = 1 << 20
	eventOverhead     = 64 // CBOR framing, id and type of one event, generously
	maxTries          = 20

	retryFirst  = 10 * time.Millisecond
	retryMost   = time.Second
	settleWait  = 500 * time.Millisecond
	confirmWait = 10 * time.Second
	maxConfirms = 1024
)
