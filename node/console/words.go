package console

import (
	"embed"
	"fmt"
	"math"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed words
var wordFiles embed.FS

// tongue is a language that the console speaks. Another one is another file of words and a line here.
type tongue struct {
	Code, Name, Dir string
	tag             language.Tag
}

var tongues = []tongue{
	{"en", "English", "ltr", language.MustParse("en-IN")},
	{"hi", "हिन्दी", "ltr", language.MustParse("hi-IN")},
}

var tonguesOffered = func() language.Matcher {
	var tags []language.Tag
	for _, t := range tongues {
		tags = append(tags, t.tag)
	}
	return language.NewMatcher(tags)
}()

// words says things in one language.
type words struct {
	tongue  tongue
	numbers *message.Printer
	say     *i18n.Localizer
}

func newWords() (map[string]*words, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	for _, t := range tongues {
		if _, err := bundle.LoadMessageFileFS(wordFiles, "words/"+t.Code+".toml"); err != nil {
			return nil, fmt.Errorf("console: words: %w", err)
		}
	}
	out := map[string]*words{}
	for _, t := range tongues {
		out[t.Code] = &words{tongue: t, numbers: message.NewPrinter(t.tag), say: i18n.NewLocalizer(bundle, t.Code)}
	}
	return out, nil
}

// t returns the words of a key. Pairs of name and value fill its places.
func (w *words) t(key string, pairs ...any) (string, error) {
	data := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return w.say.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data})
}

// n returns the words of a key for a count. Pairs of name and value fill its other places.
func (w *words) n(key string, count any, pairs ...any) (string, error) {
	data := map[string]any{"Count": w.num(count)}
	if size, ok := count.(uint64); ok { // which the library takes for no number
		count = int64(min(size, math.MaxInt64))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return w.say.Localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: count, TemplateData: data})
}

// span says how long something took, in the largest unit of which it has one.
func (w *words) span(seconds float64) (string, error) {
	d := max(0, time.Duration(seconds*float64(time.Second)))
	switch {
	case d >= 24*time.Hour:
		return w.n("span.days", int(d/(24*time.Hour)))
	case d >= time.Hour:
		return w.n("span.hours", int(d/time.Hour))
	case d >= time.Minute:
		return w.n("span.minutes", int(d/time.Minute))
	}
	return w.n("span.seconds", int(d/time.Second))
}

// ago says how long ago something was.
func (w *words) ago(seconds float64) (string, error) {
	span, err := w.span(seconds)
	if err != nil {
		return "", err
	}
	return w.t("span.ago", "Time", span)
}

// word returns the word for a value of the API; the value itself where the catalogue has none, as for what members chose.
func (w *words) word(group, value string) string {
	if value == "" {
		return "–"
	}
	if s, err := w.t(group + "." + value); err == nil && s != "" {
		return s
	}
	return value
}

// num writes a number as the language groups its digits.
func (w *words) num(n any) string { return w.numbers.Sprint(n) }
