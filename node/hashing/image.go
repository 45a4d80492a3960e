package hashing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"vigil/node/hashing/pdq"
)

// Image is the perceptual hash of an image.
type Image struct {
	Quality int                 // 0 to 100; below 50 it is worth little
	Forms   [pdq.Forms]pdq.Hash // the image as it is first, then turned and mirrored
}

// codec is how a kind is decoded. Need and holds look at the file before anything is allocated: how many bytes decoding
// is expected to take, and how many pixels a file of that length can hold at most.
type codec struct {
	prepare func(data []byte) (prepared, error) // nil: nothing to prepare
	config  func(io.Reader) (image.Config, error)
	decode  func(io.Reader) (image.Image, error)
	need    func(data []byte, c image.Config) uint64
	holds   func(data []byte) uint64
}

// prepared is a file that its decoder can take, and what then makes of its image the one that people see.
type prepared struct {
	data    []byte
	size    image.Point                   // that the decoder must find; zero: any
	present func(image.Image) image.Image // nil: nothing
}

var codecs = map[Kind]codec{
	JPEG: {nil, jpeg.DecodeConfig, jpeg.Decode, jpegNeed, jpegHolds},
	PNG:  {nil, png.DecodeConfig, png.Decode, pngNeed, pngHolds},
	GIF:  {prepareGIF, gif.DecodeConfig, gif.Decode, perPixel(1), anything},
	WebP: {prepareWebP, webp.DecodeConfig, webp.Decode, webpNeed, anything},
	BMP:  {nil, bmp.DecodeConfig, bmp.Decode, perPixel(4), bmpHolds},
	TIFF: {prepareTIFF, tiff.DecodeConfig, tiff.Decode, perPixel(16), anything},
}

func anything([]byte) uint64 { return math.MaxUint64 }

func perPixel(bytes uint64) func([]byte, image.Config) uint64 {
	return func(_ []byte, c image.Config) uint64 { return bytes * area(c) }
}

func area(c image.Config) uint64 { return uint64(c.Width) * uint64(c.Height) }

// hashImage decodes an image and hashes it. It may change data. Allow is asked before the memory is taken that decoding
// is expected to need; the time begins when it answers. A panic of a decoder is an error; what no program can catch, the
// process around it catches.
func hashImage(kind Kind, data []byte, limit time.Duration, allow func(need uint64) error) (out Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = Image{}, ErrDied
		}
	}()
	c, ok := codecs[kind]
	if !ok {
		return out, ErrNoDecoder
	}
	p := prepared{data: data}
	if c.prepare != nil {
		if p, err = c.prepare(data); err != nil {
			return out, err
		}
	}
	config, err := c.config(&timedReader{data: p.data, deadline: time.Now().Add(limit)})
	if err != nil {
		return out, explain(err)
	}
	if p.size != (image.Point{}) && p.size != image.Pt(config.Width, config.Height) {
		return out, ErrDamaged
	}
	if err := inspect(c, p.data, config); err != nil {
		return out, err
	}
	if err := allow(c.need(p.data, config)); err != nil {
		return out, err
	}
	deadline := time.Now().Add(limit)
	m, err := c.decode(&timedReader{data: p.data, deadline: deadline})
	if err != nil {
		return out, explain(err)
	}
	if p.present != nil {
		m = p.present(m)
	}
	return hashPixels(m, deadline)
}

func inspect(c codec, data []byte, config image.Config) error {
	if err := inspectSize(config.Width, config.Height); err != nil {
		return err
	}
	if area(config) > c.holds(data) {
		return fmt.Errorf("%w: %d by %d pixels in %d bytes", ErrLying, config.Width, config.Height, len(data))
	}
	if need := c.need(data, config); need > maxDecodeBytes {
		return over("bytes of memory to decode", need, maxDecodeBytes)
	}
	return nil
}

func inspectSize(width, height int) error {
	switch pixels := uint64(width) * uint64(height); {
	case width <= 0 || height <= 0:
		return fmt.Errorf("%w: no pixels", ErrDamaged)
	case width > maxSide || height > maxSide:
		return over("pixels a side", uint64(max(width, height)), maxSide)
	case pixels > maxPixels:
		return over("pixels", pixels, maxPixels)
	case width < pdq.MinSide || height < pdq.MinSide:
		return ErrTooSmall
	}
	return nil
}

// explain sorts a decoder's error. Its text is not passed on where it could quote the file.
func explain(err error) error {
	var unsupported jpeg.UnsupportedError
	var unsupportedPNG png.UnsupportedError
	var unsupportedTIFF tiff.UnsupportedError
	switch {
	case errors.Is(err, ErrTooLong):
		return ErrTooLong
	case errors.As(err, &unsupported), errors.As(err, &unsupportedPNG), errors.As(err, &unsupportedTIFF), errors.Is(err, bmp.ErrUnsupported):
		return ErrVariant
	}
	return ErrDamaged
}

// jpegFrame is what the frame header says.
type jpegFrame struct {
	progressive bool
	components  int
	samples     float64 // per pixel
}

// worstFrame is taken for one that we do not find: decoders find their way past rubbish that we stop at.
var worstFrame = jpegFrame{progressive: true, components: 4, samples: 4}

func jpegHeader(data []byte) jpegFrame {
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			break
		}
		marker, length := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xff {
			at++ // fill
			continue
		}
		if marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc {
			return readFrame(marker, data[at+4:])
		}
		at += 2 + length
	}
	return worstFrame
}

func readFrame(marker byte, body []byte) jpegFrame {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return worstFrame
	}
	f := jpegFrame{progressive: marker == 0xc2, components: int(body[5])}
	var sum, h, v float64
	for i := range f.components {
		factors := body[6+3*i+1]
		sum += float64(factors>>4) * float64(factors&15)
		h, v = max(h, float64(factors>>4)), max(v, float64(factors&15))
	}
	f.samples = sum / max(h*v, 1)
	return f
}

// jpegNeed counts a byte a sample, another four where all coefficients are kept to the end, and four a pixel where
// colours are converted as a whole.
func jpegNeed(data []byte, c image.Config) uint64 {
	f := jpegHeader(data)
	perPixel := f.samples
	if f.progressive {
		perPixel += 4 * f.samples
	}
	if f.components == 4 {
		perPixel += 4
	}
	return uint64(perPixel * float64(area(c)))
}

// jpegHolds: a block of 64 pixels takes at least one bit.
func jpegHolds(data []byte) uint64 { return uint64(len(data)) * 8 * 64 }

func pngNeed(data []byte, c image.Config) uint64 {
	need := area(c) * 4
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		need = area(c) * 8
	}
	if interlaced := len(data) > 28 && data[28] != 0; interlaced {
		need *= 2
	}
	return need
}

// pngHolds: deflate makes 1,032 bytes of one at most. The depth and the number of channels stand in the header.
func pngHolds(data []byte) uint64 {
	if len(data) < 26 {
		return 0
	}
	channels := map[byte]uint64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]]
	return 1032 * 8 * uint64(len(data)) / max(channels*uint64(data[24]), 1)
}

func webpNeed(_ []byte, c image.Config) uint64 {
	if c.ColorModel == color.NRGBAModel {
		return 12 * area(c) // lossless: the pixels before and after a transformation
	}
	return 3 * area(c)
}

// bmpHolds: nothing is compressed.
func bmpHolds(data []byte) uint64 {
	if len(data) < 30 {
		return 0
	}
	return 8 * uint64(len(data)) / max(uint64(binary.LittleEndian.Uint16(data[28:])), 1)
}

// timedReader reads a file in memory and fails after a deadline, which ends a decoder that is made to look at the same
// pixels again and again.
type timedReader struct {
	data     []byte
	at       int64
	deadline time.Time
}

func (r *timedReader) Read(b []byte) (int, error) {
	n, err := r.ReadAt(b, r.at)
	r.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (r *timedReader) ReadAt(b []byte, off int64) (int, error) {
	if time.Now().After(r.deadline) {
		return 0, ErrTooLong
	}
	return bytes.NewReader(r.data).ReadAt(b, off)
}
