package synthetic_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"vigil/node/interop/synthetic"
)

// The bundled set is the same on every machine and in every version.
func TestDemoIsPinned(t *testing.T) {
	var a, b bytes.Buffer
	if synthetic.WriteDemo(&a) != nil || synthetic.WriteDemo(&b) != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("not the same twice")
	}
	sum := sha256.Sum256(a.Bytes())
	const want = "5886855ada461fc0bf73423f76ed7d91f90d587c7522df36be3abfac2fdc1f27"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the demonstration's set has changed: %s", got)
	}
}

func TestRowsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for r := range synthetic.Rows("x", 2000) {
		if err := r.File.Validate(); err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint(r.File.Signals)] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d different", len(seen))
	}
}
