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

	maxWordsBytes = 1 << 10  // of a refusal
	frameStep     = 64 << 10 // a frame is made room for as it comes, never as it promises

	requestWait = 10 * time.Second
	sendWait    = 60 * time.Second
	leastSpeed  = 64 << 10 // bytes a second, of a frame that is on its way
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
	// withheldAgain is how long after one question, whether other gateways have more, the second comes; twice as long after each
	// gateway that was left for nothing, up to quietMost.
	withheldAgain = 1500 * time.Millisecond
	askWait       = 2 * time.Second
	strippedWait  = 5 * time.Minute // for a gateway that sends payloads which others leave out
	doubtFirst    = time.Minute
	doubtMost     = time.Hour
	maxAnswers    = 4 // frames to a question

	// What a gateway may send that brings nothing new, in bytes a second with idleFrame for each frame, idleBatch for each batch;
	// and how many checkpoints of third ledgers are looked at, a second. Over the first it is left and named, over the second the rest is not looked at.
	idleFrame, idleBatch  = 1 << 10, 64 << 10
	idleEach, idleBurst   = 1 << 20, 16 << 20
	thirdEach, thirdBurst = 20, 200
	// What a gateway may ask for, a second. Of its streams the newest maxServed are served; the link is bounded by them.
	requestsEach, requestsBurst = 20, 60
	maxServed                   = 6
	maxUnanswered               = 4096 // batches without the answer that is due
	logsEach, logsBurst         = 1, 20

	maxStreams     = 16
	maxLiars       = 1024 // gateways that are named
	maxConnections = 8
	peerMemory     = 64 << 20
	systemMemory   = 256 << 20

	// GatewayMemory bounds what one gateway of a partner can make this node hold, whatever it sends or asks for: what libp2p
	// keeps for it, one frame that comes with its decoded batch, and a batch with its encoding for each stream it is served.
	GatewayMemory = peerMemory + 3*maxFrameBytes + maxServed*3*maxFrameBytes
)
