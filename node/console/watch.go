package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vigil/node/api"
)

// watchPage is what the agency watches, and what was met of it.
type watchPage struct {
	State string
	Lists []api.WatchList
	Hits  []api.WatchHit
	Stale float64
	// Addresses of the next page of lists and of hits.
	NextLists, NextHits string
}

var hitStates = []string{"open", "seen", "done", "dismissed"}

func (v *visit) watch() error {
	p := watchPage{State: v.form("state")}
	if !slices.Contains(hitStates, p.State) {
		p.State = hitStates[0]
	}
	beforeList, _ := strconv.ParseInt(v.form("lists"), 10, 64) // nonsense is the newest
	beforeHit, _ := strconv.ParseInt(v.form("hits"), 10, 64)
	lists, err := v.api.WatchLists(v.ctx(), api.WatchQuery{Exercise: v.Look.Exercise, Before: beforeList, Limit: listed})
	if err != nil {
		return err
	}
	hits, err := v.api.WatchHits(v.ctx(), api.HitQuery{State: p.State, Exercise: v.Look.Exercise, Before: beforeHit, Limit: listed})
	if err != nil {
		return err
	}
	p.NextLists, p.NextHits = v.older("lists", lists.Next), v.older("hits", hits.Next)
	p.Lists, p.Hits, p.Stale = lists.Lists, hits.Hits, hits.StaleFor
	v.render(http.StatusOK, "watch", p)
	return nil
}

// older is the address of this page with another page of one of its tables; "" where there is nothing older.
func (v *visit) older(name string, before int64) string {
	if before <= 0 {
		return ""
	}
	q := v.r.URL.Query()
	q.Set(name, strconv.FormatInt(before, 10))
	return v.r.URL.Path + "?" + q.Encode()
}

func (v *visit) watchList() error {
	from, _ := strconv.Atoi(v.form("from")) // nonsense is the beginning
	l, err := v.api.WatchList(v.ctx(), v.r.PathValue("id"), from, listed)
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "watchlist", l)
	return nil
}

// addWatched puts what is pasted on a new list: a line has the hashes of one file.
func (v *visit) addWatched() error {
	a := api.AddWatched{WatchFacts: api.WatchFacts{Case: v.form("case"), Note: v.form("note"), Exercise: v.Look.Exercise}, Atomic: true}
	for line := range strings.Lines(v.r.Form.Get("hashes")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		row, err := parseLine(line)
		if err != nil {
			return &api.Refusal{Status: http.StatusBadRequest, Code: "hashes", Detail: err.Error()}
		}
		a.Rows = append(a.Rows, signalsOf(row))
	}
	w, err := v.api.AddWatched(v.ctx(), v.key(), a)
	if err != nil {
		return err
	}
	return v.done("watched", "/watch/"+url.PathEscape(w.ID))
}

func (v *visit) removeWatched() error {
	_, err := v.api.RemoveWatched(v.ctx(), v.key(), api.RemoveWatched{Lists: []string{v.r.PathValue("id")}, Reason: v.form("reason")})
	if err != nil {
		return err
	}
	return v.done("unwatched", "/watch")
}

func (v *visit) handleHits() error {
	ids := v.r.Form["id"]
	if len(ids) == 0 {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "choose"}
	}
	if _, err := v.api.HandleHits(v.ctx(), v.key(), api.HandleHits{Hits: ids, What: v.form("what"), Note: v.form("note")}); err != nil {
		return err
	}
	return v.done("hits-"+v.form("what"), "/watch", strconv.Itoa(len(ids)))
}
