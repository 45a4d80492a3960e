package main

import (
	"errors"
	"slices"
	"testing"
)

func TestBugsApply(t *testing.T) {
	r, err := newRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var names []string
	for _, b := range bugs {
		if slices.Contains(names, b.name) {
			t.Errorf("two bugs are called %s", b.name)
		}
		names = append(names, b.name)
		if _, err := r.mutated(b); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
		if b.from == b.to {
			t.Errorf("%s changes nothing", b.name)
		}
	}
	if len(names) < 25 {
		t.Errorf("%d bugs, 25 at least", len(names))
	}
}

// few are bugs whose tests build quickly: the slice of every run. The command tries all.
var few = []string{"many-recipients", "recipients-not-bound", "sequence-gap", "mirror-withheld", "value-checksum"}

func TestBugsAreCaught(t *testing.T) {
	r, err := newRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for _, name := range few {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
		v, err := r.try(t.Context(), bugs[i])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !v.caught {
			t.Errorf("%s was missed", name)
		}
	}
}

// TestAHarmlessChangeIsMissed is the control: a change that takes nothing away is not called caught.
func TestAHarmlessChangeIsMissed(t *testing.T) {
	r, err := newRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	harmless := bug{name: "harmless", file: "crypto/seal.go", from: "chunk > chunkLarge {", to: "chunk >= chunkLarge+1 {", pkg: "crypto", test: "Junk"}
	if v, err := r.try(t.Context(), harmless); err != nil || v.caught {
		t.Errorf("a harmless change: caught %v, %v", v.caught, err)
	}
	gone := harmless
	gone.from = "not there"
	if _, err := r.try(t.Context(), gone); !errors.Is(err, errApplies) {
		t.Errorf("a bug that does not apply: %v", err)
	}
	broken := harmless
	broken.to = "chunk > {"
	if _, err := r.try(t.Context(), broken); !errors.Is(err, errBuild) {
		t.Errorf("a bug that does not build: %v", err)
	}
}
