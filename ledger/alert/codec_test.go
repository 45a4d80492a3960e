package alert

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/noun"
)

func samples(t testing.TB) []ledger.Event {
	key := Key{Home: originIN, Author: "in/ncrb", Event: eventID(1)}
	assessed, err := (&Assessed{Target: key, Rows: RowSet{0, 7}, Verdict: Disputes, Basis: Examined, Reason: "flag\nof a state"}).Encode(eventID(3))
	must(t, assessed, err)
	retracted, err := (&Retracted{Target: key, Rows: AllRows(), Reason: "wrong exhibit"}).Encode(eventID(4))
	must(t, retracted, err)
	corrected, err := (&Retracted{Target: key, Rows: RowSet{2}, Replacement: &Key{Home: originIN, Author: "in/ncrb", Event: eventID(2)}}).Encode(eventID(5))
	must(t, corrected, err)
	sighted, err := sample(Sighted{Target: key, Row: 7}).Encode(eventID(6))
	must(t, sighted, err)
	linked, err := sampleLink(Linked{Relation: SameSeries}).Encode(eventID(7))
	must(t, linked, err)
	return []ledger.Event{raised(t), listed(t, 3), assessed, retracted, corrected, sighted, linked}
}

func sample(s Sighted) *Sighted {
	s.Setting, s.Review, s.Count, s.Day = OnPlatform, Matches, 3, 20_000
	return &s
}

func sampleLink(l Linked) *Linked {
	l.Target, l.Other, l.Verdict = ID{Key: target(1)}, ID{Key: target(2), Row: 2}, Confirms
	return &l
}

func TestEventsRoundTrip(t *testing.T) {
	for _, e := range samples(t) {
		fact := must(t, first2(Decode(&e)), nil)
		again, err := fact.Encode(e.ID)
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s: encodes to something else (%v)", e.Type, err)
		}
	}
}

func first2(f Fact, err error) Fact {
	if err != nil {
		panic(err)
	}
	return f
}

// The bytes of version 1 never change.
func TestEventBytesArePinned(t *testing.T) {
	e := raised(t)
	const shared = "8c01828671696e746572706f6c2d626173656c696e656068626173656c696e65606000866369776660616160600000000083038264696e2f2a" +
		"64756b2f2a816d6e6f7420666f7220636f75727401" + "60606d5365697a656420736574203132" + "60f4"
	if got := hex.EncodeToString(e.Shared); got != shared {
		t.Errorf("shared\n got %s\nwant %s", got, shared)
	}
	row := "82828303" + "5820fe" + strings.Repeat("01", 31) + "00" + "8304" + "5820fe" + strings.Repeat("01", 31) + "00" + "02"
	if got := hex.EncodeToString(e.Rows); got != row {
		t.Errorf("row\n got %s\nwant %s", got, row)
	}
}

func TestOtherEventBytesArePinned(t *testing.T) {
	all := samples(t)
	l := listed(t, 1)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"listed shared":    {l.Shared, "838c01828671696e746572706f6c2d626173656c696e656068626173656c696e65606000866369776660616160600000000083038264696e2f2a64756b2f2a816d6e6f7420666f7220636f7572740160606d5365697a65642073657420313260f4828201f48204f4f5"},
		"listed rows":      {l.Rows, "f6000009090909090909090909090909f609090909090909090909090909090909090909090909090909090909090909000000000000000a"},
		"assessed shared":  {all[2].Shared, "8783781d696e2f616561616161616161616161616161616161616161616161616167696e2f6e6372625001000000000000000000000000000000020160806f666c61670a6f662061207374617465f4"},
		"assessed rows":    {all[2].Rows, "0000000000000007"},
		"retracted shared": {all[3].Shared, "8483781d696e2f616561616161616161616161616161616161616161616161616167696e2f6e63726250010000000000000000000000000000006d77726f6e672065786869626974f4f6"},
		"retracted rows":   {all[3].Rows, "ffffffff"},
		"sighted shared":   {all[5].Shared, "8683781d696e2f616561616161616161616161616161616161616161616161616167696e2f6e6372625001000000000000000000000000000000010103194e20f4"},
		"sighted row":      {all[5].Rows, "00000007"},
		"linked shared":    {all[6].Shared, "8783781d696e2f616561616161616161616161616161616161616161616161616167696e2f6e637262500100000000000000000000000000000083781d696e2f616561616161616161616161616161616161616161616161616167696e2f6e637262500200000000000000000000000000000002020160f4"},
		"linked row":       {all[6].Rows, "00000000"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestListedUnpacks(t *testing.T) {
	e := listed(t, 300)
	l := first2(Decode(&e)).(*Listed)
	if l.Rows() != 300 || e.Width != 16+33+8 {
		t.Fatalf("%d rows of %d bytes", l.Rows(), e.Width)
	}
	f := l.File(257)
	if f.Signals[0].Value[1] != 1 || f.Signals[0].Value[2] != 1 || f.MediaSize != 10 || f.Signals[1].Quality != 257%102 {
		t.Fatalf("row 257 is %v", f.MediaSize)
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	events := samples(t)
	change := func(i int, f func(*ledger.Event)) *ledger.Event {
		e := events[i]
		e.Shared, e.Rows = bytes.Clone(e.Shared), bytes.Clone(e.Rows)
		f(&e)
		return &e
	}
	reshare := func(i int, f func(*Details)) *ledger.Event {
		return change(i, func(e *ledger.Event) {
			var d Details
			if err := ledger.Unmarshal(e.Shared, &d, maxSharedBytes); err != nil {
				t.Fatal(err)
			}
			f(&d)
			e.Shared = ledger.Marshal(d)
		})
	}
	resight := func(f func(*sightedShared)) *ledger.Event {
		return change(5, func(e *ledger.Event) { e.Shared = reshared(t, e.Shared, f) })
	}
	relink := func(f func(*linkedShared)) *ledger.Event {
		return change(6, func(e *ledger.Event) { e.Shared = reshared(t, e.Shared, f) })
	}
	// null writes null for an empty list, in an event whose lists are all empty.
	null := func(list, instead string) *ledger.Event {
		e := reshare(0, func(d *Details) {
			*d = Details{Media: Image, Handling: Handling{TLP: Amber}}.Normal()
		})
		text := hex.EncodeToString(e.Shared)
		if !strings.Contains(text, list) {
			t.Fatal(text)
		}
		e.Shared, _ = hex.DecodeString(strings.Replace(text, list, instead, 1))
		return e
	}
	for name, c := range map[string]struct {
		event *ledger.Event
		want  error
	}{
		"another noun":         {change(0, func(e *ledger.Event) { e.Type = "referral.opened" }), ErrNotAlert},
		"unknown type":         {change(0, func(e *ledger.Event) { e.Type = "alert.dreamt" }), noun.ErrNewer},
		"later version":        {change(0, func(e *ledger.Event) { e.Version = 2 }), noun.ErrNewer},
		"version 0":            {change(0, func(e *ledger.Event) { e.Version = 0 }), noun.ErrMalformed},
		"trailing byte":        {change(0, func(e *ledger.Event) { e.Shared = append(e.Shared, 0) }), noun.ErrMalformed},
		"no shared part":       {change(0, func(e *ledger.Event) { e.Shared = nil }), noun.ErrMalformed},
		"two rows raised":      {change(0, func(e *ledger.Event) { e.Rows = append(e.Rows, e.Rows...) }), noun.ErrMalformed},
		"null list":            {null("8c0180", "8c01f6"), noun.ErrMalformed},
		"null caveats":         {null("038080", "0380f6"), noun.ErrMalformed},
		"unsorted":             {reshare(0, func(d *Details) { d.Handling.Release = []ledger.AudienceName{"uk/*", "in/*"} }), noun.ErrNotSorted},
		"no audience":          {reshare(0, func(d *Details) { d.Handling.Release = []ledger.AudienceName{"UK"} }), ledger.ErrAudience},
		"unknown media kind":   {reshare(0, func(d *Details) { d.Media = 9 }), noun.ErrUnknownValue},
		"unknown basis":        {reshare(0, func(d *Details) { d.Basis = 7 }), noun.ErrUnknownValue},
		"no TLP":               {reshare(0, func(d *Details) { d.Handling.TLP = 0 }), noun.ErrRequired},
		"title on two lines":   {reshare(0, func(d *Details) { d.Title = "a\nb" }), noun.ErrText},
		"title turned around":  {reshare(0, func(d *Details) { d.Title = "a\u202eb" }), noun.ErrText},
		"notes over the bound": {reshare(0, func(d *Details) { d.Notes = strings.Repeat("n", MaxNotesBytes+1) }), noun.ErrTooLong},
		"list width":           {change(1, func(e *ledger.Event) { e.Width++ }), noun.ErrMalformed},
		"list cut":             {change(1, func(e *ledger.Event) { e.Rows = e.Rows[:len(e.Rows)-1] }), noun.ErrMalformed},
		"empty list":           {change(1, func(e *ledger.Event) { e.Rows = nil }), noun.ErrCount},
		"list quality":         {change(1, func(e *ledger.Event) { e.Rows[16+32] = 102 }), ErrQuality},
		"list size":            {change(1, func(e *ledger.Event) { e.Rows[16+33] = 0xff }), ErrSize},
		"row set width":        {change(2, func(e *ledger.Event) { e.Width = 8 }), noun.ErrMalformed},
		"row set unsorted":     {change(2, func(e *ledger.Event) { e.Rows[3] = 9 }), noun.ErrNotSorted},
		"row set empty":        {change(2, func(e *ledger.Event) { e.Rows = nil }), noun.ErrCount},
		"row over the bound":   {change(2, func(e *ledger.Event) { e.Rows[4] = 1 }), ErrNoSuchRow},
		"replaces itself": {change(4, func(e *ledger.Event) {
			k := target(1)
			e.Shared = ledger.Marshal(retractedShared{Target: k, Replacement: &k})
		}), ErrReplacesItself},
		"replacement nowhere": {change(4, func(e *ledger.Event) {
			e.Shared = ledger.Marshal(retractedShared{Target: target(1), Replacement: &Key{Home: "in", Author: "in/ncrb"}})
		}), ledger.ErrOrigin},
		"sighted nowhere":      {resight(func(s *sightedShared) { s.Setting = 0 }), noun.ErrRequired},
		"sighted elsewhere":    {resight(func(s *sightedShared) { s.Setting = 9 }), noun.ErrUnknownValue},
		"reviewed otherwise":   {resight(func(s *sightedShared) { s.Review = 9 }), noun.ErrUnknownValue},
		"never sighted":        {resight(func(s *sightedShared) { s.Count = 0 }), noun.ErrCount},
		"sighted too often":    {resight(func(s *sightedShared) { s.Count = MaxSightings + 1 }), noun.ErrCount},
		"sighted on no day":    {resight(func(s *sightedShared) { s.Day = 0 }), noun.ErrRequired},
		"sighted in 2200":      {resight(func(s *sightedShared) { s.Day = maxDay + 1 }), noun.ErrUnknownValue},
		"two rows sighted":     {change(5, func(e *ledger.Event) { e.Rows = append(e.Rows, 0, 0, 0, 9) }), noun.ErrCount},
		"all rows sighted":     {change(5, func(e *ledger.Event) { e.Rows = AllRows().Encode() }), noun.ErrCount},
		"linked with itself":   {relink(func(l *linkedShared) { l.Other, l.OtherRow = l.Target, 0 }), ErrSameAlert},
		"linked backwards":     {relink(func(l *linkedShared) { l.Other = target(0) }), noun.ErrNotSorted},
		"linked somehow":       {relink(func(l *linkedShared) { l.Relation = 9 }), noun.ErrUnknownValue},
		"linked no how":        {relink(func(l *linkedShared) { l.Relation = 0 }), noun.ErrRequired},
		"linked by no verdict": {relink(func(l *linkedShared) { l.Verdict = 0 }), noun.ErrRequired},
		"linked to no row":     {relink(func(l *linkedShared) { l.OtherRow = MaxRows }), ErrNoSuchRow},
		"linked to nowhere":    {relink(func(l *linkedShared) { l.Other.Author = "" }), ledger.ErrAgencyID},
		"linked at length":     {relink(func(l *linkedShared) { l.Reason = strings.Repeat("r", MaxReasonBytes+1) }), noun.ErrTooLong},
		"all and more":         {change(3, func(e *ledger.Event) { e.Rows = append([]byte{0, 0, 0, 1}, e.Rows...) }), ErrNoSuchRow},
	} {
		if _, err := Decode(c.event); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func reshared[S any](t *testing.T, b []byte, change func(*S)) []byte {
	t.Helper()
	var s S
	if err := ledger.Unmarshal(b, &s, maxSharedBytes); err != nil {
		t.Fatal(err)
	}
	change(&s)
	return ledger.Marshal(s)
}

func TestNewListedRefuses(t *testing.T) {
	good := file(1, MD5, SHA1)
	for name, c := range map[string]struct {
		files []File
		want  error
	}{
		"none":              {nil, noun.ErrCount},
		"other algorithms":  {[]File{good, file(2, MD5)}, ErrColumns},
		"other algorithm":   {[]File{good, file(2, MD5, SHA256)}, ErrColumns},
		"one twice":         {[]File{{Signals: []Signal{signal(MD5, 1), signal(MD5, 2)}}}, noun.ErrNotSorted},
		"wrong length":      {[]File{{Signals: []Signal{{Algorithm: MD5, Value: make([]byte, 15)}}}}, ErrValueLength},
		"too many in bytes": {repeat(file(1, TMK), 1000), ErrListTooLarge},
		"too many rows":     {repeat(file(1, MD5), MaxRows+1), noun.ErrCount},
	} {
		if _, err := NewListed(details(), c.files); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func repeat(f File, n int) []File {
	files := make([]File, n)
	for i := range files {
		files[i] = f
	}
	return files
}

func TestSplitFiles(t *testing.T) {
	files := []File{
		file(1, MD5), file(2, MD5, SHA1), file(3, MD5),
		{Signals: []Signal{signal(MD5, 1), signal(MD5, 2)}},
		file(4, MD5, SHA1),
	}
	groups, alone := SplitFiles(files)
	if !reflect.DeepEqual(groups, [][]int{{0, 2}, {1, 4}}) || !reflect.DeepEqual(alone, []int{3}) {
		t.Fatal(groups, alone)
	}
	big, _ := SplitFiles(repeat(file(1, MD5, SHA1, PhotoDNA), 10_000))
	for _, g := range big {
		chosen := repeat(file(1, MD5, SHA1, PhotoDNA), len(g))
		if _, err := NewListed(details(), chosen); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples(f) {
		f.Add(e.Type, e.Version, e.Shared, e.Width, e.Rows)
	}
	f.Fuzz(func(t *testing.T, typ string, version uint64, shared []byte, width uint32, rows []byte) {
		e := ledger.Event{ID: eventID(1), Type: typ, Version: version, Shared: shared, Width: width, Rows: rows}
		fact, err := Decode(&e)
		if err != nil {
			return
		}
		again, err := fact.Encode(e.ID)
		if err != nil {
			t.Fatalf("accepted, and does not encode: %v", err)
		}
		if again.Type != typ || again.Version != version || again.Width != width ||
			!bytes.Equal(again.Shared, shared) || !bytes.Equal(again.Rows, rows) {
			t.Fatal("accepted, and encodes to something else")
		}
	})
}
