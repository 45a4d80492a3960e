package hashing

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"
)

// WebP is RIFF: chunks of four letters, four bytes of length, and the content padded to an even length. Of an animation
// the first frame is taken out into a file of its own, which is what the decoder can read:
//
//	VP8X  flags, canvas    ANMF  3 bytes each: x/2, y/2, width-1, height-1, duration; flags; ALPH, VP8 or VP8L chunks
//
// The canvas around it is black, as libwebp has it when nothing but colours is asked for.

const (
	webpHeader    = 12
	chunkHeader   = 8
	webpAnimated  = 1 << 1
	webpAlpha     = 1 << 4
	frameHeader   = 16
	canvasContent = 10
)

func prepareWebP(data []byte) (prepared, error) {
	narrow := func(m image.Image) image.Image {
		switch m := m.(type) {
		case *image.YCbCr:
			return &studio{m}
		case *image.NYCbCrA:
			return &studio{&m.YCbCr}
		}
		return m
	}
	p := prepared{data: data, present: narrow}
	if len(data) < webpHeader+chunkHeader+canvasContent {
		return p, nil // its decoder says what is wrong
	}
	canvas := data[webpHeader+chunkHeader:]
	if string(data[webpHeader:webpHeader+4]) != "VP8X" || canvas[0]&webpAnimated == 0 {
		return p, nil
	}
	frame, ok := chunk(data[webpHeader:], "ANMF")
	if !ok || len(frame) < frameHeader {
		return p, ErrDamaged
	}
	screen := image.Rect(0, 0, int(uint24(canvas[4:]))+1, int(uint24(canvas[7:]))+1)
	corner := image.Pt(2*int(uint24(frame)), 2*int(uint24(frame[3:])))
	at := image.Rectangle{corner, corner.Add(image.Pt(int(uint24(frame[6:]))+1, int(uint24(frame[9:]))+1))}
	if !at.In(screen) {
		return p, ErrDamaged
	}
	if err := inspectSize(screen.Dx(), screen.Dy()); err != nil {
		return p, err
	}
	p.data, p.size = still(frame), at.Size()
	p.present = func(m image.Image) image.Image {
		if m.Bounds() == screen {
			return narrow(m)
		}
		return &onScreen{Image: &shifted{narrow(m), corner}, screen: screen, around: color.Black}
	}
	return p, nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// chunk returns the content of the first chunk of a name.
func chunk(data []byte, name string) ([]byte, bool) {
	for len(data) >= chunkHeader {
		size := uint64(binary.LittleEndian.Uint32(data[4:]))
		content := data[chunkHeader:]
		if size > uint64(len(content)) {
			return nil, false
		}
		if string(data[:4]) == name {
			return content[:size], true
		}
		data = content[min(size+size%2, uint64(len(content))):]
	}
	return nil, false
}

// still makes a file of one frame. Its size is stated where it has opacity, which comes in a chunk of its own.
func still(frame []byte) []byte {
	body := []byte("WEBP")
	content := frame[frameHeader:]
	if _, ok := chunk(content, "ALPH"); ok {
		body = append(body, "VP8X\x0a\x00\x00\x00"...)
		body = append(body, webpAlpha, 0, 0, 0)
		body = append(body, frame[6:12]...)
	}
	body = append(body, content...)
	out := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(out[4:], uint32(min(len(body), math.MaxUint32)))
	return append(out, body...)
}

// shifted is an image moved to where it belongs.
type shifted struct {
	image.Image
	by image.Point
}

func (s *shifted) Bounds() image.Rectangle { return s.Image.Bounds().Add(s.by) }

func (s *shifted) At(x, y int) color.Color { return s.Image.At(x-s.by.X, y-s.by.Y) }
