package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vigil/ledger/noun"
)

func TestClasses(t *testing.T) {
	for text, want := range map[string]error{
		"iwf:a": nil, "IWF:A": nil, "vics/us:1": nil, "vics/1.3:5": nil, "national/uk:b": nil, "inhope-ucs:Anything": nil, "x/de:1": nil, "x:1": nil,
		"iwf": ErrClass, "iwf:": noun.ErrRequired, "iwf:d": noun.ErrUnknownValue, "copine:11": noun.ErrUnknownValue, "copine:01": noun.ErrUnknownValue,
		"vics:1": noun.ErrRequired, "national:a": noun.ErrRequired, "iwf/uk:a": ErrNoContext, "vics/U S:1": noun.ErrText, "i w f:a": noun.ErrText, ":a": noun.ErrText,
	} {
		c, err := ParseClass(text)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if again, err := ParseClass(c.Class()); want == nil && (err != nil || again != c) {
			t.Errorf("%s: reads back as %v, %v", text, again, err)
		}
	}
	good := Classification{Scheme: "x", Value: "1"}
	for name, c := range map[string]struct {
		change func(*Classification)
		want   error
	}{
		"long scheme":      {func(c *Classification) { c.Scheme = strings.Repeat("x", maxSchemeBytes+1) }, noun.ErrTooLong},
		"long context":     {func(c *Classification) { c.Context = strings.Repeat("x", maxContextBytes+1) }, noun.ErrTooLong},
		"long value":       {func(c *Classification) { c.Value = strings.Repeat("x", maxValueBytes+1) }, noun.ErrTooLong},
		"by on two lines":  {func(c *Classification) { c.By = "a\nb" }, noun.ErrText},
		"long by":          {func(c *Classification) { c.By = strings.Repeat("x", maxByBytes+1) }, noun.ErrTooLong},
		"long unit":        {func(c *Classification) { c.Unit = strings.Repeat("x", maxUnitBytes+1) }, noun.ErrTooLong},
		"in the year 2200": {func(c *Classification) { c.Day = maxDay + 1 }, noun.ErrUnknownValue},
		"complete":         {func(c *Classification) { c.By, c.Unit, c.Day = "iwf", "senior analyst", maxDay }, nil},
	} {
		x := good
		c.change(&x)
		if err := x.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A decided event carries every scheme's classification side by side, as stated.
func TestClassificationsStandSideBySide(t *testing.T) {
	d := details()
	d.Classifications = []Classification{
		{Scheme: "vics", Context: "US", Value: "1"},
		{Scheme: "vics", Context: "uk", Value: "1"},
		{Scheme: "IWF", Value: "A", Unit: "csu", Day: 20_000},
		{Scheme: "iwf", Value: "b", By: "another body"},
		{Scheme: "copine", Value: "10"},
	}
	e, err := Raise{Event: eventID(1), Details: d, File: file(1, MD5)}.Decide(View{Agency: "in/ncrb"})
	r := first2(Decode(ptr(must(t, e, err)))).(*Raised)
	var got []string
	for _, c := range r.Details.Classifications {
		got = append(got, fmt.Sprint(c.Class(), " ", c.By, " ", c.Unit, " ", c.Day))
	}
	want := []string{"copine:10   ", "iwf:a  csu 2024-10-04", "iwf:b another body  ", "vics/uk:1   ", "vics/us:1   "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func ptr[T any](v T) *T { return &v }

func TestCrosswalkDerivesAndNeverOverwrites(t *testing.T) {
	for stated, want := range map[string]string{
		"iwf:a":                      "national/uk:a←iwf:a",
		"national/uk:c":              "iwf:c←national/uk:c",
		"sap:4":                      "iwf:a←sap:4 national/uk:a←sap:4",
		"copine:10":                  "iwf:a←copine:10 national/uk:a←copine:10",
		"copine:10 iwf:b":            "national/uk:a←copine:10 national/uk:b←iwf:b iwf:a←copine:10",
		"copine:8":                   "",
		"copine:4":                   "",
		"vics/us:1":                  "",
		"interpol-baseline:baseline": "",
		"ncmec:a1":                   "",
		"national/de:a":              "",
		"iwf:a national/uk:a":        "",
	} {
		var in []Classification
		for _, s := range strings.Fields(stated) {
			c, err := ParseClass(s)
			in = append(in, must(t, c, err))
		}
		before := slices.Clone(in)
		got, wanted := map[string]bool{}, map[string]bool{}
		for _, e := range Equivalents(in) {
			got[e.Class.Class()+"←"+e.From.Class()] = true
			if slices.Contains(in, e.Class) || e.Source == "" {
				t.Errorf("%s: %s is stated, or has no source", stated, e.Class.Class())
			}
		}
		for _, s := range strings.Fields(want) {
			wanted[s] = true
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) || !slices.Equal(in, before) {
			t.Errorf("%s: %v, want %v", stated, got, wanted)
		}
	}
	for _, rule := range crosswalk {
		for _, s := range []string{rule.from, rule.to} {
			if c, err := ParseClass(s); err != nil || c.Class() != s {
				t.Errorf("the table has %s: %v", s, err)
			}
		}
		if strings.HasPrefix(rule.to, SchemeBaseline) {
			t.Errorf("%s derives the baseline", rule.from)
		}
	}
	iwf, _ := ParseClass("iwf:a")
	if got := WithoutEquivalent([]Classification{iwf}); slices.Contains(got, SchemeIWF) || slices.Contains(got, SchemeNational) || !slices.Contains(got, SchemeINHOPE) || !slices.Contains(got, SchemeBaseline) {
		t.Error(got)
	}
}

func TestDays(t *testing.T) {
	for text, ok := range map[string]bool{"2026-01-31": true, "1970-01-02": true, "1970-01-01": false, "2199-12-31": true, "2200-01-01": false, "31.1.2026": false, "": false} {
		d, err := ParseDay(text)
		if (err == nil) != ok || ok && d.String() != text {
			t.Errorf("%s: %s %v", text, d, err)
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Policy)
		field  string
	}{
		"default":          {func(*Policy) {}, ""},
		"no jurisdictions": {func(p *Policy) { p.Jurisdictions = 0 }, "jurisdictions"},
		"disputed":         {func(p *Policy) { p.Actionable = "disputed" }, "actionable"},
		"nothing":          {func(p *Policy) { p.Actionable = "" }, "actionable"},
		"null benign":      {func(p *Policy) { p.Benign = nil }, "benign"},
		"benign twice":     {func(p *Policy) { p.Benign = append(p.Benign, "in/a", "in/a") }, "benign[1]"},
		"no agency":        {func(p *Policy) { p.Benign = append(p.Benign, "in") }, "benign[0]"},
		"no factor":        {func(p *Policy) { p.Flood.Factor = 0 }, "flood.factor"},
		"no recent":        {func(p *Policy) { p.Flood.Recent = 0 }, "flood.recent"},
		"long recent":      {func(p *Policy) { p.Flood.Recent = maxRecent + 1 }, "flood.recent"},
		"long window":      {func(p *Policy) { p.Flood.Window = maxWindow + 1 }, "flood.window"},
		"no signals":       {func(p *Policy) { p.Flood.Signals = 0 }, "flood.signals"},
		"none novel":       {func(p *Policy) { p.Flood.Novel = 0 }, "flood.novel"},
		"nothing is held":  {func(p *Policy) { p.Flood.Window = 0 }, ""},
	} {
		p := defaultPolicy()
		c.change(p)
		_, err := Section.Encode(p)
		field, _ := errors.AsType[*noun.FieldError](err)
		if (err == nil) != (c.field == "") || field != nil && field.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoMayDeclareBenign(t *testing.T) {
	r := rules(2)
	if !r.MayDeclareBenign("in/x") || r.MayDeclareBenign("uk/x") {
		t.Error("by default, agencies at home")
	}
	r.benign = append(r.benign, "uk/x")
	if r.MayDeclareBenign("in/x") || !r.MayDeclareBenign("uk/x") {
		t.Error("those named, and no others")
	}
}
