package hashing

import (
	"bytes"
	"strings"

	"vigil/ledger/alert"
)

// Kind is what a file is by how it begins. Its name is never asked.
type Kind string

// The kinds that are told apart.
const (
	Other    Kind = ""
	JPEG     Kind = "jpeg"
	PNG      Kind = "png"
	GIF      Kind = "gif"
	WebP     Kind = "webp"
	BMP      Kind = "bmp"
	TIFF     Kind = "tiff"
	HEIC     Kind = "heic"
	AVIF     Kind = "avif"
	JPEGXL   Kind = "jpeg-xl"
	JPEG2000 Kind = "jpeg-2000"
	PSD      Kind = "psd"
	MP4      Kind = "mp4" // and QuickTime
	Matroska Kind = "matroska"
	AVI      Kind = "avi"
	FLV      Kind = "flv"
	MPEG     Kind = "mpeg"
	ASF      Kind = "asf"
	Ogg      Kind = "ogg"
	Real     Kind = "realmedia"
	MXF      Kind = "mxf"
	H26x     Kind = "h26x" // a bare H.264 or H.265 stream, as recorders of cameras write it
)

type class uint8

const (
	plain   class = iota
	decoded       // an image with a decoder
	foreign       // an image without one
	film          // for ffmpeg
)

var classes = map[Kind]class{
	JPEG: decoded, PNG: decoded, GIF: decoded, WebP: decoded, BMP: decoded, TIFF: decoded,
	HEIC: foreign, AVIF: foreign, JPEGXL: foreign, JPEG2000: foreign, PSD: foreign,
	MP4: film, Matroska: film, AVI: film, FLV: film, MPEG: film, ASF: film, Ogg: film, Real: film, MXF: film, H26x: film,
}

// Media returns the kind of media as an alert states it.
func (k Kind) Media() alert.MediaKind {
	switch classes[k] {
	case decoded, foreign:
		return alert.Image
	case film:
		return alert.Video
	}
	return alert.UnknownMedia
}

// beginnings are bytes at an offset of the file.
var beginnings = []struct {
	offset int
	bytes  string
	kind   Kind
}{
	{0, "\xff\xd8\xff", JPEG},
	{0, "\x89PNG\r\n\x1a\n", PNG},
	{0, "GIF87a", GIF},
	{0, "GIF89a", GIF},
	{8, "WEBP", WebP},
	{0, "II*\x00", TIFF},
	{0, "MM\x00*", TIFF},
	{0, "\xff\x0a", JPEGXL},
	{4, "JXL \r\n", JPEGXL},
	{4, "jP  \r\n", JPEG2000},
	{0, "\xff\x4f\xff\x51", JPEG2000},
	{0, "8BPS", PSD},
	{8, "AVI ", AVI},
	{0, "\x1a\x45\xdf\xa3", Matroska},
	{0, "FLV\x01", FLV},
	{0, "\x00\x00\x01\xba", MPEG},
	{0, "\x00\x00\x01\xb3", MPEG},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF},
	{0, "OggS", Ogg},
	{0, ".RMF", Real},
	{0, "\x06\x0e\x2b\x34\x02\x05\x01\x01", MXF},
	{0, "\x00\x00\x00\x01\x67", H26x},
	{0, "\x00\x00\x00\x01\x27", H26x},
	{0, "\x00\x00\x00\x01\x09", H26x},
	{0, "\x00\x00\x00\x01\x40\x01", H26x},
	{0, "\x00\x00\x00\x01\x46\x01", H26x},
	{4, "moov", MP4},
	{4, "mdat", MP4},
}

// Sniff tells the kind of a file from its first bytes, of which 4 KiB are plenty.
func Sniff(head []byte) Kind {
	if len(head) >= 16 && string(head[4:8]) == "ftyp" {
		return sniffBrands(head)
	}
	for _, b := range beginnings {
		if len(head) >= b.offset && bytes.HasPrefix(head[b.offset:], []byte(b.bytes)) {
			return b.kind
		}
	}
	if len(head) >= 10 && string(head[:2]) == "BM" && bytes.Equal(head[6:10], make([]byte, 4)) {
		return BMP
	}
	if isTransportStream(head) {
		return MPEG
	}
	return Other
}

// isTransportStream asks for the sync byte of three packets: one is the letter G.
func isTransportStream(head []byte) bool {
	const packet = 188
	return len(head) > 2*packet && head[0] == 0x47 && head[packet] == 0x47 && head[2*packet] == 0x47 &&
		bytes.IndexByte(head, 0) >= 0
}

// sniffBrands reads the file type box of ISO media: the major brand, and the compatible ones where it says nothing.
func sniffBrands(head []byte) Kind {
	size := int(head[2])<<8 | int(head[3])
	brands := string(head[8:12])
	if size > 16 {
		brands += string(head[16:min(size, len(head))])
	}
	for i := 0; i+4 <= len(brands); i += 4 {
		switch brand := brands[i : i+4]; {
		case strings.HasPrefix(brand, "avi"):
			return AVIF
		case strings.HasPrefix(brand, "hei"), strings.HasPrefix(brand, "hev"):
			return HEIC
		case strings.HasPrefix(brand, "M4A"), strings.HasPrefix(brand, "M4B"):
			return Other // sound
		}
	}
	if major := brands[:4]; major == "mif1" || major == "msf1" {
		return HEIC
	}
	return MP4
}
