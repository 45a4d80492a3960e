package synthetic_test

import (
	"crypto/sha256"
	"encoding/hex"
	"image"
	"testing"

	"vigil/node/hashing/synthetic"
)

// TestTheSameSeedDrawsTheSameImage: measurements and vectors name images by their seeds.
func TestTheSameSeedDrawsTheSameImage(t *testing.T) {
	for name, c := range map[string]struct {
		draw func(width, height int, seed uint64) *image.RGBA
		want string
	}{
		"clouds": {synthetic.Clouds, "31894e3d57b7a657"},
		"card":   {synthetic.Card, "1dc1c6dca898fbf6"},
		"shapes": {synthetic.Shapes, "d0698051561db52c"},
		"noise":  {synthetic.Noise, "1a8b165ad0df2f79"},
		"ramp":   {func(width, height int, _ uint64) *image.RGBA { return synthetic.Ramp(width, height) }, "990a1b929c35cb0a"},
	} {
		sum := sha256.Sum256(c.draw(101, 67, 3).Pix)
		if got := hex.EncodeToString(sum[:8]); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
