package hashing

import (
	"image"
	"image/color"
	"time"

	"vigil/node/hashing/pdq"
)

// hashPixels hashes a decoded image, row by row.
func hashPixels(m image.Image, deadline time.Time) (Image, error) {
	b := m.Bounds()
	h, err := pdq.New(b.Dx(), b.Dy())
	if err != nil {
		return Image{}, err
	}
	fill := luminance(m)
	row := make([]float32, b.Dx())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		if time.Now().After(deadline) {
			return Image{}, ErrTooLong
		}
		fill(row, y)
		h.Row(row)
	}
	return imageOf(h.Sum()), nil
}

func imageOf(s *pdq.Sum) Image {
	out := Image{Quality: s.Quality}
	for f := range out.Forms {
		out.Forms[f] = s.Form(pdq.Form(f))
	}
	return out
}

// luminance returns what fills a row from the image: of the colours as they are stored, whatever the opacity.
func luminance(m image.Image) func(row []float32, y int) {
	switch m := m.(type) {
	case *image.YCbCr:
		return fromYCbCr(m)
	case *image.NYCbCrA:
		return fromYCbCr(&m.YCbCr)
	case *image.Gray:
		return func(row []float32, y int) { fromGray(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):], 1) }
	case *image.Gray16:
		return func(row []float32, y int) { fromGray(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):], 2) }
	case *image.RGBA:
		return func(row []float32, y int) { pdq.Luminance(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):], 4) }
	case *image.NRGBA:
		return func(row []float32, y int) { pdq.Luminance(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):], 4) }
	case *image.RGBA64:
		return func(row []float32, y int) { fromWide(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):]) }
	case *image.NRGBA64:
		return func(row []float32, y int) { fromWide(row, m.Pix[m.PixOffset(m.Rect.Min.X, y):]) }
	case *image.Paletted:
		return fromPalette(m)
	case *studio:
		return fromStudio(m.YCbCr)
	case *inverted:
		return fromInverted(m)
	case *onScreen:
		return fromScreen(m)
	case *shifted:
		fill := luminance(m.Image)
		return func(row []float32, y int) { fill(row, y-m.by.Y) }
	}
	return func(row []float32, y int) {
		for x := range row {
			row[x] = ofColor(m.At(m.Bounds().Min.X+x, y))
		}
	}
}

// chroma gives the colours of a row at full width.
type chroma struct {
	m      *image.YCbCr
	cb, cr []byte
}

// row returns the three samples of a row. Colours that were halved are brought back with the weights of libjpeg and
// libwebp, three quarters from the nearer sample and a quarter from the other, each way: where colours saturate, this
// shows in the luminance. Other ratios, which are rare, repeat their samples.
func (c *chroma) row(y int) (luma, cb, cr []byte) {
	m := c.m
	width := m.Rect.Dx()
	luma = m.Y[m.YOffset(m.Rect.Min.X, y):][:width]
	at := m.COffset(m.Rect.Min.X, y)
	if c.cb == nil {
		c.cb, c.cr = make([]byte, width+1), make([]byte, width+1)
	}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		n, other := (width+1)/2, c.beside(y)
		widen420(c.cb, m.Cb[at:][:n], m.Cb[other:][:n])
		widen420(c.cr, m.Cr[at:][:n], m.Cr[other:][:n])
	case image.YCbCrSubsampleRatio422:
		n := (width + 1) / 2
		widen422(c.cb, m.Cb[at:][:n])
		widen422(c.cr, m.Cr[at:][:n])
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		for x := range width {
			c.cb[x], c.cr[x] = m.Cb[at+x/4], m.Cr[at+x/4]
		}
	default:
		return luma, m.Cb[at:][:width], m.Cr[at:][:width]
	}
	return luma, c.cb[:width], c.cr[:width]
}

// beside returns where the row of colours begins that is second nearest to row y: the one above an even row and below an
// odd one, or the same at an edge.
func (c *chroma) beside(y int) int {
	other := y - 1
	if (y-c.m.Rect.Min.Y)%2 == 1 {
		other = y + 1
	}
	return c.m.COffset(c.m.Rect.Min.X, min(max(other, c.m.Rect.Min.Y), c.m.Rect.Max.Y-1))
}

func widen420(out, near, far []byte) {
	far, out = far[:len(near)], out[:2*len(near)]
	here := 3*int(near[0]) + int(far[0])
	before := here
	for i := range near {
		after := here
		if i+1 < len(near) {
			after = 3*int(near[i+1]) + int(far[i+1])
		}
		out[2*i] = byte((3*here + before + 8) >> 4)
		out[2*i+1] = byte((3*here + after + 7) >> 4)
		before, here = here, after
	}
}

func widen422(out, in []byte) {
	last := len(in) - 1
	for i, v := range in {
		here := 3 * int(v)
		out[2*i] = byte((here + int(in[max(i-1, 0)]) + 1) >> 2)
		out[2*i+1] = byte((here + int(in[min(i+1, last)]) + 2) >> 2)
	}
}

func fromYCbCr(m *image.YCbCr) func(row []float32, y int) {
	c := &chroma{m: m}
	return func(row []float32, y int) {
		luma, cb, cr := c.row(y)
		luma, cb, cr = luma[:len(row)], cb[:len(row)], cr[:len(row)]
		for x := range row {
			row[x] = pdq.Of(color.YCbCrToRGB(luma[x], cb[x], cr[x]))
		}
	}
}

// studio is an image whose samples keep to BT.601's narrow range, as WebP's do: black is 16, white 235.
type studio struct{ *image.YCbCr }

// fromStudio converts in 14 bits of fraction, of which eight are dropped with each product, as libwebp does.
func fromStudio(m *image.YCbCr) func(row []float32, y int) {
	c := &chroma{m: m}
	times := func(v byte, factor int32) int32 { return int32(v) * factor >> 8 }
	clip := func(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
	return func(row []float32, y int) {
		luma, cb, cr := c.row(y)
		for x := range row {
			l, u, v := times(luma[x], 19077), cb[x], cr[x]
			row[x] = pdq.Of(
				clip(l+times(v, 26149)-14234),
				clip(l-times(u, 6419)-times(v, 13320)+8708),
				clip(l+times(u, 33050)-17685),
			)
		}
	}
}

// inverted is an image whose black is meant to be white.
type inverted struct{ image.Image }

func fromInverted(m *inverted) func(row []float32, y int) {
	fill := luminance(m.Image)
	return func(row []float32, y int) {
		fill(row, y)
		for x := range row {
			row[x] = 255 - row[x]
		}
	}
}

func fromScreen(m *onScreen) func(row []float32, y int) {
	fill, frame, around := luminance(m.Image), m.Image.Bounds(), ofColor(m.around)
	return func(row []float32, y int) {
		for x := range row {
			row[x] = around
		}
		if y >= frame.Min.Y && y < frame.Max.Y && !frame.Empty() {
			fill(row[frame.Min.X:frame.Max.X], y)
		}
	}
}

func fromGray(row []float32, pixels []byte, bytesPerPixel int) {
	for x := range row {
		v := pixels[x*bytesPerPixel]
		row[x] = pdq.Of(v, v, v)
	}
}

// fromWide takes the upper byte of each sample.
func fromWide(row []float32, pixels []byte) {
	for x := range row {
		p := pixels[8*x:][:5]
		row[x] = pdq.Of(p[0], p[2], p[4])
	}
}

func fromPalette(m *image.Paletted) func(row []float32, y int) {
	var table [256]float32
	for i, c := range m.Palette {
		table[i] = ofColor(c)
	}
	return func(row []float32, y int) {
		pixels := m.Pix[m.PixOffset(m.Rect.Min.X, y):]
		for x := range row {
			row[x] = table[pixels[x]]
		}
	}
}

func ofColor(c color.Color) float32 {
	if c, ok := c.(color.RGBA); ok {
		return pdq.Of(c.R, c.G, c.B)
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return pdq.Of(n.R, n.G, n.B)
}
