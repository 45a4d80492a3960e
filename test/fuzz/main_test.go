package main

import "testing"

// TestOnlyTheEndOfTheTimeIsNoFailure: what go test says of each.
func TestOnlyTheEndOfTheTimeIsNoFailure(t *testing.T) {
	late := "fuzz: elapsed: 6s, execs: 12359 (0/sec)\n--- FAIL: FuzzReader (6.09s)\n    context deadline exceeded\nFAIL\n"
	for said, want := range map[string]bool{
		late: true,
		"--- FAIL: FuzzReader (0.09s)\n    reader_test.go:9: context deadline exceeded\nFAIL\n":          false,
		"--- FAIL: FuzzReader (0.09s)\n    --- FAIL: FuzzReader (0.00s)\n        no\nFAIL\n":             false,
		late + "    Failing input written to testdata/fuzz/FuzzReader/58\nFAIL\n":                        false,
		"--- FAIL: FuzzReader (9s)\n    fuzzing process hung or terminated unexpectedly: exit 2\nFAIL\n": false,
	} {
		if got := endedLate([]byte(said)); got != want {
			t.Errorf("%q: %v", said, got)
		}
	}
}
