package alert

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"vigil/ledger/noun"
)

func TestValuesAsText(t *testing.T) {
	for _, a := range Algorithms() {
		s := signal(a, 7)
		back, err := ParseSignal(s.String())
		if err != nil || back.String() != s.String() {
			t.Errorf("%s: %v", a, err)
		}
		if upper, err := ParseValue(a, strings.ToUpper(hex.EncodeToString(s.Value))); err != nil || string(upper) != string(s.Value) {
			t.Errorf("%s: upper-case hex: %v", a, err)
		}
		if b, err := a.MarshalText(); err != nil || parsed(string(b)) != a {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func parsed(s string) Algorithm { a, _ := ParseAlgorithm(s); return a }

func TestValuesRefused(t *testing.T) {
	photo := base64.StdEncoding.EncodeToString(value(PhotoDNA, 1))
	for text, want := range map[string]error{
		"md5":                               noun.ErrRequired,
		"md4:00":                            noun.ErrUnknownName,
		"md5:00":                            ErrValueLength,
		"md5:" + strings.Repeat("g", 32):    ErrValueText,
		"photodna:" + photo[:191] + "!":     ErrValueText,
		"photodna:" + photo[:190] + "==":    ErrValueLength,
		"sha256:" + strings.Repeat("0", 63): ErrValueLength,
		":" + strings.Repeat("0", 63):       noun.ErrUnknownName,
	} {
		_, err := ParseSignal(text)
		if !errors.Is(err, want) {
			t.Errorf("%.20s: %v, want %v", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "000") {
			t.Errorf("the error shows the value")
		}
	}
}

func TestWorthless(t *testing.T) {
	for _, text := range []string{
		"md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha1:DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"pdq:" + strings.Repeat("0", 64), "pdq:" + strings.Repeat("f", 64),
	} {
		s, err := ParseSignal(text)
		if err != nil || !s.Worthless() {
			t.Errorf("%s passes: %v", text, err)
		}
	}
	if signal(MD5, 1).Worthless() {
		t.Error("a real value does not pass")
	}
}

func TestGuessAlgorithm(t *testing.T) {
	for length, want := range map[int]Algorithm{32: MD5, 40: SHA1, 64: SHA256, 288: PhotoDNA, 192: PhotoDNA} {
		if a, ok := GuessAlgorithm(strings.Repeat("0", length)); !ok || a != want {
			t.Errorf("%d: %v", length, a)
		}
	}
	if _, ok := GuessAlgorithm("abc"); ok {
		t.Error("3 characters guessed")
	}
}

func TestQuality(t *testing.T) {
	q, err := QualityOf(0)
	if n, ok := q.Value(); err != nil || !ok || n != 0 {
		t.Error(q, err)
	}
	if _, ok := Quality(0).Value(); ok {
		t.Error("the zero value states a quality")
	}
	for _, n := range []int{-1, 101} {
		if _, err := QualityOf(n); !errors.Is(err, ErrQuality) {
			t.Error(n, err)
		}
	}
}

func TestIDs(t *testing.T) {
	id := ID{Key: Key{Event: eventID(0x3f)}, Row: 17}
	event, row, err := ParseID(id.String())
	if err != nil || event != id.Event || row != 17 {
		t.Fatal(id, err)
	}
	for text, ok := range map[string]bool{
		"al_3f00": true, "3F00": true, "al_3f00.17": true, id.String(): true,
		"al_3f0": false, "al_": false, "al_3g00": false, "al_3f00.": false, "al_3f00.017": false, "al_3f00.10000": false,
		"al_3f00.-1": false, id.String()[:35] + "0": false,
	} {
		p, err := ParsePrefix(text)
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if ok && !p.Matches(id.Event, id.Row) {
			t.Errorf("%s does not match", text)
		}
	}
	for _, text := range []string{"al_3f00", strings.TrimPrefix(id.String(), "al_"), strings.ToUpper(id.String()), "al_" + id.Event.String() + ".0"} {
		if _, _, err := ParseID(text); !errors.Is(err, ErrID) {
			t.Errorf("%s accepted", text)
		}
	}
	if p, _ := ParsePrefix("3f00.16"); p.Matches(id.Event, id.Row) {
		t.Error("another row matches")
	}
}

func TestTLP(t *testing.T) {
	for text, want := range map[string]TLP{"red": Red, "TLP:RED": Red, "amber+strict": AmberStrict, "tlp:clear": Clear} {
		if got, err := ParseTLP(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	if _, err := ParseTLP("white"); !errors.Is(err, noun.ErrUnknownName) {
		t.Error("TLP 1.0 accepted")
	}
}
