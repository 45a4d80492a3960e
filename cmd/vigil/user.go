package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vigil/ledger/account"
	"vigil/node/api"
)

func userCommand(o *options) *cobra.Command {
	return noun("user", "People who may use this node: add, change, remove", userAdd(o), userList(o), userChange(o), userInvite(o), userRemove(o))
}

func rolesFlag(cmd *cobra.Command, roles *[]string) {
	cmd.Flags().StringSliceVar(roles, "role", nil, strings.Join(account.Roles, ", "))
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(account.Roles, cobra.ShellCompDirectiveNoFileComp))
}

// people prints a person, with the code to enrol by where there is one.
func (o *options) person(u api.User, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(u, func() {
		o.out.fields("id", u.ID, "name", u.Name, "display", u.Display, "roles", strings.Join(u.Roles, ", "), "removed", u.Reason, "code", u.Code)
		if u.Code != "" {
			o.out.note("the code is shown this once, and open until %s; %s runs: vigil enrol %s", o.out.whenPtr(u.Until), u.Name, u.Code)
		}
	})
}

func userAdd(o *options) *cobra.Command {
	var u api.NewUser
	cmd := &cobra.Command{
		Use: "add NAME --role ROLE", Short: "Add a person, and print a code with which they enrol", Args: cobra.ExactArgs(1),
		Example: "  vigil user add asha --display 'Asha Rao' --role analyst",
		RunE: func(cmd *cobra.Command, args []string) error {
			u.Name = args[0]
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.person(c.AddUser(cmd.Context(), u))
		},
	}
	f := cmd.Flags()
	f.StringVar(&u.Display, "display", "", "how the person is shown")
	f.StringVar(&u.Subject, "subject", "", "issuer and subject, with a space between, of a person whom the agency's OpenID provider knows")
	f.IntVar(&u.Hours, "hours", 24, "how long the code is open")
	rolesFlag(cmd, &u.Roles)
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func userList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "People, the removed ones too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			users, err := c.Users(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(users, func() {
				rows := [][]string{}
				for _, u := range users {
					rows = append(rows, []string{u.ID, u.Name, u.Display, strings.Join(u.Roles, ","), signsIn(u), userState(u)})
				}
				o.out.table([]string{"ID", "NAME", "DISPLAY", "ROLES", "SIGNS IN BY", "STATE"}, rows)
			})
		},
	}
}

func signsIn(u api.User) string {
	var kinds []string
	for _, c := range u.SignsIn {
		kinds = append(kinds, c.Kind)
	}
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), ",")
}

func userState(u api.User) string {
	switch {
	case u.Removed:
		return "removed: " + u.Reason
	case len(u.SignsIn) == 0:
		return "not enrolled"
	}
	return "enrolled"
}

func userChange(o *options) *cobra.Command {
	var u api.ChangeUser
	var display string
	cmd := &cobra.Command{
		Use: "change ID", Short: "Change how a person is shown, or their roles", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("display") {
				u.Display = &display
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.person(c.ChangeUser(cmd.Context(), args[0], u))
		},
	}
	cmd.Flags().StringVar(&display, "display", "", "how the person is shown")
	rolesFlag(cmd, &u.Roles)
	return cmd
}

func userInvite(o *options) *cobra.Command {
	var i api.InviteUser
	cmd := &cobra.Command{
		Use: "invite ID", Short: "Give a person another code to enrol by, as when a key was lost", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.person(c.InviteUser(cmd.Context(), args[0], i))
		},
	}
	cmd.Flags().IntVar(&i.Hours, "hours", 24, "how long the code is open")
	cmd.Flags().BoolVar(&i.Reset, "reset", false, "end every way in which they sign in until now, and their sessions")
	return cmd
}

func userRemove(o *options) *cobra.Command {
	var r api.RemoveUser
	cmd := &cobra.Command{
		Use: "remove ID --reason TEXT", Short: "Remove a person for good; their sessions end at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.person(c.RemoveUser(cmd.Context(), args[0], r))
		},
	}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why (required)")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func consentCommand(o *options) *cobra.Command {
	return noun("consent", "Four eyes: agree as the second person", consentList(o),
		consentAnswer(o, "grant", "Agree that it is done", true), consentAnswer(o, "refuse", "Do not agree, with the reason", false))
}

func consentList(o *options) *cobra.Command {
	var state string
	var before int64
	cmd := &cobra.Command{
		Use: "list", Short: "What a second person is asked to agree to", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Consents(cmd.Context(), state, before)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, x := range page.Consents {
					rows = append(rows, []string{x.ID, x.State, x.Act, x.By, o.out.when(x.Asked), x.Operation, x.Reason})
				}
				o.out.table([]string{"ID", "STATE", "ACT", "ASKED BY", "ASKED", "OPERATION", "REASON"}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "waiting", "waiting, granted, refused")
	cmd.Flags().Int64Var(&before, "before", 0, "go on after an earlier page")
	return cmd
}

func consentAnswer(o *options, verb, short string, grant bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			x, err := c.AnswerConsent(cmd.Context(), args[0], api.AnswerConsent{Grant: grant, Reason: reason})
			if err != nil {
				return err
			}
			return o.out.value(x, func() {
				o.out.fields("id", x.ID, "state", x.State, "act", x.Act, "asked by", x.By, "until", o.out.whenPtr(x.Until))
				if grant {
					o.out.note("%s can do it now: the same command with --consent %s", x.By, x.ID)
				}
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	if !grant {
		_ = cmd.MarkFlagRequired("reason")
	}
	return cmd
}
