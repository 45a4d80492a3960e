package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

const (
	raftProtocol = "vigil-raft/1"
	httpProtocol = "h2"

	handshakeWait  = 5 * time.Second
	dialWait       = 5 * time.Second
	rpcWait        = 10 * time.Second
	pipelineWait   = 5 * time.Second // for room among the requests on their way to one follower
	requestWait    = 15 * time.Second
	maxConnections = 1024
	peerConns      = 3

	maxServers       = 64
	appendEntries    = 16               // that a leader sends at once
	maxAppendEntries = 128              // that it may
	maxLogBytes      = 6 << 20          // one raft entry: a mirror batch with its framing
	maxProposalBytes = maxLogBytes - 64 // of what one raft entry frames

	// What a member may send over raft's connections: one request, in msgpack values and bytes; all that is not answered; an
	// answer; and connections, of which the newest count. handshakesEach is of one address, nodeConns of one node, with HTTP's.
	maxRPCValues      = 32 * maxAppendEntries
	maxRPCBytes       = appendEntries*maxLogBytes + 1<<20
	maxMemberBytes    = maxRPCBytes + 4<<20
	maxAnswerBytes    = 64 << 10
	raftConns         = 8
	nodeConns         = 32
	handshakesEach    = 128
	maxSnapshotBytes  = 1 << 40
	maxTermJump       = 1 << 20 // that a request may make
	maxAnswerJump     = 1 << 26 // that an answer may: more than requests make between two elections, so that a node is caught up with
	lyingTermJump     = 1 << 56 // that no liar brings an honest node to make, in years
	maxTermRises      = 20      // a second and peer, in bursts
	transferWindow    = 10 * time.Second
	lateWindow        = time.Minute // in which what a leader sent may still arrive
	leaderHeard       = 3 * time.Second
	leaderTells       = 12 * time.Second // within which a leader that is heard tells of its log: raft's longest wait is 10.24 s
	raftCacheEntries  = 512
	snapshotThreshold = 2048
	snapshotTakes     = time.Hour // at most, for somebody to be behind because of it
	trailingLogs      = 1024
	snapshotInterval  = 15 * time.Second
	nestedBuckets     = 1        // a value of raft.db lies in a bucket
	compactBytes      = 64 << 10 // in one transaction, when the log is written anew
	leastFreed        = 16 << 20 // of the log's file, for it to be written anew behind a snapshot
	mostTidied        = 32 << 20 // of it that is left, as everything waits meanwhile
	purgeAgain        = 2 * time.Second
	maxSnapshots      = 4 // in a row, with no entry after them

	// How a snapshot's bytes must come, as raft hears nobody meanwhile: never none for so long, and in bytes a second no slower than what
	// raft's sender itself gives up over. Who sent one that was not taken sends none for snapshotAgain, each time twice as long.
	snapshotSilence = rpcWait
	snapshotSpeed   = raft.DefaultTimeoutScale / int64(rpcWait/time.Second)
	snapshotAgain   = time.Second
	snapshotRest    = 5 * time.Minute

	// groupBytes and groupEntries bound what the leader puts into one raft entry.
	groupBytes    = 1 << 20
	groupEntries  = 512
	groupInFlight = 4
	queueLength   = 1024

	// forwardBytes bounds what is handed to the leader in one request.
	forwardBytes = 4 << 20
	answerBytes  = 1 << 20
	maxHeadBytes = 32 << 10 // of a request or an answer

	introduceEvery = 5 * time.Second
	leaderLook     = 100 * time.Millisecond
	reconcileEvery = 500 * time.Millisecond
	heightEvery    = time.Second
	caughtUpWithin = 256 // entries behind the leader at which a non-voter may become a voter
	heardWithin    = 5 * time.Second
	aliveWithin    = 3 * time.Second
	maxHeightBytes = 4 << 10

	maxStandingBytes = 1 << 10
	maxRemembered    = 256             // nodes
	wordsKept        = 64              // of one's own, which others give back
	longAgo          = uint64(1) << 40 // ms
	rememberWait     = 2 * time.Second // for answers to what is remembered of this node
	rememberEvery    = 250 * time.Millisecond
	twinWords        = 2                       // of another process after its first: one may have been on its way when that ended
	twinPatience     = 2500 * time.Millisecond // how long a process that was heard may live on in silence
	shortFor         = 2 * time.Second         // that a log which gives way may be short
	backAfter        = 5 * time.Second
	farewellWait     = 300 * time.Millisecond
	haltedClose      = 2 * time.Second // for raft to end where the disk fails it
	maxRequestBytes  = 8 << 20
	requestsAtOnce   = 32 // of one node

	// Who is no member may ask to join or introduce itself: so much, so often at once, each and all together, and over so many connections,
	// from one address and in all, of which the newest count.
	maxOpenBytes    = 64 << 10 // but an introduction
	strangerAtOnce  = 4
	strangersAtOnce = 16
	strangerConns   = 8
	strangersConns  = 128
)
