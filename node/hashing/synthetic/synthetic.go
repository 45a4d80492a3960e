// Package synthetic draws harmless images for tests and measurements: clouds that have the spectrum of photographs,
// cards with something like lines of text, noise, and ramps. The same seed draws the same image on every machine. It
// knows nothing of hashes.
package synthetic

import (
	"image"
	"image/color"
	"math/rand/v2"
)

// Clouds draws value noise of many scales, in colour, each scale fainter the finer it is, as in photographs.
func Clouds(width, height int, seed uint64) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	r := rand.New(rand.NewPCG(seed, 1))
	sum := make([]int, 3*width*height)
	top := 0
	for cells, weight := 2, 256; cells < 2*max(width, height) && weight > 0; cells, weight = 2*cells, weight*5/9 {
		addLattice(sum, width, height, cells, weight, r)
		top += 255 * weight
	}
	for i, v := range sum {
		p := i / 3
		m.Pix[4*p+i%3] = byte(min(max((v-top/2)*2+top/2, 0), top) * 255 / top) // more contrast
		m.Pix[4*p+3] = 255
	}
	return m
}

// addLattice adds random values at the corners of cells, and between them in proportion.
func addLattice(sum []int, width, height, cells, weight int, r *rand.Rand) {
	corners := make([]int, 3*(cells+1)*(cells+1))
	for i := range corners {
		corners[i] = r.IntN(256)
	}
	const one = 1 << 8
	for y := range height {
		cy, fy := y*cells/height, y*cells%height*one/height
		for x := range width {
			cx, fx := x*cells/width, x*cells%width*one/width
			for c := range 3 {
				at := func(dx, dy int) int { return corners[3*((cy+dy)*(cells+1)+cx+dx)+c] }
				above := at(0, 0)*(one-fx) + at(1, 0)*fx
				below := at(0, 1)*(one-fx) + at(1, 1)*fx
				sum[3*(y*width+x)+c] += (above*(one-fy) + below*fy) / one * weight / one
			}
		}
	}
}

// Card draws lines of words in dark strokes on a bright ground.
func Card(width, height int, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 2))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	ground, ink := colour(r, 200), colour(r, 0)
	fill(m, m.Rect, ground)
	size := max(height/24, 3)
	for y := size; y+size < height; y += 2 * size {
		for x := size; x < width-size*(1+r.IntN(12)); {
			word := size * (2 + r.IntN(6))
			for stroke := x; stroke < x+word; stroke += max(size/3, 2) {
				fill(m, image.Rect(stroke, y+r.IntN(size), stroke+max(size/6, 1), y+size), ink)
			}
			x += word + size
		}
	}
	return m
}

// Shapes draws rectangles of many sizes and colours.
func Shapes(width, height int, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 3))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	fill(m, m.Rect, colour(r, 0))
	for range 40 {
		at := image.Pt(r.IntN(width), r.IntN(height))
		fill(m, image.Rectangle{at, at.Add(image.Pt(1+r.IntN(width/2+1), 1+r.IntN(height/2+1)))}, colour(r, r.IntN(200)))
	}
	return m
}

// Noise draws every pixel for itself.
func Noise(width, height int, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 4))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(r.IntN(256))
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// Ramp draws one gradient, and nothing else.
func Ramp(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{byte(x * 255 / width), byte(y * 255 / height), byte((x + y) * 255 / (width + height)), 255})
		}
	}
	return m
}

func colour(r *rand.Rand, from int) color.RGBA {
	c := func() byte { return byte(from + r.IntN(56)) }
	return color.RGBA{c(), c(), c(), 255}
}

func fill(m *image.RGBA, area image.Rectangle, c color.RGBA) {
	area = area.Intersect(m.Rect)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			m.SetRGBA(x, y, c)
		}
	}
}
