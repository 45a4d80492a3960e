package api

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"vigil/node/interop"
)

const sniffBytes = 4096

// noMedia refuses a body that is not JSON before it is read further: by what it says it is, and by how it begins.
func noMedia(op *huma.Operation) {
	op.Errors = append(op.Errors, http.StatusUnsupportedMediaType)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := requestOf(ctx.Context())
		if r == nil {
			return
		}
		if refusal := sniffBody(r); refusal != nil {
			writeProblem(w, refusal)
			return
		}
		next(ctx)
	})
}

// sniffBody looks at the beginning of a body and puts it back.
func sniffBody(r *http.Request) *Problem {
	const hint = "hash the file where it is, and send the hashes as JSON"
	if given := r.Header.Get("Content-Type"); given != "" {
		if kind, _, err := mime.ParseMediaType(given); err != nil || kind != "application/json" {
			return problem(http.StatusUnsupportedMediaType, "media", "only JSON is taken: Vigil never takes material", hint)
		}
	}
	head := bufio.NewReaderSize(r.Body, sniffBytes)
	begin, err := head.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return problem(http.StatusBadRequest, "body", "the body did not arrive", "")
	}
	if err := interop.Sniff(begin); err != nil {
		return problem(http.StatusUnsupportedMediaType, "media", err.Error(), hint)
	}
	r.Body = readCloser{head, r.Body}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}
