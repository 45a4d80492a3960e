package interop

import (
	"vigil/ledger"
	"vigil/ledger/alert"
)

// Batch is rows of which an alert says the same, fingerprints apart.
type Batch struct {
	Details alert.Details
	Rows    []Row
}

// Batches groups rows by what is said of them: the importer's own details, with the media kind, classifications,
// victim and series of the row where it states them. Groups come in order of first appearance, and rows keep theirs.
func Batches(base alert.Details, rows []Row) []Batch {
	var batches []Batch
	index := map[string]int{}
	for _, r := range rows {
		d := detailsOf(base, r)
		key := string(keyOf(d))
		i, ok := index[key]
		if !ok {
			i = len(batches)
			index[key], batches = i, append(batches, Batch{Details: d})
		}
		batches[i].Rows = append(batches[i].Rows, r)
	}
	return batches
}

func detailsOf(base alert.Details, r Row) alert.Details {
	if r.Media != alert.UnknownMedia {
		base.Media = r.Media
	}
	if r.Victim != alert.UnknownVictim {
		base.Victim = r.Victim
	}
	if r.Series != "" {
		base.Series = r.Series
	}
	base.Classifications = append(append([]alert.Classification{}, base.Classifications...), r.Classifications...)
	return base.Normal()
}

// keyOf tells apart what rows can differ in.
func keyOf(d alert.Details) []byte {
	b := append([]byte{byte(d.Media), byte(d.Victim)}, d.Series...)
	return append(append(b, 0), ledger.Marshal(d.Classifications)...)
}
