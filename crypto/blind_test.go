package crypto_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"vigil/crypto"
)

func inputs(n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, fmt.Appendf(nil, "input %d", i))
	}
	return out
}

func blinded(t *testing.T, k *crypto.BlindKey, in [][]byte) [][]byte {
	t.Helper()
	b, err := crypto.Blind(k.Public(), in)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := k.Answer(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Finish(answer)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBlindingGivesOneHashPerInputAndKey(t *testing.T) {
	one, two := crypto.DeriveBlindKey([32]byte{1}), crypto.DeriveBlindKey([32]byte{2})
	in := inputs(5)
	first, again, other := blinded(t, one, in), blinded(t, one, in), blinded(t, two, in)
	for i := range in {
		if !bytes.Equal(first[i], again[i]) || bytes.Equal(first[i], other[i]) || len(first[i]) != 64 {
			t.Errorf("input %d", i)
		}
	}
	if bytes.Equal(first[0], first[1]) {
		t.Error("two inputs, one hash")
	}
	a, _ := crypto.Blind(one.Public(), in)
	b, _ := crypto.Blind(one.Public(), in)
	if bytes.Equal(a.Request, b.Request) {
		t.Error("the holder of the key can tell that it was asked the same")
	}
}

// Another derivation would make every registered pointer unrecognisable.
func TestBlindKeyIsPinned(t *testing.T) {
	k := crypto.DeriveBlindKey([32]byte(bytes.Repeat([]byte{0xa3}, 32)))
	public := k.Public()
	if got := hex.EncodeToString(public[:]); got != "30e66fd96295152171c8e3e80b7e8b0bdee2cd587fbd5abca51d30b68649b662" {
		t.Errorf("%s", got)
	}
}

func TestBlindingRefuses(t *testing.T) {
	k, other := crypto.DeriveBlindKey([32]byte{1}), crypto.DeriveBlindKey([32]byte{2})
	b, err := crypto.Blind(k.Public(), inputs(2))
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string][]byte{
		"empty": nil, "cut": b.Request[:63], "identity": make([]byte, 32), "no element": bytes.Repeat([]byte{0xff}, 32), "too many": bytes.Repeat(b.Request[:32], crypto.MaxBlinded+1),
	} {
		if _, err := k.Answer(request); !errors.Is(err, crypto.ErrMalformed) {
			t.Errorf("a request, %s: %v", name, err)
		}
	}
	good, err := k.Answer(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.Answer(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	swapped := append(append(append([]byte{}, good[32:64]...), good[:32]...), good[64:]...)
	for name, answer := range map[string][]byte{"empty": nil, "cut": good[:len(good)-1], "another key's": theirs, "swapped": swapped, "identity": append(make([]byte, 32), good[32:]...)} {
		if _, err := b.Finish(answer); !errors.Is(err, crypto.ErrMalformed) && !errors.Is(err, crypto.ErrMismatch) {
			t.Errorf("an answer, %s: %v", name, err)
		}
	}
	for name, in := range map[string][][]byte{"none": nil, "too many": inputs(crypto.MaxBlinded + 1)} {
		if _, err := crypto.Blind(k.Public(), in); !errors.Is(err, crypto.ErrTooLarge) {
			t.Errorf("inputs, %s: %v", name, err)
		}
	}
	if _, err := crypto.Blind([32]byte{0xff}, inputs(1)); !errors.Is(err, crypto.ErrMalformed) {
		t.Errorf("no public key: %v", err)
	}
}

func FuzzBlindAnswer(f *testing.F) {
	k := crypto.DeriveBlindKey([32]byte{1})
	b, err := crypto.Blind(k.Public(), inputs(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Request)
	f.Fuzz(func(t *testing.T, request []byte) {
		answer, err := k.Answer(request)
		if err == nil && len(answer) != len(request)+64 {
			t.Fatal("an answer of another size")
		}
		if _, err := b.Finish(request); err == nil {
			t.Fatal("an answer that nobody made")
		}
	})
}
