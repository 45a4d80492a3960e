package api

import (
	"fmt"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/board"
)

// alerts gives the board's alerts their shape on the wire.
func (s *Server) alerts(in []board.Alert) []Alert {
	out := make([]Alert, len(in))
	for i, a := range in {
		sealed, at := s.cfg.Node.Sealed(a.Origin)
		out[i] = Alert{
			ID: a.ID.String(), Author: string(a.ID.Author), Ledger: string(a.Origin), Index: a.Position.Index, Position: a.Position.Leaf,
			Authored: a.AuthoredAt, Standing: a.Standing.String(), Audience: a.Audience, Sealed: sealed > a.Position.Index,
			AlertFacts: factsOf(a.Details), Signals: []Signal{},
			AlertJudged: AlertJudged{Agencies: a.Agencies, Independent: a.Independent, Disputes: a.Disputes, Sighted: a.Sighted, Actionable: a.Bar == alert.Open, Barred: a.Bar.String()},
		}
		switch {
		case !a.NoLaterThan.IsZero():
			out[i].NoLaterThan = &a.NoLaterThan
		case out[i].Sealed:
			out[i].NoLaterThan = &at // the board learns it within a second
		}
		for _, x := range a.File.Signals {
			signal := Signal{Algorithm: x.Algorithm.String(), Value: x.Text()}
			if q, ok := x.Quality.Value(); ok {
				signal.Quality = &q
			}
			out[i].Signals = append(out[i].Signals, signal)
		}
	}
	return out
}

func signalsOf(in []Signal, field string) ([]alert.Signal, error) {
	out := make([]alert.Signal, 0, len(in))
	for i, x := range in {
		at := fmt.Sprintf("%s[%d]", field, i)
		algorithm, err := alert.ParseAlgorithm(x.Algorithm)
		if err != nil {
			return nil, &noun.FieldError{Field: at + ".alg", Err: err}
		}
		value, err := alert.ParseValue(algorithm, x.Value)
		if err != nil {
			return nil, &noun.FieldError{Field: at + ".value", Err: err}
		}
		s := alert.Signal{Algorithm: algorithm, Value: value}
		if x.Quality != nil {
			if s.Quality, err = alert.QualityOf(*x.Quality); err != nil {
				return nil, &noun.FieldError{Field: at + ".quality", Err: err}
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// detailsOf reads what the wire says in words; what is not said keeps its zero value.
func detailsOf(f AlertFacts) (alert.Details, error) {
	classes, failed := classesOf(f.Classifications)
	d := alert.Details{
		Title: f.Title, Notes: f.Notes, Source: f.Source, Series: f.Series, Exercise: f.Exercise, Classifications: classes,
	}
	set := func(field, text string, parse func() error) {
		if text == "" || failed != nil {
			return
		}
		if err := parse(); err != nil {
			failed = &noun.FieldError{Field: field, Err: err}
		}
	}
	set("media", f.Media, func() (err error) { d.Media, err = alert.ParseMediaKind(f.Media); return err })
	set("ai_generated", f.AIGenerated, func() (err error) { d.AIGenerated, err = alert.ParseAIGenerated(f.AIGenerated); return err })
	set("victim", f.Victim, func() (err error) { d.Victim, err = alert.ParseVictim(f.Victim); return err })
	set("urgency", f.Urgency, func() (err error) { d.Urgency, err = alert.ParseUrgency(f.Urgency); return err })
	set("basis", f.Basis, func() (err error) { d.Basis, err = alert.ParseBasis(f.Basis); return err })
	if failed != nil {
		return d, failed
	}
	h := Handling{TLP: "amber"}
	if f.Handling != nil {
		h = *f.Handling
	}
	tlp, err := alert.ParseTLP(h.TLP)
	if err != nil {
		return d, &noun.FieldError{Field: "handling.tlp", Err: err}
	}
	d.Handling = alert.Handling{TLP: tlp, Caveats: h.Caveats}
	for _, r := range h.Releases {
		name, err := ledger.ParseAudienceName(r)
		if err != nil {
			return d, &noun.FieldError{Field: "handling.releases", Err: err}
		}
		d.Handling.Release = append(d.Handling.Release, name)
	}
	return d.Normal(), nil
}

func factsOf(d alert.Details) AlertFacts {
	f := AlertFacts{
		Title: d.Title, Media: d.Media.String(), AIGenerated: d.AIGenerated.String(), Victim: d.Victim.String(), Urgency: d.Urgency.String(),
		Basis: d.Basis.String(), Source: d.Source, Series: d.Series, Classifications: showClasses(d.Classifications), Notes: d.Notes, Exercise: d.Exercise,
		Handling: &Handling{TLP: strings.ToLower(strings.TrimPrefix(d.Handling.TLP.String(), "TLP:")), Caveats: d.Handling.Caveats},
	}
	for _, r := range d.Handling.Release {
		f.Handling.Releases = append(f.Handling.Releases, string(r))
	}
	return f
}

// maxShownRows bounds how many rows of a list are shown with an entry.
const maxShownRows = 100

// shows give the content of an event its shape on the wire, by the noun its type begins with.
var shows = map[string]func(e *ledger.Event) (any, error){
	"alert":        showAlertEvent,
	"ask":          showAskEvent,
	"benign":       showBenignEvent,
	"export":       showExportEvent,
	"expunge":      showExpungeEvent,
	"flood":        showFloodEvent,
	"pointer":      showPointerEvent,
	"recall":       showRecallEvent,
	"referral":     showReferralEvent,
	"registry":     showRegistryEvent,
	"report":       showReportEvent,
	"screening":    showScreeningEvent,
	"subscription": showSubscriptionEvent,
	"watch":        showWatchEvent,
}

// ShowEvent gives an opened event its shape on the wire: what it says, in words.
func ShowEvent(e *ledger.Event) any {
	out := struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Version uint64 `json:"version"`
		Rows    int    `json:"rows"`
		Content any    `json:"content,omitempty"`
		Note    string `json:"note,omitempty"`
	}{ID: e.ID.String(), Type: e.Type, Version: e.Version, Rows: e.Count()}
	noun, _, _ := strings.Cut(e.Type, ".")
	show := shows[noun]
	if e.Type == ledger.TypeCarried {
		show = showCarriedEvent
	}
	if show == nil {
		return out
	}
	content, err := show(e)
	if err != nil {
		out.Note = err.Error()
	}
	out.Content = content
	return out
}

func showAlertEvent(e *ledger.Event) (any, error) {
	fact, err := alert.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case alert.Cause:
		content := struct {
			AlertFacts
			Signals [][]Signal `json:"signals" doc:"Of each alert; the first hundred"`
		}{AlertFacts: factsOf(alert.DetailsOf(f))}
		for row := range min(f.Rows(), maxShownRows) {
			content.Signals = append(content.Signals, SignalsOf(alert.FileOf(f, uint32(row))))
		}
		return content, nil
	case *alert.Assessed:
		return map[string]any{"alert": alert.ID{Key: f.Target}.String(), "rows": rowsText(f.Rows), "verdict": f.Verdict.String(), "basis": f.Basis.String(), "source": f.Source, "classifications": showClasses(f.Classifications), "reason": f.Reason}, nil
	case *alert.Retracted:
		return map[string]any{"alert": alert.ID{Key: f.Target}.String(), "rows": rowsText(f.Rows), "reason": f.Reason, "replacement": replacementID(f)}, nil
	case *alert.Sighted:
		return map[string]any{"alert": alert.ID{Key: f.Target, Row: f.Row}.String(), "setting": f.Setting.String(), "review": f.Review.String(), "count": f.Count, "day": f.Day.String()}, nil
	case *alert.Linked:
		return map[string]any{"alert": f.Target.String(), "other": f.Other.String(), "relation": f.Relation.String(), "verdict": f.Verdict.String(), "reason": f.Reason}, nil
	}
	return nil, nil
}

// replacementID is the id of what stands in a retracted alert's place, empty where nothing does.
func replacementID(r *alert.Retracted) string {
	if r.Replacement == nil {
		return ""
	}
	return alert.ID{Key: *r.Replacement}.String()
}

func rowsText(r alert.RowSet) any {
	if r.IsAll() {
		return "all"
	}
	return r
}

// FactsOf gives details their shape on the wire; an importer speaks it.
func FactsOf(d alert.Details) AlertFacts { return factsOf(d) }

// SignalsOf gives a file's signals their shape on the wire.
func SignalsOf(f alert.File) []Signal {
	out := make([]Signal, 0, len(f.Signals))
	for _, x := range f.Signals {
		s := Signal{Algorithm: x.Algorithm.String(), Value: x.Text()}
		if q, ok := x.Quality.Value(); ok {
			s.Quality = &q
		}
		out = append(out, s)
	}
	return out
}

// DetailsOf reads what the wire says in words.
func DetailsOf(f AlertFacts) (alert.Details, error) { return detailsOf(f) }

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func now() time.Time { return time.Now() }
