package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// raiseList commits good rows as packed lists, one for each set of algorithms, each under a key of its own.
func (s *Server) raiseList(ctx context.Context, in *keyed[RaiseList]) (*body[Written], error) {
	details, err := detailsOf(in.Body.AlertFacts)
	if err != nil {
		return nil, err
	}
	audience, err := audienceOf(in.Body.Audience, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	if in.Key == "" {
		in.Key = rand.Text()
	}
	files, verdicts := goodRows(in.Body.Rows)
	if files, verdicts, err = s.benignRows(ctx, in.Key, in.Body, files, verdicts); err != nil {
		return nil, err
	}
	if err := refuseRows(verdicts, len(in.Body.Rows), in.Body.Atomic || len(files) == 0); err != nil {
		return nil, err
	}
	out, err := s.writeLists(ctx, in.Key, audience, files, listing{
		many: func(id ledger.EventID, files []alert.File) (ledger.Event, error) {
			return alert.List{Event: id, Details: details, Files: files}.Decide(alert.View{Agency: s.cfg.Agency})
		},
		one: func(id ledger.EventID, file alert.File) (ledger.Event, error) {
			return alert.Raise{Event: id, Details: details, File: file}.Decide(alert.View{Agency: s.cfg.Agency})
		},
		name: func(id ledger.EventID) string { return alert.ID{Key: alert.Key{Event: id}}.String() },
	})
	out.Rows, out.Refused = verdicts, len(verdicts)
	return &body[Written]{out}, err
}

// refuseRows refuses a batch without rows, and one for its bad rows where it is to be all or nothing.
func refuseRows(bad []RowVerdict, rows int, all bool) error {
	if rows == 0 {
		return noun.At("rows", noun.ErrRequired)
	}
	if len(bad) == 0 || !all {
		return nil
	}
	p := problem(http.StatusBadRequest, "rows", fmt.Sprintf("%d of %d rows are bad; nothing was written", len(bad), rows), "mend them, or send atomic: false to commit the others")
	for _, v := range bad[:min(len(bad), 20)] {
		p.Detail += fmt.Sprintf("; row %d: %s", v.Row, v.Error)
	}
	return p
}

// listing decides the events of a batch: packed lists, and files that fit none.
type listing struct {
	many func(id ledger.EventID, files []alert.File) (ledger.Event, error)
	one  func(id ledger.EventID, file alert.File) (ledger.Event, error)
	name func(id ledger.EventID) string // the id people use
}

func (s *Server) writeLists(ctx context.Context, key string, audience []ledger.AudienceName, files []alert.File, l listing) (Written, error) {
	groups, alone := alert.SplitFiles(files)
	var out Written
	part := 0
	commit := func(rows int, decide func(id ledger.EventID) (ledger.Event, error)) error {
		var event ledger.EventID
		w, err := s.write(ctx, fmt.Sprintf("%s/%d", key, part), audience, func(id ledger.EventID) (ledger.Event, error) {
			event = id
			return decide(id)
		})
		if err != nil {
			return err
		}
		w.ID, w.Accepted = l.name(event), out.Accepted+rows
		out = w
		part++
		return nil
	}
	for _, group := range groups {
		if err := commit(len(group), func(id ledger.EventID) (ledger.Event, error) { return l.many(id, pick(files, group)) }); err != nil {
			return out, err
		}
	}
	for _, i := range alone {
		if err := commit(1, func(id ledger.EventID) (ledger.Event, error) { return l.one(id, files[i]) }); err != nil {
			return out, err
		}
	}
	return out, nil
}

func pick(files []alert.File, indexes []int) []alert.File {
	out := make([]alert.File, len(indexes))
	for i, n := range indexes {
		out[i] = files[n]
	}
	return out
}

// goodRows sorts rows into files and verdicts on the bad ones; a file that stands twice is taken once.
func goodRows(rows [][]Signal) ([]alert.File, []RowVerdict) {
	var files []alert.File
	var bad []RowVerdict
	seen := map[string]bool{}
	for i, row := range rows {
		signals, err := signalsOf(row, "signals")
		f := alert.File{Signals: signals}.Normal()
		if err == nil && len(signals) == 0 {
			err = fmt.Errorf("no signal")
		}
		if err == nil {
			err = f.Validate()
		}
		for _, x := range f.Signals {
			if err == nil && x.Worthless() {
				err = alert.ErrWorthless
			}
		}
		key := string(ledger.Marshal(f))
		if err == nil && seen[key] {
			err = alert.ErrRepeatedRow
		}
		if err != nil {
			bad = append(bad, RowVerdict{Row: i, Error: err.Error()})
			continue
		}
		seen[key] = true
		files = append(files, f)
	}
	return files, bad
}
