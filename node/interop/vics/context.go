package vics

import (
	"cmp"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

// context is what a file's first member says.
type context struct {
	meaning string // of its categories, the context of their classifications: "1.3", or the nation of 2.0 such as "us"
	cases   bool   // "value" holds cases rather than media
}

// parseContext reads the text of odata.metadata (1.x) or @odata.context (2.0), in any case: tools differ. A 2.0 context
// that names no nation is the default one.
func parseContext(name, text string) (context, bool) {
	head, kind, _ := strings.Cut(strings.ToLower(text), "#")
	if kind != "media" && kind != "cases" {
		return context{}, false
	}
	_, rest, ok := strings.Cut(head, "projectvic/datamodels/")
	version, nation, found := strings.Cut(rest, ".xml")
	if !ok || !found {
		return context{}, false
	}
	c := context{meaning: version, cases: kind == "cases"}
	switch {
	case name == "odata.metadata" && (version == "1.2" || version == "1.3") && nation == "":
		return c, true
	case name == "@odata.context" && version == "2.0":
		nation = strings.Trim(strings.TrimSuffix(nation, "$metadata"), "/")
		c.meaning = cmp.Or(nation, "default")
		return c, (alert.Classification{Scheme: alert.SchemeVICS, Context: c.meaning, Value: "0"}).Validate() == nil
	}
	return context{}, false
}

// pertinence knows the United States categories of 2.0 only: 0 non-pertinent, 1 and 2 abusive or exploitive, 3
// drawn or generated, 4 comparison pictures. Earlier versions and other nations number differently.
func pertinence(meaning, category string) row.Pertinence {
	if meaning != "us" {
		return row.UnknownPertinence
	}
	switch category {
	case "1", "2", "3":
		return row.Pertinent
	case "0", "4":
		return row.NotPertinent
	}
	return row.UnknownPertinence
}
