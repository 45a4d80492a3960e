package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/node"
	"vigil/node/api"
)

// exitTampered says that a log or a ledger is not what was written.
const exitTampered = 16

func accessCommand(o *options) *cobra.Command {
	return noun("access", "Who read what: the access log, for auditors", accessList(o), accessVerify(o), accessSetAside(o))
}

func accessList(o *options) *cobra.Command {
	var q api.AccessQuery
	var since time.Duration
	cmd := &cobra.Command{
		Use: "list", Short: "Reads of content, newest first: who, when, what, why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			if since > 0 {
				q.From = time.Now().Add(-since)
			}
			page, err := c.Access(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, r := range page.Records {
					what := strings.Join(r.Objects, " ")
					if more := r.Count - uint64(len(r.Objects)); r.Count > uint64(len(r.Objects)) {
						what += fmt.Sprintf(" and %d more", more)
					}
					rows = append(rows, []string{num(r.Index), o.out.when(r.At), r.Actor, r.Role, r.Verb, what, r.Purpose, r.Case, r.Outcome})
				}
				o.out.table([]string{"INDEX", "AT", "ACTOR", "ROLE", "VERB", "OBJECTS", "PURPOSE", "CASE", "OUTCOME"}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Actor, "actor", "", "token id")
	f.StringVar(&q.Verb, "verb", "", "alert.show, alert.list, alert.look-up, alert.bundle, entry.show, event.follow, access.list")
	f.StringVar(&q.Object, "object", "", "alert id")
	f.StringVar(&q.Case, "for-case", "", "case number")
	f.DurationVar(&since, "since", 0, "only the last so long, such as 24h")
	f.Uint64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 100, "records a page, at most 1000")
	return cmd
}

func accessVerify(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check the access log against the disk and the ledger", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.VerifyAccess(cmd.Context())
			if err != nil {
				return err
			}
			if err := o.out.value(r, func() {
				o.out.fields("log", r.Log, "records", num(r.Size), "root", r.Root, "segments", fmt.Sprintf("%d closed, %d not in the ledger yet", r.Segments, r.Unanchored), "earlier logs", strings.Join(r.Others, ", "))
				for _, f := range r.Faults {
					o.out.fields("fault", f)
				}
			}); err != nil {
				return err
			}
			if !r.OK {
				return &resultError{text: fmt.Sprintf("%d faults: the access log is not what was written", len(r.Faults)), code: exitTampered}
			}
			return nil
		},
	}
}

func accessSetAside(o *options) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "set-aside", Short: "Keep a damaged access log as evidence, so that the node can start a new one", Args: cobra.NoArgs,
		Long: "Moves the access log of a node that does not run out of the way. Nothing is deleted. The next start begins a new log and raises an\n" +
			"alarm; 'vigil access verify' names the earlier one as long as the ledger bears witness for it.",
		RunE: func(*cobra.Command, []string) error {
			to, err := node.SetAccessLogAside(node.DefaultConfig(dir))
			if err != nil {
				return err
			}
			return o.out.value(map[string]string{"kept": to}, func() { o.out.note("kept as %s; give it to the auditor", to) })
		},
	}
	cmd.Flags().StringVar(&dir, "dir", defaultDir(), "data directory of the node [$VIGIL_DIR]")
	return cmd
}
