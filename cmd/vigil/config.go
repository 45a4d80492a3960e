package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

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
	var f configFlags
	var origin bool
	show := &cobra.Command{
		Use: "show", Short: "The values in force for 'vigil serve' called alike, with --origin where each comes from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := node.ExplainConfig(f.path)
			if err != nil {
				return err
			}
			f.override(cmd, settings)
			return o.out.value(settings, func() { o.settings(settings, origin) })
		},
	}
	f.add(show)
	show.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	return noun("config", "The configuration file", example, validate, show)
}

func (o *options) settings(settings []node.Setting, origin bool) {
	header := []string{"KEY", "VALUE"}
	if origin {
		header = append(header, "FROM")
	}
	rows := [][]string{}
	for _, s := range settings {
		row := []string{s.Key, s.Value}
		if origin {
			row = append(row, s.Origin)
		}
		rows = append(rows, row)
	}
	o.out.table(header, rows)
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
	for _, over := range f.overrides() {
		if over.value != "" {
			*over.to(&c) = over.value
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

// override is one key that a flag, or the variable of the environment behind it, puts in place of the file's.
type override struct {
	key, flag, env, value string
	to                    func(*node.Config) *string
}

func (f *configFlags) overrides() []override {
	return []override{
		{"dir", "dir", "VIGIL_DIR", f.dir, func(c *node.Config) *string { return &c.Dir }},
		{"passphrase_file", "passphrase-file", "VIGIL_PASSPHRASE_FILE", f.passphrase, func(c *node.Config) *string { return &c.PassphraseFile }},
		{"api.listen", "api-listen", "", f.apiListen, func(c *node.Config) *string { return &c.API.Listen }},
		{"api.socket", "socket", "", f.socket, func(c *node.Config) *string { return &c.API.Socket }},
		{"node.listen", "node-listen", "", f.nodeListen, func(c *node.Config) *string { return &c.Node.Listen }},
		{"node.address", "node-address", "", f.address, func(c *node.Config) *string { return &c.Node.Address }},
	}
}

// override puts what flags and the environment say in place of what the file says: flag, environment, file, default.
func (f *configFlags) override(cmd *cobra.Command, settings []node.Setting) {
	put := func(key, flag, env, value string) {
		i := slices.IndexFunc(settings, func(s node.Setting) bool { return s.Key == key })
		switch {
		case cmd.Flags().Changed(flag):
			settings[i].Value, settings[i].Origin = value, "--"+flag
		case value != "" && env != "":
			settings[i].Value, settings[i].Origin = value, "$"+env
		}
	}
	for _, o := range f.overrides() {
		put(o.key, o.flag, o.env, o.value)
	}
	put("peer.listen", "peer-listen", "", strings.Join(f.peerListen, " "))
	put("peer.announce", "peer-announce", "", strings.Join(f.announce, " "))
}
