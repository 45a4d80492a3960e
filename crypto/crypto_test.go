package crypto

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

var testTime = time.Unix(1_700_000_000, 0)

func newKey(t testing.TB, s Suite) *AgencyKey {
	t.Helper()
	k, err := GenerateAgencyKey(s, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedIsOpenedByItsRecipients(t *testing.T) {
	for _, suite := range []Suite{SuitePQ, SuiteClassic} {
		a, b, stranger := newKey(t, suite), newKey(t, suite), newKey(t, suite)
		for _, n := range []int{0, 1, 4000, 20_000, 1 << 20} {
			plain := bytes.Repeat([]byte{7}, n)
			sealed, err := Seal(plain, a.Certificate(), b.Certificate())
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range []*AgencyKey{a, b} {
				got, err := NewKeyring(k).Open(sealed)
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%s, %d bytes: %v", suite, n, err)
				}
			}
			if _, err := NewKeyring(stranger).Open(sealed); !errors.Is(err, ErrNotForUs) {
				t.Fatalf("a stranger: %v", err)
			}
		}
	}
}

func TestKeysSurviveTheirEncoding(t *testing.T) {
	for _, suite := range []Suite{SuitePQ, SuiteClassic} {
		k := newKey(t, suite)
		again, err := ParseAgencyKey(k.Secret())
		if err != nil || !bytes.Equal(again.Secret(), k.Secret()) || again.Derive("x") != k.Derive("x") || again.Derive("x") == k.Derive("y") {
			t.Fatalf("%s: %v", suite, err)
		}
		c, err := ParseCertificate(k.Certificate().Bytes())
		if err != nil || c.Fingerprint() != k.Certificate().Fingerprint() || c.Suite() != suite {
			t.Fatalf("%s: %v", suite, err)
		}
		if err := MatchesCertificate(again, c); err != nil {
			t.Fatal(err)
		}
		if err := MatchesCertificate(newKey(t, suite), c); !errors.Is(err, ErrMismatch) {
			t.Fatalf("another key: %v", err)
		}
	}
	if _, err := GenerateAgencyKey("rot13", testTime); !errors.Is(err, ErrSuite) {
		t.Fatalf("an unknown suite: %v", err)
	}
}

func TestLock(t *testing.T) {
	locked, err := Lock([]byte("secret"), []byte("pass"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(locked, []byte("secret")) {
		t.Fatal("in clear")
	}
	if got, err := Unlock(locked, []byte("pass")); err != nil || string(got) != "secret" {
		t.Fatal(err)
	}
	if _, err := Unlock(locked, []byte("Pass")); !errors.Is(err, ErrWrongPassphrase) {
		t.Fatalf("wrong passphrase: %v", err)
	}
	if _, err := Lock([]byte("secret"), nil); err == nil {
		t.Fatal("locked without a passphrase")
	}
	huge := bytes.Clone(locked)
	huge[2+passphrasePasses+2] = 31 // 2 TiB
	if _, err := Unlock(huge, []byte("pass")); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("2 TiB of Argon2: %v", err)
	}
}

func TestSignatures(t *testing.T) {
	k, other := newKey(t, SuitePQ), newKey(t, SuitePQ)
	message := []byte("record")
	sig, err := k.Sign(message, testTime)
	if err != nil || len(sig) != signatureBytes {
		t.Fatal(len(sig), err)
	}
	c := k.Certificate()
	flip := func(i int) []byte {
		b := bytes.Clone(sig)
		b[i] ^= 1
		return b
	}
	tests := []struct {
		name    string
		c       *Certificate
		message []byte
		sig     []byte
		at      time.Time
		want    error
	}{
		{"good", c, message, sig, testTime, nil},
		{"good within the second", c, message, sig, testTime.Add(999 * time.Millisecond), nil},
		{"back-dated: the record says later", c, message, sig, testTime.Add(time.Second), ErrSignatureTime},
		{"future-dated: the record says earlier", c, message, sig, testTime.Add(-time.Second), ErrSignatureTime},
		{"another message", c, []byte("recorD"), sig, testTime, ErrBadSignature},
		{"another key's certificate", other.Certificate(), message, sig, testTime, ErrSignatureKey},
		{"another type", c, message, flip(3), testTime, ErrMalformed},
		{"another algorithm", c, message, flip(4), testTime, ErrMalformed},
		{"another hash", c, message, flip(5), testTime, ErrMalformed},
		{"creation time not critical", c, message, flip(11), testTime, ErrMalformed},
		{"another issuer", c, message, flip(issuerOffset), testTime, ErrSignatureKey},
		{"salt", c, message, flip(saltOffset + 5), testTime, ErrBadSignature},
		{"signature", c, message, flip(len(sig) - 1), testTime, ErrBadSignature},
		{"trailing byte", c, message, append(bytes.Clone(sig), 0), testTime, ErrMalformed},
		{"cut off", c, message, sig[:len(sig)-1], testTime, ErrMalformed},
		{"an extra hashed subpacket", c, message, withSubpacket(sig, true), testTime, ErrMalformed},
		{"an extra unhashed subpacket", c, message, withSubpacket(sig, false), testTime, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.c.Verify(tt.message, tt.sig, tt.at); !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
		})
	}
}

// withSubpacket adds a subpacket (a notation of no content) where it may stand in OpenPGP and may not stand here.
func withSubpacket(sig []byte, hashed bool) []byte {
	extra := []byte{2, 20, 0}
	body := bytes.Clone(sig[2:])
	at, length := 4+4+41, 7 // behind the hashed subpackets; the low octet of their length
	if !hashed {
		at, length = at+4, at+3
	}
	body[length] += byte(len(extra))
	return appendPacket(nil, tagSignature, append(body[:at:at], append(extra, body[at:]...)...))
}

func TestCertificatesOfAnotherFormAreRefused(t *testing.T) {
	k := newKey(t, SuitePQ)
	raw := k.Certificate().Bytes()
	packets, err := splitPackets(raw, 4)
	if err != nil {
		t.Fatal(err)
	}
	join := func(order ...int) []byte {
		var out []byte
		for _, i := range order {
			out = append(out, packets[i].all...)
		}
		return out
	}
	other, err := splitPackets(newKey(t, SuitePQ).Certificate().Bytes(), 4)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"empty":                      nil,
		"no subkey":                  join(0, 1),
		"subkey without binding":     join(0, 1, 2),
		"order":                      join(2, 3, 0, 1),
		"twice":                      append(bytes.Clone(raw), raw...),
		"a third-party signature":    append(join(0, 1, 2, 3), other[1].all...),
		"another key's subkey":       append(join(0, 1), append(bytes.Clone(other[2].all), other[3].all...)...),
		"a user id":                  append(join(0, 1), appendPacket(appendPacket(nil, 13, []byte("me")), 2, packets[3].body)...),
		"a marker packet before":     append(appendPacket(nil, 10, []byte("PGP")), raw...),
		"trailing byte":              append(bytes.Clone(raw), 0),
		"a flipped bit in a binding": flipped(raw, len(raw)-1),
		"secret key":                 k.Secret(),
	}
	for name, b := range tests {
		if _, err := ParseCertificate(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := ParseCertificate(make([]byte, MaxCertificateBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func flipped(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 1
	return c
}

func TestNodeKeys(t *testing.T) {
	k, err := GenerateNodeKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseNodeKey(k.Seed())
	if err != nil || again.Public() != k.Public() {
		t.Fatal(err)
	}
	sig := k.Sign("a", []byte("m"))
	if err := k.Public().Verify("a", []byte("m"), sig); err != nil {
		t.Fatal(err)
	}
	if err := k.Public().Verify("b", []byte("m"), sig); !errors.Is(err, ErrBadSignature) {
		t.Fatalf("another purpose: %v", err)
	}
	id := k.Public().ID()
	if parsed, err := ParseNodeID(id.String()); err != nil || parsed != id {
		t.Fatal(err)
	}
	if _, err := ParseNodeID("XY"); err == nil {
		t.Fatal("a node id of two letters")
	}
}
