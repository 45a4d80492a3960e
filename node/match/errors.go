package match

import "errors"

// Errors of the index.
var (
	// ErrRadius refuses a radius that is not between 0 and MaxRadius, or one for what only matches exactly.
	ErrRadius = errors.New("match: the radius must be a whole number from 0 to 63")
	// ErrExact refuses a radius for an algorithm whose values match exactly or not at all.
	ErrExact = errors.New("match: values of this algorithm match exactly or not at all; leave the radius out")
	// ErrSignal refuses a fingerprint that is not one.
	ErrSignal = errors.New("match: not a fingerprint")
	// ErrRef refuses a ref or list out of bounds.
	ErrRef = errors.New("match: a ref or list is out of bounds")
	// ErrLimit refuses a number of hits out of bounds.
	ErrLimit = errors.New("match: between 1 and 10,000 hits can be asked for")
	// ErrFrames refuses a video without usable frames, or with too many.
	ErrFrames = errors.New("match: a video needs 1 to 16,384 different frames of quality 50 or more")
	// ErrPercent refuses a share of a video's frames out of bounds.
	ErrPercent = errors.New("match: a share of frames is a percentage from 0 to 100")
	// ErrSaved says that a saved form is damaged, cut, of another key or of another version: build anew.
	ErrSaved = errors.New("match: the saved form cannot be used")
)
