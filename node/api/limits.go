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
