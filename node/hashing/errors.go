package hashing

import (
	"errors"
	"fmt"
	"io/fs"

	"vigil/node/hashing/pdq"
)

// Why there is no perceptual hash of a file that has digests.
var (
	ErrDamaged    = errors.New("damaged or truncated")
	ErrBounds     = errors.New("over the bound")
	ErrLying      = errors.New("the header promises more than the file can hold")
	ErrVariant    = errors.New("a variant of its format that is not supported")
	ErrNoDecoder  = errors.New("there is no sound decoder in Go for this format; convert it to get a PDQ")
	ErrTooLong    = errors.New("decoding took too long")
	ErrDied       = errors.New("the decoder died of this file")
	ErrMemory     = errors.New("decoding took more memory than it may")
	ErrNoFFmpeg   = errors.New("no ffmpeg and ffprobe here: frames are not hashed")
	ErrFilm       = errors.New("ffmpeg cannot decode it")
	ErrChanged    = errors.New("it grew while it was read")
	ErrTooSmall   = pdq.ErrTooSmall
	errIncomplete = errors.New("fewer rows than promised")
)

// Why there is nothing of a file.
var (
	ErrLink    = errors.New("a symbolic link, not followed")
	ErrVisited = errors.New("leads to a directory that was visited already: a loop, or a second way there")
	ErrSpecial = errors.New("not a regular file")
	ErrDeep    = errors.New("too many directories deep")
)

func over(what string, value, bound uint64) error {
	return fmt.Errorf("%w: %d %s, at most %d", ErrBounds, value, what, bound)
}

// Word says why in a few words, without the file's name, which is written beside it.
func Word(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
