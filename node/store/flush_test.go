package store_test

import (
	"testing"

	"vigil/node/store"
)

func TestFlushWaitsWhileMoreComesButNotForEver(t *testing.T) {
	if n := store.Looks(0); n != 1 {
		t.Errorf("what nothing follows is written at look %d, not at the next one", n)
	}
	if n := store.Looks(1); n < 2 || n > 100 {
		t.Errorf("what more always follows is written at look %d", n)
	}
}
