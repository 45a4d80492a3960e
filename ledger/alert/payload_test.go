package alert

import (
	"encoding/binary"
	"testing"

	"vigil/ledger"
)

// The fullest list and the fullest single alert fit a sealed entry, whose own bounds are the ledger's.
func TestFullestEventsFitAnEntry(t *testing.T) {
	d := details()
	for len(d.Handling.Caveats) < MaxCaveats {
		caveat := make([]byte, MaxCaveatBytes)
		for i := range caveat {
			caveat[i] = 'a' + byte(len(d.Handling.Caveats))
		}
		d.Handling.Caveats = append(d.Handling.Caveats, string(caveat))
	}
	d = d.Normal()

	width := MD5.Length() + SHA1.Length() + sizeBytes
	for name, files := range map[string][]File{
		"rows":  distinct(MaxRows, MD5, SHA1),
		"bytes": distinct(MaxListBytes/(width+PhotoDNA.Length()), MD5, SHA1, PhotoDNA),
	} {
		e, err := List{Event: eventID(1), Details: d, Files: files}.Decide(View{Agency: "in/ncrb"})
		fits(t, name, must(t, e, err))
	}
	single := File{Signals: tmk(96)}
	e, err := Raise{Event: eventID(1), Details: d, File: single}.Decide(View{Agency: "in/ncrb"})
	fits(t, "single", must(t, e, err))
}

func fits(t *testing.T, name string, e ledger.Event) {
	p := ledger.Payload{
		Author: "in/ncrb", Origin: originIN, Audience: []ledger.AudienceRef{{Name: "in/*", Epoch: 1}}, Events: []ledger.Event{e},
	}
	b := p.Encode()
	if len(b) > ledger.MaxPlaintextBytes {
		t.Errorf("%s: %d bytes", name, len(b))
	}
	back, err := ledger.DecodePayload(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := Decode(&back.Events[0]); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func distinct(n int, algorithms ...Algorithm) []File {
	files := make([]File, n)
	for i := range files {
		files[i] = file(1, algorithms...)
		binary.BigEndian.PutUint32(files[i].Signals[0].Value, uint32(i))
	}
	return files
}
