package report

import (
	"bytes"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// File is what a platform says of one file: its fingerprints, never the file.
type File struct {
	_               struct{} `cbor:",toarray"`
	Reference       string   // optional: the platform's own number for it
	Prints          alert.File
	Media           alert.MediaKind
	AIGenerated     alert.AIGenerated
	Viewed          Answer // by a person at the platform
	Public          Answer // anyone could reach it
	Uploaded        Moment
	Classifications []alert.Classification // the platform's, with their schemes; sorted by their encoding
	Labels          []Label                // sorted
	Supplemental    bool                   // sent along, not what is reported
}

// compareClasses is an order over all that a classification says, whatever that is.
func compareClasses(a, b alert.Classification) int {
	return bytes.Compare(ledger.Marshal(a), ledger.Marshal(b))
}

func (f File) normal() File {
	f.Prints = f.Prints.Normal()
	classes := append([]alert.Classification{}, f.Classifications...)
	slices.SortFunc(classes, compareClasses)
	f.Classifications = slices.CompactFunc(classes, func(a, b alert.Classification) bool { return compareClasses(a, b) == 0 })
	f.Labels = noun.Set(f.Labels)
	return f
}

func (f *File) validate() error {
	return noun.First(
		noun.At("reference", noun.Line(f.Reference, MaxReference)),
		f.validPrints(),
		noun.At("media", known(f.Media)),
		noun.At("ai_generated", known(f.AIGenerated)),
		noun.At("viewed", noun.OneOf(Answers, f.Viewed)),
		noun.At("public", noun.OneOf(Answers, f.Public)),
		noun.At("uploaded", f.Uploaded.validate()),
		f.validClasses(),
		noun.SortedSet("labels", f.Labels, len(Labels), func(l Label) error { return noun.OneOf(Labels, l) }),
	)
}

// validPrints wants fingerprints that stand for some content: others would fold the innocent together.
func (f *File) validPrints() error {
	if len(f.Prints.Signals) > MaxFileSignals {
		return noun.At("signals", noun.ErrCount)
	}
	if err := f.Prints.Validate(); err != nil {
		return err
	}
	for i, s := range f.Prints.Signals {
		if s.Worthless() {
			return noun.At(noun.Item("signals", i)+".value", alert.ErrWorthless)
		}
	}
	return nil
}

func (f *File) validClasses() error {
	if len(f.Classifications) > MaxClasses {
		return noun.At("classifications", noun.ErrCount)
	}
	for i, c := range f.Classifications {
		err := c.Validate()
		if err == nil && i > 0 && compareClasses(f.Classifications[i-1], c) >= 0 {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("classifications", i), err)
		}
	}
	return nil
}

// known accepts the values that an enumeration has a name for.
func known(v interface{ MarshalText() ([]byte, error) }) error {
	_, err := v.MarshalText()
	return err
}
