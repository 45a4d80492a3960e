package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func statusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Problems first, then the network", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(s, func() { o.status(s) })
		},
	}
}

func (o *options) status(s api.Status) {
	p := o.out
	for _, problem := range s.Problems {
		fmt.Fprintf(p.out, "[%s] %s\n", problem.Severity, safe(problem.What))
		if problem.Fix != "" {
			fmt.Fprintf(p.out, "    → %s\n", safe(problem.Fix))
		}
	}
	p.fields("agency", s.Agency, "node", s.Node, "role", s.Role, "leader", s.Leader, "ready", strconv.FormatBool(s.Ready), "version", s.Version)
	rows := [][]string{}
	for _, l := range s.Ledgers {
		rows = append(rows, []string{l.Origin, num(l.Size), num(l.Sealed), p.whenPtr(l.SealedAt), strings.Join(l.Cosigners, ","), num(l.Board)})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"LEDGER", "SIZE", "SEALED", "SEALED AT", "COSIGNED BY", "BOARD"}, rows)
	rows = rows[:0]
	for _, n := range s.Nodes {
		role := "non-voter"
		if n.Voter {
			role = "voter"
		}
		if n.Leader {
			role = "leader"
		}
		rows = append(rows, []string{n.Agency, n.Node[:min(8, len(n.Node))], n.Address, role, heard(n.Heard), num(n.Size), fmt.Sprintf("%+.1f s", n.Clock)})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"AGENCY", "NODE", "ADDRESS", "ROLE", "HEARD", "SIZE", "CLOCK"}, rows)
	if len(s.Partners) > 0 {
		fmt.Fprintln(p.out)
		o.partnerTable(s.Partners)
	}
}

func heard(seconds float64) string {
	if seconds < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f s ago", seconds)
}

func num(n uint64) string { return strconv.FormatUint(n, 10) }

func agencyCommand(o *options) *cobra.Command {
	return noun("agency", "Who belongs: invite, approve, remove, list, kit", agencyInvite(o), agencyApprove(o), agencyRemove(o), agencyWithdraw(o), agencyList(o), agencyKit(o))
}

func agencyInvite(o *options) *cobra.Command {
	i := api.Invite{}
	cmd := &cobra.Command{
		Use: "invite AGENCY", Short: "Print a token with which one agency can ask to join", Args: cobra.ExactArgs(1),
		Example: "  vigil agency invite in/mh-cyber",
		RunE: func(cmd *cobra.Command, args []string) error {
			i.Agency = args[0]
			c, err := o.client()
			if err != nil {
				return err
			}
			inv, err := c.Invite(cmd.Context(), i)
			if err != nil {
				return err
			}
			return o.out.value(inv, func() {
				fmt.Fprintln(o.out.out, inv.Token)
				o.out.note("valid once, until %s; %s runs: vigil join TOKEN", o.out.when(inv.Expires), i.Agency)
			})
		},
	}
	cmd.Flags().IntVar(&i.Hours, "hours", 24, "how long it is valid")
	cmd.Flags().StringSliceVar(&i.Audiences, "audience", nil, "audiences it is admitted to (default everyone; none for a support body)")
	return cmd
}

func agencyApprove(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "approve PROPOSAL", Short: "Approve an open proposal; compare the fingerprint by telephone first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Approve(cmd.Context(), args[0])
			return o.written(w, err)
		},
	}
}

func agencyRemove(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "remove AGENCY", Short: "Propose that an agency leaves; others approve with 'agency approve'", Args: cobra.ExactArgs(1),
		Long: "Once enough members have approved, its entries are refused everywhere, its node is cut off at once and every audience it was in\n" +
			"gets a new key. The agency itself does not vote on it. What it could open before, it keeps.",
		Example: "  vigil agency remove in/mh-cyber",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Remove(cmd.Context(), api.Removal{Agency: args[0]})
			return o.written(w, err)
		},
	}
}

func agencyWithdraw(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "withdraw PROPOSAL", Short: "Take this agency's own open proposal back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Withdraw(cmd.Context(), args[0])
			return o.written(w, err)
		},
	}
}

func agencyList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The roster, its audiences and open proposals", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			a, err := c.Agencies(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(a, func() { o.agencies(a) })
		},
	}
}

func (o *options) agencies(a api.Agencies) {
	p := o.out
	p.fields("ledger", a.Origin, "roster version", num(a.Version), "approvals needed", strconv.Itoa(a.Threshold))
	rows := [][]string{}
	for _, x := range a.Agencies {
		role := "non-voter"
		if x.Voter {
			role = "voter"
		}
		rows = append(rows, []string{x.ID, x.Name, role, x.Address, strings.Join(x.Audiences, ","), x.Fingerprint})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"AGENCY", "NAME", "ROLE", "ADDRESS", "AUDIENCES", "FINGERPRINT"}, rows)
	fmt.Fprintln(p.out)
	o.audienceTable(a.Audiences)
	for _, x := range a.Proposals {
		fmt.Fprintf(p.out, "\nproposal %s by %s, %d of %d approvals (%s)\n  %s\n", x.ID, x.Author, len(x.Approvals), x.Needs, strings.Join(x.Approvals, ", "), safe(x.Text))
		if x.Outside {
			fmt.Fprintf(p.out, "  not in the ledger: it came from its author, and the leader may be withholding it\n")
		}
		if x.Fingerprint != "" {
			fmt.Fprintf(p.out, "  fingerprint %s\n", x.Fingerprint)
		}
		fmt.Fprintf(p.out, "  → vigil agency approve %s\n", x.ID)
	}
}

func partnerCommand(o *options) *cobra.Command {
	return noun("partner", "Linked jurisdictions: card, link, list", partnerCard(o), partnerLink(o), partnerList(o))
}

func partnerCard(o *options) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "card", Short: "Write this jurisdiction's card, to be handed to a partner out of band", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			card, err := c.Card(cmd.Context())
			if err != nil {
				return err
			}
			if out == "" {
				out = strings.ReplaceAll(card.Origin, "/", "-") + ".card"
			}
			if err := os.WriteFile(out, card.Card, 0o644); err != nil {
				return err
			}
			return o.out.value(card, func() {
				o.out.fields("card", out, "ledger", card.Origin, "fingerprint", card.Fingerprint)
				o.out.note("read the fingerprint to the partner by telephone; they run: vigil partner link %s", out)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write")
	return cmd
}

func partnerLink(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "link CARD", Short: "Propose to link the jurisdiction of a card; others approve with 'agency approve'", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Link(cmd.Context(), api.Link{Card: b})
			return o.written(w, err)
		},
	}
}

func partnerList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Links with their state in words", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			partners, err := c.Partners(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(partners, func() { o.partnerTable(partners) })
		},
	}
}

func (o *options) partnerTable(partners []api.PartnerStatus) {
	rows := [][]string{}
	for _, x := range partners {
		state := "following"
		switch {
		case x.Suspended:
			state = "suspended"
		case x.Error != "":
			state = x.Error
		}
		rows = append(rows, []string{x.Origin, num(x.Mirrored), num(x.Known), num(x.Released), o.out.whenPtr(x.Progress), state})
	}
	o.out.table([]string{"PARTNER", "MIRRORED", "KNOWN", "RELEASED", "LAST PROGRESS", "STATE"}, rows)
}
