package console

import (
	"errors"
	"log/slog"
	"net/http"

	"vigil/node/api"
)

// Config names what a Console works with; both are required.
type Config struct {
	// API answers everything that pages show, and every path that is not a page.
	API http.Handler
	Log *slog.Logger
}

// Console serves the pages, and hands every other path on to the API.
type Console struct {
	cfg         Config
	mux         *http.ServeMux
	crossOrigin *http.CrossOriginProtection
	assets      *assets
	pages       map[string]*rendering // by language
}

// New reads what is embedded.
func New(cfg Config) (*Console, error) {
	c := &Console{cfg: cfg, mux: http.NewServeMux(), crossOrigin: http.NewCrossOriginProtection(), pages: map[string]*rendering{}}
	var err error
	if c.assets, err = newAssets(); err != nil {
		return nil, err
	}
	if c.pages, err = newRenderings(c.assets); err != nil {
		return nil, err
	}
	c.mux.Handle("GET /static/{name}", c.assets)
	for _, p := range pages {
		c.mux.HandleFunc(p.route, c.handler(p))
	}
	return c, nil
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := c.mux.Handler(r); pattern == "" {
		purpose, caseNumber := purposeOf(r) // a page's script and its links read for the reason that the reader has given
		c.cfg.API.ServeHTTP(w, api.Stated(r, purpose, caseNumber))
		return
	}
	secure(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	c.mux.ServeHTTP(w, r)
}

// policy lets a page load what this node serves and nothing else. No markup is made from text but by the policy of app.js.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types vigil"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Cache-Control", "no-store")
}

// handler answers one page's requests: who looks, may they, and what went wrong in words.
func (c *Console) handler(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := c.visit(w, r, p)
		if err := c.crossOrigin.Check(r); err != nil {
			v.fail(&api.Refusal{Status: http.StatusForbidden, Code: "cross-origin"})
			return
		}
		if err := r.ParseForm(); err != nil {
			v.fail(&api.Refusal{Status: http.StatusBadRequest, Code: "form"})
			return
		}
		if !p.open {
			if err := v.enter(); err != nil {
				v.fail(err)
				return
			}
		}
		if err := p.serve(v); err != nil {
			v.fail(err)
		}
	}
}

// fail shows what went wrong and what to do. Who is not signed in is asked to.
func (v *visit) fail(err error) {
	var refusal *api.Refusal
	if !errors.As(err, &refusal) {
		v.console.cfg.Log.Error("a page failed", "page", v.page.name, "error", err)
		refusal = &api.Refusal{Status: http.StatusInternalServerError, Code: "internal"}
	}
	switch {
	case refusal.Status == http.StatusUnauthorized && !v.page.open:
		v.askToSignIn()
	case refusal.Status == http.StatusAccepted:
		v.render(http.StatusAccepted, "waiting", refusal)
	default:
		v.render(refusal.Status, "problem", refusal)
	}
}
