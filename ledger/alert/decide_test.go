package alert

import (
	"errors"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// board folds a raised alert (or a list of 3) of in/ncrb and what others said to it.
func object(t testing.TB, cause ledger.Event, more ...Placed) *Object {
	p := place(t, originIN, 5, "in/ncrb", cause)
	return Fold(p.Key(), append(more, p))
}

func target(n byte) Key { return Key{Home: originIN, Author: "in/ncrb", Event: eventID(n)} }

func TestRaiseRefuses(t *testing.T) {
	good := Raise{Event: eventID(1), Details: details(), File: file(1, MD5)}
	nothing, _ := ParseSignal("md5:d41d8cd98f00b204e9800998ecf8427e")
	for name, c := range map[string]struct {
		change func(*Raise)
		field  string
		want   error
	}{
		"no signals":    {func(r *Raise) { r.File.Signals = nil }, "signals", noun.ErrRequired},
		"many signals":  {func(r *Raise) { r.File = vpdq(MaxSignals + 1) }, "signals", noun.ErrCount},
		"wrong length":  {func(r *Raise) { r.File.Signals[0].Value = []byte{1} }, "signals[0].value", ErrValueLength},
		"algorithm":     {func(r *Raise) { r.File.Signals[0].Algorithm = 99 }, "signals[0].algorithm", noun.ErrUnknownValue},
		"no algorithm":  {func(r *Raise) { r.File.Signals[0].Algorithm = 0 }, "signals[0].algorithm", noun.ErrRequired},
		"md5 quality":   {func(r *Raise) { r.File.Signals[0].Quality = 1 }, "signals[0].quality", ErrQuality},
		"empty file":    {func(r *Raise) { r.File.Signals[0] = nothing }, "signals[0].value", ErrWorthless},
		"absurd size":   {func(r *Raise) { r.File.MediaSize = 1 << 60 }, "media_size", ErrSize},
		"many bytes":    {func(r *Raise) { r.File.Signals = tmk(97) }, "signals", noun.ErrTooLong},
		"basis":         {func(r *Raise) { r.Details.Basis = 99 }, "basis", noun.ErrUnknownValue},
		"no marking":    {func(r *Raise) { r.Details.Handling.TLP = 0 }, "handling.tlp", noun.ErrRequired},
		"red to all":    {func(r *Raise) { r.Details.Handling.TLP = Red }, "handling.release[0]", ErrRedNeedsNames},
		"red to no one": {func(r *Raise) { r.Details.Handling = Handling{TLP: Red} }, "handling.release", ErrRedNeedsNames},
		"caveats":       {func(r *Raise) { r.Details.Handling.Caveats = []string{""} }, "handling.caveats[0]", noun.ErrRequired},
		"scheme":        {func(r *Raise) { r.Details.Classifications[0].Scheme = "i w f" }, "classifications[0].scheme", noun.ErrText},
		"its value":     {func(r *Raise) { r.Details.Classifications[1].Value = "D" }, "classifications[1].value", noun.ErrUnknownValue},
		"no context":    {func(r *Raise) { r.Details.Classifications[1].Scheme = "VICS" }, "classifications[1].context", noun.ErrRequired},
		"class value":   {func(r *Raise) { r.Details.Classifications[0].Value = "" }, "classifications[0].value", noun.ErrRequired},
		"source":        {func(r *Raise) { r.Details.Source = strings.Repeat("s", 257) }, "source", noun.ErrTooLong},
		"series":        {func(r *Raise) { r.Details.Series = " x" }, "series", noun.ErrText},
	} {
		r := good
		r.Details, r.File = details(), file(1, MD5)
		c.change(&r)
		_, err := r.Decide(View{Agency: "in/ncrb"})
		field, _ := errors.AsType[*noun.FieldError](err)
		if !errors.Is(err, c.want) || field == nil || field.Field != c.field {
			t.Errorf("%s: %v, want %s: %v", name, err, c.field, c.want)
		}
	}
	if _, err := good.Decide(View{Agency: "in/ncrb", Object: object(t, raised(t))}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
}

func tmk(n int) []Signal {
	signals := make([]Signal, n)
	for i := range signals {
		signals[i] = signal(TMK, byte(i))
	}
	return signals
}

func vpdq(n int) File {
	var f File
	for i := range n {
		s := signal(VPDQFrame, 1)
		s.Value[1], s.Value[2] = byte(i), byte(i>>8)
		f.Signals = append(f.Signals, s)
	}
	return f
}

func TestRaiseOrdersWhatIsGiven(t *testing.T) {
	d := details()
	d.Handling.Release = []ledger.AudienceName{"uk/*", "in/*", "uk/*"}
	f := File{Signals: []Signal{signal(PDQ, 1), signal(MD5, 1), signal(PDQ, 1)}}
	f.Signals[2].Quality = 50
	e, err := Raise{Event: eventID(1), Details: d, File: f}.Decide(View{Agency: "in/ncrb"})
	if err != nil {
		t.Fatal(err)
	}
	r := first2(Decode(&e)).(*Raised)
	if len(r.File.Signals) != 2 || r.File.Signals[1].Quality != 50 || len(r.Details.Handling.Release) != 2 {
		t.Fatalf("%d signals, %v", len(r.File.Signals), r.Details.Handling.Release)
	}
}

func TestListRefusesRows(t *testing.T) {
	files := []File{file(1, MD5), file(2, MD5), file(1, MD5)}
	_, err := List{Event: eventID(1), Details: details(), Files: files}.Decide(View{Agency: "in/ncrb"})
	field, _ := errors.AsType[*noun.FieldError](err)
	if !errors.Is(err, ErrRepeatedRow) || field.Field != "files[2]" {
		t.Error(err)
	}
	for name, want := range map[string]error{"none": noun.ErrCount, "many": noun.ErrCount} {
		files := []File{}
		if name == "many" {
			files = repeat(file(1, MD5), MaxRows+1)
		}
		if _, err := (List{Event: eventID(1), Details: details(), Files: files}).Decide(View{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func says(t testing.TB, index uint64, agency ledger.AgencyID, id byte, k Key, v Verdict, rows RowSet) Placed {
	e, err := (&Assessed{Target: k, Rows: rows, Verdict: v, Basis: Examined}).Encode(eventID(id))
	o := originUK
	if agency.Jurisdiction() == "in" {
		o = originIN
	}
	return place(t, o, index, agency, must(t, e, err))
}

func takesBack(t testing.TB, index uint64, k Key, id byte, rows RowSet) Placed {
	e, err := (&Retracted{Target: k, Rows: rows}).Encode(eventID(id))
	return place(t, originIN, index, k.Author, must(t, e, err))
}

func TestAssessDecides(t *testing.T) {
	single := object(t, raised(t))
	list := object(t, listed(t, 3), takesBack(t, 6, target(2), 9, RowSet{1}), says(t, 7, "uk/nca", 8, target(2), Confirms, RowSet{0}))
	gone := object(t, raised(t), takesBack(t, 6, target(1), 9, AllRows()))
	orphan := Fold(target(1), []Placed{says(t, 7, "uk/nca", 8, target(1), Confirms, RowSet{0})})
	for name, c := range map[string]struct {
		object *Object
		agency ledger.AgencyID
		rows   RowSet
		v      Verdict
		want   error
	}{
		"confirm":              {single, "uk/nca", RowSet{0}, Confirms, nil},
		"all of one":           {single, "uk/nca", AllRows(), Disputes, nil},
		"unknown":              {nil, "uk/nca", RowSet{0}, Confirms, ErrUnknownAlert},
		"orphan":               {orphan, "uk/nca", RowSet{0}, Confirms, ErrUnknownAlert},
		"own":                  {single, "in/ncrb", RowSet{0}, Confirms, ErrOwnAlert},
		"no verdict":           {single, "uk/nca", RowSet{0}, 0, noun.ErrRequired},
		"no rows":              {single, "uk/nca", nil, Confirms, noun.ErrCount},
		"no such row":          {single, "uk/nca", RowSet{1}, Confirms, ErrNoSuchRow},
		"nothing said yet":     {single, "uk/nca", RowSet{0}, Withdraws, ErrNothingToWithdraw},
		"retracted":            {gone, "uk/nca", RowSet{0}, Confirms, ErrRetracted},
		"retracted row":        {list, "uk/nca", RowSet{1, 2}, Confirms, ErrRetracted},
		"all but retracted":    {list, "uk/met", AllRows(), Confirms, nil},
		"said already":         {list, "uk/nca", RowSet{0}, Confirms, ErrAlreadyAssessed},
		"said of one of two":   {list, "uk/nca", RowSet{2, 0}, Confirms, nil},
		"changes its mind":     {list, "uk/nca", RowSet{0}, Disputes, nil},
		"takes back":           {list, "uk/nca", RowSet{0}, Withdraws, nil},
		"nothing to take back": {list, "uk/nca", RowSet{2}, Withdraws, ErrNothingToWithdraw},
	} {
		k := target(1)
		if c.object == list {
			k = target(2)
		}
		a := Assess{Event: eventID(50), Target: k, Rows: c.rows, Verdict: c.v, Basis: Examined}
		if _, err := a.Decide(View{Agency: c.agency, Object: c.object}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestRetractDecides(t *testing.T) {
	single := object(t, raised(t))
	list := object(t, listed(t, 3), takesBack(t, 6, target(2), 9, RowSet{1}))
	for name, c := range map[string]struct {
		object *Object
		agency ledger.AgencyID
		rows   RowSet
		want   error
	}{
		"its own":           {single, "in/ncrb", AllRows(), nil},
		"another's":         {single, "uk/nca", RowSet{0}, ErrNotAuthor},
		"unknown":           {nil, "in/ncrb", RowSet{0}, ErrUnknownAlert},
		"again":             {list, "in/ncrb", RowSet{1}, ErrAlreadyRetracted},
		"one of two again":  {list, "in/ncrb", RowSet{1, 2}, nil},
		"the rest":          {list, "in/ncrb", AllRows(), nil},
		"no such row":       {list, "in/ncrb", RowSet{3}, ErrNoSuchRow},
		"over the bound":    {list, "in/ncrb", RowSet{0, MaxRows}, ErrNoSuchRow},
		"all and something": {list, "in/ncrb", RowSet{0, allRows}, ErrNoSuchRow},
	} {
		k := target(1)
		if c.object == list {
			k = target(2)
		}
		r := Retract{Event: eventID(50), Target: k, Rows: c.rows}
		if _, err := r.Decide(View{Agency: c.agency, Object: c.object}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestCorrectionDecides(t *testing.T) {
	single, list := object(t, raised(t)), object(t, listed(t, 3))
	orphan := Fold(target(2), []Placed{says(t, 7, "uk/nca", 8, target(2), Confirms, RowSet{0})})
	drill := details()
	drill.Exercise = true
	e, err := Raise{Event: eventID(2), Details: drill, File: file(1, MD5)}.Decide(View{Agency: "in/ncrb"})
	exercise := object(t, must(t, e, err))
	itself, other, gone := target(1), target(2), object(t, listed(t, 3), takesBack(t, 6, target(2), 9, AllRows()))
	for name, c := range map[string]struct {
		names *Key
		is    *Object
		want  error
	}{
		"no replacement":          {nil, nil, nil},
		"another":                 {&other, list, nil},
		"partly retracted":        {&other, object(t, listed(t, 3), takesBack(t, 6, other, 9, RowSet{0})), nil},
		"itself":                  {&itself, single, ErrReplacesItself},
		"unknown":                 {&other, nil, ErrReplacement},
		"orphan":                  {&other, orphan, ErrReplacement},
		"another than it looks":   {&other, single, ErrReplacement},
		"retracted":               {&other, gone, ErrReplacement},
		"an exercise":             {&other, exercise, ErrReplacement},
		"of a ledger that is not": {&Key{Home: "in", Author: "in/ncrb"}, list, ledger.ErrOrigin},
	} {
		r := Retract{Event: eventID(50), Target: itself, Rows: AllRows(), Replacement: c.names}
		got, err := r.Decide(View{Agency: "in/ncrb", Object: single, Replacement: c.is})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && (first2(Decode(&got)).(*Retracted).Replacement == nil) != (c.names == nil) {
			t.Errorf("%s: the event does not say so", name)
		}
	}
}

func TestEventIDFor(t *testing.T) {
	first, again := EventIDFor("in/ncrb", "a"), EventIDFor("in/ncrb", "a")
	if first != again || first == EventIDFor("in/mh", "a") {
		t.Error("not a function of agency and key")
	}
}
