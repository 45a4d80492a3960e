package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Why an identity is refused.
var (
	errNobody  = errors.New("a name with the date of birth, or a document")
	errNoBirth = errors.New("a name alone fits too many people: give the date of birth")
	errDay     = errors.New("not a day: YYYY-MM-DD")
	errNoWord  = errors.New("has no letters or digits")
)

// Identity is who is meant. It is never stored: only its marks are.
type Identity struct {
	Names     []string // full names, aliases and former names too
	Born      string   // YYYY-MM-DD
	Documents []Document
}

// Document is an identity document.
type Document struct {
	Kind    string // passport, …
	Country string // two letters
	Number  string
}

// DocumentKinds are the kinds of documents.
var DocumentKinds = []string{"passport", "national-id", "tax-id", "driving-licence", "voter-id"}

// Mark stands for one thing that identifies somebody. It does not say what.
type Mark [MarkBytes]byte

// String is 32 hex digits.
func (m Mark) String() string { return hex.EncodeToString(m[:]) }

// Validate says what is missing.
func (i Identity) Validate() error {
	switch {
	case len(i.Names) > maxNames:
		return noun.At("names", noun.ErrCount)
	case len(i.Documents) > maxDocuments:
		return noun.At("documents", noun.ErrCount)
	case len(i.Names) == 0 && len(i.Documents) == 0:
		return noun.At("names", errNobody)
	case len(i.Names) > 0 && i.Born == "":
		return noun.At("born", errNoBirth)
	}
	if i.Born != "" {
		if _, err := time.Parse(time.DateOnly, i.Born); err != nil {
			return noun.At("born", errDay)
		}
	}
	for n, name := range i.Names {
		if err := word(name, NormalName(name), maxNameBytes); err != nil {
			return noun.At(noun.Item("names", n), err)
		}
	}
	for n, d := range i.Documents {
		if err := d.validate(); err != nil {
			return noun.At(noun.Item("documents", n), err)
		}
	}
	return nil
}

func (d Document) validate() error {
	return noun.First(
		noun.At("kind", noun.OneOf(DocumentKinds, d.Kind)),
		noun.At("country", country(d.Country)),
		noun.At("number", word(d.Number, normalNumber(d.Number), maxNumberBytes)),
	)
}

func country(c string) error {
	if len(c) != 2 || strings.Trim(strings.ToUpper(c), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return errors.New("two letters, such as IN")
	}
	return nil
}

func word(text, normal string, limit int) error {
	switch {
	case len(text) > limit:
		return noun.ErrTooLong
	case normal == "":
		return errNoWord
	}
	return nil
}

// NormalName writes a name as it is compared: without case, without the marks of Latin letters, without punctuation, its
// words in alphabetical order, since forms ask for them in different ones. Signs that make another letter in other scripts
// stay.
func NormalName(name string) string {
	folded := noun.Fold(norm.NFKC.String(name))
	var out strings.Builder
	latin := false
	for _, r := range norm.NFD.String(folded) {
		switch {
		case unicode.Is(unicode.Mn, r) && latin:
			// an accent
		case unicode.In(r, unicode.L, unicode.N, unicode.M):
			latin = unicode.Is(unicode.Latin, r) || latin && unicode.Is(unicode.M, r)
			out.WriteRune(r)
		case r == '\'' || r == '’':
			// O'Neil is Oneil
		default:
			latin = false
			out.WriteByte(' ')
		}
	}
	words := strings.Fields(norm.NFC.String(out.String()))
	slices.Sort(words)
	return strings.Join(words, " ")
}

// normalNumber writes a document's number as it is compared: letters and digits.
func normalNumber(number string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, norm.NFKC.String(number))
}

// terms are what marks are made of, each once.
func (i Identity) terms() []string {
	var out []string
	for _, name := range i.Names {
		out = append(out, "person\x00"+NormalName(name)+"\x00"+i.Born)
	}
	for _, d := range i.Documents {
		out = append(out, "document\x00"+d.Kind+"\x00"+strings.ToUpper(d.Country)+"\x00"+normalNumber(d.Number))
	}
	return noun.Set(out)
}

// Marks returns the marks of an identity in notices of a ledger, sorted. It takes some milliseconds for each, on purpose.
func (i Identity) Marks(home ledger.Origin) []Mark {
	var out []Mark
	for _, term := range i.terms() {
		out = append(out, Blind(home, term))
	}
	slices.SortFunc(out, compareMarks)
	return slices.Compact(out)
}

// Blind hashes a normal form. The salt is the ledger's, so that notices of one ledger can be compared with one hash, and
// a table made for one ledger is worth nothing for another.
func Blind(home ledger.Origin, term string) Mark {
	salt := sha256.Sum256([]byte("vigil registry v1\x00" + string(home)))
	return Mark(argon2.IDKey([]byte(term), salt[:], blindPasses, blindKiB, blindLanes, MarkBytes))
}

func compareMarks(a, b Mark) int { return cmp.Compare(string(a[:]), string(b[:])) }
