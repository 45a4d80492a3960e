package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func subscriptionCommand(o *options) *cobra.Command {
	return noun("subscription", "Who is told of changes: webhooks and digests by mail, by ids and never content", subscriptionOpen(o), subscriptionList(o),
		subscriptionTurn(o, "pause", "Tell it no more until it is resumed"), subscriptionTurn(o, "resume", "Go on from where it was told up to"),
		subscriptionTurn(o, "close", "End it for good"), subscriptionTurn(o, "secret", "Sign with another secret; the one before signs, too, for a day"))
}

func (o *options) subscription(s api.Subscription, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(s, func() {
		o.out.fields("id", s.ID, "name", s.Name, "channel", s.Channel, "to", s.To, "kinds", strings.Join(s.Kinds, ", "), "urgency", s.Urgency, "state", s.State,
			"reason", s.Reason, "secret", s.Secret, "public key", s.Public)
		if s.Secret != "" {
			o.out.note("the secret is shown this once; a receiver checks webhook-signature with it, or with the public key (standardwebhooks.com)")
		}
	})
}

func subscriptionOpen(o *options) *cobra.Command {
	var s api.OpenSubscription
	cmd := &cobra.Command{
		Use: "open NAME --webhook URL | --mail MAILBOX", Short: "Tell a webhook or a mailbox of changes", Args: cobra.ExactArgs(1),
		Example: "  vigil subscription open desk --webhook https://hooks.example/vigil --kind alert. --kind watch.hit --urgency priority",
		RunE: func(cmd *cobra.Command, args []string) error {
			hook, _ := cmd.Flags().GetString("webhook")
			mail, _ := cmd.Flags().GetString("mail")
			switch s.Name = args[0]; {
			case (hook == "") == (mail == ""):
				return &usageError{text: "name one of --webhook and --mail", hint: "see '" + cmd.CommandPath() + " --help'"}
			case hook != "":
				s.Channel, s.To, s.Minutes = "webhook", hook, 0
			default:
				s.Channel, s.To = "mail", mail
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.subscription(c.OpenSubscription(cmd.Context(), s))
		},
	}
	f := cmd.Flags()
	f.String("webhook", "", "https:// address that each change is posted to")
	f.String("mail", "", "mailbox that gets digests")
	f.StringSliceVar(&s.Kinds, "kind", nil, "beginning of an event's type, such as alert. or watch.hit; all where none is named")
	f.StringVar(&s.Urgency, "urgency", "", "the least urgent that is told of: routine, priority, child-at-immediate-risk")
	f.BoolVar(&s.Exercise, "exercise", false, "exercises, too")
	f.Uint64Var(&s.Minutes, "minutes", 60, "between two digests by mail")
	return cmd
}

func subscriptionList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Who is told of changes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			all, err := c.Subscriptions(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(all, func() {
				rows := [][]string{}
				for _, s := range all {
					rows = append(rows, []string{s.ID, s.Name, s.Channel, s.To, strings.Join(s.Kinds, ","), s.State, fmt.Sprint(s.Behind), s.Reason})
				}
				o.out.table([]string{"ID", "NAME", "CHANNEL", "TO", "KINDS", "STATE", "BEHIND", "REASON"}, rows)
			})
		},
	}
}

func subscriptionTurn(o *options, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.subscription(c.TurnSubscription(cmd.Context(), args[0], verb))
		},
	}
}
