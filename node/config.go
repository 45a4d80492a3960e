package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/match"
	"vigil/node/peer"
	"vigil/node/signin"
)

// ErrConfig says that a configuration is not usable; the text names the key and the line.
var ErrConfig = errors.New("node: configuration")

const maxConfigBytes = 64 << 10

// Config is the one configuration file of a node. Every key has a default but the directory; unknown keys are errors.
type Config struct {
	// Dir is the data directory, 0700, made by init or join.
	Dir string `toml:"dir" comment:"data directory, made by 'vigil init' or 'vigil join'"`
	// PassphraseFile holds the passphrase of the keys; $CREDENTIALS_DIRECTORY/passphrase is used when it is empty.
	PassphraseFile string `toml:"passphrase_file" comment:"file with the passphrase of the keys; empty: the systemd credential 'passphrase'"`

	API struct {
		// Listen is the HTTPS address for people and platforms.
		Listen string `toml:"listen" comment:"HTTPS for people and platforms"`
		// URL is where people reach the node, with a name and https; passkeys and the OpenID provider need it.
		URL string `toml:"url" comment:"https://name[:port] by which people reach this node; passkeys and OpenID sign-in need it"`
		// Certificate and Key are PEM files; without them the node makes its own certificate.
		Certificate string `toml:"certificate" comment:"PEM certificate chain; empty: the node makes its own"`
		Key         string `toml:"key" comment:"PEM private key of the certificate"`
		// Socket is the unix socket of the machine's own operator; default <dir>/vigil.sock.
		Socket string `toml:"socket" comment:"unix socket of this machine's operator; empty: <dir>/vigil.sock"`
	} `toml:"api"`

	OpenID struct {
		// Issuer is the agency's own OpenID provider; empty: none.
		Issuer string `toml:"issuer" comment:"the agency's own OpenID provider; empty: people sign in by passkey or password only"`
		// ClientID and SecretFile are what the provider knows this node by.
		ClientID   string `toml:"client_id" comment:"what the provider knows this node by"`
		SecretFile string `toml:"secret_file" comment:"file with the client secret"`
	} `toml:"openid"`

	Node struct {
		// Listen is the address for the jurisdiction's other nodes (raft and h2 on one port).
		Listen string `toml:"listen" comment:"for the other nodes of the jurisdiction"`
		// Address is what the others dial; default Listen.
		Address string `toml:"address" comment:"host:port the others dial; empty: listen"`
	} `toml:"node"`

	Peer struct {
		// Listen holds libp2p multiaddresses for partners; an empty list is no gateway.
		Listen []string `toml:"listen" comment:"libp2p multiaddresses for partner jurisdictions; empty: this node is no gateway"`
		// Announce holds what partners dial; default Listen.
		Announce []string `toml:"announce" comment:"multiaddresses partners dial; empty: listen"`
		// Gateways are partners', by jurisdiction, beside those that their ledger names here: where all of those were replaced
		// while the link was down, neither side would know the other's any more.
		Gateways map[string][]string `toml:"gateways,omitempty" comment:"gateways of partners beside those that their ledger names, for when all of those were replaced while the link was down; as 'vigil serve' prints it there: uk = ['/ip4/203.0.113.7/tcp/7442/p2p/12D3KooW…']"`
	} `toml:"peer"`

	Match struct {
		// Radius is how many bits of a perceptual hash may differ from an alert's, WatchRadius from what is watched; at most
		// match.MaxRadius.
		Radius      int `toml:"radius" comment:"how many of the 256 bits of a perceptual hash may differ from an alert's, where a question does not say"`
		WatchRadius int `toml:"watch_radius" comment:"the same of what this agency watches"`
		// CaseRadius sets it apart for watch lists of a case.
		CaseRadius map[string]int `toml:"case_radius,omitempty" comment:"the same of the watch lists of a case, such as '2026-117' = 12"`
	} `toml:"match"`

	Notify struct {
		// Allow are networks that are not public and that webhooks may go to all the same.
		Allow []string `toml:"allow" comment:"networks that are not public and that webhooks may go to all the same, such as 10.1.2.0/24"`
		// CA is a PEM file of authorities that vouch for receivers and the mail relay; empty: the system's.
		CA string `toml:"ca" comment:"PEM file of authorities for receivers and the mail relay; empty: the system's"`
	} `toml:"notify"`

	Mail struct {
		// Host is a relay that speaks TLS; empty: no mail leaves.
		Host         string `toml:"host" comment:"relay for digests by mail, with TLS; empty: no mail leaves"`
		Port         int    `toml:"port" comment:"port of the relay"`
		From         string `toml:"from" comment:"mailbox that digests come from"`
		User         string `toml:"user" comment:"name at the relay; empty: it wants none"`
		PasswordFile string `toml:"password_file" comment:"file with the password at the relay"`
	} `toml:"mail"`

	Backup struct {
		// RemindDays is after how many days without a backup a node that had one complains; 0: never.
		RemindDays int `toml:"remind_days" comment:"after how many days without a backup a node that had one says so in its status; 0: never"`
	} `toml:"backup"`

	Log struct {
		Level  string `toml:"level" comment:"debug, info, warn or error"`
		Format string `toml:"format" comment:"json or text"`
	} `toml:"log"`

	// lies are cluster.Config's, for tests of a lying leader.
	lies cluster.Lies
	// within is what receipts promise, for tests that do not want to wait; zero is receiptWait.
	within time.Duration
	// idles makes this node, as a gateway, say that it follows partners, and not do so, for tests.
	idles bool
	// falsify changes what this node, as a gateway, sends to partners, for tests of a lying gateway.
	falsify func(*ledger.MirrorBatch)
}

// DefaultConfig returns the defaults for a node with its data in dir.
func DefaultConfig(dir string) Config {
	var c Config
	c.Dir = dir
	c.API.Listen = "127.0.0.1:7440"
	c.Node.Listen = "0.0.0.0:7441"
	c.Peer.Listen = []string{"/ip4/0.0.0.0/tcp/7442", "/ip4/0.0.0.0/udp/7442/quic-v1"}
	c.Match.Radius, c.Match.WatchRadius = match.DefaultRadius, match.DefaultRadius
	c.Notify.Allow, c.Mail.Port = []string{}, 587
	c.Backup.RemindDays = 31
	c.Log.Level = "info"
	c.Log.Format = "json"
	return c
}

// ParseConfig reads a TOML configuration over the defaults. An unknown key is an error with its line.
func ParseConfig(b []byte) (Config, error) {
	if len(b) > maxConfigBytes {
		return Config{}, fmt.Errorf("%w: %d bytes, at most %d", ErrConfig, len(b), maxConfigBytes)
	}
	c := DefaultConfig("/var/lib/vigil")
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%w: %s", ErrConfig, tomlReason(err))
	}
	return c, c.Validate()
}

func tomlReason(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		return "unknown key:\n" + strict.String()
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		return decode.String()
	}
	return err.Error()
}

// LoadConfig reads and parses a file.
func LoadConfig(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return ParseConfig(b)
}

// Encode writes the configuration as commented TOML.
func (c Config) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := toml.NewEncoder(&b)
	e.SetIndentTables(false)
	err := e.Encode(c)
	return b.Bytes(), err
}

// Validate checks what can be checked without the directory.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return fmt.Errorf("%w: dir is empty; name the data directory", ErrConfig)
	case c.API.Listen == "":
		return fmt.Errorf("%w: api.listen is empty; use 127.0.0.1:7440 to serve this machine only", ErrConfig)
	case c.Node.Listen == "":
		return fmt.Errorf("%w: node.listen is empty; the other nodes need an address to dial", ErrConfig)
	case c.OpenID.Issuer != "" && (c.API.URL == "" || c.OpenID.ClientID == "" || c.OpenID.SecretFile == ""):
		return fmt.Errorf("%w: openid.issuer needs api.url, openid.client_id and openid.secret_file", ErrConfig)
	case c.Mail.Host != "" && (c.Mail.From == "" || c.Mail.Port <= 0 || c.Mail.Port > 65535):
		return fmt.Errorf("%w: mail.host needs mail.from and a port", ErrConfig)
	case c.Backup.RemindDays < 0:
		return fmt.Errorf("%w: backup.remind_days is %d; 0 for never", ErrConfig, c.Backup.RemindDays)
	case c.API.URL != "" && !strings.HasPrefix(c.API.URL, "https://"):
		return fmt.Errorf("%w: api.url is https:// and a name", ErrConfig)
	case (c.API.Certificate == "") != (c.API.Key == ""):
		return fmt.Errorf("%w: api.certificate and api.key go together", ErrConfig)
	}
	if err := errors.Join(c.matchRadii(), c.gatewaysTold()); err != nil {
		return err
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("%w: log.level %q is none of debug, info, warn, error", ErrConfig, c.Log.Level)
	}
	if c.Log.Format != "json" && c.Log.Format != "text" {
		return fmt.Errorf("%w: log.format %q is neither json nor text", ErrConfig, c.Log.Format)
	}
	return nil
}

// maxGatewaysTold is how many of one partner the configuration names.
const maxGatewaysTold = 16

func (c Config) gatewaysTold() error {
	for j, all := range c.Peer.Gateways {
		if _, err := ledger.ParseJurisdictionID(j); err != nil {
			return fmt.Errorf("%w: peer.gateways: %w", ErrConfig, err)
		}
		if len(all) > maxGatewaysTold {
			return fmt.Errorf("%w: peer.gateways names %d of %s; at most %d", ErrConfig, len(all), j, maxGatewaysTold)
		}
		for _, address := range all {
			if _, err := peer.ParseGateway(address); err != nil {
				return fmt.Errorf("%w: peer.gateways of %s: %w", ErrConfig, j, err)
			}
		}
	}
	return nil
}

func (c Config) matchRadii() error {
	if len(c.Match.CaseRadius) >= match.MaxLists {
		return fmt.Errorf("%w: match.case_radius names %d cases; at most %d", ErrConfig, len(c.Match.CaseRadius), match.MaxLists-1)
	}
	for key, radius := range map[string]int{"radius": c.Match.Radius, "watch_radius": c.Match.WatchRadius} {
		if _, err := match.Within(radius); err != nil {
			return fmt.Errorf("%w: match.%s is %d; from 0 to %d", ErrConfig, key, radius, match.MaxRadius)
		}
	}
	for _, radius := range c.Match.CaseRadius { // whose name is nobody's but the agency's
		if _, err := match.Within(radius); err != nil {
			return fmt.Errorf("%w: match.case_radius has %d; from 0 to %d", ErrConfig, radius, match.MaxRadius)
		}
	}
	return nil
}

// provider reads the OpenID provider's settings; nil where there is none.
func (c Config) provider() (*signin.ProviderConfig, error) {
	if c.OpenID.Issuer == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.OpenID.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("%w: openid.secret_file: %w", ErrConfig, err)
	}
	return &signin.ProviderConfig{Issuer: c.OpenID.Issuer, ClientID: c.OpenID.ClientID, Secret: strings.TrimSpace(string(b))}, nil
}

// SocketPath returns the operator's socket.
func (c Config) SocketPath() string {
	if c.API.Socket != "" {
		return c.API.Socket
	}
	return filepath.Join(c.Dir, "vigil.sock")
}

// Address returns what other nodes dial.
func (c Config) Address() string {
	if c.Node.Address != "" {
		return c.Node.Address
	}
	return c.Node.Listen
}

// Announced returns what partners dial.
func (c Config) Announced() []string {
	if len(c.Peer.Announce) > 0 {
		return c.Peer.Announce
	}
	return c.Peer.Listen
}

// Dialable refuses addresses that go into the roster and that nobody can dial.
func (c Config) Dialable() error {
	host, _, err := net.SplitHostPort(c.Address())
	if err != nil {
		return fmt.Errorf("%w: node.address %q is not host:port", ErrConfig, c.Address())
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("%w: nobody can dial %s; set node.address to what the other nodes dial", ErrConfig, c.Address())
	}
	for _, a := range c.Announced() {
		if strings.Contains(a, "/ip4/0.0.0.0/") || strings.Contains(a, "/ip6/::/") {
			return fmt.Errorf("%w: no partner can dial %s; set peer.announce, or peer.listen = [] if this node is no gateway", ErrConfig, a)
		}
	}
	return nil
}

// Passphrase reads the passphrase: the configured file, or the systemd credential. One trailing newline is dropped.
func (c Config) Passphrase() ([]byte, error) {
	path := c.PassphraseFile
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); path == "" && dir != "" {
		path = filepath.Join(dir, "passphrase")
	}
	if path == "" {
		return nil, fmt.Errorf("%w: no passphrase: set passphrase_file or the systemd credential 'passphrase'", ErrConfig)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: passphrase_file: %w", ErrConfig, err)
	}
	pass := strings.TrimRight(string(b), "\r\n")
	if pass == "" {
		return nil, fmt.Errorf("%w: the passphrase in %s is empty", ErrConfig, path)
	}
	return []byte(pass), nil
}
