package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"vigil/node/api"
)

// lookupPage is what was asked for and found.
type lookupPage struct {
	Text   string
	Answer *api.MatchAnswer
	Rows   []lookupRow
}

// lookupRow is one line that was looked up, the hashes of one file, with what was found.
type lookupRow struct {
	Line   string
	Result api.MatchResult
}

func (v *visit) lookUpForm() error {
	v.render(http.StatusOK, "lookup", lookupPage{})
	return nil
}

// lookUp finds what is the same as, or near to, each line. Hashes are in the body of the request alone, never in an address.
func (v *visit) lookUp() error {
	p := lookupPage{Text: v.r.Form.Get("hashes")}
	m := api.Match{Exercise: v.Look.Exercise}
	for line := range strings.Lines(p.Text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		row, err := parseLine(line)
		if err != nil {
			return &api.Refusal{Status: http.StatusBadRequest, Code: "hashes", Detail: err.Error()}
		}
		p.Rows = append(p.Rows, lookupRow{Line: line})
		m.Rows = append(m.Rows, either(line, row))
	}
	if len(m.Rows) == 0 || len(m.Rows) > maxLines {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "hashes", Detail: fmt.Sprintf("%d lines; 1 to %d at once", len(m.Rows), maxLines)}
	}
	answer, err := v.api.Match(v.ctx(), m)
	if err != nil {
		return err
	}
	p.Answer = &answer
	for _, r := range answer.Results {
		p.Rows[r.Row].Result = r
	}
	v.render(http.StatusOK, "lookup", p)
	return nil
}

var errLine = errors.New("a line has the hashes of one file, such as md5:… or 64 hex digits")

// namedHash reads what stands behind a name: a value and, behind another colon, its quality from 0 to 100 where it has one.
func namedHash(name, value string) (api.Fingerprint, error) {
	f := api.Fingerprint{Algorithm: strings.ToLower(name), Value: value}
	digits, quality, stated := strings.Cut(value, ":")
	if !stated || !hexadecimal(digits) {
		return f, nil
	}
	n, err := strconv.Atoi(quality)
	if err != nil || n < 0 || n > 100 {
		return f, errLine
	}
	f.Value, f.Quality = digits, &n
	return f, nil
}

// parseLine reads the hashes of one file: names as md5:…, or bare hexadecimal digits whose number says what they are: 64 of
// them are SHA-256.
func parseLine(line string) (row []api.Fingerprint, err error) {
	for _, word := range fields(line) {
		name, value, named := strings.Cut(word, ":")
		switch {
		case named && name != "" && value != "":
			f, err := namedHash(name, value)
			if err != nil {
				return nil, err
			}
			row = append(row, f)
		case !hexadecimal(word):
			return nil, errLine
		case len(word) == 32:
			row = append(row, api.Fingerprint{Algorithm: "md5", Value: word})
		case len(word) == 40:
			row = append(row, api.Fingerprint{Algorithm: "sha1", Value: word})
		case len(word) == 64:
			row = append(row, api.Fingerprint{Algorithm: "sha256", Value: word})
		default:
			return nil, errLine
		}
	}
	if len(row) == 0 {
		return nil, errLine
	}
	return row, nil
}

// either adds PDQ where 64 bare digits may be one: what is looked for may be either, what is raised may not.
func either(line string, row []api.Fingerprint) []api.Fingerprint {
	for _, word := range fields(line) {
		if len(word) == 64 && hexadecimal(word) {
			row = append(row, api.Fingerprint{Algorithm: "pdq", Value: word})
		}
	}
	return row
}

func hexadecimal(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }) < 0
}

// signalsOf turns what is looked for into what is raised or asked for exactly.
func signalsOf(row []api.Fingerprint) (out []api.Signal) {
	for _, f := range row {
		out = append(out, api.Signal(f))
	}
	return out
}
