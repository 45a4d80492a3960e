package hashing

import (
	"encoding/binary"
	"image"
)

// In a fax the black runs of a page are its ones. Where a TIFF says of one that zero is black, the page is meant to be
// reversed (TIFF 6.0, PhotometricInterpretation), which Go's decoder does not do.

const (
	tiffEntry       = 12
	tagCompression  = 259
	tagPhotometric  = 262
	blackIsZero     = 1
	firstFax        = 2
	lastFax         = 4
	maxTIFFEntries  = 4096
	tiffHeaderBytes = 8
)

func prepareTIFF(data []byte) (prepared, error) {
	p := prepared{data: data}
	if c := tiffTag(data, tagCompression); c >= firstFax && c <= lastFax && tiffTag(data, tagPhotometric) == blackIsZero {
		p.present = func(m image.Image) image.Image { return &inverted{m} }
	}
	return p, nil
}

// tiffTag returns a short value of the first directory, -1 where there is none.
func tiffTag(data []byte, tag uint16) int {
	if len(data) < tiffHeaderBytes {
		return -1
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return -1
	}
	entries := data[at+2:]
	for range min(order.Uint16(data[at:]), maxTIFFEntries) {
		if len(entries) < tiffEntry {
			return -1
		}
		if order.Uint16(entries) == tag {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[tiffEntry:]
	}
	return -1
}
