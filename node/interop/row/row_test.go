package row_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

func TestCleanName(t *testing.T) {
	for text, want := range map[string]string{
		" Blue ": "Blue", "": "", "a/b": "", `C:\x`: "", "a\nb": "", "\xff": "", strings.Repeat("a", 500): "",
	} {
		if got := row.CleanName(text); got != want {
			t.Errorf("%.10q: %q", text, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]alert.MediaKind{
		"": alert.UnknownMedia, "image/jpeg": alert.Image, "Video": alert.Video, "audio/ogg": alert.Audio, "application/pdf": alert.OtherMedia,
	} {
		if got := row.KindOf(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestAlgorithmOf(t *testing.T) {
	for text, want := range map[string]alert.Algorithm{
		"SHA-1": alert.SHA1, "sha_256": alert.SHA256, " PDNA ": alert.PhotoDNA, "PhotoDNA": alert.PhotoDNA, "VPDQ-FRAME": alert.VPDQFrame, "SHA512": 0, "": 0,
	} {
		if got, ok := row.AlgorithmOf(text); got != want || ok != (want != 0) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// failing yields a bad row, then ends with an error of the device.
type failing struct{ n int }

func (f *failing) Next() (row.Row, error) {
	if f.n++; f.n == 1 {
		return row.Row{}, &row.Error{Number: 1, Line: 1, Err: row.ErrNoHash}
	}
	return row.Row{}, io.ErrUnexpectedEOF
}

func TestSkipSaysWhyItCannot(t *testing.T) {
	if err := row.Skip(&failing{}, 1); err != nil {
		t.Error(err)
	}
	if err := row.Skip(&failing{}, 2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	e := &row.Error{Number: 3, Line: 4, Field: "MD5", Err: row.ErrBadHash}
	if got := e.Error(); got != "row 3 (line 4): MD5: not a fingerprint of its algorithm" {
		t.Error(got)
	}
}
