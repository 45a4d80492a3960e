package pdq

// weights are the shares of one channel's values in the luminance, rounded as the reference rounds them.
type weights [256]float32

func weigh(share float32) (w weights) {
	for v := range w {
		w[v] = share * float32(v)
	}
	return w
}

var red, green, blue = weigh(0.299), weigh(0.587), weigh(0.114)

// Of returns the luminance of one pixel.
func Of(r, g, b uint8) float32 { return red[r] + green[g] + blue[b] }

// Luminance fills a row from pixels of three bytes or more, of which the first three are red, green and blue: the
// reference looks at no others, such as opacity.
func Luminance(row []float32, pixels []byte, bytesPerPixel int) {
	for i := range row {
		p := pixels[i*bytesPerPixel:][:3]
		row[i] = Of(p[0], p[1], p[2])
	}
}
