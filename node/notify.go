package node

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"vigil/ledger"
	"vigil/ledger/subscription"
	"vigil/node/notify"
)

// teller makes what tells subscribers, as the configuration has it.
func (n *Node) teller() (*notify.Teller, error) {
	cfg := notify.Config{Board: n.board, URL: n.cfg.API.URL, Pause: n.pauseSubscription, Log: n.log, Told: n.metrics.told}
	for _, text := range n.cfg.Notify.Allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%w: notify.allow: %q is no network such as 10.1.2.0/24", ErrConfig, text)
		}
		cfg.Allow = append(cfg.Allow, p.Masked())
	}
	if path := n.cfg.Notify.CA; path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w: notify.ca: %w", ErrConfig, err)
		}
		if cfg.Roots = x509.NewCertPool(); !cfg.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%w: notify.ca: no certificate in %s", ErrConfig, path)
		}
	}
	if m := n.cfg.Mail; m.Host != "" {
		cfg.Mail = &notify.Mail{Host: m.Host, Port: m.Port, From: m.From, User: m.User}
		if m.PasswordFile != "" {
			b, err := os.ReadFile(m.PasswordFile)
			if err != nil {
				return nil, fmt.Errorf("%w: mail.password_file: %w", ErrConfig, err)
			}
			cfg.Mail.Password = strings.TrimSpace(string(b))
		}
	}
	return notify.New(cfg), nil
}

// pauseSubscription commits that nothing gets through to a subscriber, and waits until the board shows it.
func (n *Node) pauseSubscription(ctx context.Context, f *subscription.Paused) error {
	var id ledger.EventID
	_, _ = rand.Read(id[:]) // never fails
	e, err := subscription.Codec.Encode(id, subscription.TypePaused, f)
	if err != nil {
		return err
	}
	r, err := n.author.Submit(ctx, []ledger.AudienceName{ledger.AudienceName(n.id.Agency)}, []ledger.Event{e})
	if err != nil {
		return err
	}
	return n.board.WaitFor(ctx, n.id.Origin, r.Index+1)
}
