package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/registry"
	"vigil/node/board"
)

var (
	registrars     = []string{RoleLiaison, RoleAnalyst}
	noticeReaders  = []string{RoleLiaison, RoleAnalyst, RoleAuditor}
	screeners      = []string{RoleScreening}
	screeningsRead = []string{RoleAuditor}
)

type noticeQuery struct {
	Author     string `query:"author" maxLength:"65"`
	State      string `query:"state" enum:"stands,lifted,"`
	Challenged bool   `query:"challenged" doc:"A challenge waits for its author's answer"`
	Exercise   bool   `query:"exercise"`
	Before     int64  `query:"before" doc:"next of the page before"`
	Limit      int    `query:"limit" minimum:"0" maximum:"500"`
}

type noticePath struct {
	ID string `path:"id" maxLength:"64" doc:"Notice id, or a unique prefix of it"`
}

type keyedNotice[T any] struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body T
}

type keyedChallenge struct {
	ID        string `path:"id" maxLength:"64"`
	Challenge string `path:"challenge" maxLength:"64" doc:"Challenge id, or a unique prefix of it"`
	Key       string `header:"Idempotency-Key" maxLength:"128"`
	Body      UpholdNotice
}

type screeningsQuery struct {
	By       string `query:"by" maxLength:"128" doc:"Who asked: a token's or person's id"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

func (s *Server) registryRoutes() {
	const one = "/v1/registry/notices/{id}"
	route(s, http.MethodPost, "/v1/registry/notices", "giveNotice", "Give notice of a person; the node keeps marks, and no name", registrars, s.giveNotice)
	route(s, http.MethodGet, "/v1/registry/notices", "listNotices", "List notices, what moved last first", noticeReaders, s.listNotices)
	route(s, http.MethodGet, one, "getNotice", "One notice, and who no longer goes by what was changed", noticeReaders, s.getNotice)
	route(s, http.MethodPost, one+"/corrections", "correctNotice", "Put another notice in the place of your own", registrars, s.correctNotice)
	route(s, http.MethodPost, one+"/lifting", "liftNotice", "End your own notice", registrars, s.liftNotice)
	route(s, http.MethodPost, one+"/challenges", "challengeNotice", "Say that another agency's notice is wrong", registrars, s.challengeNotice)
	route(s, http.MethodPost, one+"/challenges/{challenge}", "upholdNotice", "Answer a challenge: your notice stands", registrars, s.upholdNotice)
	route(s, http.MethodPost, "/v1/registry/screenings", "screen", "Is there something to be looked up in the registry", screeners, s.screen, asking)
	route(s, http.MethodGet, "/v1/registry/screenings", "listScreenings", "Who screened, for which purpose and on what authority", screeningsRead, s.listScreenings)
}

func identityOf(p Person) registry.Identity {
	out := registry.Identity{Names: p.Names, Born: p.Born}
	for _, d := range p.Documents {
		out.Documents = append(out.Documents, registry.Document(d))
	}
	return out
}

// noticeOf makes a notice; who it is about becomes marks here and goes no further.
func (s *Server) noticeOf(p Person, f NoticeFacts) (registry.Notice, error) {
	who := identityOf(p)
	if err := who.Validate(); err != nil {
		return registry.Notice{}, err
	}
	n := registry.Notice{Tier: f.Tier, Ground: f.Ground, Since: f.Since, Authority: f.Authority, Reference: f.Reference}
	s.blinding.Lock()
	defer s.blinding.Unlock()
	n.Marks = who.Marks(s.cfg.Origin)
	return n, nil
}

func today() time.Time { return now().UTC().Truncate(24 * time.Hour) }

func (s *Server) giveNotice(ctx context.Context, in *keyed[GiveNotice]) (*body[Written], error) {
	audience, err := audienceOf(in.Body.Audience, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	n, err := s.noticeOf(in.Body.Person, in.Body.NoticeFacts)
	if err != nil {
		return nil, err
	}
	n.Exercise = in.Body.Exercise
	var event ledger.EventID
	w, err := s.write(ctx, in.Key, audience, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return n.Decide(id, today())
	})
	w.ID = registry.Key{Event: event}.ID(registry.IDPrefix)
	return &body[Written]{w}, err
}

// onNotice writes one event on a notice, decided on it as it stands then and sealed to everyone who can read it. same says
// whether an event that was written under the key before says the same.
func (s *Server) onNotice(ctx context.Context, id, key string, same func(registry.Fact) bool, decide func(id ledger.EventID, r *registry.Record) (ledger.Event, error)) (*body[Written], error) {
	n, err := s.cfg.Board.Notice(ctx, id)
	if err != nil {
		return nil, err
	}
	audience, err := s.noticeAudience(ctx, &n)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, key, audience, func(event ledger.EventID) (ledger.Event, error) {
		stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, event)
		if err != nil {
			return ledger.Event{}, err
		}
		if found {
			if fact, err := registry.Codec.Decode(&stored.Event); err == nil && same(fact) {
				return stored.Event, nil // a retry: what was decided then, not what would be decided now
			}
		}
		now, err := s.cfg.Board.Notice(ctx, n.Key.ID(registry.IDPrefix))
		if err != nil {
			return ledger.Event{}, err
		}
		return decide(event, now.Object)
	})
	w.ID = n.Key.ID(registry.IDPrefix)
	return &body[Written]{w}, err
}

// noticeAudience is who hears of a change: everyone who could ever read the notice.
func (s *Server) noticeAudience(ctx context.Context, n *board.Notice) ([]ledger.AudienceName, error) {
	holders, unknown, err := s.holdersOf(ctx, n.Object)
	if err != nil {
		return nil, err
	}
	return s.cfg.Node.RecallAudience(holders, unknown), nil
}

func (s *Server) holdersOf(ctx context.Context, r *registry.Record) ([]board.Holder, []ledger.AudienceName, error) {
	first := r.Founding()
	return s.cfg.Board.Holders(ctx, first.Origin, first.Position.Index)
}

func (s *Server) correctNotice(ctx context.Context, in *keyedNotice[CorrectNotice]) (*body[Written], error) {
	n, err := s.noticeOf(in.Body.Person, in.Body.NoticeFacts)
	if err != nil {
		return nil, err
	}
	same := func(f registry.Fact) bool {
		before, ok := f.(*registry.Corrected)
		return ok && before.Reason == in.Body.Reason && before.Notice.Equal(&n)
	}
	return s.onNotice(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *registry.Record) (ledger.Event, error) {
		return r.Correct(id, s.cfg.Agency, n, in.Body.Reason, today())
	})
}

func (s *Server) liftNotice(ctx context.Context, in *keyedNotice[LiftNotice]) (*body[Written], error) {
	same := func(f registry.Fact) bool {
		before, ok := f.(*registry.Lifted)
		return ok && before.Reason == in.Body.Reason && before.Authority == in.Body.Authority
	}
	return s.onNotice(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *registry.Record) (ledger.Event, error) {
		return r.Lift(id, s.cfg.Agency, in.Body.Reason, in.Body.Authority)
	})
}

func (s *Server) challengeNotice(ctx context.Context, in *keyedNotice[ChallengeNotice]) (*body[Written], error) {
	same := func(f registry.Fact) bool {
		before, ok := f.(*registry.Challenged)
		return ok && before.Reason == in.Body.Reason
	}
	return s.onNotice(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *registry.Record) (ledger.Event, error) {
		return r.Challenge(id, s.cfg.Agency, in.Body.Reason)
	})
}

func (s *Server) upholdNotice(ctx context.Context, in *keyedChallenge) (*body[Written], error) {
	n, err := s.cfg.Board.Notice(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	challenge, err := challengeOf(n.Object, in.Challenge)
	if err != nil {
		return nil, err
	}
	same := func(f registry.Fact) bool {
		before, ok := f.(*registry.Upheld)
		return ok && before.Challenge == challenge && before.Reason == in.Body.Reason
	}
	return s.onNotice(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *registry.Record) (ledger.Event, error) {
		return r.Uphold(id, s.cfg.Agency, challenge, in.Body.Reason)
	})
}

// challengeIDs begins the ids of challenges.
const challengeIDs = "ch_"

// challengeOf returns the challenge of a notice that an id or its beginning names.
func challengeOf(r *registry.Record, text string) (found registry.EventKey, err error) {
	n := 0
	for _, c := range r.Challenges {
		if strings.HasPrefix(c.Event.String(), strings.TrimPrefix(text, challengeIDs)) {
			found, n = c.EventKey, n+1
		}
	}
	switch n {
	case 0:
		return found, problem(http.StatusNotFound, "not-found", "the notice has no such challenge", "'vigil registry show' lists them")
	case 1:
		return found, nil
	}
	return found, problem(http.StatusConflict, "ambiguous", "more than one challenge begins like that", "give more of the id")
}
