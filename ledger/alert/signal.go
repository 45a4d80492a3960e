package alert

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"vigil/ledger/noun"
)

// Quality is what an algorithm says its value is worth. The zero value means that nothing was stated.
type Quality uint8

// QualityOf returns the quality n, 0 to 100.
func QualityOf(n int) (Quality, error) {
	if n < 0 || n > maxQuality {
		return 0, ErrQuality
	}
	return Quality(n + 1), nil
}

// Value returns 0 to 100, or false where none was stated.
func (q Quality) Value() (int, bool) { return int(q) - 1, q != 0 }

// Signal is one fingerprint.
type Signal struct {
	_         struct{} `cbor:",toarray"`
	Algorithm Algorithm
	Value     []byte // raw, exactly Algorithm.Length() bytes
	Quality   Quality
}

// ParseSignal reads "algorithm:value", with the value as ParseValue takes it.
func ParseSignal(s string) (Signal, error) {
	name, text, ok := strings.Cut(s, ":")
	if !ok {
		return Signal{}, noun.At("algorithm", noun.ErrRequired)
	}
	a, err := ParseAlgorithm(name)
	if err != nil {
		return Signal{}, noun.At("algorithm", err)
	}
	v, err := ParseValue(a, text)
	return Signal{Algorithm: a, Value: v}, noun.At("value", err)
}

// ParseValue reads a fingerprint as the field writes it: hex in any case, and for PhotoDNA and TMK also base64.
func ParseValue(a Algorithm, text string) ([]byte, error) {
	want := a.Length()
	if want == 0 {
		return nil, noun.ErrUnknownName
	}
	if len(text) == hex.EncodedLen(want) {
		if b, err := hex.DecodeString(text); err == nil {
			return b, nil
		}
		return nil, ErrValueText
	}
	if !a.inBase64() || len(text) != base64.StdEncoding.EncodedLen(want) {
		return nil, ErrValueLength
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrValueText
	}
	if len(b) != want {
		return nil, ErrValueLength
	}
	return b, nil
}

// GuessAlgorithm tells the algorithm of a bare value by its length. 64 hex digits are taken for SHA-256: PDQ must be
// named.
func GuessAlgorithm(text string) (Algorithm, bool) {
	for _, a := range []Algorithm{MD5, SHA1, SHA256, PhotoDNA} {
		if len(text) == hex.EncodedLen(a.Length()) {
			return a, true
		}
	}
	return PhotoDNA, len(text) == base64.StdEncoding.EncodedLen(PhotoDNA.Length())
}

// Text returns the value in the form the field uses: lower-case hex, or base64 for PhotoDNA and TMK.
func (s Signal) Text() string {
	if s.Algorithm.inBase64() {
		return base64.StdEncoding.EncodeToString(s.Value)
	}
	return hex.EncodeToString(s.Value)
}

// String returns "algorithm:value". It is content: never for logs.
func (s Signal) String() string { return s.Algorithm.String() + ":" + s.Text() }

// Validate checks the algorithm, the exact length and the quality.
func (s Signal) Validate() error {
	if err := defined(algorithmNames, s.Algorithm); err != nil {
		return noun.At("algorithm", err)
	}
	if len(s.Value) != s.Algorithm.Length() {
		return noun.At("value", ErrValueLength)
	}
	if s.Quality > maxQuality+1 || (s.Quality != 0 && !s.Algorithm.MeasuresQuality()) {
		return noun.At("quality", ErrQuality)
	}
	return nil
}

// nothing is the digest of the empty file.
func (a Algorithm) nothing() []byte {
	switch a {
	case MD5:
		return md5OfNothing[:]
	case SHA1:
		return sha1OfNothing[:]
	case SHA256:
		return sha256OfNothing[:]
	}
	return nil
}

var (
	md5OfNothing    = md5.Sum(nil)
	sha1OfNothing   = sha1.Sum(nil)
	sha256OfNothing = sha256.Sum256(nil)
)

// Worthless says that the value stands for no content at all, so that an alert on it would hit the innocent.
func (s Signal) Worthless() bool {
	if len(s.Value) == 0 || bytes.Equal(s.Value, s.Algorithm.nothing()) {
		return true
	}
	for _, b := range s.Value {
		if b != s.Value[0] {
			return false
		}
	}
	return true
}

// compareSignals orders by algorithm, then value.
func compareSignals(a, b Signal) int {
	if c := cmp.Compare(a.Algorithm, b.Algorithm); c != 0 {
		return c
	}
	return bytes.Compare(a.Value, b.Value)
}

// File is the fingerprints and size of one file: what one row of an alert is about.
type File struct {
	_         struct{} `cbor:",toarray"`
	Signals   []Signal // sorted by algorithm and value, none twice
	MediaSize uint64   // bytes; 0 where not stated
}

// Normal returns the file with its signals in canonical order, each once. Of the same value twice the better-known
// quality stays.
func (f File) Normal() File {
	signals := slices.Clone(f.Signals)
	slices.SortStableFunc(signals, func(a, b Signal) int {
		return cmp.Or(compareSignals(a, b), cmp.Compare(b.Quality, a.Quality))
	})
	f.Signals = slices.CompactFunc(signals, func(a, b Signal) bool { return compareSignals(a, b) == 0 })
	return f
}

// Validate accepts a file in canonical form within its bounds.
func (f File) Validate() error {
	if len(f.Signals) == 0 {
		return noun.At("signals", noun.ErrRequired)
	}
	if len(f.Signals) > MaxSignals {
		return noun.At("signals", noun.ErrCount)
	}
	total := 0
	for i, s := range f.Signals {
		total += len(s.Value)
		err := s.Validate()
		if err == nil && i > 0 && compareSignals(f.Signals[i-1], s) >= 0 {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("signals", i), err)
		}
	}
	if total > MaxFileBytes {
		return noun.At("signals", noun.ErrTooLong)
	}
	return validSize(f.MediaSize)
}

// worthwhile refuses a file with a worthless signal.
func (f File) worthwhile() error {
	for i, s := range f.Signals {
		if s.Worthless() {
			return noun.At(noun.Item("signals", i)+".value", ErrWorthless)
		}
	}
	return nil
}

func validSize(n uint64) error {
	if n > maxMediaBytes {
		return noun.At("media_size", ErrSize)
	}
	return nil
}
