package alert

import (
	"cmp"
	"slices"
	"strings"

	"vigil/ledger/noun"
)

// Named schemes. Others may be used; a number without its scheme means nothing, and for some not even with it: those
// take the context whose meaning it has.
const (
	SchemeINHOPE   = "inhope-ucs"        // INHOPE Universal Classification Schema
	SchemeBaseline = "interpol-baseline" // value "baseline"
	SchemeIWF      = "iwf"               // values "a", "b", "c"
	SchemeNCMEC    = "ncmec"             // values "a1", "a2", "b1", "b2"
	SchemeCOPINE   = "copine"            // values "1" to "10"
	SchemeSAP      = "sap"               // values "1" to "5": the levels of the United Kingdom's guideline before 2014
	SchemeVICS     = "vics"              // context: the nation of a 2.0 file ("us", "uk", "default"), or the version before ("1.3")
	SchemeNational = "national"          // context: the nation whose law or guideline it is ("uk": values "a", "b", "c")
)

// Schemes returns the named schemes in the order in which they are shown.
func Schemes() []string {
	return []string{SchemeINHOPE, SchemeBaseline, SchemeIWF, SchemeNCMEC, SchemeVICS, SchemeCOPINE, SchemeSAP, SchemeNational}
}

// valuesOf are the values of the schemes that are published whole. The universal schema's labels and the categories of
// nations are not: there any value goes.
var valuesOf = map[string][]string{
	SchemeBaseline: {"baseline"},
	SchemeIWF:      {"a", "b", "c"},
	SchemeNCMEC:    {"a1", "a2", "b1", "b2"},
	SchemeCOPINE:   {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
	SchemeSAP:      {"1", "2", "3", "4", "5"},
}

// contextual are the schemes whose values mean nothing without a context; the other named ones take none.
var contextual = map[string]bool{SchemeVICS: true, SchemeNational: true}

// Classification is one value in one named scheme, and who found so. Every scheme's stand side by side; none is turned
// into another's (Equivalents derives what can be derived, for display).
type Classification struct {
	_       struct{} `cbor:",toarray"`
	Scheme  string   // a-z 0-9 . -
	Context string   // a-z 0-9 . -; whose meaning the value has, where the scheme needs to say so
	Value   string
	By      string // optional: the body that found so, where it is not the agency that writes the event
	Unit    string // optional: its unit or the examiner's role; never a person's name
	Day     Day    // when it was found so, 0 where not stated
}

// Class returns "scheme:value", with the context as "scheme/context:value". It is what filters and indexes go by.
func (c Classification) Class() string {
	if c.Context == "" {
		return c.Scheme + ":" + c.Value
	}
	return c.Scheme + "/" + c.Context + ":" + c.Value
}

// ParseClass reads what Class writes, in any case, into a classification that Decide would accept.
func ParseClass(s string) (Classification, error) {
	scheme, value, ok := strings.Cut(s, ":")
	if !ok {
		return Classification{}, ErrClass
	}
	c := Classification{Value: value}
	c.Scheme, c.Context, _ = strings.Cut(scheme, "/")
	c = c.normal()
	return c, noun.First(c.Validate(), c.known())
}

// normal writes scheme and context in lower case, and the values of schemes that are known to be a set of their own.
func (c Classification) normal() Classification {
	c.Scheme, c.Context = strings.ToLower(c.Scheme), strings.ToLower(c.Context)
	if valuesOf[c.Scheme] != nil || contextual[c.Scheme] {
		c.Value = strings.ToLower(c.Value)
	}
	return c
}

// known refuses a value that its scheme does not have. Readers do not: schemes are others', and grow.
func (c Classification) known() error {
	if values := valuesOf[c.Scheme]; values != nil && !slices.Contains(values, c.Value) {
		return noun.At("value", noun.ErrUnknownValue)
	}
	return nil
}

func compareClassifications(a, b Classification) int {
	return cmp.Or(
		strings.Compare(a.Scheme, b.Scheme), strings.Compare(a.Context, b.Context), strings.Compare(a.Value, b.Value),
		strings.Compare(a.By, b.By), strings.Compare(a.Unit, b.Unit), cmp.Compare(a.Day, b.Day),
	)
}

// Validate checks one classification.
func (c Classification) Validate() error {
	if c.Value == "" {
		return noun.At("value", noun.ErrRequired)
	}
	return noun.First(
		noun.At("scheme", validName(c.Scheme, maxSchemeBytes)),
		c.validContext(),
		noun.At("value", noun.Line(c.Value, maxValueBytes)),
		noun.At("by", noun.Line(c.By, maxByBytes)),
		noun.At("unit", noun.Line(c.Unit, maxUnitBytes)),
		noun.At("day", c.Day.validate()),
	)
}

func (c Classification) validContext() error {
	named := slices.Contains(Schemes(), c.Scheme)
	switch {
	case c.Context == "" && contextual[c.Scheme]:
		return noun.At("context", noun.ErrRequired)
	case c.Context == "":
		return nil
	case named && !contextual[c.Scheme]:
		return noun.At("context", ErrNoContext)
	}
	return noun.At("context", validName(c.Context, maxContextBytes))
}

func validName(s string, limit int) error {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return noun.ErrText
	}
	if len(s) > limit {
		return noun.ErrTooLong
	}
	return nil
}

func validClassifications(list []Classification) error {
	if len(list) > MaxClassifications {
		return noun.At("classifications", noun.ErrCount)
	}
	for i, c := range list {
		err := c.Validate()
		if err == nil && i > 0 && compareClassifications(list[i-1], c) >= 0 {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("classifications", i), err)
		}
	}
	return nil
}

// classified returns a command's classifications as an event carries them, or which of them is none.
func classified(list []Classification) ([]Classification, error) {
	out := make([]Classification, 0, len(list))
	for i, c := range list {
		c = c.normal()
		if err := noun.First(c.Validate(), c.known()); err != nil {
			return nil, noun.At(noun.Item("classifications", i), err)
		}
		out = append(out, c)
	}
	return sortedSet(out, compareClassifications), nil
}

// sortedSet returns a copy in order, equal items once, and never nil: an absent list has one encoding.
func sortedSet[T any](list []T, compare func(a, b T) int) []T {
	out := append(make([]T, 0, len(list)), list...)
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}
