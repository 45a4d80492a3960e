// Package interop compares Vigil with what the field itself uses, run beside it on the same input. ./test/run installs
// what that needs; where it is missing the tests fail and say so.
package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
)

// python is the interpreter that has the packages in requirements.txt.
const python = "../.cache/python/bin/python"

// reference runs a command of reference.py and gives each line of its answer to take.
func reference[T any](t testing.TB, take func(T), arguments ...string) {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatal("the reference is missing; ./test/run installs it")
	}
	cmd := exec.Command(python, append([]string{"reference.py"}, arguments...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", arguments[0], err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var v T
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		take(v)
	}
}
