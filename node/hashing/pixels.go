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
		return func(row []float32, y int) { fromYCbCr(row, m, y) }
	case *image.NYCbCrA:
		return func(row []float32, y int) { fromYCbCr(row, &m.YCbCr, y) }
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
		return func(row []float32, y int) { fromStudio(row, m.YCbCr, y) }
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

// planes returns where a row of each plane begins, and by how much x is shifted in those of colour.
func planes(m *image.YCbCr, y int) (luma, cb, cr []byte, shift int) {
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		shift = 1
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		shift = 2
	}
	chroma := m.COffset(m.Rect.Min.X, y)
	return m.Y[m.YOffset(m.Rect.Min.X, y):], m.Cb[chroma:], m.Cr[chroma:], shift
}

func fromYCbCr(row []float32, m *image.YCbCr, y int) {
	luma, cb, cr, shift := planes(m, y)
	for x := range row {
		row[x] = pdq.Of(color.YCbCrToRGB(luma[x], cb[x>>shift], cr[x>>shift]))
	}
}

// studio is an image whose samples keep to BT.601's narrow range, as WebP's do: black is 16, white 235.
type studio struct{ *image.YCbCr }

// fromStudio converts in 14 bits of fraction, of which eight are dropped with each product, as libwebp does.
func fromStudio(row []float32, m *image.YCbCr, y int) {
	luma, cb, cr, shift := planes(m, y)
	times := func(v byte, factor int32) int32 { return int32(v) * factor >> 8 }
	clip := func(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
	for x := range row {
		l, u, v := times(luma[x], 19077), cb[x>>shift], cr[x>>shift]
		row[x] = pdq.Of(
			clip(l+times(v, 26149)-14234),
			clip(l-times(u, 6419)-times(v, 13320)+8708),
			clip(l+times(u, 33050)-17685),
		)
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
