package crypto

import (
	stdcrypto "crypto"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

// Suite names the algorithms of an agency or audience key. Suites are replaceable: the name is in the key itself.
type Suite string

const (
	// SuitePQ signs with Ed25519 and seals with ML-KEM-768+X25519: what is sealed today is kept for decades.
	SuitePQ Suite = "ed25519+mlkem768x25519"
	// SuiteClassic signs with Ed25519 and seals with X25519.
	SuiteClassic Suite = "ed25519+x25519"
)

// subkey returns the algorithm of the suite's encryption subkey.
func (s Suite) subkey() (packet.PublicKeyAlgorithm, error) {
	switch s {
	case SuitePQ:
		return packet.PubKeyAlgoMlkem768X25519, nil
	case SuiteClassic:
		return packet.PubKeyAlgoX25519, nil
	}
	return 0, fmt.Errorf("%w: %.40q; known are %s and %s", ErrSuite, string(s), SuitePQ, SuiteClassic)
}

func suiteOf(algorithm packet.PublicKeyAlgorithm) (Suite, bool) {
	switch algorithm {
	case packet.PubKeyAlgoMlkem768X25519:
		return SuitePQ, true
	case packet.PubKeyAlgoX25519:
		return SuiteClassic, true
	}
	return "", false
}

// profile is the one configuration handed to the library; nothing is left to its zero values.
func profile(now time.Time, chunk byte) *packet.Config {
	return &packet.Config{
		Rand:                   rand.Reader,
		Time:                   func() time.Time { return now },
		V6Keys:                 true,
		Algorithm:              packet.PubKeyAlgoEd25519,
		DefaultHash:            stdcrypto.SHA512,
		DefaultCipher:          packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone,
		AEADConfig:             &packet.AEADConfig{DefaultMode: packet.AEADModeGCM, ChunkSize: 1 << (uint64(chunk) + 6)},
		S2KConfig: &s2k.Config{S2KMode: s2k.Argon2S2K, Argon2Config: &s2k.Argon2Config{
			NumberOfPasses: argonPasses, DegreeOfParallelism: argonParallel, Memory: argonMemoryKiB,
		}},
	}
}

var gcm = packet.CipherSuite{Cipher: packet.CipherAES256, Mode: packet.AEADModeGCM}
