package board_test

import (
	"slices"
	"strings"
	"testing"

	"vigil/node/board"
)

// TestTheScrubComparesWhatIsDerived: what no event has rows of, and a page that was put back can take away, is compared with
// what it was made of.
func TestTheScrubComparesWhatIsDerived(t *testing.T) {
	b, _ := whole(t)
	if found := scrubbed(t, b); len(found) > 0 {
		t.Fatalf("an undamaged board: %q", found)
	}
	for damage, want := range map[string]string{
		"DELETE FROM signals WHERE alert = (SELECT max(alert) FROM signals)": "look-up",
		"UPDATE tallies SET n = n + 1":                                       "figures",
	} {
		if err := b.Exec(damage); err != nil {
			t.Fatal(err)
		}
		if found := scrubbed(t, b); !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q", damage, found)
		}
	}
}

// scrubbed is everything that a whole scrub finds.
func scrubbed(t *testing.T, b *board.Board) (found []string) {
	t.Helper()
	for cursor := []byte(nil); ; {
		slice, err := b.Scrub(t.Context(), cursor, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if found = append(found, slice.Found...); len(slice.Next) == 0 {
			return found
		}
		cursor = slice.Next
	}
}
