package main

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"vigil/node"
	"vigil/node/api"
)

// scrubbed is what a scrub came to.
type scrubbed struct {
	Parts    []scrubbedPart  `json:"parts"`
	Found    int             `json:"found"`
	Repaired int             `json:"repaired"`
	Damages  []api.ScrubLine `json:"damages"`
}

type scrubbedPart struct {
	Part     string `json:"part"`
	Bytes    uint64 `json:"bytes"`
	Found    int    `json:"found"`
	Repaired int    `json:"repaired"`
}

func (s *scrubbed) part(name string) *scrubbedPart {
	i := slices.IndexFunc(s.Parts, func(p scrubbedPart) bool { return p.Part == name })
	if i < 0 {
		s.Parts = append(s.Parts, scrubbedPart{Part: name})
		i = len(s.Parts) - 1
	}
	return &s.Parts[i]
}

func (s *scrubbed) take(l api.ScrubLine) {
	if l.Part == "" {
		return
	}
	p := s.part(l.Part)
	p.Bytes = max(p.Bytes, l.Bytes)
	if l.Damage == "" {
		return
	}
	s.Damages = append(s.Damages, l)
	p.Found, s.Found = p.Found+1, s.Found+1
	if l.Repaired != "" {
		p.Repaired, s.Repaired = p.Repaired+1, s.Repaired+1
	}
}

func ledgerScrub(o *options) *cobra.Command {
	var f configFlags
	var resume bool
	cmd := &cobra.Command{
		Use: "scrub", Short: "Read everything on this node's disk and mend what is damaged", Args: cobra.NoArgs,
		Long: "Reads ledger, payloads, raft log, access log, board, match index and keys against their checksums, hashes and seals, and folds\n" +
			"samples of the board again. An entry that is damaged is fetched from another member, whose word is not needed: it hashes into\n" +
			"the tree or it does not. The board and the match index are made anew. Where the raft log or the keys are damaged the node is to\n" +
			"be replaced, and the command says by what. The node may be running, and does the same by itself all the time; where it does\n" +
			"not run, the directory is scrubbed, and a ledger that is damaged beyond that is made anew from another member's.\n" +
			"Interrupted, --resume goes on. Ends with 16 where something stays damaged.",
		Example: "  vigil ledger scrub\n  vigil ledger scrub --dir /var/lib/vigil --passphrase-file pass",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var sum scrubbed
			bar := newProgress(o.out, "scrubbing")
			finished := false
			take := func(l api.ScrubLine) {
				sum.take(l)
				finished = finished || l.Finished
				if l.Size > 0 {
					bar.set(l.Bytes>>10, l.Size>>10)
				}
			}
			err := o.scrub(cmd, &f, resume, take, &finished)
			bar.end()
			if err != nil {
				return err
			}
			if !finished {
				return &resultError{text: "the node stopped before it had read everything; --resume goes on", code: exitFailure}
			}
			return o.scrubbed(&sum)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&resume, "resume", false, "go on where a scrub by this command was interrupted")
	return cmd
}

// scrub asks the node that runs, or scrubs the directory of one that does not.
func (o *options) scrub(cmd *cobra.Command, f *configFlags, resume bool, take func(api.ScrubLine), finished *bool) error {
	if c, err := o.client(); err == nil && !cmd.Flags().Changed("dir") && !cmd.Flags().Changed("config") {
		defer c.Close()
		return c.Scrub(cmd.Context(), resume, take)
	}
	config, err := f.load()
	if err != nil {
		return err
	}
	if c, err := api.NewClient(api.Target{Server: "unix://" + config.SocketPath()}); err == nil {
		defer c.Close()
		if _, err := c.Status(cmd.Context()); err == nil {
			return c.Scrub(cmd.Context(), resume, take)
		}
	}
	*finished = true
	return node.ScrubStopped(cmd.Context(), config, slog.New(slog.DiscardHandler), take)
}

func (o *options) scrubbed(sum *scrubbed) error {
	if sum.Damages == nil {
		sum.Damages = []api.ScrubLine{}
	}
	err := o.out.value(sum, func() {
		rows := [][]string{}
		for _, p := range sum.Parts {
			rows = append(rows, []string{p.Part, num(p.Bytes), num(uint64(p.Found)), num(uint64(p.Repaired))})
		}
		o.out.table([]string{"PART", "BYTES", "DAMAGED", "REPAIRED"}, rows)
		for _, d := range sum.Damages {
			if d.Repaired != "" {
				fmt.Fprintf(o.out.out, "%s: %s: %s\n", d.Part, safe(d.Damage), safe(d.Repaired))
				continue
			}
			fmt.Fprintf(o.out.out, "%s: %s\n    → %s\n", d.Part, safe(d.Damage), safe(d.Fix))
		}
	})
	if err == nil && sum.Found > sum.Repaired {
		err = &resultError{text: fmt.Sprintf("%d of %d damages stay: do what stands beside them", sum.Found-sum.Repaired, sum.Found), code: exitTampered}
	}
	return err
}
