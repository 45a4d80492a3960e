package api

import "time"

// Bounds on what a client accepts.
const (
	maxProblemBytes = 64 << 10
	maxAnswerBytes  = 64 << 20
	maxEventBytes   = 64 << 10

	eventRetryFirst = 200 * time.Millisecond
	eventRetryMost  = 5 * time.Second
)

// Bounds of the server.
const (
	maxBodyBytes   = 1 << 20
	maxBatchBytes  = 16 << 20
	maxBackupBase  = 16 << 10
	maxHeaderBytes = 32 << 10
	maxKeyBytes    = 128
	maxTokens      = 1024
	defaultDays    = 90
	defaultHours   = 24

	followWait       = 10 * time.Second // for the board to show what was committed
	writeWait        = 10 * time.Second // for a commit
	eventBeat        = 15 * time.Second
	eventPage        = 256
	exportPage       = 2_000
	consentTime      = 24 * time.Hour // for which a second person's agreement holds
	maxUsers         = 2048
	maxPointers      = 20_000
	maxKinds         = 32 // of changes that one stream asks for
	maxSubscriptions = 256
	maxStreams       = 256         // open at once for one person or token
	refusalEvery     = time.Minute // in the access log, of one person or token for one reason
	maxWordsBytes    = 4096        // of an operation as it is shown to a second person, which is what its event holds

	firstRunTime      = time.Hour   // for which the first link holds
	accountAge        = time.Minute // to when what is known of people and tokens is taken for true
	accountAgeMissing = time.Second // where one is not found
	requestsBurst     = 400
)
