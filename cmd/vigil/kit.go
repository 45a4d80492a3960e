package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node"
)

func agencyKit(o *options) *cobra.Command {
	var f configFlags
	var out, passphrase, check string
	cmd := &cobra.Command{
		Use: "kit", Short: "Write what this agency needs to rebuild its node on an empty machine", Args: cobra.NoArgs,
		Long: "The kit holds the agency's keys, the ledger's origin and genesis, and where the other members are. Whoever has it and its\n" +
			"passphrase is the agency: keep the two apart, each in a safe. Everything else comes back from the ledger. The node may be\n" +
			"running. Make a new kit after every 'vigil key rotate'; it is worth most when the machine is already gone.\n" +
			"--check reads a kit back and says whether it opens.",
		Example: "  vigil agency kit --kit-passphrase-file /media/safe/pass -o in-ncrb.kit\n  vigil agency kit --check in-ncrb.kit --kit-passphrase-file /media/safe/pass",
		RunE: func(cmd *cobra.Command, _ []string) error {
			pass, err := (node.Config{PassphraseFile: passphrase}).Passphrase()
			if err != nil {
				return err
			}
			if check != "" {
				return o.checkKit(check, pass)
			}
			config, err := f.load()
			if err != nil {
				return err
			}
			k, err := node.MakeKit(cmd.Context(), config, pass)
			if err != nil {
				return err
			}
			if out == "" {
				out = strings.ReplaceAll(string(k.Header.Agency), "/", "-") + ".kit"
			}
			if err := node.WriteKit(out, k); err != nil {
				return err
			}
			return o.kit(out, k.Header)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default AGENCY.kit)")
	cmd.Flags().StringVar(&passphrase, "kit-passphrase-file", "", "file with the passphrase of the kit; not the node's own (required)")
	cmd.Flags().StringVar(&check, "check", "", "read this kit back in place of writing one")
	_ = cmd.MarkFlagRequired("kit-passphrase-file")
	return cmd
}

func (o *options) checkKit(path string, passphrase []byte) error {
	k, err := node.ReadKit(path)
	if err != nil {
		return err
	}
	if _, err := k.Open(passphrase); err != nil {
		return err
	}
	return o.kit(path, k.Header)
}

func (o *options) kit(path string, h node.KitHeader) error {
	return o.out.value(h, func() {
		o.out.fields("kit", path, "agency", string(h.Agency), "ledger", string(h.Origin), "key", h.Key, "made", o.out.when(h.Made), "members", num(uint64(len(h.Members))))
		if !slices.ContainsFunc(h.Members, func(m node.Pin) bool { return m.Agency != h.Agency }) {
			o.out.note("nobody else has the ledger: until another agency is a member, a kit brings nothing back; keep a copy of the data directory")
		}
		o.out.note("rebuild with: vigil node replace --kit %s --kit-passphrase-file … --dir NEW-DIR", path)
	})
}

// replacingByKit opens a kit and notes where members are now.
func replacingByKit(path, passphraseFile string, at map[string]string) (node.Replacing, error) {
	pass, err := (node.Config{PassphraseFile: passphraseFile}).Passphrase()
	if err != nil {
		return node.Replacing{}, err
	}
	k, err := node.ReadKit(path)
	if err != nil {
		return node.Replacing{}, err
	}
	r, err := k.Open(pass)
	if err == nil {
		err = r.Moved(at)
	}
	return r, err
}
