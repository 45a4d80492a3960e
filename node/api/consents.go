package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/node/board"
)

// headerConsent names the request to which a second person has agreed, when the operation is asked for again.
const headerConsent = "Vigil-Consent"

// takesTwo puts an operation under the four-eyes rule, where the policy names the act.
func takesTwo(act account.Act) func(*huma.Operation) {
	return func(op *huma.Operation) { op.Metadata["act"] = act }
}

// answerers are who can agree to an act.
func answerers(act account.Act) []string {
	if act == account.ActRetract || act == account.ActExport {
		return []string{RoleAnalyst, RoleLab, RoleCoordinator}
	}
	return governors
}

func (s *Server) consentRoutes() {
	roles := []string{RoleAnalyst, RoleLab, RoleCoordinator, RoleAuditor}
	type query struct {
		State  string `query:"state" enum:"waiting,granted,refused," doc:"waiting, where nothing is said"`
		Before int64  `query:"before" doc:"next of the page before"`
		Limit  int    `query:"limit" minimum:"0" maximum:"500"`
	}
	route(s, http.MethodGet, "/v1/consents", "listConsents", "What a second person is asked to agree to", roles, func(ctx context.Context, in *query) (*body[ConsentPage], error) {
		state := account.Waiting
		if in.State != "" {
			state = account.RequestState(in.State)
		}
		page, next, err := s.cfg.Board.Consents(ctx, state, in.Before, in.Limit)
		out := ConsentPage{Consents: []Consent{}, Next: next}
		var ids []string
		for i := range page {
			x := s.showConsent(&page[i])
			if page[i].Object.State == account.Granted { // what is done by an agreement has the event that follows from it
				if _, x.Done, err = s.cfg.Board.ByEvent(ctx, s.cfg.Agency, s.consentEvent(x.ID)); err != nil {
					return nil, err
				}
			}
			out.Consents, ids = append(out.Consents, x), append(ids, x.ID)
		}
		if err == nil {
			err = s.read(ctx, "consent.list", ids)
		}
		return &body[ConsentPage]{out}, err
	})
	type answer struct {
		ID   string `path:"id" maxLength:"64"`
		Body AnswerConsent
	}
	route(s, http.MethodPost, "/v1/consents/{id}/answer", "answerConsent", "Agree as the second person, or do not", []string{RoleAnalyst, RoleLab, RoleCoordinator}, func(ctx context.Context, in *answer) (*body[Consent], error) {
		return s.answerConsent(ctx, in.ID, in.Body)
	})
}

func (s *Server) showConsent(c *board.Folded[*account.Request]) Consent {
	r := c.Object
	out := Consent{ID: c.Key.ID(account.ConsentIDs), Act: r.Asked.Act, Operation: r.Asked.Operation, By: r.Asked.By, Reason: r.Asked.Reason, Asked: c.Authored, State: string(r.State)}
	if r.Answer != nil {
		until := time.Unix(r.Answer.Until, 0).UTC()
		out.Answered, out.Because, out.Until = r.Answer.By, r.Answer.Reason, &until
	}
	return out
}

func (s *Server) answerConsent(ctx context.Context, id string, a AnswerConsent) (*body[Consent], error) {
	p := who(ctx)
	if p.user == nil && p.name != socketName {
		return nil, noun.Refuse("a token is no person: sign in to agree")
	}
	c, err := s.cfg.Board.Consent(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, ok := p.as(answerers(c.Object.Asked.Act)); !ok {
		return nil, problem(http.StatusForbidden, "role", "not for this role", "it is for: "+strings.Join(answerers(c.Object.Asked.Act), ", "))
	}
	if by, err := s.personBehind(ctx, c.Object.Asked.By); err != nil || by == p.name {
		return nil, cmp.Or(err, noun.Refuse("it takes a second person: you asked for it, or a token that you made"))
	}
	f, err := c.Object.Decide(account.Answered{Grant: a.Grant, By: p.name, Reason: a.Reason, Until: time.Now().Add(consentTime).Unix()})
	if err != nil {
		return nil, err
	}
	if _, err := s.accounts.write(ctx, account.ConsentCodec, account.TypeAnswered, f); err != nil {
		return nil, err
	}
	if c, err = s.cfg.Board.Consent(ctx, c.Key.ID(account.ConsentIDs)); err != nil {
		return nil, err
	}
	return &body[Consent]{s.showConsent(&c)}, nil
}

// consented says whether an operation may go on: the policy does not put it under the four-eyes rule, or a second person
// has agreed to exactly it. Otherwise it asks for that, and answers the request.
func (s *Server) consented(ctx context.Context, w http.ResponseWriter, r *http.Request, act account.Act) bool {
	p := who(ctx)
	if !slices.Contains(s.accessPolicy().FourEyes, act) || act == account.ActUsers && p.name == socketName {
		return true // who has the machine is not kept from adding the first people
	}
	operation, digest, err := operationOf(r)
	if err == nil {
		if id := r.Header.Get(headerConsent); id != "" {
			err = s.agreed(ctx, r, act, id, p.name, digest)
			if err == nil {
				return true
			}
		} else {
			err = s.askConsent(ctx, w, &account.Asked{Act: act, Operation: operation, Digest: digest, By: p.name, Reason: r.Header.Get(headerPurpose)})
			if err == nil {
				return false
			}
		}
	}
	known := explain(err)
	if known == nil {
		s.cfg.Log.Error("a second person cannot be asked", "error", err)
	}
	writeError(w, known)
	return false
}

// agreed checks what a second person agreed to. What is done by an agreement is written once, however often it is tried;
// of people and tokens the answer is not given again either, as what it shows is shown once.
func (s *Server) agreed(ctx context.Context, r *http.Request, act account.Act, id, by string, digest [32]byte) error {
	c, err := s.cfg.Board.Consent(ctx, id)
	if err != nil {
		return err
	}
	if err := c.Object.Permits(by, digest, time.Now().Unix()); err != nil {
		return err
	}
	id = c.Key.ID(account.ConsentIDs)
	if act == account.ActUsers {
		if _, done, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, s.consentEvent(id)); err != nil || done {
			return cmp.Or(err, doneAlready())
		}
	}
	*r = *r.WithContext(context.WithValue(r.Context(), consentKey{}, id))
	return nil
}

func doneAlready() error { return noun.Refuse("it was done by this agreement already: ask again") }

type consentKey struct{}

// consentOf names the agreement by which a request is done; empty where it takes none.
func consentOf(ctx context.Context) string {
	r, _ := requestOf(ctx)
	if r == nil {
		return ""
	}
	id, _ := r.Context().Value(consentKey{}).(string)
	return id
}

// consentEvent is the event of what is done by an agreement: one, whatever the idempotency key is.
func (s *Server) consentEvent(id string) ledger.EventID {
	return ledger.EventIDFor(s.cfg.Agency, "consent/"+id)
}

func (s *Server) askConsent(ctx context.Context, w http.ResponseWriter, f *account.Asked) error {
	key, err := s.accounts.write(ctx, account.ConsentCodec, account.TypeAsked, f)
	if err != nil {
		return err
	}
	c, err := s.cfg.Board.Consent(ctx, key.ID(account.ConsentIDs))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(headerConsent, key.ID(account.ConsentIDs))
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(s.showConsent(&c))
}

// operationOf returns an operation in words and its digest, and leaves the body to be read again. The words are all of it:
// whoever agrees sees what will be done.
func operationOf(r *http.Request) (words string, digest [32]byte, err error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	if err != nil || len(b) > maxBodyBytes {
		return "", digest, problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("more than %d bytes", maxBodyBytes), "")
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	var text bytes.Buffer
	if len(b) > 0 && json.Compact(&text, b) != nil {
		return "", digest, problem(http.StatusBadRequest, "invalid", "the body is not JSON", "")
	}
	if repeatsKey(json.NewDecoder(bytes.NewReader(b))) {
		return "", digest, problem(http.StatusBadRequest, "invalid", "a key stands twice in one object of the body", "a second person must see which one counts")
	}
	head := r.Method + " " + r.URL.RequestURI()
	digest = sha256.Sum256([]byte(head + "\n" + text.String()))
	words = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return ' '
		}
		return c
	}, strings.TrimSpace(strings.ToValidUTF8(head+" "+text.String(), "?")))
	if len(words) > maxWordsBytes {
		return "", digest, problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("it takes a second person, and %d bytes are more than the %d that they can be shown", len(words), maxWordsBytes), "ask for it in parts")
	}
	return words, digest, nil
}

// repeatsKey says whether an object in JSON that is valid has a key twice. Keys that differ by case are one to whoever reads
// them into a struct.
func repeatsKey(d *json.Decoder) bool {
	t, err := d.Token()
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			t, _ := d.Token() // the body is valid
			key, _ := t.(string)
			if key = noun.Fold(key); seen[key] {
				return true
			}
			seen[key] = true
		}
		if repeatsKey(d) {
			return true
		}
	}
	_, _ = d.Token()
	return false
}
