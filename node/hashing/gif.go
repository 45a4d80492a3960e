package hashing

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
)

// A GIF is a screen, on which its first frame may cover a part. Opacity is ignored as elsewhere: a transparent pixel has
// the colour of its index, which Go's decoder would throw away, so the mark of transparency is taken out of the file's
// copy in memory. What the frame does not cover has the transparent colour, or else the first, as Pillow has it.

const (
	gifExtension   = 0x21
	gifControl     = 0xf9
	gifDescriptor  = 0x2c
	gifTransparent = 1
)

// gifStart is what stands before the first frame's pixels.
type gifStart struct {
	screen, frame image.Rectangle
	background    uint8
}

func prepareGIF(data []byte) (prepared, error) {
	start, ok := readGIF(data)
	if !ok {
		return prepared{}, ErrDamaged
	}
	if w, h := start.frame.Dx(), start.frame.Dy(); uint64(w)*uint64(h) > gifHolds(data) {
		return prepared{}, fmt.Errorf("%w: %d by %d pixels in %d bytes", ErrLying, w, h, len(data))
	}
	return prepared{data: data, present: func(m image.Image) image.Image {
		frame, ok := m.(*image.Paletted)
		if !ok || frame.Rect == start.screen {
			return m
		}
		around := color.Color(color.Black)
		if int(start.background) < len(frame.Palette) {
			around = frame.Palette[start.background]
		}
		return &onScreen{Image: frame, screen: start.screen, around: around}
	}}, nil
}

// gifHolds: a code of 12 bits stands for 4,096 pixels at most.
func gifHolds(data []byte) uint64 { return uint64(len(data)) * 8 / 12 * 4096 }

// readGIF walks the blocks up to the first frame and clears its mark of transparency. An index that its table does not
// have stays marked: decoders accept it only so.
func readGIF(data []byte) (start gifStart, ok bool) {
	const header = 13
	if len(data) < header {
		return start, false
	}
	corner := func(at int) int { return int(binary.LittleEndian.Uint16(data[at:])) }
	start.screen = image.Rect(0, 0, corner(6), corner(8))
	at, colours := header, gifColours(data[10])
	at += 3 * colours
	var control []byte
	for at+10 <= len(data) {
		switch data[at] {
		case gifDescriptor:
			start.frame = image.Rect(corner(at+1), corner(at+3), corner(at+1)+corner(at+5), corner(at+3)+corner(at+7))
			if local := gifColours(data[at+9]); local > 0 {
				colours = local
			}
			if control != nil && int(control[6]) < colours {
				start.background = control[6]
				control[3] &^= gifTransparent
			}
			return start, true
		case gifExtension:
			if b := data[at : at+8]; b[1] == gifControl && b[2] == 4 {
				control = nil
				if b[3]&gifTransparent != 0 {
					control = b
				}
			}
			if at, ok = skipBlocks(data, at+2); !ok {
				return start, false
			}
		default:
			return start, false
		}
	}
	return start, false
}

// gifColours returns the size of the colour table that the flags announce.
func gifColours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 2 << (flags & 7)
}

// skipBlocks returns what follows a chain of sub-blocks.
func skipBlocks(data []byte, at int) (int, bool) {
	for at < len(data) {
		n := int(data[at])
		if at += 1 + n; n == 0 {
			return at, true
		}
	}
	return at, false
}

// onScreen is a frame with the rest of the screen around it.
type onScreen struct {
	image.Image
	screen image.Rectangle
	around color.Color
}

func (o *onScreen) Bounds() image.Rectangle { return o.screen }

func (o *onScreen) At(x, y int) color.Color {
	if image.Pt(x, y).In(o.Image.Bounds()) {
		return o.Image.At(x, y)
	}
	return o.around
}
