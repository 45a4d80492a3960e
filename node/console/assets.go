package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var static embed.FS

// assets are what pages load: each under a name that changes with its content, so that browsers keep it for good.
type assets struct {
	byName map[string]asset
	path   map[string]string // from the plain name to the path with the hash
}

type asset struct {
	kind          string
	plain, packed []byte
}

func newAssets() (*assets, error) {
	a := &assets{byName: map[string]asset{}, path: map[string]string{}}
	files, err := fs.ReadDir(static, "static")
	if err != nil {
		return nil, err
	}
	for _, f := range files { // app.js stands before those that import it
		b, err := static.ReadFile("static/" + f.Name())
		if err != nil {
			return nil, err
		}
		b = bytes.ReplaceAll(b, []byte("{{app.js}}"), []byte(a.path["app.js"]))
		packed, err := pack(b)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(f.Name())
		name := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byName[name] = asset{kind: mime.TypeByExtension(ext), plain: b, packed: packed}
		a.path[f.Name()] = "/static/" + name
	}
	return a, nil
}

// pack compresses; nil where that gains nothing.
func pack(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if out.Len() >= len(b) {
		return nil, err
	}
	return out.Bytes(), err
}

// of returns the path of a file of the static directory; a name that is not there is an error of ours.
func (a *assets) of(name string) (string, error) {
	p, ok := a.path[name]
	if !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return p, nil
}

// ServeHTTP implements http.Handler.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byName[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d, immutable", int(assetAge.Seconds())))
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if f.packed != nil && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	_, _ = w.Write(body) // the browser may have gone
}

func takesGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}
