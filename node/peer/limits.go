package peer

import (
	"time"

	"vigil/ledger"
)

const (
	protocolID = "/vigil/follow/1"

	maxRequestBytes = 1 << 10
	maxLineBytes    = 1 << 10
	maxFrameBytes   = ledger.MaxMirrorBytes + 1<<10

	requestWait = 10 * time.Second
	frameWait   = 60 * time.Second
	silentMost  = 6 * time.Second
	alives      = 3 // keep-alives in what silence is borne
	quietMost   = time.Minute
	commitWait  = 30 * time.Second
	openWait    = 5 * time.Second

	backoffFirst = 200 * time.Millisecond
	backoffMost  = 10 * time.Second
	// standBy is how long a gateway of the next rank waits for one before it to move the mirror.
	standBy   = 2 * time.Second
	lookAgain = 500 * time.Millisecond

	watchEvery = 5 * time.Second
	doubtFirst = time.Minute
	doubtMost  = time.Hour
	maxAnswers = 4 // frames to a question

	maxStreams     = 16
	maxLiars       = 1024 // gateways that are named
	maxConnections = 8
	peerMemory     = 64 << 20
	systemMemory   = 256 << 20
)
