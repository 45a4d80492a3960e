package notify

import "time"

const (
	maxWorkers     = 256 // subscriptions told at once
	pageChanges    = 200
	answerTime     = 15 * time.Second // for a receiver to answer
	maxAnswerBytes = 4 << 10
	maxDigestIDs   = 50
	maxRetryAfter  = 24 * time.Hour
	secretOverlap  = 24 * time.Hour // for which the secret before signs, too
	lookEvery      = 200 * time.Millisecond
	failPause      = 5 * time.Second // after an error of our own
)

// retries are the pauses between tries, each with up to a tenth more by chance: after the last, some three days in all, the
// subscription is paused.
var retries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}
