package pdq

// A box filter of window w over n values writes, in this order: with the first (w+2)/2 values summed and one more after
// each write, until the window is full; then one value added and one subtracted before each write; at the end only
// subtracted. A write is the sum over the count. w is at most n.

// half is how many values a first write sums.
func half(window int) int { return (window + 2) / 2 }

// window returns the filter's window for n values that end as 64.
func window(n int) int { return (n + 2*cells - 1) / (2 * cells) }

// alongRow filters one row.
func alongRow(out, in []float32, w int) {
	var sum, count float32
	n, ahead := len(in), half(w)-1
	for _, v := range in[:ahead] {
		sum += v
		count++
	}
	o := 0
	for _, v := range in[ahead:w] {
		sum += v
		count++
		out[o] = sum / count
		o++
	}
	added, removed := in[w:], in[:n-w]
	for i, v := range added {
		sum += v
		sum -= removed[i]
		out[o+i] = sum / count
	}
	o += len(added)
	for i, v := range in[n-w : n-w+ahead] {
		sum -= v
		count--
		out[o+i] = sum / count
	}
}

// alongRowAt filters one row and keeps the values at 64 places, which ascend.
func alongRowAt(out *[cells]float32, in []float32, w int, at *[cells]int) {
	var sum, count float32
	n, ahead, kept := len(in), half(w)-1, 0
	keep := func(o int) {
		for ; kept < cells && at[kept] == o; kept++ {
			out[kept] = sum / count
		}
	}
	for _, v := range in[:ahead] {
		sum += v
		count++
	}
	for i, v := range in[ahead:w] {
		sum += v
		count++
		keep(i)
	}
	removed := in[:n-w]
	for i, v := range in[w:] {
		sum += v
		sum -= removed[i]
		if o := i + w - ahead; kept < cells && at[kept] == o {
			keep(o)
		}
	}
	for i, v := range in[n-w : n-w+ahead] {
		sum -= v
		count--
		keep(n - ahead + i)
	}
}

// columns filters columns side by side as rows stream in. Results come half a window after their row.
type columns struct {
	window int
	rows   [][]float32 // the last ones, as many as the window: row r at r modulo the window
	sums   []float32
	taken  int
	count  float32 // rows in the sums
	write  func(sums []float32, count float32)
}

func newColumns(width, height int, write func(sums []float32, count float32)) *columns {
	c := &columns{window: window(height), sums: make([]float32, width), write: write}
	all := make([]float32, width*c.window)
	for i := range c.window {
		c.rows = append(c.rows, all[i*width:(i+1)*width])
	}
	return c
}

// slot is where the next row is to be put before it is taken, once what was there has been given by leaving.
func (c *columns) slot() []float32 { return c.rows[c.taken%c.window] }

// take adds a row. It is kept: row must not change before window more have been taken.
func (c *columns) take(row []float32) {
	slot := c.slot()
	if c.taken < c.window {
		for i, v := range row {
			c.sums[i] += v
		}
		c.count++
	} else {
		for i, v := range row {
			sum := c.sums[i] + v
			c.sums[i] = sum - slot[i]
		}
	}
	copy(slot, row)
	c.taken++
	if c.taken >= half(c.window) {
		c.write(c.sums, c.count)
	}
}

// end writes what is left when no more rows come.
func (c *columns) end() {
	for range half(c.window) - 1 {
		for i, v := range c.slot() {
			c.sums[i] -= v
		}
		c.taken++
		c.count--
		c.write(c.sums, c.count)
	}
}
