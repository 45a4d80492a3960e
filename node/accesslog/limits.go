package accesslog

import "time"

// Bounds of a record. What is longer is refused, never cut: the caller checks purposes and cases where they come in.
const (
	MaxActorBytes   = 128
	MaxRoleBytes    = 64
	MaxVerbBytes    = 64
	MaxObjects      = 16 // of a larger read, the first; Count says how many there were
	MaxObjectBytes  = 96
	MaxPurposeBytes = 512
	MaxCaseBytes    = 128
	MaxReasonBytes  = 256
	// MaxPage bounds one page of an answer.
	MaxPage = 1000
)

const (
	maxLeafBytes = 4 << 10
	maxMarkBytes = 4 << 10
	// maxFrameBytes bounds a sealed frame: the larger of both, nonce and tag.
	maxFrameBytes = maxLeafBytes + sealOverhead

	// maxRecords keeps random 96-bit nonces under one key far from a collision (NIST SP 800-38D: 2^32 of them), with
	// as many again for torn tails and marks.
	maxRecords = 1 << 31

	// A segment is closed when it is as old or as large as this; the last batch may go over by batchBytes.
	segmentAge   = time.Hour
	segmentBytes = 256 << 10
	batchBytes   = 64 << 10
	// maxBehind is the most a crash can leave behind the head: one batch, which ends with the record that goes over.
	maxBehind = batchBytes + 2*maxFrameBytes
	// maxSegmentBytes bounds an encoded segment; it fits one sealed payload.
	maxSegmentBytes = 512 << 10

	// maxWaiting bounds the appends that wait for the disk.
	maxWaiting = 8192
	// scanSegments bounds the work for one page; the page then ends early and says where to go on.
	scanSegments = 64
	maxFaults    = 100

	retryFirst = time.Second
	retryLast  = 5 * time.Minute
)
