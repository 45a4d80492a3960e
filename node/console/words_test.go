package console

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func catalogue(t *testing.T, code string) map[string]any {
	t.Helper()
	b, err := wordFiles.ReadFile("words/" + code + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := toml.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// forms are the texts of an entry: one, or one for each plural form.
func forms(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		var out []string
		for _, form := range []string{"one", "other"} {
			s, _ := v[form].(string)
			out = append(out, s)
		}
		return out
	}
	return nil
}

var place = regexp.MustCompile(`\{\{\.[A-Za-z]+\}\}`)

func TestEveryLanguageSaysEverything(t *testing.T) {
	english := catalogue(t, "en")
	for _, tongue := range tongues {
		words := catalogue(t, tongue.Code)
		for _, key := range slices.Sorted(maps.Keys(english)) {
			said, meant := forms(words[key]), forms(english[key])
			if len(said) != len(meant) {
				t.Errorf("%s: %s has %d forms, not %d", tongue.Code, key, len(said), len(meant))
				continue
			}
			for i := range said {
				if strings.TrimSpace(said[i]) == "" {
					t.Errorf("%s: %s says nothing", tongue.Code, key)
				}
				if !slices.Equal(slices.Sorted(slices.Values(place.FindAllString(said[i], -1))), slices.Sorted(slices.Values(place.FindAllString(meant[i], -1)))) {
					t.Errorf("%s: %s has other places than in English", tongue.Code, key)
				}
			}
		}
		for key := range words {
			if _, ok := english[key]; !ok {
				t.Errorf("%s: %s is not in English", tongue.Code, key)
			}
		}
	}
}

var (
	inTemplate = regexp.MustCompile(`\b[tn] "([a-z][a-zA-Z0-9.-]*)"`)
	inGo       = regexp.MustCompile(`(?:v\.done|v\.once|v\.withCode|v\.on[A-Z][a-z]+)\("([a-z-]+)"`)
	number     = regexp.MustCompile(`\{\{t "([a-zA-Z0-9.-]+)"[^{}]*\((?:num|len) `)
	ofProblem  = regexp.MustCompile(`Code: "([a-z-]+)"`)
	rightLeft  = regexp.MustCompile(`(?:^|[\s;{])(?:margin|padding|border|inset)?-?(?:left|right)\s*:|text-align:\s*(?:left|right)|float:\s*(?:left|right)`)
)

// saidOf are the acts whose name follows what is said of them.
var saidOf = map[string][]string{
	"bulk-": {"confirms", "disputes", "retract"}, "hits-": {"seen", "done", "dismissed", "reopened"}, "task-": {"done", "dropped"},
	"desk-": {"claim", "assign", "release", "conclude", "tell", "reopen"},
	"move-": {"acknowledge", "accept", "release", "decline", "transfer", "revoke", "note", "pause", "resume", "close", "withdraw"},
}

// TestNumbersAreSaidWithPluralForms has whoever writes a template count with n, which knows one from many.
func TestNumbersAreSaidWithPluralForms(t *testing.T) {
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := templateFiles.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range number.FindAllStringSubmatch(string(b), -1) {
			if m[1] != "gov.policy.what" { // a version is no count
				t.Errorf("%s says %s of a number without plural forms", f, m[1])
			}
		}
	}
	all, err := newWords()
	if err != nil {
		t.Fatal(err)
	}
	for want, seconds := range map[string]float64{
		"0 seconds ago|0 सेकंड पहले": 0.4, "1 second ago|1 सेकंड पहले": 1, "59 seconds ago|59 सेकंड पहले": 59.9, "1 minute ago|1 मिनट पहले": 60, "2 hours ago|2 घंटों पहले": 7300, "1 day ago|1 दिन पहले": 90_000,
	} {
		english, errE := all["en"].ago(seconds)
		hindi, errH := all["hi"].ago(seconds)
		if english+"|"+hindi != want || errE != nil || errH != nil {
			t.Errorf("%v s: %s, %s (%v, %v), not %s", seconds, english, hindi, errE, errH, want)
		}
	}
	if s, err := all["en"].n("gov.approvals", uint64(1), "Have", "0"); s != "0 of 1 approval:" || err != nil {
		t.Errorf("%s, %v", s, err)
	}
}

// TestEveryWordThatIsUsedIsThere looks at templates and code: a key that is missing would be an error of the page.
func TestEveryWordThatIsUsedIsThere(t *testing.T) {
	english := catalogue(t, "en")
	need := func(where, key string) {
		if _, ok := english[key]; !ok {
			t.Errorf("%s: %s is in no catalogue", where, key)
		}
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := templateFiles.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inTemplate.FindAllStringSubmatch(string(b), -1) {
			need(f, m[1])
		}
		for _, bad := range []string{" style=", "<script>", " onclick=", "javascript:"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s has%q, which the policy refuses", f, bad)
			}
		}
		if name := strings.TrimSuffix(strings.TrimPrefix(f, "templates/"), ".html"); name != "layout" && name != "parts" {
			need(f, "title."+name)
		}
	}
	sources, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sources {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inGo.FindAllStringSubmatch(string(b), -1) {
			values := saidOf[m[1]]
			if values == nil {
				values = []string{""}
			}
			for _, v := range values {
				need(f, "said."+m[1]+v)
			}
		}
		for _, m := range ofProblem.FindAllStringSubmatch(string(b), -1) {
			need(f, "problem."+m[1])
		}
	}
	for _, p := range pages {
		if p.icon != "" {
			need("pages.go", "title."+p.name)
		}
	}
}

// TestStylesHaveNoSides keeps the pages fit for languages written from right to left.
func TestStylesHaveNoSides(t *testing.T) {
	b, err := static.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(b), "\n") {
		if rightLeft.MatchString(line) {
			t.Errorf("app.css:%d: left or right, where start and end are meant", i+1)
		}
	}
}

func TestKeysAndNamesOfPagesAreTheirOwn(t *testing.T) {
	keys := map[string]string{}
	for _, p := range pages {
		if p.Key == "" {
			continue
		}
		if other := keys[p.Key]; other != "" {
			t.Errorf("g %s goes to %s and to %s", p.Key, other, p.name)
		}
		keys[p.Key] = p.name
	}
}

func TestLinesOfHashes(t *testing.T) {
	md, sha := strings.Repeat("ab", 16), strings.Repeat("ab", 32)
	for line, want := range map[string]string{
		md: "md5", strings.Repeat("ab", 20): "sha1", sha: "sha256", "pdq:" + sha: "pdq", md + ", " + sha: "md5 sha256", "PDQ:" + sha: "pdq",
		"": "", "xyz": "", "abcd": "", "md5:": "", ":" + md: "", "hello " + md: "",
	} {
		row, err := parseLine(line)
		var got []string
		for _, f := range row {
			got = append(got, f.Algorithm)
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v %v", line, got, err)
		}
	}
	if row, err := parseLine("pdq:" + sha + ":87 md5:" + md); err != nil || row[0].Value != sha || row[0].Quality == nil || *row[0].Quality != 87 || row[1].Quality != nil {
		t.Errorf("%+v, %v: a quality", row, err)
	}
	for _, bad := range []string{"101", "-1", "x", ""} {
		if row, err := parseLine("pdq:" + sha + ":" + bad); err == nil {
			t.Errorf("quality %q: %+v", bad, row)
		}
	}
	if row := either(sha, nil); len(row) != 1 || row[0].Algorithm != "pdq" {
		t.Errorf("64 digits are looked for as %v, too", row)
	}
	if row := either("sha256:"+sha, nil); row != nil {
		t.Errorf("what is named is looked for as %v, too", row)
	}
}
