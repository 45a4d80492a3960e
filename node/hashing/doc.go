// Package hashing computes what is shared of a file instead of the file: MD5, SHA-1 and SHA-256 of its content, PDQ of an
// image, and PDQ of the frames of a film. It runs where the file is. It knows nothing of nodes, alerts' meaning or the
// network; it writes nothing to disk, and of an image nothing leaves it but hashes.
//
// # Images
//
// JPEG, PNG, GIF (its first frame), WebP, BMP and TIFF are decoded by Go's own libraries. What they say of themselves is
// checked before anything is allocated: sides, pixels, the memory that decoding takes, and whether the file is long
// enough for what its header promises. Then they are decoded in another process (Options.Worker) that can open no file
// and no connection, has bounded memory and bounded time, and whose end costs one image its perceptual hash and nothing
// else. HEIC, AVIF, JPEG XL and the like have no decoder in Go that is sound and obtainable: they are refused by name,
// and their digests are computed all the same.
//
// Pixels are hashed as the reference hashes them (pdqhash over an image loaded by Pillow or CImg): as they are stored.
// Orientation written in EXIF is not applied, opacity and colour profiles are ignored, samples of 16 bits lose the lower
// eight. The eight forms in Image.Forms cover images that were turned.
//
// # Films
//
// Frames come from an installed ffmpeg, as vPDQ takes them: of the first video stream one frame a second, counted in
// frames by the average rate, at full size and not turned. The file reaches ffmpeg as an open descriptor, never by its
// name; ffmpeg may read nothing else, and is killed when it takes too long.
package hashing
