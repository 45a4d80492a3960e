package author

import "time"

// Bounds of the group seal.
const (
	maxWaiting        = 4096 // requests queued before Submit blocks
	maxRound          = 2048 // requests gathered into one round
	maxInFlight       = 64   // entries proposed in one round
	maxEntryPlaintext = 1 << 20
	eventOverhead     = 64  // CBOR framing, id and type of one event, generously
	maxParsed         = 256 // certificates kept parsed

	retryFirst  = 10 * time.Millisecond
	retryMost   = 200 * time.Millisecond // a new leader is there in two seconds, and is not kept waiting for a third
	holdFor     = 8 * time.Second        // what a refusal that time may mend is held back; below what a client waits
	holdAgain   = 250 * time.Millisecond
	confirmWait = 10 * time.Second
	confirmLook = time.Second
	maxConfirms = 1024
)
