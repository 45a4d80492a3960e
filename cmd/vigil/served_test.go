package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
)

// served are the options of a command at a node that answers as h does, and what it prints.
func served(t *testing.T, h http.Handler) (*options, *bytes.Buffer) {
	t.Helper()
	dir, err := os.MkdirTemp("", "vigil-served-") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() { _, _ = server.Close(), <-ended })
	out := &bytes.Buffer{}
	return &options{server: "unix://" + socket, anonymous: true, out: printer{out: out, err: io.Discard}}, out
}

// called runs a command as its users do.
func called(t *testing.T, cmd *cobra.Command, args ...string) error {
	t.Helper()
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}
