package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vigil/node"
)

// The risks that people may take.
const (
	lostEntries     = "lost-entries"
	unheardPartners = "unheard-partners"
)

func ledgerRecover(o *options) *cobra.Command {
	var f configFlags
	var from, fromPassphrase string
	var risks []string
	var checkpoints map[string]string
	cmd := &cobra.Command{
		Use: "recover --from OLD-DIR [--dir NEW-DIR]", Short: "Go on in a successor ledger after a majority of the voters is gone for good", Args: cobra.NoArgs,
		Long: "On a node that is left, stopped. Asks every member and every partner what they have of the ledger and says what remains here;\n" +
			"without --dir that is all. With --dir the ledger is closed for good, and a new node in an empty directory founds its successor:\n" +
			"another origin, the same agencies, keys, links and policy, and the old ledger readable in it. A ledger is never continued under\n" +
			"its own name, because those that are gone may have it, too. It is refused while a majority of the voters answers, and where\n" +
			"somebody remembers more than remains here; checkpoints that came by hand count as well ('vigil ledger checkpoint' writes one).\n" +
			"The other agencies come over with the file successor.json, which holds no secret: vigil node replace --successor FILE.",
		Example: "  vigil ledger recover --from /var/lib/vigil --passphrase-file /etc/vigil/passphrase\n" +
			"  vigil ledger recover --from /var/lib/vigil --config /etc/vigil/vigil.toml --dir /srv/vigil",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range risks {
				if r != lostEntries && r != unheardPartners {
					return &usageError{text: fmt.Sprintf("no risk %q", r), hint: lostEntries + " or " + unheardPartners}
				}
			}
			config, err := f.load()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("dir") {
				config.Dir = ""
			}
			old := node.DefaultConfig(from)
			if old.PassphraseFile = fromPassphrase; fromPassphrase == "" {
				old.PassphraseFile = config.PassphraseFile
			}
			r := node.Recovering{Old: old, New: config, Checkpoints: map[string][]byte{}, Lose: slices.Contains(risks, lostEntries), Unheard: slices.Contains(risks, unheardPartners)}
			for j, path := range checkpoints {
				if r.Checkpoints[j], err = node.ReadCheckpoint(path); err != nil {
					return err
				}
			}
			found, err := node.Recover(cmd.Context(), r)
			if found.Ledger != "" {
				if out := o.out.value(found, func() { o.showRecovery(found) }); out != nil {
					return out
				}
			}
			switch {
			case err != nil:
				return err
			case found.Successor == "":
				o.out.note("nothing was changed; to close this ledger and found its successor: --dir NEW-DIR")
			default:
				o.out.note("start it with: vigil serve --dir %s; keep %s until 'vigil status' says that the old ledger is there", config.Dir, from)
				o.out.note("the other agencies: vigil node replace --successor %s (with --kit or --from), then name voters: vigil policy propose", found.File)
				o.out.note("partners: send them what 'vigil partner card' prints then; they link it with 'vigil partner link'")
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "directory of the node that is left; it must not run")
	cmd.Flags().StringVar(&fromPassphrase, "from-passphrase-file", "", "file with the passphrase of its keys; default: that of the new one")
	cmd.Flags().StringToStringVar(&checkpoints, "checkpoint", nil, "a signed checkpoint of this ledger that came by hand, and from whom: uk=FILE (repeatable)")
	cmd.Flags().StringSliceVar(&risks, "accept-risk", nil, lostEntries+": go on though somebody remembers entries that are not here; "+unheardPartners+": though a partner said nothing")
	_ = cmd.MarkFlagRequired("from") // it is there
	return cmd
}

func (o *options) showRecovery(r node.Recovery) {
	o.out.fields("ledger", string(r.Ledger), "remains here", num(r.Here)+" entries", "of them sealed", num(r.Sealed),
		"voters that answer", fmt.Sprintf("%d of %d, this one included", r.Answered, r.Voters))
	for _, w := range r.Words {
		fmt.Fprintf(o.out.out, "  %s %s\n", safe(w.From), safe(w.Said))
	}
	if r.Lost > 0 {
		o.out.fields("lost", num(r.Lost)+" entries")
	}
	if r.Successor != "" {
		o.out.fields("successor", string(r.Successor), "node", r.Node, "for the others", r.File)
	}
}
