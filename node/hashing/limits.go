package hashing

import "time"

const (
	// maxImageBytes bounds an image's file, which is held in memory until it is decoded; heldBytes all that are held.
	maxImageBytes = 256 << 20
	heldBytes     = 1 << 30
	// maxSide and maxPixels bound what a header may promise.
	maxSide   = 65_535
	maxPixels = 1 << 28
	// maxDecodeBytes bounds the memory one image is expected to take; budgetBytes all those decoded at one time.
	maxDecodeBytes = 1 << 30
	budgetBytes    = 2 << 30
	// maxWorkerBytes ends a process whose expectations were wrong; collectBytes is where it begins to collect harder.
	maxWorkerBytes = 3 << 30
	collectBytes   = 3 << 29
	// maxDecodeTime bounds one image; killAfter is when the process is killed that did not stop by itself.
	maxDecodeTime = 60 * time.Second
	killAfter     = maxDecodeTime + 5*time.Second
	// maxMessageBytes bounds a worker's answer, maxComplaintBytes what is kept of its last words.
	maxMessageBytes   = 4 << 10
	maxComplaintBytes = 4 << 10

	sniffBytes = 4 << 10
	chunkBytes = 256 << 10
	// window is how many files per worker may be hashed ahead of one that takes long.
	window = 8
	// maxDepth bounds directories in directories.
	maxDepth = 256

	// maxFramePixels bounds a film's frame, maxFrames how many are hashed: a day at one a second.
	maxFramePixels = 1 << 26
	maxFrames      = 86_400
	// maxFilmTime bounds one film, maxFilmStall the wait for its next frame, maxProbeTime the look at its header.
	maxFilmTime   = 2 * time.Hour
	maxFilmStall  = 2 * time.Minute
	maxProbeTime  = 30 * time.Second
	maxProbeBytes = 64 << 10
	maxFilmBytes  = 4 << 30 // of memory, for ffmpeg
	killWait      = 2 * time.Second
	minUsefulness = 50 // the quality below which the reference discards a frame
	// MaxListedFrames bounds the frames of one film that Signals gives, so that they fit one alert and one line.
	MaxListedFrames = 900
)
