package vics

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

// maxAlternatives bounds the alternative hashes of one record.
const maxAlternatives = 64

// record is one media object being read. Its first mistake makes it a bad row; reading goes on behind it.
type record struct {
	l    *lexer
	row  row.Row
	bad  *row.Error
	kept string // context of the category
}

func (d *Reader) media() (row.Row, error) {
	c, err := d.l.peek()
	if err != nil {
		return row.Row{}, err
	}
	d.number++
	m := &record{l: d.l, kept: d.context.meaning, row: row.Row{Number: d.number, Line: d.l.line}}
	if c != '{' {
		m.mistake("", row.ErrField)
		err = d.l.skip(row.MaxDepth)
	} else {
		err = d.l.object(m.member)
	}
	if err != nil {
		return row.Row{}, err
	}
	if m.bad != nil {
		return row.Row{}, m.bad
	}
	return row.Complete(m.row)
}

func (m *record) mistake(field string, err error) {
	if m.bad == nil {
		m.bad = &row.Error{Number: m.row.Number, Line: m.row.Line, Field: field, Err: err}
	}
}

// member takes one member. Everything that is not named here is thrown away unread: Miniature, RelativeFilePath,
// MediaFiles, Exifs, Tags, Comments and whatever else a tool may add.
func (m *record) member(name string) error {
	switch name {
	case "MD5":
		return m.scalar(name, m.hash(alert.MD5))
	case "SHA1":
		return m.scalar(name, m.hash(alert.SHA1))
	case "SHA256":
		return m.scalar(name, m.hash(alert.SHA256))
	case "PhotoDNA":
		return m.scalar(name, m.hash(alert.PhotoDNA))
	case "AlternativeHashes":
		return m.alternatives()
	case "Category":
		return m.scalar(name, m.category)
	case "MediaSize":
		return m.scalar(name, m.size)
	case "VictimIdentified":
		return m.scalar(name, m.victim)
	case "Series":
		return m.scalar(name, m.series)
	case "MimeType":
		return m.scalar(name, m.mime)
	case "DateUpdated":
		return m.scalar(name, m.updated)
	}
	return m.l.skip(row.MaxDepth)
}

// scalar hands a string, number or boolean to set as text; null and "" are absent. Anything else, like a string over
// the bound, makes the row bad.
func (m *record) scalar(name string, set func(string) error) error {
	c, err := m.l.peek()
	if err != nil {
		return err
	}
	if c == '{' || c == '[' {
		m.mistake(name, row.ErrField)
		return m.l.skip(row.MaxDepth)
	}
	text, fits := "", true
	if c == '"' {
		text, fits, err = m.l.text()
	} else if text, err = m.l.literal(); text == "null" {
		text = ""
	}
	if err != nil {
		return err
	}
	if !fits {
		m.mistake(name, row.ErrTooLarge)
		return nil
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	if err := set(text); err != nil {
		m.mistake(name, err)
	}
	return nil
}

func (m *record) hash(a alert.Algorithm) func(string) error {
	return func(text string) error {
		v, err := alert.ParseValue(a, text)
		if err != nil {
			return row.ErrBadHash
		}
		if len(m.row.File.Signals) >= maxAlternatives {
			return row.ErrManyHash
		}
		m.row.File.Signals = append(m.row.File.Signals, alert.Signal{Algorithm: a, Value: v})
		return nil
	}
}

// alternatives reads [{HashName, HashValue, MD5}…]. An unknown hash name is no mistake; there will be new ones.
func (m *record) alternatives() error {
	c, err := m.l.peek()
	if err != nil {
		return err
	}
	if c != '[' {
		return m.l.skip(row.MaxDepth)
	}
	return m.l.array(m.alternative)
}

func (m *record) alternative() error {
	if c, err := m.l.peek(); err != nil || c != '{' {
		if err == nil {
			m.mistake("AlternativeHashes", row.ErrField)
			err = m.l.skip(row.MaxDepth)
		}
		return err
	}
	var name, value string
	err := m.l.object(func(member string) error {
		switch member {
		case "HashName":
			return m.scalar(member, func(s string) error { name = s; return nil })
		case "HashValue":
			return m.scalar(member, func(s string) error { value = s; return nil })
		}
		return m.l.skip(row.MaxDepth)
	})
	if err != nil || value == "" {
		return err
	}
	if a, ok := row.AlgorithmOf(name); ok {
		if err := m.hash(a)(value); err != nil {
			m.mistake("AlternativeHashes", err)
		}
	}
	return nil
}

// category keeps the number with the context it has its meaning from; 0 is a category.
func (m *record) category(text string) error {
	if n, err := strconv.ParseUint(text, 10, 16); err != nil || strconv.FormatUint(n, 10) != text {
		return row.ErrField
	}
	m.row.Classifications = []alert.Classification{{Scheme: alert.SchemeVICS, Context: m.kept, Value: text}}
	m.row.Pertinence = pertinence(m.kept, text)
	return nil
}

func (m *record) size(text string) error {
	n, err := strconv.ParseUint(text, 10, 50)
	if err != nil {
		return row.ErrField
	}
	m.row.File.MediaSize = n
	return nil
}

// victim takes booleans and their names as strings. Some tools write a person's words here: they are dropped.
func (m *record) victim(text string) error {
	switch strings.ToLower(text) {
	case "true":
		m.row.Victim = alert.IdentifiedVictim
	case "false":
		m.row.Victim = alert.UnidentifiedVictim
	}
	return nil
}

// series keeps a name and drops what looks like a path or is no clean text.
func (m *record) series(text string) error {
	m.row.Series = row.CleanName(text)
	return nil
}

func (m *record) mime(text string) error {
	m.row.Media = row.KindOf(text)
	return nil
}

var jsonDate = regexp.MustCompile(`^/Date\((-?[0-9]{1,15})([+-][0-9]{4})?\)/$`)

// updated reads ISO 8601 with or without an offset, and /Date(ms)/. A date that is none, or absurd, is dropped.
func (m *record) updated(text string) error {
	m.row.Updated = parseDate(text)
	return nil
}

func parseDate(text string) time.Time {
	t := dateOf(text)
	if t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}
	}
	return t
}

func dateOf(text string) time.Time {
	if strings.HasPrefix(text, "/") {
		if parts := jsonDate.FindStringSubmatch(text); parts != nil {
			ms, _ := strconv.ParseInt(parts[1], 10, 64)
			return time.UnixMilli(ms).UTC()
		}
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
