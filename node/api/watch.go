package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
	"vigil/node/board"
)

type watchPath struct {
	ID    string `path:"id" maxLength:"64" doc:"Id of a watch list, or a unique prefix of it"`
	From  int    `query:"from" minimum:"0" maximum:"10000"`
	Limit int    `query:"limit" minimum:"0" maximum:"500"`
}

type hitPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of a hit, or a unique prefix of it"`
}

type watchQuery struct {
	Case     string `query:"case" maxLength:"128"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

type hitQuery struct {
	State    string `query:"state" enum:"open,seen,done,dismissed,"`
	List     string `query:"list" maxLength:"64" doc:"Of a watch list, or of one watched file"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

func (s *Server) watchRoutes() {
	route(s, http.MethodPost, "/v1/watch-lists", "addWatched", "Watch for files: every alert that carries one is a hit, told to this agency only", writers, s.addWatched, inBulk)
	route(s, http.MethodGet, "/v1/watch-lists", "listWatchLists", "What this agency watches", content, s.listWatchLists)
	route(s, http.MethodGet, "/v1/watch-lists/{id}", "getWatchList", "One watch list with its files", content, s.getWatchList)
	route(s, http.MethodPost, "/v1/watch-lists/removals", "removeWatched", "End the watch for files, or for everything on a list", writers, s.removeWatched)
	route(s, http.MethodGet, "/v1/watch-hits", "listWatchHits", "Alerts that carry what is watched, newest first", content, s.listHits)
	route(s, http.MethodGet, "/v1/watch-hits/{id}", "getWatchHit", "One hit and what was done about it", content, s.getHit)
	route(s, http.MethodPost, "/v1/watch-hits/handling", "handleWatchHits", "Say what was done about hits", writers, s.handleHits)
}

// ourselves is the audience of what stays in the agency.
func (s *Server) ourselves() []ledger.AudienceName {
	return []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}
}

func (s *Server) addWatched(ctx context.Context, in *keyed[AddWatched]) (*body[Written], error) {
	details := watch.Details{Case: in.Body.Case, Note: in.Body.Note, Exercise: in.Body.Exercise}
	if err := details.Validate(); err != nil {
		return nil, err
	}
	files, verdicts := goodRows(in.Body.Rows)
	if err := refuseRows(verdicts, len(in.Body.Rows), in.Body.Atomic || len(files) == 0); err != nil {
		return nil, err
	}
	if in.Key == "" {
		in.Key = rand.Text()
	}
	out, err := s.writeLists(ctx, in.Key, s.ourselves(), files, listing{
		many: func(id ledger.EventID, files []alert.File) (ledger.Event, error) {
			return watch.AddList{Event: id, Details: details, Files: files}.Decide()
		},
		one: func(id ledger.EventID, file alert.File) (ledger.Event, error) {
			return watch.Add{Event: id, Details: details, File: file}.Decide()
		},
		name: func(id ledger.EventID) string { return watch.Key{Event: id}.ID(watch.IDPrefix) },
	})
	out.Rows, out.Refused = verdicts, len(verdicts)
	return &body[Written]{out}, err
}

func (s *Server) listWatchLists(ctx context.Context, in *watchQuery) (*body[WatchListPage], error) {
	page, err := s.cfg.Board.WatchLists(ctx, board.WatchQuery(*in))
	if err != nil {
		return nil, err
	}
	out := WatchListPage{Lists: []WatchList{}, Next: page.Next}
	var ids []string
	for i := range page.Lists {
		l := watchList(&page.Lists[i])
		out.Lists, ids = append(out.Lists, l), append(ids, l.ID)
	}
	return &body[WatchListPage]{out}, s.read(ctx, "watch.list", ids)
}

func (s *Server) getWatchList(ctx context.Context, in *watchPath) (*body[WatchListFiles], error) {
	l, files, next, err := s.cfg.Board.WatchedFiles(ctx, in.ID, in.From, in.Limit)
	if err != nil {
		return nil, err
	}
	out := WatchListFiles{WatchList: watchList(&l), Page: []WatchedFile{}, Next: next}
	for i := range files {
		out.Page = append(out.Page, watchedFile(&files[i]))
	}
	return &body[WatchListFiles]{out}, s.read(ctx, "watch.show", []string{out.ID})
}

func watchList(l *board.WatchList) WatchList {
	return WatchList{
		ID: l.Key.ID(watch.IDPrefix), WatchFacts: watchFacts(l.Details), Files: l.Files, Watched: l.Watched, Hits: l.Hits, Open: l.Open, Authored: l.Authored,
	}
}

func watchFacts(d watch.Details) WatchFacts {
	return WatchFacts{Case: d.Case, Note: d.Note, Exercise: d.Exercise}
}

func watchedFile(w *board.Watched) WatchedFile {
	return WatchedFile{ID: w.ID.String(), Signals: SignalsOf(w.File)}
}

// removeWatched writes one removal for each list concerned; each is decided before any is written.
func (s *Server) removeWatched(ctx context.Context, in *keyed[RemoveWatched]) (*body[Written], error) {
	targets, err := s.removals(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	if in.Key == "" {
		in.Key = rand.Text()
	}
	if err := s.removable(ctx, in.Key, targets); err != nil {
		return nil, err
	}
	var out Written
	for i, t := range targets {
		same := saying(watch.Decode, func(f *watch.Removed) bool {
			return f.Target == t.Target && slices.Equal(f.Rows, t.Rows) && f.Reason == t.Reason
		})
		w, err := s.write(ctx, fmt.Sprintf("%s/%d", in.Key, i), s.ourselves(), s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
			l, err := s.cfg.Board.WatchObject(ctx, t.Target)
			if err != nil {
				return ledger.Event{}, err
			}
			t.Event = id
			return t.Decide(l)
		}))
		if err != nil {
			return nil, err
		}
		w.ID, w.Accepted = t.Target.ID(watch.IDPrefix), out.Accepted+len(t.Rows)
		out = w
	}
	return &body[Written]{out}, nil
}

// removable refuses everything where one removal that is not written yet would be refused.
func (s *Server) removable(ctx context.Context, key string, targets []watch.Remove) error {
	for i, t := range targets {
		_, written, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, s.keyed(ctx, fmt.Sprintf("%s/%d", key, i)))
		if err != nil {
			return err
		}
		if written {
			continue
		}
		l, err := s.cfg.Board.WatchObject(ctx, t.Target)
		if err == nil {
			_, err = t.Decide(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removals groups what is to go by its list, in the order of lists' ids, so that a retry has the same keys.
func (s *Server) removals(ctx context.Context, in RemoveWatched) ([]watch.Remove, error) {
	rows := map[watch.Key]alert.RowSet{}
	for _, text := range in.Files {
		id, err := s.cfg.Board.WatchedID(ctx, text)
		if err != nil {
			return nil, err
		}
		rows[id.Key] = append(rows[id.Key], id.Row)
	}
	for _, text := range in.Lists {
		id, err := s.cfg.Board.WatchedID(ctx, text)
		if err != nil {
			return nil, err
		}
		rows[id.Key] = alert.AllRows()
	}
	var out []watch.Remove
	for k, set := range rows {
		out = append(out, watch.Remove{Target: k, Rows: set.Normal(), Reason: in.Reason})
	}
	if len(out) == 0 {
		return nil, noun.At("files", noun.ErrRequired)
	}
	slices.SortFunc(out, func(a, b watch.Remove) int { return strings.Compare(a.Target.Event.String(), b.Target.Event.String()) })
	return out, nil
}

func (s *Server) listHits(ctx context.Context, in *hitQuery) (*body[WatchHitPage], error) {
	page, err := s.cfg.Board.Hits(ctx, board.HitQuery(*in))
	if err != nil {
		return nil, err
	}
	out := WatchHitPage{Hits: []WatchHit{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range page.Hits {
		h := s.hit(&page.Hits[i])
		out.Hits, ids = append(out.Hits, h), append(ids, h.ID)
	}
	return &body[WatchHitPage]{out}, s.read(ctx, "watch.hits", ids)
}

func (s *Server) getHit(ctx context.Context, in *hitPath) (*body[WatchHit], error) {
	h, said, err := s.cfg.Board.Hit(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := s.hit(&h)
	for _, x := range said {
		out.History = append(out.History, HitSaid{What: x.What.String(), Note: x.Note, Ledger: string(x.Origin), Index: x.Index, Authored: x.Authored})
	}
	return &body[WatchHit]{out}, s.read(ctx, "watch.hit", []string{out.ID, out.Alert.ID})
}

func (s *Server) hit(h *board.Hit) WatchHit {
	return WatchHit{
		ID: h.ID.String(), State: h.State.String(), Watched: watchedFile(&h.Watched), WatchFacts: watchFacts(h.Watched.Details),
		Alert: s.alerts([]board.Alert{h.Alert})[0], Algorithm: h.Algorithm.String(), Distance: h.Distance,
	}
}

func (s *Server) handleHits(ctx context.Context, in *keyed[HandleHits]) (*body[Written], error) {
	what, err := watch.ParseHandling(in.Body.What)
	if err != nil {
		return nil, noun.At("what", err)
	}
	hits, err := s.cfg.Board.HitIDs(ctx, in.Body.Hits)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, in.Key, s.ourselves(), func(id ledger.EventID) (ledger.Event, error) {
		var failed error
		e, err := watch.Handle{Event: id, What: what, Note: in.Body.Note, Hits: hits}.Decide(func(h watch.HitID) bool {
			has, err := s.cfg.Board.HasHit(ctx, h)
			if err != nil {
				failed = err
			}
			return has
		})
		if failed != nil {
			return ledger.Event{}, failed
		}
		return e, err
	})
	w.ID, w.Accepted = hits[0].String(), len(hits)
	return &body[Written]{w}, err
}

func showWatchEvent(e *ledger.Event) (any, error) {
	fact, err := watch.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case watch.Cause:
		content := AddWatched{WatchFacts: watchFacts(f.Says())}
		for row := range min(f.Rows(), maxShownRows) {
			content.Rows = append(content.Rows, SignalsOf(f.File(row)))
		}
		return content, nil
	case *watch.Removed:
		return map[string]any{"list": f.Target.ID(watch.IDPrefix), "rows": rowsText(f.Rows), "reason": f.Reason}, nil
	case *watch.Handled:
		content := HandleHits{What: f.What.String(), Note: f.Note}
		for _, h := range f.Hits[:min(len(f.Hits), maxShownRows)] {
			content.Hits = append(content.Hits, h.String())
		}
		return content, nil
	}
	return nil, nil
}
