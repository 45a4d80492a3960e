package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
	"vigil/node/interop"
)

func watchCommand(o *options) *cobra.Command {
	return noun("watch", "Watch for fingerprints of your own: exhibits, cold cases; no other agency learns of them",
		watchAdd(o), watchImport(o), watchList(o), watchShow(o), watchRemove(o), watchHits(o), watchHandle(o))
}

// watchFlags are what is said of everything that is added; the case is the flag that every command has.
func watchFlags(cmd *cobra.Command, f *api.WatchFacts) {
	cmd.Flags().StringVar(&f.Note, "note", "", "what it is, for your own people")
	cmd.Flags().BoolVar(&f.Exercise, "exercise", false, "an exercise: hits exercises only")
}

func (o *options) watchCase(f *api.WatchFacts) error {
	if f.Case = o.caseNumber; f.Case == "" {
		return &usageError{text: "what is watched belongs to a case", hint: "--case 2024/117"}
	}
	return nil
}

func watchAdd(o *options) *cobra.Command {
	var a api.AddWatched
	var key string
	cmd := &cobra.Command{
		Use: "add HASH… --case CASE", Short: "Watch for one file: all its hashes", Args: cobra.MinimumNArgs(1),
		Example: "  vigil watch add md5:0cc175b9c0f1b6a831c399e269772661 sha1:86f7e437faa5a7fce15d1ddcb9eaeaea377667b8 --case 2024/117 --note 'exhibit 4'",
		RunE: func(cmd *cobra.Command, args []string) error {
			signals, err := parseSignals(args)
			if err != nil {
				return err
			}
			if err := o.watchCase(&a.WatchFacts); err != nil {
				return err
			}
			a.Rows, a.Atomic = [][]api.Signal{signals}, true
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.AddWatched(cmd.Context(), keyOr(key), a)
			return o.written(w, err)
		},
	}
	watchFlags(cmd, &a.WatchFacts)
	keyFlag(cmd, &key)
	return cmd
}

func watchImport(o *options) *cobra.Command {
	var facts api.WatchFacts
	var after uint64
	cmd := &cobra.Command{
		Use: "import FILE --case CASE", Short: "Watch for every row of a hash set (" + importFormat + ")", Args: cobra.ExactArgs(1),
		Long: "Watch for every row of a hash set, sealed to your own agency. What could be imagery or a path is not read. The same file\n" +
			"imported again writes nothing twice, so an interrupted import is resumed by running it again. Where rows were refused, it\n" +
			"ends with 17.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.watchCase(&facts); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.importFile(cmd, args[0], &importer{o: o, after: after, salt: fmt.Sprintf("watch %v", facts), batches: func(chunk []interop.Row) []batch {
				a := api.AddWatched{WatchFacts: facts, Rows: signalsOf(chunk)}
				return []batch{{chunk, func(ctx context.Context, key string) (api.Written, error) { return c.AddWatched(ctx, key, a) }}}
			}})
		},
	}
	watchFlags(cmd, &facts)
	cmd.Flags().Uint64Var(&after, "after", 0, "go on after this row")
	return cmd
}

func watchList(o *options) *cobra.Command {
	var q api.WatchQuery
	cmd := &cobra.Command{
		Use: "list", Short: "What is watched, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.Case = o.caseNumber
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.WatchLists(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, l := range page.Lists {
					rows = append(rows, []string{l.ID, l.Case, fmt.Sprint(l.Watched), fmt.Sprint(l.Files - l.Watched), fmt.Sprint(l.Hits), fmt.Sprint(l.Open), o.out.when(l.Authored), oneLine(l.Note), exercise(l.Exercise)})
				}
				o.out.table([]string{"ID", "CASE", "WATCHED", "REMOVED", "HITS", "OPEN", "ADDED", "NOTE", ""}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "lists a page, at most 500")
	return cmd
}

func exercise(is bool) string {
	if is {
		return "EXERCISE"
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func watchShow(o *options) *cobra.Command {
	var from, limit int
	cmd := &cobra.Command{
		Use: "show LIST", Short: "One list with its files", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			l, err := c.WatchList(cmd.Context(), args[0], from, limit)
			if err != nil {
				return err
			}
			return o.out.value(l, func() {
				rows := [][]string{}
				for _, w := range l.Page {
					rows = append(rows, []string{w.ID, hashes(w.Signals)})
				}
				o.out.table([]string{"ID", "HASHES"}, rows)
				o.out.note("case %s: %d of %d watched, %d hits, %d of them open; %s", l.Case, l.Watched, l.Files, l.Hits, l.Open, oneLine(l.Note))
				if l.Next > 0 {
					o.out.note("more: --from %d", l.Next)
				}
			})
		},
	}
	cmd.Flags().IntVar(&from, "from", 0, "begin with this row")
	cmd.Flags().IntVar(&limit, "limit", 50, "files a page, at most 500")
	return cmd
}

func hashes(signals []api.Signal) string {
	out := make([]string, len(signals))
	for i, s := range signals {
		out[i] = s.Algorithm + ":" + s.Value
	}
	return strings.Join(out, " ")
}

func watchRemove(o *options) *cobra.Command {
	var r api.RemoveWatched
	var key string
	cmd := &cobra.Command{
		Use: "remove ID… | --list LIST", Short: "End the watch for files, or for everything on a list", Args: cobra.MaximumNArgs(1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Files = args; len(args)+len(r.Lists) == 0 {
				return &usageError{text: "which files?", hint: "give their ids as 'vigil watch show LIST' prints them, or --list LIST for everything on it"}
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.RemoveWatched(cmd.Context(), keyOr(key), r)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringSliceVar(&r.Lists, "list", nil, "everything on this list (repeatable)")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why")
	keyFlag(cmd, &key)
	return cmd
}

func watchHits(o *options) *cobra.Command {
	var q api.HitQuery
	var follow bool
	cmd := &cobra.Command{
		Use: "hits [HIT]", Short: "Alerts that carry what is watched, newest first; or one of them with what was done about it", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			switch {
			case len(args) == 1:
				h, err := c.WatchHit(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return o.out.value(h, func() { o.hitDetail(h) })
			case follow:
				return o.followHits(cmd.Context(), c, q)
			}
			page, err := c.WatchHits(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() { o.hitTable(page) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.State, "state", "", "open, seen, done, dismissed")
	f.StringVar(&q.List, "list", "", "of this list, or of this watched file")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "hits a page, at most 500")
	f.BoolVarP(&follow, "follow", "f", false, "print hits as they come, and again when their alert is disputed or retracted")
	return cmd
}

func hitRow(o *options, h api.WatchHit) []string {
	return []string{h.ID, h.State, h.Case, h.Watched.ID, h.Alert.ID, h.Alert.Standing, h.Alert.Urgency, h.Alert.Author, likeness(h), o.out.when(h.Alert.Authored), exercise(h.Exercise)}
}

func likeness(h api.WatchHit) string {
	if h.Distance == 0 {
		return h.Algorithm
	}
	return fmt.Sprintf("%s, %d bits off", h.Algorithm, h.Distance)
}

func (o *options) hitTable(page api.WatchHitPage) {
	rows := [][]string{}
	for _, h := range page.Hits {
		rows = append(rows, hitRow(o, h))
	}
	o.out.table([]string{"HIT", "STATE", "CASE", "WATCHED", "ALERT", "STANDING", "URGENCY", "ASK", "BY", "AUTHORED", ""}, rows)
	if page.StaleFor > 0 {
		o.out.note("no leader for %.0f s: this may be out of date", page.StaleFor)
	}
	if page.Next > 0 {
		o.out.note("more: --before %d", page.Next)
	}
}

func (o *options) hitDetail(h api.WatchHit) {
	p := o.out
	if h.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	p.fields("hit", h.ID, "state", h.State, "case", h.Case, "note", oneLine(h.Note), "watched", h.Watched.ID, "its hashes", hashes(h.Watched.Signals),
		"alike by", likeness(h), "alert", h.Alert.ID, "standing", h.Alert.Standing, "urgency", h.Alert.Urgency, "ask", h.Alert.Author, "handling", handling(h.Alert.Handling))
	if len(h.History) == 0 {
		return
	}
	rows := [][]string{}
	for _, x := range h.History {
		rows = append(rows, []string{p.when(x.Authored), x.What, oneLine(x.Note)})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"WHEN", "WHAT", "NOTE"}, rows)
}

// followHits prints hits as the event stream tells of them. One that is gone again when it is asked for is passed over.
func (o *options) followHits(ctx context.Context, c *api.Client, q api.HitQuery) error {
	return c.Events(ctx, api.LatestEvent, func(e api.Change) error {
		if e.Kind != "watch.hit" {
			return nil
		}
		h, err := c.WatchHit(ctx, e.Object)
		var refusal *api.Refusal
		if errors.As(err, &refusal) && refusal.Status == http.StatusNotFound || err == nil && (h.Exercise != q.Exercise || q.State != "" && h.State != q.State) {
			return nil
		}
		if err != nil {
			return err
		}
		return o.out.line(h, strings.Join(hitRow(o, h), "  "))
	})
}

func watchHandle(o *options) *cobra.Command {
	var h api.HandleHits
	var key string
	cmd := &cobra.Command{
		Use: "handle HIT… --as seen|done|dismissed|reopened", Short: "Say what was done about hits", Args: cobra.RangeArgs(1, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			h.Hits = args
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.HandleHits(cmd.Context(), keyOr(key), h)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&h.What, "as", "", "seen, done, dismissed, reopened (required)")
	cmd.Flags().StringVar(&h.Note, "note", "", "what was done, or why it is of no use (required for done and dismissed)")
	_ = cmd.MarkFlagRequired("as")
	keyFlag(cmd, &key)
	return cmd
}
