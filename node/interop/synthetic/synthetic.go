// Package synthetic makes harmless hash sets: fingerprints of random bytes that never were a picture, the same from
// the same seed everywhere. Demonstrations, exercises and tests use them; it knows nothing of where they go.
package synthetic

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
	"vigil/node/interop/vics"
)

const (
	// DemoSeed and DemoRows are the bundled set of the demonstration.
	DemoSeed = "vigil demonstration"
	DemoRows = 5000

	series      = 12
	contentSize = 64
)

// Rows yields n rows that follow from the seed alone, with MD5, SHA-1 and PhotoDNA each, as a VICS hash set has them.
func Rows(seed string, n int) iter.Seq[row.Row] {
	return func(yield func(row.Row) bool) {
		stream := rand.NewChaCha8(sha256.Sum256([]byte(seed)))
		for i := range n {
			if !yield(next(stream, uint64(i)+1)) {
				return
			}
		}
	}
}

func next(stream *rand.ChaCha8, number uint64) row.Row {
	content, photo := make([]byte, contentSize), make([]byte, alert.PhotoDNA.Length())
	_, _ = stream.Read(content)
	_, _ = stream.Read(photo)
	m, s := md5.Sum(content), sha1.Sum(content)
	pick := binary.BigEndian.Uint64(content)

	r := row.Row{
		Number: number,
		File: alert.File{
			Signals: []alert.Signal{
				{Algorithm: alert.MD5, Value: m[:]},
				{Algorithm: alert.SHA1, Value: s[:]},
				{Algorithm: alert.PhotoDNA, Value: photo},
			},
			MediaSize: 20_000 + pick%4_000_000,
		},
		Classifications: []alert.Classification{{Scheme: alert.SchemeVICS, Context: "us", Value: strconv.Itoa(1 + int(pick>>8%3))}},
		Pertinence:      row.Pertinent,
		Victim:          alert.Victim(pick >> 16 % 3),
		Updated:         time.Date(2025, 1, 1, 0, 0, int(pick>>24%31_000_000), 0, time.UTC),
	}
	if pick>>32%4 == 0 {
		r.Series = fmt.Sprintf("Synthetic %02d", 1+pick>>40%series)
	}
	return r
}

// WriteVICS writes n rows as a VICS 2.0 hash set.
func WriteVICS(w io.Writer, seed string, n int) error {
	out, err := vics.NewWriter(w, vics.UnitedStates)
	if err != nil {
		return err
	}
	for r := range Rows(seed, n) {
		if err := out.Write(r); err != nil {
			return err
		}
	}
	return out.Close()
}

// WriteDemo writes the demonstration's hash set.
func WriteDemo(w io.Writer) error { return WriteVICS(w, DemoSeed, DemoRows) }
