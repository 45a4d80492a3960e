package alert

// Algorithm is how a fingerprint was made. The numbers are stored: append only.
type Algorithm uint8

// The algorithms of version 1, with the length of their values.
const (
	MD5       Algorithm = 1 // 16 bytes
	SHA1      Algorithm = 2 // 20 bytes
	SHA256    Algorithm = 3 // 32 bytes
	PDQ       Algorithm = 4 // 32 bytes: 256 bits, most significant first as in the reference's hex
	PhotoDNA  Algorithm = 5 // 144 bytes
	TMK       Algorithm = 6 // 1,024 bytes: the level-1 vector of TMK+PDQF, 256 little-endian float32
	VPDQFrame Algorithm = 7 // 32 bytes: the PDQ of one frame of a video; a video is a bag of frames
)

var algorithmNames = []string{"", "md5", "sha1", "sha256", "pdq", "photodna", "tmk", "vpdq-frame"}

var algorithmLengths = [...]int{MD5: 16, SHA1: 20, SHA256: 32, PDQ: 32, PhotoDNA: 144, TMK: 1024, VPDQFrame: 32}

// Algorithms returns all of them, in the order of their numbers.
func Algorithms() []Algorithm {
	return []Algorithm{MD5, SHA1, SHA256, PDQ, PhotoDNA, TMK, VPDQFrame}
}

// ParseAlgorithm reads the public name, in any case.
func ParseAlgorithm(s string) (Algorithm, error) { return numberOf[Algorithm](algorithmNames, s) }

func (a Algorithm) String() string { return nameOf(algorithmNames, a) }

// MarshalText and UnmarshalText use the public name.
func (a Algorithm) MarshalText() ([]byte, error) {
	return []byte(a.String()), defined(algorithmNames, a)
}

// UnmarshalText reads the public name.
func (a *Algorithm) UnmarshalText(b []byte) error { return setName(algorithmNames, a, b) }

// Length returns the exact length of a value in bytes, 0 for an unknown algorithm.
func (a Algorithm) Length() int {
	if int(a) >= len(algorithmLengths) {
		return 0
	}
	return algorithmLengths[a]
}

// Perceptual says that near values mean near content; the others match exactly or not at all.
func (a Algorithm) Perceptual() bool { return a >= PDQ && a <= VPDQFrame }

// MeasuresQuality says that the algorithm tells how much its value is worth.
func (a Algorithm) MeasuresQuality() bool { return a == PDQ || a == VPDQFrame }

// inBase64 says that the field writes values in base64 rather than hex.
func (a Algorithm) inBase64() bool { return a == PhotoDNA || a == TMK }
