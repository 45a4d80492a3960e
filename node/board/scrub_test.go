package board_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/node/board"
)

// TestTheScrubComparesWhatIsDerived: what no event has rows of, and a page that was put back can take away, is compared with
// what it was made of.
func TestTheScrubComparesWhatIsDerived(t *testing.T) {
	b, in := whole(t)
	date := func(size uint64, at int64) {
		t.Helper()
		if err := b.SetSealed(t.Context(), in.Origin(), board.Seal{Size: size, At: time.Unix(at, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	date(1, 1_800_000_000)
	date(2, 1_800_000_009)
	date(2, 1_800_000_007)
	if found := scrubbed(t, b); len(found) > 0 {
		t.Fatalf("an undamaged board: %q", found)
	}
	for damage, want := range map[string]string{
		"DELETE FROM signals WHERE alert = (SELECT max(alert) FROM signals)": "look-up",
		"UPDATE tallies SET n = n + 1":                                       "figures",
		"DELETE FROM seals WHERE size = 2":                                   "dates of checkpoints",
	} {
		if err := b.Exec(damage); err != nil {
			t.Fatal(err)
		}
		if found := scrubbed(t, b); !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q", damage, found)
		}
	}
}

// TestAnObjectWithoutItsEventsIsAnError: a page that was put back may have lost them.
func TestAnObjectWithoutItsEventsIsAnError(t *testing.T) {
	f, in := alone(t, 2)
	in.Seal(t, 0, home, received(t, "r", "chat", false, 1))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(1), 1)
	defer b.Close()
	catchUp(t, b, f)
	if page, err := b.Reports(t.Context(), board.ReportQuery{}); err != nil || len(page.Reports) != 1 {
		t.Fatalf("%d reports, %v", len(page.Reports), err)
	}
	if err := b.Exec("DELETE FROM events"); err != nil {
		t.Fatal(err)
	}
	if page, err := b.Reports(t.Context(), board.ReportQuery{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%d reports, %v", len(page.Reports), err)
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
