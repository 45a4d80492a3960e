package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func registryCommand(o *options) *cobra.Command {
	return noun("registry", "Notices of convicted offenders, and screenings that answer yes or no", noticeGive(o), noticeCorrect(o), noticeLift(o), noticeChallenge(o), noticeUphold(o),
		noticeList(o), noticeShow(o), registryScreen(o), registryScreenings(o))
}

// person are the flags that say who is meant.
type person struct {
	names, documents []string
	born             string
}

func (p *person) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.names, "name", nil, "full name, once for each name they have or had")
	cmd.Flags().StringVar(&p.born, "born", "", "date of birth, YYYY-MM-DD: needed beside a name")
	cmd.Flags().StringArrayVar(&p.documents, "document", nil, "KIND:COUNTRY:NUMBER, such as passport:IN:Z1234567 (passport, national-id, tax-id, driving-licence, voter-id)")
}

func (p *person) read() (api.Person, error) {
	out := api.Person{Names: p.names, Born: p.born}
	for _, text := range p.documents {
		kind, rest, _ := strings.Cut(text, ":")
		country, number, ok := strings.Cut(rest, ":")
		if !ok {
			return out, &usageError{text: fmt.Sprintf("%q is no document", text), hint: "KIND:COUNTRY:NUMBER, such as passport:IN:Z1234567"}
		}
		out.Documents = append(out.Documents, api.Document{Kind: kind, Country: country, Number: number})
	}
	return out, nil
}

func noticeFlags(cmd *cobra.Command, n *api.NoticeFacts) {
	f := cmd.Flags()
	f.StringVar(&n.Tier, "tier", "", "low, moderate, habitual: how long it holds, by the policy (required)")
	f.StringVar(&n.Ground, "ground", "convicted", "convicted, charged, arrested, order")
	f.StringVar(&n.Since, "since", "", "day from which its term runs, YYYY-MM-DD (required)")
	f.StringVar(&n.Authority, "authority", "", "court or authority (required)")
	f.StringVar(&n.Reference, "reference", "", "under which the registry is asked (required)")
	for _, name := range []string{"tier", "since", "authority", "reference"} {
		_ = cmd.MarkFlagRequired(name)
	}
}

func noticeGive(o *options) *cobra.Command {
	var n api.GiveNotice
	var who person
	var key string
	cmd := &cobra.Command{
		Use: "notice", Short: "Give notice of a person; the node keeps marks, and no name", Args: cobra.NoArgs,
		Example: "  vigil registry notice --name 'Full Name' --born 1980-01-02 --document passport:IN:Z1234567 --tier low --since 2020-05-01 --authority 'Sessions Court, Pune' --reference 12/2020",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if n.Person, err = who.read(); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.GiveNotice(cmd.Context(), keyOr(key), n)
			return o.written(w, err)
		},
	}
	who.flags(cmd)
	noticeFlags(cmd, &n.NoticeFacts)
	cmd.Flags().StringSliceVar(&n.Audience, "to", nil, "audience that can read it; everyone of your jurisdiction where none is named")
	cmd.Flags().BoolVar(&n.Exercise, "exercise", false, "an exercise, not casework")
	keyFlag(cmd, &key)
	return cmd
}

func noticeCorrect(o *options) *cobra.Command {
	var n api.CorrectNotice
	var who person
	var key string
	cmd := &cobra.Command{
		Use: "correct ID", Short: "Put another notice in the place of your own: all of it, as it is to be; everyone who can read it acknowledges", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if n.Person, err = who.read(); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.CorrectNotice(cmd.Context(), keyOr(key), args[0], n)
			return o.written(w, err)
		},
	}
	who.flags(cmd)
	noticeFlags(cmd, &n.NoticeFacts)
	cmd.Flags().StringVar(&n.Reason, "reason", "", "what was wrong (required)")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func noticeLift(o *options) *cobra.Command {
	var l api.LiftNotice
	var key string
	cmd := &cobra.Command{
		Use: "lift ID", Short: "End your own notice; everyone who can read it acknowledges", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.LiftNotice(cmd.Context(), keyOr(key), args[0], l)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&l.Reason, "reason", "", "why (required)")
	cmd.Flags().StringVar(&l.Authority, "authority", "", "court or authority that ordered it (required)")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("reason")
	_ = cmd.MarkFlagRequired("authority")
	return cmd
}

func noticeChallenge(o *options) *cobra.Command {
	var n api.ChallengeNotice
	var key string
	cmd := &cobra.Command{
		Use: "challenge ID", Short: "Say that another agency's notice is wrong: its author must correct, lift or uphold it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.ChallengeNotice(cmd.Context(), keyOr(key), args[0], n)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&n.Reason, "reason", "", "what is wrong; no names (required)")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func noticeUphold(o *options) *cobra.Command {
	var u api.UpholdNotice
	var key string
	cmd := &cobra.Command{
		Use: "uphold ID CHALLENGE", Short: "Answer a challenge: your notice stands", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.UpholdNotice(cmd.Context(), keyOr(key), args[0], args[1], u)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&u.Reason, "reason", "", "why it stands (required)")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func noticeList(o *options) *cobra.Command {
	var q api.NoticeQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Notices, what moved last first; none of them names anybody", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Notices(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, n := range page.Notices {
					flag := ""
					if n.Waiting > 0 {
						flag = "CHALLENGED"
					}
					if n.Exercise {
						flag = strings.TrimSpace("EXERCISE " + flag)
					}
					rows = append(rows, []string{n.ID, n.State, n.Author, n.Tier, n.Ground, n.Since, n.Until, n.Authority, n.Reference, flag})
				}
				o.out.table([]string{"ID", "STATE", "AUTHOR", "TIER", "GROUND", "SINCE", "UNTIL", "AUTHORITY", "REFERENCE", ""}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Author, "author", "", "of one agency")
	f.StringVar(&q.State, "state", "", "stands, lifted")
	f.BoolVar(&q.Challenged, "challenged", false, "a challenge waits for its author's answer")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "notices a page, at most 500")
	return cmd
}

func noticeShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One notice: what was changed, who acknowledged it, and what is said against it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			n, err := c.Notice(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(n, func() { o.noticeDetail(n) })
		},
	}
}

func (o *options) noticeDetail(n api.Notice) {
	p := o.out
	if n.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	p.fields("id", n.ID, "state", n.State, "author", n.Author, "tier", n.Tier, "ground", n.Ground, "since", n.Since, "until", n.Until, "authority", n.Authority,
		"reference", n.Reference, "marks", fmt.Sprint(n.Marks), "no later than", p.whenPtr(n.NoLaterThan), "read by", strings.Join(n.Audience, ", "))
	for _, c := range n.Changes {
		fmt.Fprintln(p.out)
		p.fields(c.Kind, c.Reason, "due", p.whenPtr(c.Due), "acknowledged", fmt.Sprintf("%d of %d, %d overdue", c.Done, c.Expected, c.Overdue), "not known here", strings.Join(c.Unknown, ", "))
		rows := [][]string{}
		for _, a := range c.Agencies {
			rows = append(rows, []string{a.Agency, a.State, p.whenPtr(a.NoLaterThan), a.By})
		}
		p.section([]string{"AGENCY", "STATE", "NO LATER THAN", "READS IT BY"}, rows)
	}
	rows := [][]string{}
	for _, c := range n.Challenges {
		answer := c.Answer
		if c.Overdue {
			answer = "OVERDUE"
		}
		rows = append(rows, []string{c.ID, c.By, p.whenPtr(c.Due), answer, c.Reason})
	}
	p.section([]string{"CHALLENGE", "BY", "ANSWER DUE", "ANSWER", "REASON"}, rows)
}

func registryScreen(o *options) *cobra.Command {
	var s api.Screen
	var who person
	cmd := &cobra.Command{
		Use: "screen", Short: "Ask whether there is something to be looked up in the registry (for authorised bodies)", Args: cobra.NoArgs,
		Long: "Ask whether there is something to be looked up in the registry. The answer is 'refer to registry' or 'nothing held', and no\n" +
			"more. Who asked, why and on what authority is recorded; whom they asked about is not.",
		Example: "  vigil registry screen --name 'Full Name' --born 1980-01-02 --for appointment --authority 'Act 1, s. 2' --reference 2026/77",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if s.Person, err = who.read(); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			answer, err := c.Screen(cmd.Context(), s)
			if err != nil {
				return err
			}
			return o.out.value(answer, func() { fmt.Fprintln(o.out.out, answer.Answer) })
		},
	}
	who.flags(cmd)
	f := cmd.Flags()
	// the word is the same as of the flag that every command has, and here it is one of a few
	f.StringVar(&s.Purpose, "for", "", "adoption, appointment, care, licence, volunteering (required)")
	f.StringVar(&s.Authority, "authority", "", "law or consent on which you ask (required)")
	f.StringVar(&s.Reference, "reference", "", "your own; nobody's name")
	f.BoolVar(&s.Exercise, "exercise", false, "an exercise: asks about exercises only")
	_ = cmd.MarkFlagRequired("for")
	_ = cmd.MarkFlagRequired("authority")
	return cmd
}

func registryScreenings(o *options) *cobra.Command {
	var by string
	var exercise bool
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "screenings", Short: "Who screened, for which purpose and on what authority (for auditors)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Screenings(cmd.Context(), by, exercise, before, limit)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, s := range page.Screenings {
					rows = append(rows, []string{s.ID, o.out.when(s.At), s.By, s.Role, s.Purpose, s.Authority, s.Reference, s.Answer})
				}
				o.out.table([]string{"ID", "AT", "BY", "ROLE", "PURPOSE", "AUTHORITY", "REFERENCE", "ANSWER"}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&by, "by", "", "of one token or person")
	f.BoolVar(&exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&before, "before", 0, "go on after an earlier page")
	f.IntVar(&limit, "limit", 50, "records a page, at most 500")
	return cmd
}
