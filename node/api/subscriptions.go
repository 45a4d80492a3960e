package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/subscription"
	"vigil/node/board"
	"vigil/node/notify"
)

// OpenSubscription is the body of POST /v1/subscriptions.
type OpenSubscription struct {
	Name     string   `json:"name" maxLength:"64"`
	Channel  string   `json:"channel" enum:"webhook,mail"`
	To       string   `json:"to" maxLength:"1024" doc:"https:// address, or mailbox"`
	Kinds    []string `json:"kinds,omitempty" maxItems:"32" doc:"Beginnings of event types, such as alert. or watch.hit; all where none is named"`
	Urgency  string   `json:"urgency,omitempty" enum:"routine,priority,child-at-immediate-risk," doc:"The least urgent that is told of"`
	Exercise bool     `json:"exercise,omitempty" doc:"Exercises, too; they are quiet otherwise"`
	Minutes  uint64   `json:"minutes,omitempty" minimum:"5" maximum:"10080" doc:"Between two digests by mail: 60"`
}

// Subscription is who is told of changes.
type Subscription struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Channel  string    `json:"channel"`
	To       string    `json:"to"`
	Kinds    []string  `json:"kinds"`
	Urgency  string    `json:"urgency"`
	Exercise bool      `json:"exercise,omitempty"`
	Minutes  uint64    `json:"minutes,omitempty"`
	Opened   time.Time `json:"opened"`
	State    string    `json:"state" doc:"open, paused, closed"`
	Reason   string    `json:"reason,omitempty" doc:"Of a pause"`
	Behind   uint64    `json:"behind" doc:"Changes that it was not told of or passed over yet"`
	Secret   string    `json:"secret,omitempty" doc:"whsec_…: checks v1 signatures; shown when it is made"`
	Public   string    `json:"public,omitempty" doc:"whpk_…: checks v1a signatures"`
}

type subscriptionPath struct {
	ID string `path:"id" maxLength:"64" doc:"Subscription id, or a unique prefix of it"`
}

func (s *Server) subscriptionRoutes() {
	keepers := []string{RoleCoordinator, RoleOperator}
	route(s, http.MethodPost, "/v1/subscriptions", "openSubscription", "Tell a webhook or a mailbox of changes, by ids and never content", keepers, s.openSubscription)
	route(s, http.MethodGet, "/v1/subscriptions", "listSubscriptions", "Who is told of changes", keepers, func(ctx context.Context, _ *none) (*body[[]Subscription], error) {
		all, err := s.cfg.Board.Subscriptions(ctx)
		out := []Subscription{}
		for i := range all {
			x, err := s.showSubscription(ctx, &all[i])
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return &body[[]Subscription]{out}, err
	})
	route(s, http.MethodPost, "/v1/subscriptions/{id}/pause", "pauseSubscription", "Tell it no more until it is resumed", keepers, func(ctx context.Context, in *subscriptionPath) (*body[Subscription], error) {
		return s.turn(ctx, in.ID, subscription.TypePaused, func(k noun.Key) noun.Fact {
			return &subscription.Paused{Target: k, Reason: "paused by " + who(ctx).name}
		})
	})
	route(s, http.MethodPost, "/v1/subscriptions/{id}/resume", "resumeSubscription", "Go on from where it was told up to", keepers, func(ctx context.Context, in *subscriptionPath) (*body[Subscription], error) {
		return s.turn(ctx, in.ID, subscription.TypeResumed, func(k noun.Key) noun.Fact { return &subscription.Resumed{Target: k} })
	})
	route(s, http.MethodPost, "/v1/subscriptions/{id}/close", "closeSubscription", "End it for good", keepers, func(ctx context.Context, in *subscriptionPath) (*body[Subscription], error) {
		out, err := s.turn(ctx, in.ID, subscription.TypeClosed, func(k noun.Key) noun.Fact { return &subscription.Closed{Target: k} })
		if err == nil {
			s.did(ctx, "subscription.close", out.Body.ID)
		}
		return out, err
	})
	route(s, http.MethodPost, "/v1/subscriptions/{id}/secret", "rekeySubscription", "Sign with another secret; the one before signs, too, for a day", keepers, s.rekeySubscription)
}

func (s *Server) showSubscription(ctx context.Context, x *board.Subscription) (Subscription, error) {
	o := x.Object.Opened
	out := Subscription{
		ID: x.Key.ID(subscription.IDs), Name: o.Name, Channel: string(o.Channel), To: o.To, Kinds: o.Kinds, Urgency: alert.Urgency(o.Urgency).String(), Exercise: o.Exercise,
		Minutes: o.Every, Opened: x.Authored, State: string(x.Object.State), Reason: x.Object.Reason,
	}
	if o.Channel == subscription.Webhook {
		_, out.Public = notify.Keys(x.Object.Secret)
	}
	upto, begun, err := s.cfg.Board.ToldUpTo(ctx, x.Key)
	if begun {
		out.Behind = s.cfg.Board.LastChange() - min(upto, s.cfg.Board.LastChange())
	}
	return out, err
}

func (s *Server) openSubscription(ctx context.Context, in *keyed[OpenSubscription]) (*body[Subscription], error) {
	all, err := s.cfg.Board.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) >= maxSubscriptions {
		return nil, problem(http.StatusConflict, "too-many-subscriptions", "there are as many subscriptions as there may be", "close one that is no longer needed")
	}
	b := in.Body
	f := subscription.Opened{Name: b.Name, Channel: subscription.Channel(b.Channel), To: b.To, Kinds: noun.Set(b.Kinds), Exercise: b.Exercise}
	if b.Urgency != "" {
		u, err := alert.ParseUrgency(b.Urgency)
		if err != nil {
			return nil, noun.At("urgency", err)
		}
		f.Urgency = uint64(u)
	}
	if f.Channel == subscription.Mail {
		if f.Every = b.Minutes; f.Every == 0 {
			f.Every = 60
		}
	} else {
		_, _ = rand.Read(f.Secret[:]) // never fails
	}
	key, err := s.accounts.write(ctx, subscription.Codec, subscription.TypeOpened, &f)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Board.SetTold(ctx, key, s.cfg.Board.LastChange(), nil); err != nil { // it is told of what comes from now on
		return nil, err
	}
	return s.withSecret(ctx, key, f.Secret)
}

// withSecret shows a subscription with the secret that was just made for it.
func (s *Server) withSecret(ctx context.Context, k noun.Key, secret [32]byte) (*body[Subscription], error) {
	x, err := s.cfg.Board.Subscription(ctx, k.ID(subscription.IDs))
	if err != nil {
		return nil, err
	}
	out, err := s.showSubscription(ctx, &x)
	if x.Object.Opened.Channel == subscription.Webhook && secret != ([32]byte{}) {
		out.Secret, out.Public = notify.Keys(secret)
	}
	return &body[Subscription]{out}, err
}

func (s *Server) rekeySubscription(ctx context.Context, in *subscriptionPath) (*body[Subscription], error) {
	x, err := s.cfg.Board.Subscription(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if x.Object.State == subscription.Ended || x.Object.Opened.Channel != subscription.Webhook {
		return nil, noun.Refuse("only a webhook that is not closed has a secret")
	}
	f := subscription.Rekeyed{Target: x.Key}
	_, _ = rand.Read(f.Secret[:]) // never fails
	if _, err := s.accounts.write(ctx, subscription.Codec, subscription.TypeRekeyed, &f); err != nil {
		return nil, err
	}
	return s.withSecret(ctx, x.Key, f.Secret)
}

// turn lets a subscription that is not closed stand otherwise.
func (s *Server) turn(ctx context.Context, id, kind string, fact func(noun.Key) noun.Fact) (*body[Subscription], error) {
	x, err := s.cfg.Board.Subscription(ctx, id)
	if err != nil {
		return nil, err
	}
	if x.Object.State == subscription.Ended {
		return nil, noun.Refuse("it is closed: open another")
	}
	if _, err := s.accounts.write(ctx, subscription.Codec, kind, fact(x.Key)); err != nil {
		return nil, err
	}
	return s.withSecret(ctx, x.Key, [32]byte{})
}

func showSubscriptionEvent(e *ledger.Event) (any, error) {
	fact, err := subscription.Codec.Decode(e)
	switch f := fact.(type) {
	case *subscription.Opened:
		return map[string]any{"name": f.Name, "channel": f.Channel, "to": f.To, "kinds": f.Kinds}, err
	case *subscription.Paused:
		return map[string]any{"subscription": f.Target.ID(subscription.IDs), "reason": f.Reason}, err
	}
	return nil, err // secrets are not shown
}

// OpenSubscription opens a subscription; the secret in the answer is shown this once.
func (c *Client) OpenSubscription(ctx context.Context, o OpenSubscription) (Subscription, error) {
	return ask[Subscription](ctx, c, call{method: http.MethodPost, path: "/v1/subscriptions", body: o})
}

// Subscriptions lists those that are not closed.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return ask[[]Subscription](ctx, c, call{method: http.MethodGet, path: "/v1/subscriptions"})
}

// TurnSubscription pauses, resumes or closes a subscription, or gives it another secret: verb is pause, resume, close or
// secret.
func (c *Client) TurnSubscription(ctx context.Context, id, verb string) (Subscription, error) {
	return ask[Subscription](ctx, c, call{method: http.MethodPost, path: "/v1/subscriptions/" + url.PathEscape(id) + "/" + verb})
}
