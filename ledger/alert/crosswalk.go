package alert

import "slices"

// CrosswalkVersion names the table below. It is raised with every change, and shown with everything derived.
const CrosswalkVersion = 1

// crosswalk says which class follows from which: whoever meets the definition on the left meets the one on the right.
// Only what the published definitions say is here. It leaves out much that people wish for:
//
//   - Nothing derives the INTERPOL baseline. That is a decision of examiners of several countries about one file, and a
//     promise that it is illegal everywhere; no single category implies it. Nor does it imply a category.
//   - NCMEC's A and B tell ages, its 1 and 2 tell acts, and "sex act" spans the A and B of others.
//   - COPINE 7 to 9 do not tell penetrative acts from others, 4 has pictures that no court calls indecent.
//   - VICS numbers mean what a nation's tool vendors configured. The universal schema's labels are not public.
var crosswalk = []struct{ from, to, source string }{
	{"iwf:a", "national/uk:a", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"iwf:b", "national/uk:b", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"iwf:c", "national/uk:c", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"national/uk:a", "iwf:a", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"national/uk:b", "iwf:b", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"national/uk:c", "iwf:c", "the IWF grades by the Sentencing Council's definitions of 2014"},
	{"sap:1", "national/uk:c", "erotic posing: guideline of 2007, level 1"},
	{"sap:2", "national/uk:b", "non-penetrative activity: guideline of 2007, level 2"},
	{"sap:3", "national/uk:b", "non-penetrative activity: guideline of 2007, level 3"},
	{"sap:4", "national/uk:a", "penetrative activity: guideline of 2007, level 4"},
	{"sap:5", "national/uk:a", "sadism, or an animal: guideline of 2007, level 5"},
	{"copine:5", "national/uk:c", "erotic posing: COPINE 5"},
	{"copine:6", "national/uk:c", "explicit erotic posing: COPINE 6"},
	{"copine:10", "national/uk:a", "sadism, or an animal: COPINE 10"},
}

// Equivalent is a class that follows from another by the crosswalk. It is for display and filters, and is never stored
// in an event or put in the place of what somebody stated.
type Equivalent struct {
	Class  Classification // scheme, context and value only
	From   Classification // what it follows from, as stated
	Source string         // why, in words
}

// Equivalents returns the classes that follow from those stated, in one or several steps, leaving out those that are
// stated themselves. The order is that of the classes.
func Equivalents(stated []Classification) []Equivalent {
	known := map[string]bool{}
	for _, c := range stated {
		known[c.Class()] = true
	}
	var out []Equivalent
	for _, from := range stated {
		open := []string{from.Class()}
		for len(open) > 0 {
			class := open[0]
			open = open[1:]
			for _, rule := range crosswalk {
				if rule.from != class || known[rule.to] {
					continue
				}
				known[rule.to] = true
				c, _ := ParseClass(rule.to) // the table's own, which the tests parse
				out, open = append(out, Equivalent{Class: c, From: from, Source: rule.source}), append(open, rule.to)
			}
		}
	}
	slices.SortFunc(out, func(a, b Equivalent) int { return compareClassifications(a.Class, b.Class) })
	return out
}

// WithoutEquivalent returns the named schemes in which nothing is stated and nothing follows from what is.
func WithoutEquivalent(stated []Classification) []string {
	have := map[string]bool{}
	for _, c := range stated {
		have[c.Scheme] = true
	}
	for _, e := range Equivalents(stated) {
		have[e.Class.Scheme] = true
	}
	return slices.DeleteFunc(Schemes(), func(s string) bool { return have[s] })
}
