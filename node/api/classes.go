package api

import (
	"fmt"

	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/board"
)

func classesOf(in []Classification) ([]alert.Classification, error) {
	var out []alert.Classification
	for i, c := range in {
		x := alert.Classification{Scheme: c.Scheme, Context: c.Context, Value: c.Value, By: c.By, Unit: c.Unit}
		if c.Day != "" {
			var err error
			if x.Day, err = alert.ParseDay(c.Day); err != nil {
				return nil, &noun.FieldError{Field: fmt.Sprintf("classifications[%d].day", i), Err: err}
			}
		}
		out = append(out, x)
	}
	return out, nil
}

func showClasses(in []alert.Classification) []Classification {
	var out []Classification
	for _, c := range in {
		out = append(out, Classification{Scheme: c.Scheme, Context: c.Context, Value: c.Value, By: c.By, Unit: c.Unit, Day: c.Day.String()})
	}
	return out
}

// judged adds to a single alert what agencies say of it now, and what follows from all classifications together.
func judged(out *Alert, d *board.Detail) {
	all := append([]alert.Classification{}, d.Alert.Details.Classifications...)
	for _, x := range d.Object.Opinions(d.Alert.ID.Row) {
		all = append(all, x.Classifications...)
		out.Assessments = append(out.Assessments, Assessment{
			Agency: string(x.Agency), Verdict: x.Verdict.String(), Basis: x.Basis.String(), Source: x.Source,
			Classifications: showClasses(x.Classifications), Reason: x.Reason,
		})
	}
	for _, e := range alert.Equivalents(all) {
		out.Equivalents = append(out.Equivalents, Equivalent{Class: e.Class.Class(), From: e.From.Class(), Source: e.Source})
	}
	out.WithoutEquivalent, out.Crosswalk = alert.WithoutEquivalent(all), alert.CrosswalkVersion
}
