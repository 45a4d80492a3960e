package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"vigil/node/api"
)

// A token is made once its secret has a place, which is its owner's alone.
func TestATokenIsMadeOnceItsSecretHasAPlace(t *testing.T) {
	made := 0
	o, _ := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		made++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.Token{ID: "tk_1", Secret: "secret"})
	}))
	dir := t.TempDir()
	if err := called(t, tokenCreate(o), "desk", "--role", "analyst", "-o", filepath.Join(dir, "nowhere", "token")); err == nil || made != 0 {
		t.Errorf("%d made, %v", made, err)
	}
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := called(t, tokenCreate(o), "desk", "--role", "analyst", "-o", path); err != nil || made != 1 {
		t.Errorf("%d made, %v", made, err)
	}
	holds(t, path, "secret\n")
}

func TestWhatIsWrittenIsItsOwnersAlone(t *testing.T) {
	o, _ := served(t, http.NotFoundHandler())
	path := filepath.Join(t.TempDir(), "receipt")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.write(path, []byte("new"), 0o600, "receipt"); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
}
