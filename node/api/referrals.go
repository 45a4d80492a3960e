package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/referral"
	"vigil/node/board"
)

var (
	referrers       = []string{RoleAnalyst, RoleLab, RoleLiaison}
	referralMovers  = []string{RoleAnalyst, RoleLab, RoleLiaison, RoleSupport}
	referralReaders = []string{RoleAnalyst, RoleLab, RoleLiaison, RoleSupport, RoleAuditor}
	// beyondSupport are roles that read referrals of every kind.
	beyondSupport = []string{RoleAnalyst, RoleLab, RoleLiaison, RoleAuditor}
)

type referralPath struct {
	ID string `path:"id" maxLength:"64" doc:"Referral id, or a unique prefix of it"`
}

type referralQuery struct {
	State     string    `query:"state" enum:"open,acknowledged,handover,accepted,declined,closed,withdrawn,"`
	Kind      string    `query:"kind" maxLength:"32"`
	Holder    string    `query:"holder" maxLength:"65" doc:"That holds it"`
	Agency    string    `query:"agency" maxLength:"65" doc:"That opened it, holds it or is offered it"`
	Overdue   bool      `query:"overdue" doc:"Whose first deadline has passed"`
	DueBefore time.Time `query:"due_before"`
	Sort      string    `query:"sort" enum:"moved,due," doc:"What moved last first, or what is due first; by due where it is asked for what is due"`
	Exercise  bool      `query:"exercise"`
	Cursor    string    `query:"cursor" maxLength:"128"`
	Limit     int       `query:"limit" minimum:"0" maximum:"500"`
}

type keyedReferral[T any] struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body T
}

type keyedTask struct {
	ID   string `path:"id" maxLength:"64"`
	Task string `path:"task" maxLength:"64" doc:"Task id, or a unique prefix of it"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body EndTask
}

func (s *Server) referralRoutes() {
	const one = "/v1/referrals/{id}"
	route(s, http.MethodPost, "/v1/referrals", "openReferral", "Ask another agency to act", referrers, s.openReferral)
	route(s, http.MethodGet, "/v1/referrals", "listReferrals", "List referrals", referralReaders, s.listReferrals)
	route(s, http.MethodGet, one, "getReferral", "One referral with its deadlines, tasks and time line", referralReaders, s.getReferral)
	route(s, http.MethodPost, one+"/moves", "moveReferral", "Acknowledge, accept, release, decline, transfer, revoke, note, pause, resume, close or withdraw", referralMovers, s.moveReferral)
	route(s, http.MethodPost, one+"/links", "linkReferral", "Name further alerts and reports", referrers, s.linkReferral)
	route(s, http.MethodPost, one+"/tasks", "giveTask", "Give a task to an agency that can read the referral", referralMovers, s.giveTask)
	route(s, http.MethodPost, one+"/tasks/{task}", "endTask", "Say that a task is done, or drop it", referralMovers, s.endTask)
	route(s, http.MethodPost, one+"/wish", "recordWish", "Record a victim's wish on being told of further sightings", referralMovers, s.recordWish)
}

func (s *Server) openReferral(ctx context.Context, in *keyed[OpenReferral]) (*body[Written], error) {
	c, err := s.opening(in.Body)
	if err != nil {
		return nil, err
	}
	same := saying(referral.Codec.Decode, func(f *referral.Opened) bool {
		return f.To == c.Opened.To && f.Kind == c.Opened.Kind && f.Title == c.Opened.Title && f.Text == c.Opened.Text && f.Due == c.Opened.Due
	})
	w, err := s.write(ctx, in.Key, c.Opened.Readers(s.cfg.Agency), s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		c.Event = id
		return c.Decide(s.cfg.Agency, now())
	}))
	w.ID = referral.Key{Event: c.Event}.ID(referral.IDPrefix)
	return &body[Written]{w}, err
}

// opening reads what the wire asks for; its event id is still to be set.
func (s *Server) opening(in OpenReferral) (referral.Command, error) {
	o := openedOf(&in)
	for _, a := range append([]ledger.AgencyID{o.To}, o.Also...) {
		if _, err := ledger.ParseAgencyID(string(a)); err != nil {
			return referral.Command{}, problem(http.StatusBadRequest, "invalid", "to and also name agencies, such as in/mh-cyber", "")
		}
	}
	return referral.Command{Opened: o}, nil
}

func openedOf(in *OpenReferral) referral.Opened {
	o := referral.Opened{
		Kind: referral.Kind(in.Kind), To: ledger.AgencyID(in.To), Urgency: in.Urgency, Title: in.Title, Text: in.Text, Alerts: in.Alerts, Reports: in.Reports,
		Exercise: in.Exercise, Due: dueOf(in.Due),
	}
	for _, a := range in.Also {
		o.Also = append(o.Also, ledger.AgencyID(a))
	}
	if o.Urgency == "" {
		o.Urgency = referral.Urgencies[0]
	}
	if x := in.Support; x != nil {
		o.Support = &referral.Support{Reference: x.Reference, Needs: x.Needs, Age: x.Age, Language: x.Language, District: x.District, Wish: referral.Wish{Choice: referral.Choices[0]}}
		if x.Age == "" {
			o.Support.Age = referral.Ages[0]
		}
		if x.Wish != nil {
			o.Support.Wish = referral.Wish{Choice: x.Wish.Choice, Ask: x.Wish.Ask}
		}
	}
	return o
}

func dueOf(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

// onlySupport says that who asks may see victim support and no other referrals.
func onlySupport(ctx context.Context) bool {
	_, beyond := who(ctx).as(beyondSupport)
	return !beyond
}

// referralFor returns a referral for who asks: to a support desk, others are not there.
func (s *Server) referralFor(ctx context.Context, id string) (board.Referral, error) {
	r, err := s.cfg.Board.Referral(ctx, id)
	if err == nil && onlySupport(ctx) && r.Object.Opened.Kind != referral.VictimSupport {
		err = fmt.Errorf("%w: %.80s", board.ErrNotFound, id)
	}
	return r, err
}

// word writes one event on a referral, decided on it as it stands then and sealed to its readers. same says whether an
// event that was written under the key before says the same.
func (s *Server) word(ctx context.Context, id, key string, same func(referral.Fact) bool, decide func(id ledger.EventID, r *referral.Referral) (ledger.Event, error)) (*body[Written], error) {
	r, err := s.referralFor(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, key, s.present(r.Object), func(event ledger.EventID) (ledger.Event, error) {
		if e, ok := s.wroteBefore(ctx, event, same); ok {
			return e, nil // a retry: what was decided then, not what would be decided now
		}
		now, err := s.cfg.Board.Referral(ctx, r.Key.ID(referral.IDPrefix)) // as it stands when it is decided
		if err != nil {
			return ledger.Event{}, err
		}
		return decide(event, now.Object)
	})
	w.ID = r.Key.ID(referral.IDPrefix)
	return &body[Written]{w}, err
}

// present are a referral's readers but those that left their jurisdiction: nothing can be sealed to these any more.
func (s *Server) present(r *referral.Referral) []ledger.AudienceName {
	return slices.DeleteFunc(r.Opened.Readers(r.Opener), func(n ledger.AudienceName) bool { return s.cfg.Node.HasLeft(ledger.AgencyID(n)) })
}

// wroteBefore returns our event with an id where it says the same.
func (s *Server) wroteBefore(ctx context.Context, id ledger.EventID, same func(referral.Fact) bool) (ledger.Event, bool) {
	stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, id)
	if err != nil || !found {
		return ledger.Event{}, false
	}
	fact, err := referral.Codec.Decode(&stored.Event)
	return stored.Event, err == nil && same(fact)
}

func (s *Server) moveReferral(ctx context.Context, in *keyedReferral[MoveReferral]) (*body[Written], error) {
	m := referral.Moved{Move: referral.Move(in.Body.Move), To: ledger.AgencyID(in.Body.To), Text: in.Body.Text}
	same := func(f referral.Fact) bool {
		before, ok := f.(*referral.Moved)
		return ok && before.Move == m.Move && before.To == m.To && before.Text == m.Text
	}
	return s.word(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *referral.Referral) (ledger.Event, error) {
		step := r.Step
		if in.Body.Step != nil {
			step = *in.Body.Step
		}
		return r.DecideMove(id, s.cfg.Agency, step, m, s.cfg.Board.Timetable())
	})
}

func (s *Server) linkReferral(ctx context.Context, in *keyedReferral[LinkReferral]) (*body[Written], error) {
	same := func(f referral.Fact) bool {
		before, ok := f.(*referral.Linked)
		return ok && sameSet(before.Alerts, in.Body.Alerts) && sameSet(before.Reports, in.Body.Reports)
	}
	return s.word(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *referral.Referral) (ledger.Event, error) {
		return r.DecideLink(id, s.cfg.Agency, in.Body.Alerts, in.Body.Reports)
	})
}

func sameSet(sorted, given []string) bool {
	given = slices.Sorted(slices.Values(given))
	return slices.Equal(sorted, slices.Compact(given))
}

func (s *Server) giveTask(ctx context.Context, in *keyedReferral[GiveTask]) (*body[Written], error) {
	task := referral.Tasked{To: ledger.AgencyID(in.Body.To), Text: in.Body.Text, Due: dueOf(in.Body.Due)}
	same := func(f referral.Fact) bool {
		before, ok := f.(*referral.Tasked)
		return ok && before.To == task.To && before.Text == task.Text && before.Due == task.Due
	}
	return s.word(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *referral.Referral) (ledger.Event, error) {
		return r.DecideTask(id, s.cfg.Agency, task, now())
	})
}

func (s *Server) endTask(ctx context.Context, in *keyedTask) (*body[Written], error) {
	r, err := s.referralFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	task, err := taskOf(r.Object, in.Task)
	if err != nil {
		return nil, err
	}
	same := func(f referral.Fact) bool {
		before, ok := f.(*referral.Finished)
		return ok && before.Task == task && before.Ending == in.Body.Ending && before.Text == in.Body.Text
	}
	return s.word(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *referral.Referral) (ledger.Event, error) {
		return r.DecideFinish(id, s.cfg.Agency, referral.Finished{Task: task, Ending: in.Body.Ending, Text: in.Body.Text})
	})
}

// taskOf returns the task of a referral that an id or its beginning names.
func taskOf(r *referral.Referral, text string) (found referral.TaskKey, err error) {
	n := 0
	for _, t := range r.Tasks {
		if id := t.ID(); strings.HasPrefix(id, text) || strings.HasPrefix(strings.TrimPrefix(id, referral.TaskPrefix), text) {
			found, n = t.TaskKey, n+1
		}
	}
	switch n {
	case 0:
		return found, problem(http.StatusNotFound, "not-found", "the referral has no such task", "'vigil referral show' lists them")
	case 1:
		return found, nil
	}
	return found, problem(http.StatusConflict, "ambiguous", "more than one task begins like that", "give more of the id")
}

func (s *Server) recordWish(ctx context.Context, in *keyedReferral[Wish]) (*body[Written], error) {
	wish := referral.Wish{Choice: in.Body.Choice, Ask: in.Body.Ask}
	same := func(f referral.Fact) bool {
		before, ok := f.(*referral.Wished)
		return ok && before.Wish == wish
	}
	return s.word(ctx, in.ID, in.Key, same, func(id ledger.EventID, r *referral.Referral) (ledger.Event, error) {
		return r.DecideWish(id, s.cfg.Agency, wish)
	})
}

func (s *Server) listReferrals(ctx context.Context, in *referralQuery) (*body[ReferralPage], error) {
	q := board.ReferralQuery(*in)
	if onlySupport(ctx) {
		if q.Kind != "" && q.Kind != string(referral.VictimSupport) {
			return nil, problem(http.StatusForbidden, "role", "this role sees victim support only", "")
		}
		q.Kind = string(referral.VictimSupport)
	}
	at := now()
	page, err := s.cfg.Board.Referrals(ctx, q, at)
	if err != nil {
		return nil, err
	}
	out := ReferralPage{Referrals: []Referral{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	table := s.cfg.Board.Timetable()
	var ids []string
	for i := range page.Referrals {
		x := s.referral(&page.Referrals[i], table, at)
		out.Referrals, ids = append(out.Referrals, x), append(ids, x.ID)
	}
	return &body[ReferralPage]{out}, s.read(ctx, "referral.list", ids)
}

func (s *Server) getReferral(ctx context.Context, in *referralPath) (*body[Referral], error) {
	r, err := s.referralFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	table, at := s.cfg.Board.Timetable(), now()
	out := s.referral(&r, table, at)
	s.detail(&out, &r, table, at)
	return &body[Referral]{out}, s.read(ctx, "referral.show", []string{out.ID})
}
