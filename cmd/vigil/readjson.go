package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxJSONFile bounds what is read of a file of JSON.
const maxJSONFile = 1 << 20

// readJSON reads a file, or the standard input, that holds one value and nothing but what into has. The hint says what that is.
func readJSON(path string, into any, hint string) error {
	in, err := openInput(path)
	if err != nil {
		return err
	}
	defer in.Close()
	d := json.NewDecoder(io.LimitReader(in, maxJSONFile))
	d.DisallowUnknownFields()
	err = d.Decode(into)
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

// openInput opens a file; "-" is standard input.
func openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(path)
}
