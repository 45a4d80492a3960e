package node

import (
	"errors"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
)

func TestWhatAJoinerMustProve(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	inviter, err := makeKeys(crypto.SuiteClassic, now)
	if err != nil {
		t.Fatal(err)
	}
	joiner, err := makeKeys(crypto.SuiteClassic, now)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := makeKeys(crypto.SuiteClassic, now)
	if err != nil {
		t.Fatal(err)
	}
	origin, other := ledger.NewOrigin("in", [16]byte{1}), ledger.NewOrigin("in", [16]byte{2})
	inv := newInvitation(inviter.Agency[0], "in/b", nil, now.Add(time.Hour))
	body := func(k Keys) joinBody {
		return joinBody{
			Version: 1, Origin: origin, Invite: inv.ID, Expires: inv.Expires, Agency: "in/b", At: now.Unix(),
			Keys: joinKeys{Certificate: k.Agency[0].Certificate().Bytes(), Node: k.Node.Public(), Checkpoint: k.Checkpoint.Public()},
		}
	}
	signed := func(b joinBody, k Keys, secret [32]byte) joinRequest {
		r, err := signJoin(b, k, secret)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, c := range map[string]struct {
		request func() joinRequest
		at      time.Time
		want    error
	}{
		"as it should be":    {func() joinRequest { return signed(body(joiner), joiner, inv.Secret) }, now, nil},
		"at its last second": {func() joinRequest { return signed(body(joiner), joiner, inv.Secret) }, now.Add(time.Hour), nil},
		"expired":            {func() joinRequest { return signed(body(joiner), joiner, inv.Secret) }, now.Add(time.Hour + time.Second), ErrTokenExpired},
		"a clock two hours ahead proves all the same": {func() joinRequest {
			b := body(joiner)
			b.At += 7200
			return signed(b, joiner, inv.Secret)
		}, now, nil},
		"with a longer life": {func() joinRequest {
			b := body(joiner)
			b.Expires += 3600
			return signed(b, joiner, inv.Secret)
		}, now, ErrJoinRefused},
		"for another agency": {func() joinRequest {
			b := body(joiner)
			b.Agency = "in/c"
			return signed(b, joiner, inv.Secret)
		}, now, ErrJoinRefused},
		"to audiences it was not invited to": {func() joinRequest {
			b := body(joiner)
			b.Audiences = []ledger.AudienceName{"in/*"}
			return signed(b, joiner, inv.Secret)
		}, now, ErrJoinRefused},
		"for another ledger": {func() joinRequest {
			b := body(joiner)
			b.Origin = other
			return signed(b, joiner, inv.Secret)
		}, now, ErrTokenOther},
		"without the secret": {func() joinRequest { return signed(body(joiner), joiner, [32]byte{1}) }, now, ErrJoinRefused},
		"of another inviter": {func() joinRequest {
			return signed(body(joiner), joiner, newInvitation(stranger.Agency[0], "in/b", nil, now.Add(time.Hour)).Secret)
		}, now, ErrJoinRefused},
		"another's agency key": {func() joinRequest {
			k := joiner
			k.Agency = stranger.Agency
			return signed(body(joiner), k, inv.Secret)
		}, now, ErrJoinRefused},
		"another's node key": {func() joinRequest {
			k := joiner
			k.Node = stranger.Node
			return signed(body(joiner), k, inv.Secret)
		}, now, ErrJoinRefused},
		"another's checkpoint key": {func() joinRequest {
			k := joiner
			k.Checkpoint = stranger.Checkpoint
			return signed(body(joiner), k, inv.Secret)
		}, now, ErrJoinRefused},
		"no certificate": {func() joinRequest {
			b := body(joiner)
			b.Keys.Certificate = []byte{1}
			return signed(b, joiner, inv.Secret)
		}, now, ErrJoinRefused},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openJoin(ledger.Marshal(c.request()), inviter.Agency, origin, c.at); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	if _, err := openJoin([]byte("?"), inviter.Agency, origin, now); !errors.Is(err, ErrJoinRefused) {
		t.Errorf("not a request: %v", err)
	}
}

func FuzzParseToken(f *testing.F) {
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1, 0))
	if err != nil {
		f.Fatal(err)
	}
	inv := newInvitation(key, "in/b", nil, time.Unix(2, 0))
	inv.Origin = ledger.NewOrigin("in", [16]byte{1})
	f.Add(inv.Token())
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseToken(text)
		if err != nil {
			return
		}
		if again, err := ParseToken(i.Token()); err != nil || again.Token() != i.Token() {
			t.Fatal("accepted, and read otherwise the second time")
		}
	})
}

func FuzzOpenJoin(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	inviter, err := makeKeys(crypto.SuiteClassic, now)
	if err != nil {
		f.Fatal(err)
	}
	joiner, err := makeKeys(crypto.SuiteClassic, now)
	if err != nil {
		f.Fatal(err)
	}
	origin := ledger.NewOrigin("in", [16]byte{1})
	inv := newInvitation(inviter.Agency[0], "in/b", nil, now.Add(time.Hour))
	r, err := signJoin(joinBody{
		Version: 1, Origin: origin, Invite: inv.ID, Expires: inv.Expires, Agency: "in/b", At: now.Unix(),
		Keys: joinKeys{Certificate: joiner.Agency[0].Certificate().Bytes(), Node: joiner.Node.Public(), Checkpoint: joiner.Checkpoint.Public()},
	}, joiner, inv.Secret)
	if err != nil {
		f.Fatal(err)
	}
	good := ledger.Marshal(r)
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := openJoin(raw, inviter.Agency, origin, now); err == nil && string(raw) != string(good) {
			t.Fatal("accepted what nobody with the invitation made")
		}
	})
}
