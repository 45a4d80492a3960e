package row

import (
	"strings"

	"vigil/ledger/alert"
)

// CleanName returns a short name as it stands, or "" where it is a path, too long, or no clean text: a name is worth
// less than the hash beside it, and a path can name a person.
func CleanName(text string) string {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, `/\`) || (alert.Classification{Scheme: "x", Value: text}).Validate() != nil {
		return ""
	}
	return text
}

// KindOf returns the kind of media of a MIME type or of a word such as "Image".
func KindOf(text string) alert.MediaKind {
	kind, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "/")
	switch kind {
	case "":
		return alert.UnknownMedia
	case "image", "picture", "photo":
		return alert.Image
	case "video", "movie":
		return alert.Video
	case "audio", "sound":
		return alert.Audio
	case "text":
		return alert.Text
	}
	return alert.OtherMedia
}

// AlgorithmOf reads the names that outside formats use for an algorithm, such as "SHA-1", "PDNA" and "pdq".
func AlgorithmOf(name string) (alert.Algorithm, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "pdna" {
		name = alert.PhotoDNA.String()
	}
	for _, a := range alert.Algorithms() {
		if plain := strings.NewReplacer("-", "", "_", "", " ", ""); plain.Replace(name) == plain.Replace(a.String()) {
			return a, true
		}
	}
	return 0, false
}
