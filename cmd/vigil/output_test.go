package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"vigil/node/api"
)

// What others wrote reaches a pipe byte for byte; on a terminal, and in an error, its control and direction characters are visible.
func TestWhatOthersWroteSteersNoTerminal(t *testing.T) {
	const wrote = "in/a\n\u2014 \x1b[2J\u009b1m\u202euk/a\tabc=\n"
	const seen = "in/a\n\u2014 \ufffd[2J\ufffd1m\ufffduk/a\tabc=\n"
	o, printed := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/ledger/checkpoint" {
			_, _ = io.WriteString(w, wrote)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.Proof{Checkpoint: wrote})
	}))
	for terminal, want := range map[bool]string{false: wrote, true: seen} {
		o.out.terminal = terminal
		printed.Reset()
		if err := called(t, ledgerCheckpoint(o)); err != nil || printed.String() != want {
			t.Errorf("terminal %v: %q, %v", terminal, printed.String(), err)
		}
		if err := called(t, ledgerProof(o), "1"); err != nil || !strings.HasSuffix(printed.String(), "\n\n"+want) {
			t.Errorf("terminal %v: %q, %v", terminal, printed.String(), err)
		}
	}
	var out bytes.Buffer
	complain(&out, wrote, wrote)
	if want := "error: " + seen + "\nhint:  " + seen + "\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}
