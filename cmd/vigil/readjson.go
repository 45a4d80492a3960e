package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxJSONFile bounds what is read of a file of JSON.
const maxJSONFile = 1 << 20

// readJSON reads a file, or the standard input, that holds one value and nothing but what into has. The hint says what that is.
func readJSON(cmd *cobra.Command, path string, into any, hint string) error {
	in := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	d := json.NewDecoder(io.LimitReader(in, maxJSONFile))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, behind := d.Token(); !errors.Is(behind, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return &usageError{text: fmt.Sprintf("%s: %v", path, err), hint: hint}
	}
	return nil
}
