package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// magic is how a kind of file begins, at an offset.
type magic struct {
	offset int
	bytes  string
	name   string
}

var media = []magic{
	{0, "\xff\xd8\xff", "JPEG"},
	{0, "\x89PNG\r\n\x1a\n", "PNG"},
	{0, "GIF87a", "GIF"},
	{0, "GIF89a", "GIF"},
	{4, "ftyp", "MP4, MOV, HEIC or AVIF"},
	{4, "moov", "MOV"},
	{4, "mdat", "MOV"},
	{8, "WEBP", "WebP"},
	{8, "AVI ", "AVI"},
	{8, "WAVE", "WAV"},
	{0, "\x1a\x45\xdf\xa3", "Matroska or WebM"},
	{0, "II*\x00", "TIFF"},
	{0, "MM\x00*", "TIFF"},
	{0, "FLV\x01", "FLV"},
	{0, "\x00\x00\x01\xba", "MPEG"},
	{0, "\x00\x00\x01\xb3", "MPEG"},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV"},
	{0, "OggS", "Ogg"},
	{0, "fLaC", "FLAC"},
	{0, "ID3", "MP3"},
	{0, "\xff\x0a", "JPEG XL"},
	{4, "JXL ", "JPEG XL"},
	{4, "jP  ", "JPEG 2000"},
	{0, "8BPS", "Photoshop"},
	{0, "%PDF-", "PDF"},
	{0, "\x00\x00\x01\x00", "icon"},
	{0, ".RMF", "RealMedia"},
}

var archives = []magic{
	{0, "PK\x03\x04", "ZIP"},
	{0, "\x1f\x8b", "gzip"},
	{0, "7z\xbc\xaf\x27\x1c", "7-Zip"},
	{0, "Rar!", "RAR"},
	{0, "BZh", "bzip2"},
	{0, "\xfd7zXZ\x00", "xz"},
	{0, "\x28\xb5\x2f\xfd", "zstd"},
}

// Sniff refuses the beginning of a file that is media, an archive, UTF-16 or otherwise no text.
func Sniff(head []byte) error {
	if name, ok := begins(head, media); ok || isBitmap(head) || isTransportStream(head) {
		if !ok {
			name = "BMP or MPEG-TS"
		}
		return fmt.Errorf("%w (%s)", ErrMedia, name)
	}
	if name, ok := begins(head, archives); ok {
		return fmt.Errorf("%w (%s)", ErrArchive, name)
	}
	if len(head) > 1 && (head[0] == 0) != (head[1] == 0) {
		return ErrUTF16
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return ErrBinary
	}
	return nil
}

func begins(head []byte, table []magic) (string, bool) {
	for _, m := range table {
		if len(head) >= m.offset && bytes.HasPrefix(head[m.offset:], []byte(m.bytes)) {
			return m.name, true
		}
	}
	return "", false
}

// isBitmap asks for BMP's reserved zeros too: "BM" alone may begin a text.
func isBitmap(head []byte) bool {
	return len(head) >= 10 && string(head[:2]) == "BM" && bytes.Equal(head[6:10], make([]byte, 4))
}

// isTransportStream asks for the sync byte of three packets: one is the letter G.
func isTransportStream(head []byte) bool {
	const packet = 188
	return len(head) > 2*packet && head[0] == 0x47 && head[packet] == 0x47 && head[2*packet] == 0x47 &&
		bytes.IndexByte(head, 0) >= 0
}

// textRun is how long a run of base64 or hex must be before it is looked into: no name, address or hash is so long, and no
// picture so short.
const textRun = 256

// SniffText refuses a text that carries media, as a data address, base64 or hex. It stops what a careless program does,
// not who hides something.
func SniffText(s string) error {
	if i := strings.Index(strings.ToLower(s), "data:"); i >= 0 && strings.Contains(s[i:], ";base64,") {
		return fmt.Errorf("%w (a data address)", ErrMedia)
	}
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return !strings.ContainsRune(base64Runes, r) }) {
		if len(run) < textRun {
			continue
		}
		for _, decode := range []func(string) ([]byte, error){base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, hex.DecodeString} {
			head, err := decode(run[:textRun])
			if err != nil {
				continue
			}
			if err := Sniff(head); errors.Is(err, ErrMedia) || errors.Is(err, ErrArchive) {
				return err
			}
		}
	}
	return nil
}

const base64Runes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
