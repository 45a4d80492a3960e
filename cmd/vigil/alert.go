package main

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/ledger/alert"
	"vigil/node/api"
)

func alertCommand(o *options) *cobra.Command {
	return noun("alert", "Raise, find and judge alerts",
		alertRaise(o), alertList(o), alertShow(o), alertLookUp(o), alertAssess(o), alertRetract(o), alertRecall(o), alertRecalls(o), alertSight(o), alertLink(o), alertUnlink(o), alertBenign(o), alertFloods(o), alertRelease(o), alertWatch(o), alertImport(o), alertExport(o), alertExports(o))
}

// factFlags are the flags that describe an alert, shared by raise and import.
func factFlags(cmd *cobra.Command, f *api.AlertFacts, audience *[]string) {
	var tlp string
	var releases, caveats, classes []string
	flags := cmd.Flags()
	flags.StringVar(&f.Title, "title", "", "short title")
	flags.StringVar(&f.Media, "media", "", "image, video, audio, text, other, unknown")
	flags.StringSliceVar(&classes, "class", nil, "classification as scheme:value or scheme/context:value, such as iwf:A, vics/us:1 (repeatable)")
	flags.StringVar(&f.AIGenerated, "ai", "", "AI-generated: no, partly, fully, unknown")
	flags.StringVar(&f.Victim, "victim", "", "identified, unidentified, unknown")
	flags.StringVar(&f.Urgency, "urgency", "", "routine, priority, child-at-immediate-risk")
	flags.StringVar(&tlp, "tlp", "amber", "TLP 2.0: clear, green, amber, amber+strict, red")
	flags.StringSliceVar(&releases, "release", nil, "jurisdictions it may be released to")
	flags.StringSliceVar(&caveats, "caveat", nil, "handling caveats")
	flags.StringVar(&f.Basis, "basis", "", basisHelp)
	flags.StringVar(&f.Source, "source", "", sourceHelp)
	flags.StringVar(&f.Series, "series", "", "name of a known series")
	flags.StringVar(&f.Notes, "notes", "", "notes")
	flags.BoolVar(&f.Exercise, "exercise", false, "an exercise, never casework")
	flags.StringSliceVar(audience, "to", nil, "who can open it: in/*, uk/*, an agency (repeatable); default everyone at home")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		f.Handling = &api.Handling{TLP: tlp, Releases: releases, Caveats: caveats}
		var err error
		f.Classifications, err = parseClasses(classes)
		return err
	}
}

const (
	basisHelp  = "what it rests on: examined, investigation, platform-report, partner-list, victim-report, automatic"
	sourceHelp = "the source's own reference, beginning with the name of the body"
)

// parseClasses reads scheme:value and scheme/context:value.
func parseClasses(texts []string) ([]api.Classification, error) {
	var out []api.Classification
	for _, text := range texts {
		c, err := alert.ParseClass(text)
		if err != nil {
			return nil, &usageError{text: fmt.Sprintf("--class %q: %v", text, err), hint: "such as --class iwf:A or --class vics/us:1"}
		}
		out = append(out, api.Classification{Scheme: c.Scheme, Context: c.Context, Value: c.Value})
	}
	return out, nil
}

// parseSignals reads alg:value arguments; a bare hash is named by its length.
func parseSignals(args []string) ([]api.Signal, error) {
	out := make([]api.Signal, 0, len(args))
	for _, a := range args {
		alg, value, ok := strings.Cut(a, ":")
		if !ok {
			value = a
			switch len(a) {
			case 32:
				alg = "md5"
			case 40:
				alg = "sha1"
			default:
				return nil, &usageError{text: "which hash is this: " + strconv.Itoa(len(a)) + " characters", hint: "write it as alg:value, such as sha256:… or pdq:… (both have 64 digits)"}
			}
		}
		out = append(out, api.Signal{Algorithm: strings.ToLower(alg), Value: value})
	}
	return out, nil
}

func alertRaise(o *options) *cobra.Command {
	var a api.RaiseAlert
	var key string
	cmd := &cobra.Command{
		Use: "raise HASH…", Short: "Raise an alert: one item, all its hashes", Args: cobra.MinimumNArgs(1),
		Example: "  vigil alert raise md5:0cc175b9c0f1b6a831c399e269772661 sha1:86f7e437faa5a7fce15d1ddcb9eaeaea377667b8 --urgency priority --to 'in/*' --to 'uk/*'",
		RunE: func(cmd *cobra.Command, args []string) error {
			signals, err := parseSignals(args)
			if err != nil {
				return err
			}
			a.Signals = signals
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Raise(cmd.Context(), keyOr(key), a)
			return o.written(w, err)
		},
	}
	factFlags(cmd, &a.AlertFacts, &a.Audience)
	cmd.Flags().BoolVar(&a.KnowingBenign, "knowing-benign", false, "although a hash is on the known-benign list: shown with the conflict, and not acted on")
	keyFlag(cmd, &key)
	return cmd
}

func keyFlag(cmd *cobra.Command, key *string) {
	cmd.Flags().StringVar(key, "key", "", "idempotency key: the same key never writes twice (default: a new one)")
}

func keyOr(key string) string {
	if key == "" {
		return rand.Text()
	}
	return key
}

// written prints where a write was committed.
func (o *options) written(w api.Written, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(w, func() {
		o.out.fields("id", w.ID, "ledger", w.Ledger, "index", strconv.FormatUint(w.Index, 10), "state", w.State, "leaf", w.Leaf)
		if w.Repeated {
			o.out.note("this was written before; nothing was written twice")
		}
	})
}

func alertList(o *options) *cobra.Command {
	var q api.ListQuery
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List alerts, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			var page api.AlertPage
			for {
				next, err := c.Alerts(cmd.Context(), q)
				if err != nil {
					return err
				}
				page.Alerts = append(page.Alerts, next.Alerts...)
				page.Next, page.StaleFor, q.Cursor = next.Next, next.StaleFor, next.Next
				if !all || next.Next == "" {
					break
				}
			}
			return o.out.value(page, func() { o.alertTable(page) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Standing, "standing", "", "asserted, corroborated, disputed, retracted")
	f.StringVar(&q.Actionable, "actionable", "", "yes or no: whether it is acted on")
	f.StringVar(&q.Class, "class", "", "scheme:value or scheme/context:value, stated by anybody or following by the crosswalk")
	f.StringVar(&q.Series, "series", "", "name of a series, or an alert's id: what is linked with it")
	f.StringVar(&q.Author, "author", "", "agency that raised it")
	f.StringVar(&q.Urgency, "urgency", "", "routine, priority, child-at-immediate-risk")
	f.StringVar(&q.Text, "text", "", "words in title, notes, source")
	f.StringVar(&q.Sort, "sort", "", "newest (default), oldest, urgency")
	f.StringVar(&q.Cursor, "cursor", "", "go on after an earlier page")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.IntVar(&q.Limit, "limit", 50, "alerts a page, at most 500")
	f.BoolVar(&all, "all", false, "every page")
	return cmd
}

func (o *options) alertTable(page api.AlertPage) {
	rows := make([][]string, 0, len(page.Alerts))
	for _, a := range page.Alerts {
		flag := strings.ToUpper(a.Barred)
		if a.Exercise {
			flag = strings.TrimSpace("EXERCISE " + flag)
		}
		rows = append(rows, []string{a.ID, a.Standing, a.Urgency, a.Author, o.out.when(a.Authored), algorithms(a.Signals), strconv.Itoa(a.Sighted), a.Title, flag})
	}
	o.out.table([]string{"ID", "STANDING", "URGENCY", "AUTHOR", "AUTHORED", "HASHES", "MET", "TITLE", ""}, rows)
	if page.StaleFor > 0 {
		o.out.note("no leader for %.0f s: this may be out of date", page.StaleFor)
	}
	if page.Next != "" {
		o.out.note("more: --cursor %s", page.Next)
	}
}

func algorithms(signals []api.Signal) string {
	names := make([]string, len(signals))
	for i, s := range signals {
		names[i] = s.Algorithm
	}
	return strings.Join(names, ",")
}

func alertShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One alert with its time line", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			a, err := c.Alert(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(a, func() { o.alertDetail(a) })
		},
	}
}

func (o *options) alertDetail(a api.Alert) {
	p := o.out
	if a.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	p.fields("id", a.ID, "standing", a.Standing, "acted on", actedOn(a), "title", a.Title, "urgency", a.Urgency, "media", a.Media, "victim", a.Victim,
		"ai-generated", a.AIGenerated, "author", a.Author, "authored", p.when(a.Authored)+" (the author's word)",
		"no later than", p.whenPtr(a.NoLaterThan), "ledger", a.Ledger, "entry", fmt.Sprintf("%d, position %d", a.Index, a.Position),
		"audience", strings.Join(a.Audience, ", "), "handling", handling(a.Handling), "basis", a.Basis, "source", a.Source, "series", a.Series, "notes", a.Notes)
	for _, c := range a.Classifications {
		p.fields("class", class(c))
	}
	for _, e := range a.Equivalents {
		p.fields("follows", fmt.Sprintf("%s from %s (%s; crosswalk %d)", e.Class, e.From, e.Source, a.Crosswalk))
	}
	if len(a.WithoutEquivalent) > 0 {
		p.fields("no equivalent in", strings.Join(a.WithoutEquivalent, ", "))
	}
	for _, s := range a.Signals {
		p.fields("hash", s.Algorithm+":"+s.Value)
	}
	o.assessmentTable(a)
	o.caseworkTables(a)
	rows := make([][]string, 0, len(a.Timeline))
	for _, e := range a.Timeline {
		rows = append(rows, []string{p.when(e.Authored), e.Type, e.Author, e.Verdict, e.Reason, e.Effect})
	}
	if len(rows) > 0 {
		fmt.Fprintln(p.out)
		p.table([]string{"AUTHORED", "EVENT", "AGENCY", "VERDICT", "REASON", "EFFECT"}, rows)
	}
}

// class is a classification in words, with who found so and when.
func class(c api.Classification) string {
	text := c.Scheme
	if c.Context != "" {
		text += "/" + c.Context
	}
	text += ": " + c.Value
	for _, more := range []string{c.By, c.Unit, c.Day} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

func actedOn(a api.Alert) string {
	if a.Actionable {
		return "yes"
	}
	return "no: " + a.Barred
}

func (o *options) assessmentTable(a api.Alert) {
	rows := make([][]string, 0, len(a.Assessments))
	for _, x := range a.Assessments {
		classes := make([]string, len(x.Classifications))
		for i, c := range x.Classifications {
			classes[i] = class(c)
		}
		rows = append(rows, []string{x.Agency, x.Verdict, x.Basis, x.Source, strings.Join(classes, "; "), x.Reason})
	}
	if len(rows) > 0 {
		fmt.Fprintln(o.out.out)
		o.out.table([]string{"AGENCY", "SAYS", "BASIS", "SOURCE", "CLASSES", "REASON"}, rows)
	}
}

func handling(h *api.Handling) string {
	if h == nil {
		return ""
	}
	text := "TLP:" + strings.ToUpper(h.TLP)
	if len(h.Releases) > 0 {
		text += ", release to " + strings.Join(h.Releases, ", ")
	}
	if len(h.Caveats) > 0 {
		text += ", " + strings.Join(h.Caveats, ", ")
	}
	return text
}

func alertLookUp(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "lookup HASH…", Short: "Is this hash on any alert that is acted on? Exit 0 if so, 3 if not", Args: cobra.RangeArgs(1, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			signals, err := parseSignals(args)
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			answer, err := c.LookUp(cmd.Context(), api.LookUp{Signals: signals})
			if err != nil {
				return err
			}
			hits, barred := 0, 0
			for _, r := range answer.Results {
				if r.Actionable {
					hits++
				}
				barred += len(r.Alerts)
			}
			if err := o.out.value(answer, func() { o.lookUpTable(answer) }); err != nil {
				return err
			}
			if hits == 0 && barred > 0 {
				return &resultError{text: "no alert that is acted on carries it", code: exitNotFound}
			}
			if hits == 0 {
				return &resultError{text: "no alert carries it", code: exitNotFound}
			}
			return nil
		},
	}
}

func (o *options) lookUpTable(answer api.LookUpAnswer) {
	var rows [][]string
	for _, r := range answer.Results {
		for _, a := range r.Alerts {
			rows = append(rows, []string{r.Signal.Algorithm + ":" + r.Signal.Value, a.ID, a.Standing, a.Barred, a.Urgency, a.Author, handling(a.Handling)})
		}
	}
	o.out.table([]string{"HASH", "ALERT", "STANDING", "BARRED", "URGENCY", "ASK", "HANDLING"}, rows)
	for _, r := range answer.Results {
		for _, b := range r.Benign {
			o.out.note("%s:%s is benign, says %s: %s (%s)", r.Signal.Algorithm, r.Signal.Value, b.Agency, b.Reason, b.ID)
		}
	}
}

func alertAssess(o *options) *cobra.Command {
	var a api.Assess
	var key string
	var classes []string
	cmd := &cobra.Command{
		Use: "assess ID confirms|disputes|withdraws", Short: "Say what your agency finds", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Verdict = args[1]
			var err error
			if a.Classifications, err = parseClasses(classes); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Assess(cmd.Context(), keyOr(key), args[0], a)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Reason, "reason", "", "why")
	f.StringVar(&a.Basis, "basis", "", basisHelp)
	f.StringVar(&a.Source, "source", "", sourceHelp)
	f.StringSliceVar(&classes, "class", nil, "what it is, as scheme:value or scheme/context:value (repeatable)")
	keyFlag(cmd, &key)
	return cmd
}

func alertRetract(o *options) *cobra.Command {
	var r api.Retract
	var key string
	cmd := &cobra.Command{
		Use: "retract ID --reason TEXT", Short: "Take your own alert back, everywhere", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Retract(cmd.Context(), keyOr(key), args[0], r)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why (required)")
	cmd.Flags().StringVar(&r.Replacement, "replacement", "", "id of the alert that stands in its place: raise the right one first")
	_ = cmd.MarkFlagRequired("reason")
	keyFlag(cmd, &key)
	return cmd
}

func alertWatch(o *options) *cobra.Command {
	var after string
	cmd := &cobra.Command{
		Use: "watch", Short: "Print changes as they arrive, until interrupted", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			return c.Events(cmd.Context(), after, func(e api.Change) error {
				return o.out.line(e, fmt.Sprintf("%s  %s  %-18s %s  %s #%d", e.ID, o.out.when(e.At), e.Kind, e.Object, e.Ledger, e.Index))
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", api.LatestEvent, "begin after this change, as a line begins with it, instead of with the next; 0 begins with the oldest")
	return cmd
}
