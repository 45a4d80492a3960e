package console

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// rendering is every page in one language.
type rendering struct {
	words *words
	pages map[string]*template.Template
}

// parts are templates that pages share; every other file of the directory is a page, which defines "main".
var parts = []string{"templates/layout.html", "templates/parts.html"}

func newRenderings(a *assets) (map[string]*rendering, error) {
	all, err := newWords()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	out := map[string]*rendering{}
	for code, w := range all {
		base, err := template.New("").Funcs(functions(w, a)).ParseFS(templateFiles, parts...)
		if err != nil {
			return nil, err
		}
		r := &rendering{words: w, pages: map[string]*template.Template{}}
		for _, f := range files {
			if strings.HasPrefix(f, "templates/layout") || strings.HasPrefix(f, "templates/parts") {
				continue
			}
			t, err := template.Must(base.Clone()).ParseFS(templateFiles, f)
			if err != nil {
				return nil, err
			}
			r.pages[strings.TrimSuffix(path.Base(f), ".html")] = t
		}
		out[code] = r
	}
	return out, nil
}

func functions(w *words, a *assets) template.FuncMap {
	return template.FuncMap{
		"t": w.t, "n": w.n, "word": w.word, "num": w.num, "span": w.span, "ago": w.ago, "asset": a.of,
		"icon": icon,
		"when": when, "dict": dict, "short": short, "join": strings.Join,
		"list":    func(s ...string) []string { return s },
		"utc":     func(t time.Time) string { return t.UTC().Format("02-01-2006 15:04:05 UTC") },
		"place":   func(ledger string, index uint64) string { return fmt.Sprintf("%s#%d", ledger, index) },
		"tenths":  func(s float64) string { return w.num(math.Round(s*10) / 10) }, // seconds, with tenths
		"percent": func(part float64) string { return w.num(int(part*100 + 0.5)) },
		"add":     func(a, b int) int { return a + b },
		"id": func(s string) string { // for the id of an element
			return strings.NewReplacer(".", "-", "/", "-", ":", "-", "@", "-", "*", "-").Replace(s)
		},
	}
}

// when writes a time in UTC; the script shows it in the reader's zone and leaves UTC on hover.
func when(at any) template.HTML {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("02-01-2006 15:04 UTC")))
}

// dict makes the argument of a part from pairs of name and value.
func dict(pairs ...any) (map[string]any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// short cuts an id to what tells it apart on a page: what stands before the first twelve digits stays.
func short(id string) string {
	kind, rest, ok := strings.Cut(id, "_")
	if !ok {
		kind, rest = "", id
	} else {
		kind += "_"
	}
	row := ""
	if i := strings.IndexByte(rest, '.'); i >= 0 {
		rest, row = rest[:i], rest[i:]
	}
	if len(rest) > 12 {
		rest = rest[:12]
	}
	return kind + rest + row
}

// frame is what the layout shows around a page.
type frame struct {
	*visit
	Title string
	Data  any
}

// render writes a page. It is compressed: another site cannot have a reader's browser ask for it with the session, which is
// what attacks on compression need.
func (v *visit) render(status int, name string, data any) {
	t := v.pages().pages[name]
	var out bytes.Buffer
	title, err := v.words().t("title." + name)
	if err == nil {
		err = t.ExecuteTemplate(&out, "layout", frame{visit: v, Title: title, Data: data})
	}
	if err != nil {
		v.console.cfg.Log.Error("a page cannot be rendered", "page", name, "error", err)
		http.Error(v.w, "an error of ours; it is in the node's log", http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Look.Lang)
	h.Set("Vary", "Accept-Encoding, Cookie")
	if out.Len() < smallBytes || !takesGzip(v.r) {
		v.w.WriteHeader(status)
		_, _ = v.w.Write(out.Bytes()) // the browser may have gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	v.w.WriteHeader(status)
	z, _ := gzip.NewWriterLevel(v.w, gzip.BestSpeed) // the level is a valid one
	_, _ = z.Write(out.Bytes())
	_ = z.Close()
}
