package alert

import (
	"bytes"
	"testing"

	"vigil/ledger"
)

var (
	originIN = ledger.NewOrigin("in", [16]byte{1})
	originUK = ledger.NewOrigin("uk", [16]byte{2})
	originFR = ledger.NewOrigin("fr", [16]byte{3})
)

func value(a Algorithm, seed byte) []byte {
	v := bytes.Repeat([]byte{seed}, a.Length())
	v[0] ^= 0xff
	return v
}

func signal(a Algorithm, seed byte) Signal { return Signal{Algorithm: a, Value: value(a, seed)} }

func file(seed byte, algorithms ...Algorithm) File {
	f := File{MediaSize: uint64(seed) + 1}
	for _, a := range algorithms {
		f.Signals = append(f.Signals, signal(a, seed))
	}
	return f
}

func details() Details {
	return Details{
		Media:           Image,
		Classifications: []Classification{{Scheme: SchemeBaseline, Value: "baseline"}, {Scheme: SchemeIWF, Value: "a"}},
		Handling:        Handling{TLP: Amber, Release: []ledger.AudienceName{"in/*", "uk/*"}, Caveats: []string{"not for court"}},
		Basis:           Examined,
		Title:           "Seized set 12",
	}.Normal()
}

func eventID(n byte) ledger.EventID { return ledger.EventID{n} }

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func raised(t testing.TB) ledger.Event {
	e, err := Raise{Event: eventID(1), Details: details(), File: file(1, SHA256, PDQ)}.Decide(View{Agency: "in/ncrb"})
	return must(t, e, err)
}

func listed(t testing.TB, n int) ledger.Event {
	files := make([]File, n)
	for i := range files {
		f := file(9, MD5, PDQ)
		f.Signals[0].Value[1], f.Signals[0].Value[2] = byte(i), byte(i>>8)
		f.Signals[1].Quality = Quality(i % 102)
		files[i] = f
	}
	e, err := List{Event: eventID(2), Details: details(), Files: files}.Decide(View{Agency: "in/ncrb"})
	return must(t, e, err)
}

func place(t testing.TB, o ledger.Origin, index uint64, author ledger.AgencyID, e ledger.Event) Placed {
	p, err := Place(o, ledger.Position{Index: index}, author, 1_700_000_000_000, &e)
	return must(t, p, err)
}
