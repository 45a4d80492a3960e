package pdq

import "math"

const cells = 64 // both ways, after decimation

// Hasher takes an image row by row. It is for one image and one goroutine.
type Hasher struct {
	width, height int
	rows          int // taken
	filtered      []float32
	first         *columns // of the first pass
	second        *columns // of the second, decimated along the rows
	at            [cells]int
	atRow         [cells]int
	row, cell     int // next output row of the second pass, next cell row
	image         [cells * cells]float32
}

// New returns a hasher for an image of that size.
func New(width, height int) (*Hasher, error) {
	if width < MinSide || height < MinSide {
		return nil, ErrTooSmall
	}
	h := &Hasher{width: width, height: height, filtered: make([]float32, width), at: centres(width), atRow: centres(height)}
	h.first = newColumns(width, height, h.secondPass)
	h.second = newColumns(cells, height, h.decimate)
	return h, nil
}

// centres returns which of n places each of the 64 cells has at its centre.
func centres(n int) (at [cells]int) {
	for i := range at {
		at[i] = (2*i + 1) * n / (2 * cells)
	}
	return at
}

// Row takes the next row, from the top: luminance from 0 to 255, one value a pixel. Rows over the height are ignored, as
// are values over the width; a row must not be shorter.
func (h *Hasher) Row(luma []float32) {
	if h.rows == h.height {
		return
	}
	luma = luma[:h.width]
	if h.unfiltered() {
		copy(h.image[h.rows*cells:], luma)
	} else {
		alongRow(h.filtered, luma, window(h.width))
		h.first.take(h.filtered)
	}
	h.rows++
}

func (h *Hasher) unfiltered() bool { return h.width == cells && h.height == cells }

// secondPass takes a row that the first pass has finished, as sums to be divided by count.
func (h *Hasher) secondPass(sums []float32, count float32) {
	for i, sum := range sums {
		h.filtered[i] = sum / count
	}
	var decimated [cells]float32
	alongRowAt(&decimated, h.filtered, window(h.width), &h.at)
	h.second.take(decimated[:])
}

// decimate takes a finished row of the second pass and keeps it for the rows of cells whose centre it is.
func (h *Hasher) decimate(sums []float32, count float32) {
	for ; h.cell < cells && h.atRow[h.cell] == h.row; h.cell++ {
		for i, sum := range sums {
			h.image[h.cell*cells+i] = sum / count
		}
	}
	h.row++
}

// Sum returns what the rows come to. Missing ones make it another image: the caller has counted them.
func (h *Hasher) Sum() *Sum {
	if !h.unfiltered() {
		h.first.end()
		h.second.end()
	}
	return &Sum{Quality: quality(&h.image), coefficients: transform(&h.image)}
}

func quality(image *[cells * cells]float32) int {
	sum := 0
	for i := range cells {
		for j := range cells {
			v := image[i*cells+j]
			if i+1 < cells {
				sum += steps(v, image[(i+1)*cells+j])
			}
			if j+1 < cells {
				sum += steps(v, image[i*cells+j+1])
			}
		}
	}
	return min(sum/90, 100)
}

// steps is the difference in hundredths of the range, cut off: many small differences are no gradient.
func steps(u, v float32) int {
	d := int((u - v) * 100 / 255)
	return max(d, -d)
}

var cosines = func() (m [side][cells]float32) {
	scale := float64(float32(math.Sqrt(2.0 / cells)))
	for i := range side {
		for j := range cells {
			m[i][j] = float32(scale * math.Cos(math.Pi/2/cells*float64(i+1)*float64(2*j+1)))
		}
	}
	return m
}()

// transform returns the coefficients: cosines × image × cosines transposed.
func transform(image *[cells * cells]float32) (out [side * side]float32) {
	for i := range side {
		var line [cells]float32
		for k, c := range cosines[i] {
			for j := range line {
				line[j] += float32(c * image[k*cells+j])
			}
		}
		for j := range side {
			var sum float32
			for k, v := range line {
				sum += float32(v * cosines[j][k])
			}
			out[i*side+j] = sum
		}
	}
	return out
}
