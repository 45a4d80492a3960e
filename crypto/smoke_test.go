package crypto

import (
	"bytes"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	for _, s := range []Suite{SuitePQ, SuiteClassic} {
		k, err := GenerateAgencyKey(s, time.Unix(1700000000, 5))
		if err != nil {
			t.Fatal(s, err)
		}
		if k.Certificate().Suite() != s {
			t.Fatal(k.Certificate().Suite())
		}
		if err := MatchesCertificate(k, k.Certificate()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 10, 5000, 20000, 1 << 20} {
			m, err := Seal(make([]byte, n), k.Certificate())
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewKeyring(k).Open(m)
			if err != nil || len(p) != n {
				t.Fatal(n, err)
			}
		}
		l, err := Lock(k.Secret(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		u, err := Unlock(l, []byte("x"))
		if err != nil || !bytes.Equal(u, k.Secret()) {
			t.Fatal(err)
		}
		if _, err := Unlock(l, []byte("y")); err != ErrWrongPassphrase {
			t.Fatal(err)
		}
		t.Log(len(k.Certificate().Bytes()), len(k.Secret()))
	}
}
