package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/node/api"
)

// exporting is a node that hands out one alert and says that it is withdrawn; what is asked for at the path named fails.
type exporting struct{ fails string }

func (e *exporting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if e.fails != "" && strings.HasSuffix(r.URL.Path, e.fails) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(api.Refusal{Status: http.StatusForbidden, Title: "not now"})
		return
	}
	signals := []api.Signal{{Algorithm: "md5", Value: "0cc175b9c0f1b6a831c399e269772661"}}
	var answer any = api.Export{ID: "ex_1"}
	switch {
	case strings.HasSuffix(r.URL.Path, "/alerts"):
		answer = api.ExportAlerts{Alerts: []api.Alert{{Signals: signals}}}
	case strings.HasSuffix(r.URL.Path, "/withdrawals"):
		answer = api.ExportWithdrawals{Withdrawals: []api.Withdrawal{{Alert: "al_1", Signals: signals}}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// An export that was refused or interrupted leaves what was there, and nothing that looks whole.
func TestAnExportIsThereOnceItIsWhole(t *testing.T) {
	node := &exporting{}
	o, _ := served(t, node)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	set := filepath.Join(dir, "set.csv")
	if err := os.WriteFile(set, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ fails, format string }{{"", "pdf"}, {"/exports", "csv"}, {"/alerts", "csv"}, {"/withdrawals", "csv"}} {
		node.fails = c.fails
		if err := called(t, alertExport(o), "--format", c.format, "-o", set); err == nil {
			t.Errorf("%v: no error", c)
		}
		holds(t, set, "old")
		alone(t, dir, "set.csv")
	}
	node.fails = ""
	if err := called(t, alertExport(o), "-o", set, "--withdrawals", filepath.Join(dir, "nowhere", "list.csv")); err == nil {
		t.Error("withdrawals have no place: no error")
	}
	holds(t, set, "old")
	if err := called(t, alertExport(o), "-o", set); err != nil {
		t.Fatal(err)
	}
	alone(t, dir, "set.csv", "set.csv.withdrawals.csv")
	holds(t, set+".withdrawals.csv", "alert,author,because,algorithm,value,retracted,replacement\nal_1,,,md5,0cc175b9c0f1b6a831c399e269772661,,\n")
	if b, err := os.ReadFile(set); err != nil || !strings.Contains(string(b), "0cc175b9c0f1b6a831c399e269772661") {
		t.Errorf("%q, %v", b, err)
	}
}
