package crypto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// The attacks of this file were all accepted, in part or whole, by the library's own reader.

// reseal takes the session key of a message and writes what the attacker likes around it.
func reseal(t *testing.T, to *AgencyKey, head func() []byte, body func(key []byte) []byte) []byte {
	t.Helper()
	key := bytes.Repeat([]byte{9}, 32)
	var session bytes.Buffer
	config := profile(time.Unix(0, 0), chunkSmall)
	if err := packet.SerializeEncryptedKeyAEAD(&session, to.Certificate().subkey, packet.CipherAES256, true, key, config); err != nil {
		t.Fatal(err)
	}
	return append(append(head(), session.Bytes()...), body(key)...)
}

// encrypt writes an encrypted-data packet with any content and chunk octet.
func encrypt(t *testing.T, key, inside []byte, chunk byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packet.SerializeSymmetricallyEncrypted(nopCloser{&b}, packet.CipherAES256, true, gcm, key, profile(time.Unix(0, 0), chunk))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(inside); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := joinPartial(b.Bytes(), tagEncrypted)
	if err != nil {
		t.Fatal(err)
	}
	return appendPacket(nil, tagEncrypted, body)
}

func literal(text string) []byte {
	return appendPacket(nil, tagLiteral, append(bytes.Clone(literalHead), text...))
}

func TestSealedMessagesOfAnotherGrammarAreRefused(t *testing.T) {
	k := newKey(t, SuitePQ)
	ring := NewKeyring(k)
	nothing := func() []byte { return nil }
	plain := func(key []byte) []byte { return encrypt(t, key, literal("hello"), chunkSmall) }
	if got, err := ring.Open(reseal(t, k, nothing, plain)); err != nil || string(got) != "hello" {
		t.Fatalf("the control: %v", err)
	}
	locked, err := Lock([]byte("x"), []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	passphrase, _, err := nextPacket(locked)
	if err != nil {
		t.Fatal(err)
	}
	compressed := func() []byte {
		var b bytes.Buffer
		w, err := packet.SerializeCompressed(nopCloser{&b}, packet.CompressionZLIB, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 64 {
			if _, err := w.Write(bytes.Repeat([]byte{0}, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	hidden := func(message []byte) []byte {
		p, rest, err := nextPacket(message)
		if err != nil {
			t.Fatal(err)
		}
		body := append([]byte{6, 0}, p.body[2+33:]...) // no key version, no fingerprint: try every key
		return append(appendPacket(nil, tagSessionKey, body), rest...)
	}
	good := reseal(t, k, nothing, plain)
	first, others, err := nextPacket(good)
	if err != nil {
		t.Fatal(err)
	}
	padded := binary.BigEndian.AppendUint32([]byte{0xC0 | first.tag, 255}, uint32(len(first.body)))
	padded = append(append(padded, first.body...), others...)
	tests := map[string][]byte{
		"a passphrase packet in front": reseal(t, k, func() []byte { return passphrase.all }, plain),
		"a marker packet in front":     reseal(t, k, func() []byte { return appendPacket(nil, 10, []byte("PGP")) }, plain),
		"an unknown packet in front":   reseal(t, k, func() []byte { return appendPacket(nil, 60, []byte("?")) }, plain),
		"padding behind":               append(bytes.Clone(good), appendPacket(nil, 21, make([]byte, 8))...),
		"trailing byte":                append(bytes.Clone(good), 0),
		"hidden recipient":             hidden(good),
		"no recipient":                 encrypt(t, make([]byte, 32), literal("x"), chunkSmall),
		"a compression bomb inside":    reseal(t, k, nothing, func(key []byte) []byte { return encrypt(t, key, compressed(), chunkSmall) }),
		"a signature behind the literal": reseal(t, k, nothing, func(key []byte) []byte {
			return encrypt(t, key, append(literal("x"), appendPacket(nil, 2, []byte{6})...), chunkSmall)
		}),
		"a one-pass signature before the literal": reseal(t, k, nothing, func(key []byte) []byte {
			return encrypt(t, key, append(appendPacket(nil, 4, []byte{6}), literal("x")...), chunkSmall)
		}),
		"a named literal": reseal(t, k, nothing, func(key []byte) []byte {
			return encrypt(t, key, appendPacket(nil, tagLiteral, []byte("b\x01a\x00\x00\x00\x00x")), chunkSmall)
		}),
		"two literals":                 reseal(t, k, nothing, func(key []byte) []byte { return encrypt(t, key, append(literal("x"), literal("y")...), chunkSmall) }),
		"an oversized chunk":           reseal(t, k, nothing, func(key []byte) []byte { return encrypt(t, key, literal("x"), 16) }),
		"a flipped byte of ciphertext": flipped(good, len(good)-20),
		"another cipher mode":          flipped(good, bytes.Index(good, encryptedHead)+2),
		"cut off":                      good[:len(good)-1],
		"old packet format":            append([]byte{0x84}, good[1:]...),
		"padded packet length":         padded,
	}
	for name, b := range tests {
		if _, err := ring.Open(b); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJunkIsRefusedBeforeItCosts: 100,000 session-key packets cost the library seconds and hundreds of megabytes.
func TestJunkIsRefusedBeforeItCosts(t *testing.T) {
	k := newKey(t, SuitePQ)
	good, err := Seal([]byte("x"), k.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := nextPacket(good)
	if err != nil {
		t.Fatal(err)
	}
	junk := append(bytes.Clone(first.body[:2+33]), bytes.Repeat([]byte{1}, 70)...)
	junk[5] ^= 1 // another fingerprint
	var many []byte
	for range 100_000 / 4 { // within the byte bound; the count is refused at the 65th
		many = appendPacket(many, tagSessionKey, junk)
	}
	ring := NewKeyring(k)
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := ring.Open(append(many, good...)); !errors.Is(err, ErrMalformed) {
			t.Errorf("junk: %v", err)
		}
	})
	if allocated > 500 {
		t.Errorf("refusing junk took %.0f allocations", allocated)
	}
	if _, err := ring.Open(bytes.Repeat(many, 5)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the byte bound: %v", err)
	}
	if _, err := Seal(nil, make([]*Certificate, MaxRecipients+1)...); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many recipients: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	k := newKey(f, SuiteClassic)
	sealed, err := Seal([]byte("seed"), k.Certificate())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	ring := NewKeyring(k)
	f.Fuzz(func(t *testing.T, b []byte) {
		sessions, data, err := splitSealed(b)
		if err == nil { // what the grammar accepts is framed in one way only
			var again []byte
			for _, s := range sessions {
				again = appendPacket(again, tagSessionKey, s.packet.body)
			}
			if again = appendPacket(again, tagEncrypted, data.body); !bytes.Equal(again, b) {
				t.Fatal("accepted in another framing")
			}
		}
		_, _ = ring.Open(b)
	})
}

func FuzzParseCertificate(f *testing.F) {
	f.Add(newKey(f, SuitePQ).Certificate().Bytes())
	f.Add(newKey(f, SuiteClassic).Certificate().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCertificate(b)
		if err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Fatal("accepted in another encoding")
		}
	})
}

func FuzzVerify(f *testing.F) {
	k := newKey(f, SuiteClassic)
	sig, err := k.Sign([]byte("m"), testTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig)
	f.Fuzz(func(t *testing.T, b []byte) {
		if k.Certificate().Verify([]byte("m"), b, testTime) == nil && len(b) != signatureBytes {
			t.Fatal("accepted at another length")
		}
	})
}

func FuzzUnlock(f *testing.F) {
	f.Add([]byte(strings.Repeat("\xc3U", 50)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if packets, err := splitPackets(b, 2); err == nil && len(packets) == 2 {
			_ = checkPassphrasePacket(packets[0].body) // the work itself is not done here: it is slow by design
			_ = checkEncrypted(packets[1].body)
		}
	})
}
