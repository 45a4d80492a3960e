package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"vigil/crypto"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/store"
)

// Exit codes, documented in `vigil help exit-codes`.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitUnauthorized = 4
	exitForbidden    = 5
	exitUnavailable  = 6
	exitConflict     = 7
	exitTimeout      = 8
	exitAborted      = 9
	exitFork         = 12
	exitNotTrusted   = 13
	exitPartial      = 17
	exitInterrupted  = 130
)

const exitCodesText = `Exit codes:
  0    done
  1    failed
  2    wrong usage or bad input
  3    not found (also: no alert carries the hash)
  4    not authenticated
  5    forbidden for this role or by handling, or waits for a second person
  6    unavailable: no leader, no quorum, not ready, node not reachable
  7    conflict: already done otherwise, the same idempotency key with another body, or a directory that another process uses;
       ledger recover: the ledger lives, or somebody remembers more of it
  8    timed out; the outcome may not be known
  9    stopped by you
  10   a signature does not verify           (ledger verify, vigil-verify)
  11   an inclusion proof does not verify    (vigil-verify)
  12   a fork: two histories under one key   (ledger recover, vigil-verify)
  13   not trusted, or trust not established (vigil-verify)
  14   too few cosignatures                  (vigil-verify)
  15   malformed or of a newer version       (vigil-verify)
  16   content does not match its hash, damage that stays   (ledger verify, ledger scrub, backup verify, restore, vigil-verify)
  17   done in part: some of what was found was left out or refused, and is named   (hash, match, alert import, watch import)
  18   the trust file is of another ledger   (vigil-verify)
  19   a receipt was not kept                (vigil-verify)
  130  interrupted`

// usageError is a mistake in how a command was called.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// resultError ends a command with a code of its own after its output has been written.
type resultError struct {
	text string
	code int
}

func (e *resultError) Error() string { return e.text }

// explain turns an error into what a person reads and the code a program gets.
func explain(ctx context.Context, err error) (text, hint string, code int) {
	var refusal *api.Refusal
	var usage *usageError
	var result *resultError
	var network *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.Canceled) && errors.Is(err, context.Canceled):
		return "interrupted", "", exitInterrupted
	case errors.As(err, &usage):
		return usage.text, usage.hint, exitUsage
	case errors.As(err, &result):
		return result.text, "", result.code
	case errors.As(err, &refusal):
		return refusal.Error(), refusal.Hint, statusCode(refusal.Status)
	case errors.Is(err, context.DeadlineExceeded):
		return err.Error(), "ask again with the same --key: nothing happens twice", exitTimeout
	case errors.As(err, &network):
		return err.Error(), "is the node running? 'vigil serve' starts it; --server names another one", exitUnavailable
	}
	return err.Error(), localHint(err), localCode(err)
}

func localHint(err error) string {
	switch {
	case errors.Is(err, node.ErrKit) && errors.Is(err, crypto.ErrWrongPassphrase):
		return "the kit has a passphrase of its own: --kit-passphrase-file"
	case errors.Is(err, crypto.ErrWrongPassphrase):
		return "the passphrase file belongs to another node, or was changed by hand"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "the data directory must be writable for the user that runs the node, and is no other's business"
	}
	return ""
}

func localCode(err error) int {
	switch {
	case errors.Is(err, node.ErrContradicted):
		return exitFork
	case errors.Is(err, node.ErrConfig), errors.Is(err, node.ErrSuccessor), errors.Is(err, node.ErrToken), errors.Is(err, api.ErrServer):
		return exitUsage
	case errors.Is(err, node.ErrNoDirectory), errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, node.ErrBackupOther):
		return exitConflict
	case errors.Is(err, node.ErrKitChanged), errors.Is(err, node.ErrBackup):
		return exitTampered
	case errors.Is(err, node.ErrDirectoryTaken), errors.Is(err, node.ErrMustReplace), errors.Is(err, node.ErrTokenUsed), errors.Is(err, node.ErrJoinRefused), errors.Is(err, node.ErrReplaceRefused),
		errors.Is(err, node.ErrClosed), errors.Is(err, node.ErrAlive), errors.Is(err, node.ErrRemembersMore), errors.Is(err, store.ErrInUse):
		return exitConflict
	case errors.Is(err, node.ErrInviterAway), errors.Is(err, node.ErrUnheard):
		return exitUnavailable
	}
	return exitFailure
}

func statusCode(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return exitUsage
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusUnauthorized:
		return exitUnauthorized
	case http.StatusForbidden, http.StatusAccepted:
		return exitForbidden
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway:
		return exitUnavailable
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusGatewayTimeout:
		return exitTimeout
	}
	return exitFailure
}
