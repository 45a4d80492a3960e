package crypto

import (
	"fmt"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
)

// Blinding is RFC 9497's VOPRF with ristretto255 and SHA-512: who asks learns a keyed hash of an input, who holds the key
// learns nothing of the input, and a proof shows that the key was the announced one.
//
// A request is n elements of 32 bytes, an answer n elements of 32 bytes and a proof of 64 bytes, in the encodings of the
// RFC.
const (
	blindElementBytes = 32
	blindProofBytes   = 64
	// BlindPublicBytes is the size of a public key of blinding.
	BlindPublicBytes = 32
	// MaxBlinded bounds the inputs of one request.
	MaxBlinded = 256
)

var blindSuite = oprf.SuiteRistretto255

// BlindKey is one agency's key for blinding what others ask it to.
type BlindKey struct{ key *oprf.PrivateKey }

// DeriveBlindKey makes the key of a seed: the same for the same seed.
func DeriveBlindKey(seed [32]byte) *BlindKey {
	k, err := oprf.DeriveKey(blindSuite, oprf.VerifiableMode, seed[:], []byte("vigil blind v1"))
	if err != nil {
		panic(err) // RFC 9497 §3.2.1: it fails for one seed in 2^2000
	}
	return &BlindKey{k}
}

// Public returns the key by which answers are checked.
func (k *BlindKey) Public() [BlindPublicBytes]byte {
	b, err := k.key.Public().MarshalBinary()
	if err != nil {
		panic(err) // an element of the group has its encoding
	}
	return [BlindPublicBytes]byte(b)
}

// Answer evaluates a request of 1 to MaxBlinded inputs. ErrMalformed: it is none.
func (k *BlindKey) Answer(request []byte) ([]byte, error) {
	elements, err := blindElements(request)
	if err != nil {
		return nil, err
	}
	e, err := oprf.NewVerifiableServer(blindSuite, k.key).Evaluate(&oprf.EvaluationRequest{Elements: elements})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := make([]byte, 0, len(request)+blindProofBytes)
	for _, x := range e.Elements {
		b, err := x.MarshalBinaryCompress()
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	proof, err := e.Proof.MarshalBinary()
	return append(out, proof...), err
}

// BlindedCount returns how many inputs a request holds.
func BlindedCount(request []byte) int { return len(request) / blindElementBytes }

// blindElements reads elements of the group, none of them the identity.
func blindElements(b []byte) ([]oprf.Blinded, error) {
	if n := len(b) / blindElementBytes; len(b)%blindElementBytes != 0 || n == 0 || n > MaxBlinded {
		return nil, fmt.Errorf("%w: %d bytes are not 1 to %d blinded inputs", ErrMalformed, len(b), MaxBlinded)
	}
	var out []oprf.Blinded
	for e := range slices.Chunk(b, blindElementBytes) {
		x := blindSuite.Group().NewElement()
		if err := x.UnmarshalBinary(e); err != nil || x.IsIdentity() {
			return nil, fmt.Errorf("%w: not a blinded input", ErrMalformed)
		}
		out = append(out, x)
	}
	return out, nil
}

// Blinded are inputs on their way through one holder of a key.
type Blinded struct {
	// Request goes to the holder.
	Request []byte
	client  oprf.VerifiableClient
	data    *oprf.FinalizeData
}

// Blind blinds 1 to MaxBlinded inputs for the holder of a public key, with fresh randomness.
func Blind(public [BlindPublicBytes]byte, inputs [][]byte) (*Blinded, error) {
	var key oprf.PublicKey
	if err := key.UnmarshalBinary(blindSuite, public[:]); err != nil {
		return nil, fmt.Errorf("%w: a public key for blinding", ErrMalformed)
	}
	if len(inputs) == 0 || len(inputs) > MaxBlinded {
		return nil, fmt.Errorf("%w: %d inputs to blind, 1 to %d", ErrTooLarge, len(inputs), MaxBlinded)
	}
	b := &Blinded{client: oprf.NewVerifiableClient(blindSuite, &key)}
	data, request, err := b.client.Blind(inputs)
	if err != nil {
		return nil, fmt.Errorf("crypto: blind: %w", err)
	}
	b.data = data
	for _, x := range request.Elements {
		e, err := x.MarshalBinaryCompress()
		if err != nil {
			return nil, err
		}
		b.Request = append(b.Request, e...)
	}
	return b, nil
}

// Finish returns the keyed hashes of the inputs, 64 bytes each. ErrMismatch: the answer was not made with the key.
func (b *Blinded) Finish(answer []byte) ([][]byte, error) {
	if len(answer) != len(b.Request)+blindProofBytes {
		return nil, fmt.Errorf("%w: an answer of %d bytes", ErrMalformed, len(answer))
	}
	elements, err := blindElements(answer[:len(b.Request)])
	if err != nil {
		return nil, err
	}
	proof := new(dleq.Proof)
	if err := proof.UnmarshalBinary(group.Ristretto255, answer[len(b.Request):]); err != nil {
		return nil, fmt.Errorf("%w: the proof", ErrMalformed)
	}
	hashes, err := b.client.Finalize(b.data, &oprf.Evaluation{Elements: elements, Proof: proof})
	if err != nil {
		return nil, fmt.Errorf("%w: the proof does not hold", ErrMismatch)
	}
	return hashes, nil
}
