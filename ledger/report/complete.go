package report

import (
	"cmp"
	"slices"

	"vigil/ledger/alert"
)

// Gap is a field that would make a report more complete, and by how much.
type Gap struct {
	Field string
	Gain  int // thousandths
}

// aspect is one thing a desk needs, with its weight; asked says whether it applies to a report at all.
type aspect struct {
	field  string
	weight int
	asked  func(*Statement) bool
	given  func(*Statement) bool
}

var always = func(*Statement) bool { return true }

func withFiles(s *Statement) bool { return len(s.Files) > 0 }

// aspects are what desks ask back for, the most often asked first.
var aspects = []aspect{
	{"about", 20, always, func(s *Statement) bool { return len(s.About) > 0 }},
	{"about.kind: account, email, phone or ip", 10, always, func(s *Statement) bool {
		return slices.ContainsFunc(s.About, func(p Pointer) bool {
			return slices.Contains([]PointerKind{Account, Email, Phone, Address}, p.Kind)
		})
	}},
	{"about.seen", 5, func(s *Statement) bool {
		return slices.ContainsFunc(s.About, func(p Pointer) bool { return p.Kind == Address })
	}, func(s *Statement) bool {
		return !slices.ContainsFunc(s.About, func(p Pointer) bool { return p.Kind == Address && !p.Seen.Stated() })
	}},
	{"occurred", 15, always, func(s *Statement) bool { return s.Occurred.Stated() }},
	{"files.viewed", 15, withFiles, everyFile(func(f *File) bool { return f.Viewed != NotStated })},
	{"files.signals: md5, sha1 or sha256", 10, withFiles, everyFile(func(f *File) bool { return f.carries(alert.MD5, alert.SHA1, alert.SHA256) })},
	{"files.signals: pdq, photodna, tmk or vpdq-frame", 10, withFiles, everyFile(func(f *File) bool {
		return f.Media != alert.Image && f.Media != alert.Video && f.Media != alert.UnknownMedia || f.carries(alert.PDQ, alert.PhotoDNA, alert.TMK, alert.VPDQFrame)
	})},
	{"files.classifications", 10, withFiles, everyFile(func(f *File) bool { return len(f.Classifications) > 0 })},
	{"files.public", 5, withFiles, everyFile(func(f *File) bool { return f.Public != NotStated })},
	{"files.ai_generated", 5, withFiles, everyFile(func(f *File) bool { return f.AIGenerated != alert.UnknownAI })},
	{"place.country", 5, always, func(s *Statement) bool { return s.Place.Country != "" }},
	{"reference", 5, always, func(s *Statement) bool { return s.Reference != "" }},
}

func everyFile(ok func(*File) bool) func(*Statement) bool {
	return func(s *Statement) bool {
		for i := range s.Files {
			if !ok(&s.Files[i]) {
				return false
			}
		}
		return true
	}
}

func (f *File) carries(any ...alert.Algorithm) bool {
	return slices.ContainsFunc(f.Prints.Signals, func(s alert.Signal) bool { return slices.Contains(any, s.Algorithm) })
}

// Completeness says how much of what a desk needs a report has, in thousandths, and what would raise it, the most first.
// What does not apply to a report is not asked of it.
func (s *Statement) Completeness() (thousandths int, missing []Gap) {
	asked, given := 0, 0
	for _, a := range aspects {
		if !a.asked(s) {
			continue
		}
		asked += a.weight
		if a.given(s) {
			given += a.weight
			continue
		}
		missing = append(missing, Gap{Field: a.field, Gain: a.weight})
	}
	for i := range missing {
		missing[i].Gain = missing[i].Gain * 1000 / asked
	}
	slices.SortStableFunc(missing, func(a, b Gap) int { return cmp.Compare(b.Gain, a.Gain) })
	return given * 1000 / asked, missing
}
