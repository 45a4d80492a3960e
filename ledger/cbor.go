package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrEncoding says that bytes are not the one deterministic CBOR encoding (RFC 8949 §4.2) of what they claim to be.
var ErrEncoding = errors.New("ledger: not the deterministic encoding")

var (
	encMode = must(encOptions().EncMode())
	decMode = must(decOptions(131_072).DecMode())
	// stateMode is for what this node wrote itself: its lists grow with the ledger.
	stateMode = must(decOptions(maxStateBytes).DecMode())
)

func decOptions(elements int) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   16,
		MaxArrayElements:  elements,
		MaxMapPairs:       16,
		UTF8:              cbor.UTF8RejectInvalid,
	}
}

// encOptions are RFC 8949 §4.2 core deterministic encoding; a nil list is an empty one, so that null never appears.
func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options fixed above: an error is a broken build
	}
	return v
}

// Marshal returns the deterministic encoding of v. It panics on a type that CBOR cannot carry: v is always ours.
func Marshal(v any) []byte { return must(encMode.Marshal(v)) }

// Unmarshal decodes b into v and accepts it only if v encodes to exactly b again, so that two byte strings never
// mean the same value. It bounds the input at limit bytes.
func Unmarshal(b []byte, v any, limit int) error { return unmarshal(decMode, b, v, limit) }

func unmarshal(mode cbor.DecMode, b []byte, v any, limit int) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrEncoding, len(b), limit)
	}
	if err := mode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: another encoding of the same value", ErrEncoding)
	}
	return nil
}
