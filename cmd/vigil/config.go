package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vigil/node"
)

func configCommand(o *options) *cobra.Command {
	example := &cobra.Command{
		Use: "example", Short: "Print a commented configuration", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := node.DefaultConfig("/var/lib/vigil").Encode()
			if err != nil {
				return err
			}
			_, err = o.out.out.Write(b)
			return err
		},
	}
	validate := &cobra.Command{
		Use: "validate FILE", Short: "Check a configuration; unknown keys are errors", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := node.LoadConfig(args[0]); err != nil {
				return err
			}
			return o.out.line(map[string]any{"file": args[0], "ok": true}, args[0]+" is valid")
		},
	}
	var path string
	var origin bool
	show := &cobra.Command{
		Use: "show", Short: "The values in force, with --origin where each comes from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := node.ExplainConfig(path)
			if err != nil {
				return err
			}
			return o.out.value(settings, func() {
				header := []string{"KEY", "VALUE"}
				rows := [][]string{}
				for _, s := range settings {
					row := []string{s.Key, s.Value}
					if origin {
						row = append(row, s.Origin)
					}
					rows = append(rows, row)
				}
				if origin {
					header = append(header, "FROM")
				}
				o.out.table(header, rows)
			})
		},
	}
	show.Flags().StringVar(&path, "config", defaultConfigPath(), "configuration file")
	show.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	return noun("config", "The configuration file", example, validate, show)
}

const etcConfig = "/etc/vigil/vigil.toml"

func defaultConfigPath() string {
	if path := os.Getenv("VIGIL_CONFIG"); path != "" {
		return path
	}
	if _, err := os.Stat(etcConfig); err == nil {
		return etcConfig
	}
	return ""
}

// configFlags are the flags of the commands that work on a data directory: a file, and the keys worth overriding.
type configFlags struct {
	path, dir, passphrase string
	apiListen, socket     string
	nodeListen, address   string
	peerListen, announce  []string
}

func (f *configFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.path, "config", defaultConfigPath(), "configuration file [$VIGIL_CONFIG]")
	flags.StringVar(&f.dir, "dir", os.Getenv("VIGIL_DIR"), "data directory [$VIGIL_DIR]")
	flags.StringVar(&f.passphrase, "passphrase-file", os.Getenv("VIGIL_PASSPHRASE_FILE"), "file with the passphrase of the keys [$VIGIL_PASSPHRASE_FILE]")
	flags.StringVar(&f.apiListen, "api-listen", "", "HTTPS address for people and platforms")
	flags.StringVar(&f.socket, "socket", "", "unix socket of this machine's operator")
	flags.StringVar(&f.nodeListen, "node-listen", "", "address for the other nodes of the jurisdiction")
	flags.StringVar(&f.address, "node-address", "", "host:port the other nodes dial")
	flags.StringSliceVar(&f.peerListen, "peer-listen", nil, "libp2p multiaddresses for partners")
	flags.StringSliceVar(&f.announce, "peer-announce", nil, "multiaddresses partners dial")
}

// load reads the file, if any, and lays the flags over it.
func (f *configFlags) load() (node.Config, error) {
	c := node.DefaultConfig(defaultDir())
	if f.path != "" {
		var err error
		if c, err = node.LoadConfig(f.path); err != nil {
			return c, err
		}
	}
	for _, over := range []struct {
		value string
		to    *string
	}{
		{f.dir, &c.Dir},
		{f.passphrase, &c.PassphraseFile},
		{f.apiListen, &c.API.Listen},
		{f.socket, &c.API.Socket},
		{f.nodeListen, &c.Node.Listen},
		{f.address, &c.Node.Address},
	} {
		if over.value != "" {
			*over.to = over.value
		}
	}
	if f.peerListen != nil {
		c.Peer.Listen = f.peerListen
	}
	if f.announce != nil {
		c.Peer.Announce = f.announce
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%w", err)
	}
	return c, nil
}
