package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func reportCommand(o *options) *cobra.Command {
	return noun("report", "Reports from platforms: take them in, triage them, say what became of them",
		reportSubmit(o), reportDraft(o), reportFile(o), reportFinish(o), reportDiscard(o), reportDrafts(o), reportAmend(o), reportWithdraw(o),
		reportList(o), reportShow(o), reportReceipt(o), reportBundle(o), reportPlatforms(o),
		reportQueue(o), reportMove(o, "claim", "Work on it: nobody else can from then on", nil),
		reportMove(o, "assign", "Give it to somebody of your agency", []string{"to"}),
		reportMove(o, "release", "Put it back into the queue", nil),
		reportMove(o, "conclude", "End it with an outcome", []string{"outcome"}),
		reportMove(o, "outcome", "Say another outcome, learnt later", []string{"outcome"}),
		reportMove(o, "reopen", "Let it wait again, with the reason", []string{"text"}),
		reportEscalate(o))
}

// statementFlags describe a report with at most one file; --from reads the whole of it.
type statementFlags struct {
	from, occurred, uploaded string
	about, classes           []string
	place                    api.ReportPlace
	file                     api.ReportFile
	r                        api.SubmitReport
}

func (s *statementFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.from, "from", "", "file with the whole report as JSON, or - (as the API takes it)")
	f.StringVar(&s.r.Kind, "kind", "", "abuse-material, trafficking, travel, contact-abuse, enticement, unsolicited, misleading-name, misleading-words")
	f.StringVar(&s.r.Reference, "reference", "", "the platform's own number")
	f.StringSliceVar(&s.r.Priority, "priority", nil, "child-at-immediate-risk, sextortion, livestream, solicitation, sadistic-online-exploitation, minor-to-minor, viral-batch, spam (repeatable)")
	f.StringVar(&s.occurred, "occurred", "", "when, with its zone, such as 2026-02-28T14:05:00+05:30")
	f.StringVar(&s.place.Country, "country", "", "where those reported are believed to be: two letters")
	f.StringVar(&s.place.Region, "region", "", "and where in it")
	f.StringArrayVar(&s.about, "about", nil, "whom it is about, as [ROLE:]KIND:VALUE: reported, recipient or child; account, screen-name, email, phone, device, wallet, ip, url (repeatable)")
	f.StringVar(&s.r.Note, "note", "", "what makes it urgent")
	f.StringSliceVar(&s.r.Prior, "prior", nil, "id of an earlier report it goes with")
	addFileFlags(cmd, &s.file, &s.uploaded, &s.classes)
}

func addFileFlags(cmd *cobra.Command, file *api.ReportFile, uploaded *string, classes *[]string) {
	f := cmd.Flags()
	f.StringVar(&file.Reference, "file-reference", "", "the platform's own number for the file")
	f.Uint64Var(&file.Size, "size", 0, "of the file, in bytes")
	f.StringVar(&file.Media, "media", "", "image, video, audio, text, other, unknown")
	f.StringVar(&file.AIGenerated, "ai", "", "AI-generated: no, partly, fully, unknown")
	f.StringVar(&file.Viewed, "viewed", "", "has a person at the platform looked at it: yes, no")
	f.StringVar(&file.Public, "public", "", "could anyone reach it: yes, no")
	f.StringVar(uploaded, "uploaded", "", "when, with its zone")
	f.StringSliceVar(classes, "class", nil, "the platform's classification, as scheme:value, such as ncmec:a1 (repeatable)")
	f.StringSliceVar(&file.Labels, "label", nil, "viral, possible-meme, possible-self-production, drawing, … (repeatable)")
	f.BoolVar(&file.Supplemental, "supplemental", false, "sent along, not what is reported")
}

// reportShape says where a file of a report is described.
const reportShape = "'/docs' on a node describes what is taken"

// read puts flags and hashes together; hashes are those of one file.
func (s *statementFlags) read(hashes []string) (api.SubmitReport, error) {
	if s.from != "" {
		if len(hashes) > 0 {
			return s.r, &usageError{text: "--from has the whole report: hashes beside it are not taken"}
		}
		err := readJSON(s.from, &s.r, reportShape)
		return s.r, err
	}
	var err error
	if s.r.Occurred, err = moment("occurred", s.occurred); err != nil {
		return s.r, err
	}
	if s.place != (api.ReportPlace{}) {
		s.r.Place = &s.place
	}
	for _, text := range s.about {
		p, err := parsePointer(text)
		if err != nil {
			return s.r, err
		}
		s.r.About = append(s.r.About, p)
	}
	if len(hashes) > 0 {
		if err := fileOf(&s.file, hashes, s.uploaded, s.classes); err != nil {
			return s.r, err
		}
		s.r.Files = []api.ReportFile{s.file}
	}
	return s.r, nil
}

func fileOf(f *api.ReportFile, hashes []string, uploaded string, classes []string) (err error) {
	if f.Signals, err = parseSignals(hashes); err != nil {
		return err
	}
	if f.Classifications, err = parseClasses(classes); err != nil {
		return err
	}
	f.Uploaded, err = moment("uploaded", uploaded)
	return err
}

func moment(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, &usageError{text: fmt.Sprintf("--%s %q is no time with its zone", flag, text), hint: "such as 2026-02-28T14:05:00+05:30"}
	}
	return &t, nil
}

// parsePointer reads [ROLE:]KIND:VALUE. An ip may have a port, as [address]:port or address:port.
func parsePointer(text string) (api.ReportPointer, error) {
	p := api.ReportPointer{Role: "reported"}
	rest := text
	if role, after, ok := strings.Cut(text, ":"); ok && (role == "reported" || role == "recipient" || role == "child") {
		p.Role, rest = role, after
	}
	kind, value, ok := strings.Cut(rest, ":")
	if !ok || value == "" {
		return p, &usageError{text: fmt.Sprintf("--about %q is not [ROLE:]KIND:VALUE", text), hint: "such as --about account:4711 or --about child:screen-name:x"}
	}
	p.Kind, p.Value = kind, value
	return p, nil
}

func (o *options) reported(w api.ReportWritten, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(w, func() {
		o.out.fields("id", w.ID, "ledger", w.Ledger, "index", num(w.Index), "state", w.State, "leaf", w.Leaf, "completeness", percent(w.Completeness))
		o.quality(w.ReportQuality)
		if w.Repeated {
			o.out.note("this was reported before; nothing was written twice")
		}
		o.out.note("the receipt: vigil report receipt %s", w.ID)
	})
}

func percent(x float64) string { return strconv.Itoa(int(x*100+0.5)) + " %" }

// quality says what would make a report better.
func (o *options) quality(q api.ReportQuality) {
	for _, g := range q.Missing {
		o.out.note("%s would add %s", g.Field, percent(g.Gain))
	}
}

func reportSubmit(o *options) *cobra.Command {
	var s statementFlags
	var key string
	cmd := &cobra.Command{
		Use: "submit [HASH…] --kind KIND", Short: "Report in one step: one file, all its hashes, or --from with many",
		Example: "  vigil report submit md5:0cc175b9c0f1b6a831c399e269772661 --kind abuse-material --about account:4711 --viewed yes --priority sextortion --key 2026-117\n" +
			"  vigil report submit --from report.json --key 2026-117",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.read(args)
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.SubmitReport(cmd.Context(), keyOr(key), r)
			return o.reported(w, err)
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&s.r.Exercise, "exercise", false, "a drill, never casework")
	keyFlag(cmd, &key)
	return cmd
}

func (o *options) drafted(d api.ReportDraft, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(d, func() {
		files := 0
		if d.Statement != nil {
			files = len(d.Statement.Files)
		}
		o.out.fields("draft", d.ID, "files", strconv.Itoa(files), "expires", o.out.when(d.Expires))
		if d.Repeated {
			o.out.note("it was so before")
		}
		o.out.note("nothing is reported before 'vigil report finish %s'", d.ID)
	})
}

func reportDraft(o *options) *cobra.Command {
	var s statementFlags
	var key string
	cmd := &cobra.Command{
		Use: "draft [HASH…] --kind KIND", Short: "Begin a report that files are added to",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.read(args)
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			d, err := c.OpenDraft(cmd.Context(), keyOr(key), r)
			return o.drafted(d, err)
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&s.r.Exercise, "exercise", false, "a drill, never casework")
	keyFlag(cmd, &key)
	return cmd
}

func reportFile(o *options) *cobra.Command {
	var f api.ReportFile
	var from, uploaded string
	var classes []string
	cmd := &cobra.Command{
		Use: "file DRAFT [HASH…]", Short: "Add a file's details to a draft; with the reference of an earlier one, in its place", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if from != "" {
				err = readJSON(from, &f, reportShape)
			} else {
				err = fileOf(&f, args[1:], uploaded, classes)
			}
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			d, err := c.AddFile(cmd.Context(), args[0], f)
			return o.drafted(d, err)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "file with the details as JSON, or -")
	addFileFlags(cmd, &f, &uploaded, &classes)
	return cmd
}

func reportFinish(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "finish DRAFT", Short: "Report what was drafted; again gives the first answer again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.FinishDraft(cmd.Context(), args[0])
			return o.reported(w, err)
		},
	}
}

func reportDiscard(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "discard DRAFT", Short: "End a draft without reporting", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			if err := c.RemoveDraft(cmd.Context(), args[0]); err != nil {
				return err
			}
			o.out.note("the draft is gone; nothing was reported")
			return nil
		},
	}
}

func reportDrafts(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "drafts", Short: "What this platform has begun", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			list, err := c.Drafts(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(list, func() {
				rows := [][]string{}
				for _, d := range list {
					rows = append(rows, []string{d.ID, o.out.when(d.Opened), o.out.when(d.Expires)})
				}
				o.out.table([]string{"DRAFT", "OPENED", "EXPIRES"}, rows)
			})
		},
	}
}

// seenFlag is the revision or step a caller saw; -1 is any.
func seenFlag(cmd *cobra.Command, name string) func() *uint64 {
	var n int64
	cmd.Flags().Int64Var(&n, name, -1, "the "+name+" you saw: refuse where it is another one now")
	return func() *uint64 {
		if n < 0 {
			return nil
		}
		seen := uint64(n)
		return &seen
	}
}

func reportAmend(o *options) *cobra.Command {
	var s statementFlags
	var key, reason string
	cmd := &cobra.Command{Use: "amend ID [HASH…]", Short: "Put another statement in place of what was said: the whole of it", Args: cobra.MinimumNArgs(1)}
	revision := seenFlag(cmd, "revision")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := s.read(args[1:])
		if err != nil {
			return err
		}
		c, err := o.client()
		if err != nil {
			return err
		}
		w, err := c.AmendReport(cmd.Context(), keyOr(key), args[0], api.AmendReport{ReportStatement: r.ReportStatement, Revision: revision(), Reason: reason})
		return o.reported(w, err)
	}
	s.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	keyFlag(cmd, &key)
	return cmd
}

func reportWithdraw(o *options) *cobra.Command {
	var key, reason string
	cmd := &cobra.Command{Use: "withdraw ID --reason TEXT", Short: "Take a report back", Args: cobra.ExactArgs(1)}
	revision := seenFlag(cmd, "revision")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := o.client()
		if err != nil {
			return err
		}
		w, err := c.WithdrawReport(cmd.Context(), keyOr(key), args[0], api.WithdrawReport{Revision: revision(), Reason: reason})
		return o.written(w, err)
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why (required)")
	_ = cmd.MarkFlagRequired("reason")
	keyFlag(cmd, &key)
	return cmd
}
