package match

import "time"

const (
	// MaxRadius bounds how far apart two PDQ hashes may be and still count as a match.
	MaxRadius = 63
	// DefaultRadius is what the reference uses.
	DefaultRadius = 31
	// MinQuality is the least quality of a PDQ that is searched unless asked for: below it pictures hold too little to
	// tell them apart.
	MinQuality = 50
	// MaxRef bounds a Ref, MaxLists the lists.
	MaxRef   = 1<<48 - 1
	MaxLists = 64
	// MaxHits bounds the hits of one answer, DefaultHits is how many there are unless asked for.
	MaxHits     = 10_000
	DefaultHits = 100
	// MaxFrames bounds a video that is searched.
	MaxFrames = 16_384
	// MaxCursorBytes bounds what Save keeps for its caller.
	MaxCursorBytes = 4 << 10
)

const (
	deltaRows = 1_024
	// sweptRows: a segment up to this size has no tables; comparing every hash is as fast.
	sweptRows = 4_096
	// maxRows bounds a segment, since a row number has three bytes. Larger indexes have more segments.
	maxRows = 1 << 24
	// growth: a segment stays as it is while it is at least so many times as large as all newer ones together. So there
	// are few of them, and each row is written anew a few times in all.
	growth = 2
	// maxWaiting is how many segments may wait for Run before a writer merges by itself.
	maxWaiting = 48
	// deadShare: a segment is written anew where one in so many of its refs is gone.
	deadShare = 4
	// paceRows is how many rows background work handles before it rests for as long as they took.
	paceRows = 1 << 16
	maxRest  = 100 * time.Millisecond
	// builders bounds the goroutines that build a segment in the foreground.
	builders = 4
)
