package api

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/author"
	"vigil/node/board"
)

// Problem is an RFC 9457 problem with a stable code and a hint.
type Problem struct {
	Type   string              `json:"type" doc:"about:blank#code"`
	Title  string              `json:"title"`
	Status int                 `json:"status"`
	Detail string              `json:"detail,omitempty"`
	Code   string              `json:"code,omitempty"`
	Hint   string              `json:"hint,omitempty"`
	Errors []*huma.ErrorDetail `json:"errors,omitempty"`
	retry  string
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry != "" {
		h.Set("Retry-After", p.retry)
	}
	return h
}

func problem(status int, code, detail, hint string) *Problem {
	return &Problem{Type: "about:blank#" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code, Hint: hint}
}

func unavailable(code, detail string) *Problem {
	p := problem(http.StatusServiceUnavailable, code, detail, "nothing happens twice: ask again with the same idempotency key")
	p.retry = "2"
	return p
}

var setProblems sync.Once

// useProblems makes the library answer with our problems too, once for the process: it keeps the maker in a variable.
func useProblems() {
	setProblems.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			if status == http.StatusUnprocessableEntity {
				status = http.StatusBadRequest // malformed input is a bad request here
			}
			p := problem(status, "invalid", message, "")
			for _, err := range errs {
				var d huma.ErrorDetailer
				if errors.As(err, &d) {
					detail := d.ErrorDetail()
					detail.Value = nil // values may be hashes: they are not echoed
					p.Errors = append(p.Errors, detail)
				} else if err != nil {
					p.Errors = append(p.Errors, &huma.ErrorDetail{Message: err.Error()})
				}
			}
			return p
		}
	})
}

// explain is the one table from errors to what a client reads. Inner causes are logged by the caller, never sent.
func explain(err error) error {
	var status huma.StatusError
	var field *noun.FieldError
	var refusal *noun.Refusal
	var reason *ledger.Reason
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return status
	case errors.As(err, &field):
		p := problem(http.StatusBadRequest, "invalid", "a field is not acceptable", "")
		p.Errors = []*huma.ErrorDetail{{Location: "body." + field.Field, Message: field.Err.Error()}}
		return p
	case errors.As(err, &refusal):
		return problem(http.StatusConflict, "not-permitted", refusal.Why, "")
	case errors.Is(err, board.ErrNotFound):
		return problem(http.StatusNotFound, "not-found", err.Error(), "")
	case errors.Is(err, board.ErrAmbiguous):
		return problem(http.StatusConflict, "ambiguous", err.Error(), "give more of the id")
	case errors.Is(err, board.ErrQuery):
		return problem(http.StatusBadRequest, "query", err.Error(), "")
	case errors.Is(err, author.ErrTooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too-large", err.Error(), "send fewer rows at once")
	case errors.Is(err, ledger.ErrStaleEpoch):
		return unavailable("stale-epoch", "the audience waits for its next key, which a member is making")
	case errors.Is(err, author.ErrNoKey):
		return problem(http.StatusConflict, "no-key", err.Error(), "")
	case errors.As(err, &reason):
		return problem(http.StatusConflict, reason.Code, err.Error(), "")
	case errors.Is(err, author.ErrUnknown), errors.Is(err, author.ErrBusy), errors.Is(err, context.DeadlineExceeded):
		return unavailable("no-quorum", "the write is not committed yet: no leader, or too few nodes reachable")
	case errors.Is(err, author.ErrNotMember):
		return unavailable("not-a-member", "this node is not (yet) a member of the ledger")
	}
	for _, refusal := range []error{
		alert.ErrUnknownAlert, alert.ErrNoSuchRow, alert.ErrOwnAlert, alert.ErrRetracted, alert.ErrNotAuthor, alert.ErrAlreadyRetracted,
		alert.ErrAlreadyAssessed, alert.ErrNothingToWithdraw, alert.ErrExists, alert.ErrExerciseLink,
	} {
		if errors.Is(err, refusal) {
			return problem(http.StatusConflict, "refused", err.Error(), "")
		}
	}
	for _, bad := range []error{alert.ErrWorthless, alert.ErrRedNeedsNames, alert.ErrRepeatedRow} {
		if errors.Is(err, bad) {
			return problem(http.StatusBadRequest, "invalid", err.Error(), "")
		}
	}
	return nil
}
