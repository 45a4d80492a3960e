package hashing

import (
	"errors"
	"fmt"
	"strings"
)

// Summary counts what became of files.
type Summary struct {
	Files   uint64 `json:"files"` // with digests
	Bytes   uint64 `json:"bytes"`
	Images  uint64 `json:"images"` // with a perceptual hash
	Films   uint64 `json:"films"`  // with hashed frames
	Frames  uint64 `json:"frames"`
	Refused uint64 `json:"refused"` // images and films that lack a perceptual hash, or frames
	Empty   uint64 `json:"empty"`   // files without content
	Unread  uint64 `json:"unread"`  // could not be read
	Links   uint64 `json:"links"`   // not followed, or led to where it had been
	Special uint64 `json:"special"` // neither files nor directories
}

// Add counts one.
func (s *Summary) Add(it Item) {
	switch {
	case errors.Is(it.Err, ErrLink), errors.Is(it.Err, ErrVisited):
		s.Links++
	case errors.Is(it.Err, ErrSpecial):
		s.Special++
	case it.Err != nil:
		s.Unread++
	default:
		s.Files++
		s.Bytes += it.Size
		s.Frames += uint64(len(it.Frames))
		for _, c := range []struct {
			count *uint64
			is    bool
		}{{&s.Images, it.Image != nil}, {&s.Films, len(it.Frames) > 0}, {&s.Refused, it.Refused != nil}, {&s.Empty, it.Size == 0}} {
			if c.is {
				*c.count++
			}
		}
	}
}

// LeftOut counts what was not hashed in every way: what a program should be told of.
func (s *Summary) LeftOut() uint64 { return s.Refused + s.Empty + s.Unread + s.Links + s.Special }

// String is a line for people. What did not happen is not mentioned.
func (s *Summary) String() string {
	text := fmt.Sprintf("files: %d, bytes: %d", s.Files, s.Bytes)
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{s.Images, "images with PDQ"},
		{s.Films, "films"},
		{s.Frames, "frames"},
		{s.Refused, "images or films without PDQ or cut short"},
		{s.Empty, "empty files"},
		{s.Unread, "not readable"},
		{s.Links, "links not followed"},
		{s.Special, "pipes, sockets or devices"},
	} {
		if c.n > 0 {
			text += fmt.Sprintf(", %s: %d", c.what, c.n)
		}
	}
	return text
}

// Visible writes a file's name so that it can neither steer a terminal nor pass for another: what does not print is
// escaped as in a Go string, and so is the backslash.
func Visible(name string) string {
	quoted := fmt.Sprintf("%q", name)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
