package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"vigil/ledger/alert"
	"vigil/ledger/subscription"
	"vigil/node/board"
)

// Mail is how mail leaves the node: a relay that speaks TLS.
type Mail struct {
	Host     string
	Port     int
	From     string
	User     string // empty: the relay wants none
	Password string
}

// digests sends a digest each time it is due, of what is wanted since the last; nothing where there is nothing.
func (t *Teller) digests(ctx context.Context, s *subscription.Subscription, after uint64) error {
	every := time.Duration(s.Opened.Every) * time.Minute
	for {
		pause(ctx, every)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := t.gather(ctx, s, after)
		if err != nil {
			return err
		}
		if d.count > 0 {
			if err := t.deliver(ctx, s, func(ctx context.Context) error { return t.send(ctx, s, d) }); err != nil {
				return err
			}
		}
		if err := t.cfg.Board.SetTold(ctx, s.Key, d.last, d.ids); err != nil {
			return err
		}
		after = d.last
	}
}

// digest is what a mail says: how many of which kind, and the ids of the first.
type digest struct {
	count  int
	kinds  map[string]int
	ids    []string
	urgent int
	last   uint64
}

func (t *Teller) gather(ctx context.Context, s *subscription.Subscription, after uint64) (digest, error) {
	d := digest{kinds: map[string]int{}, last: after}
	for {
		changes, err := t.cfg.Board.Changes(ctx, d.last, pageChanges)
		if err != nil || len(changes) == 0 {
			return d, err
		}
		for _, c := range changes {
			wanted, err := t.wants(ctx, s, c)
			if err != nil {
				return d, err
			}
			if wanted || c.Kind == alert.TypeRetracted && slices.Contains(d.ids, c.Object) {
				d.add(c)
			}
			d.last = c.Sequence
		}
	}
}

func (d *digest) add(c board.Change) {
	d.count++
	d.kinds[c.Kind]++
	if c.Urgency > 0 {
		d.urgent++
	}
	if !slices.Contains(d.ids, c.Object) {
		d.ids = append(d.ids, c.Object)
	}
}

// text is the mail's: numbers and ids, nothing that the agency holds.
func (d *digest) text(url string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d changes since the last digest, %d of them urgent.\n\n", d.count, d.urgent)
	for _, k := range slices.Sorted(maps.Keys(d.kinds)) {
		fmt.Fprintf(&b, "%6d  %s\n", d.kinds[k], k)
	}
	b.WriteString("\n")
	for _, id := range d.ids[:min(len(d.ids), maxDigestIDs)] {
		b.WriteString(id + " " + addressOf(url, id) + "\n")
	}
	if more := len(d.ids) - maxDigestIDs; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

func (t *Teller) send(ctx context.Context, s *subscription.Subscription, d digest) error {
	m := t.cfg.Mail
	if m == nil {
		return fmt.Errorf("no mail relay is configured: set mail.host")
	}
	msg := mail.NewMsg()
	if err := msg.From(m.From); err != nil {
		return fmt.Errorf("mail.from: %w", err)
	}
	if err := msg.To(s.Opened.To); err != nil {
		return err
	}
	msg.Subject(fmt.Sprintf("Vigil: %d changes", d.count))
	msg.SetBodyString(mail.TypeTextPlain, d.text(t.cfg.URL))
	options := []mail.Option{
		mail.WithPort(m.Port), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTimeout(answerTime),
		mail.WithTLSConfig(&tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12, RootCAs: t.cfg.Roots}),
	}
	if m.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User), mail.WithPassword(m.Password))
	}
	c, err := mail.NewClient(m.Host, options...)
	if err != nil {
		return err
	}
	return c.DialAndSendWithContext(ctx, msg)
}
