package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vigil/ledger"
	"vigil/ledger/expunge"
	"vigil/node/accesslog"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/draft"
	"vigil/node/signin"
)

// Author writes events and acts.
type Author interface {
	Submit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) (author.Receipt, error)
}

// Node is what the API shows and does beyond alerts. Its errors are Problems where a client can act on them.
type Node interface {
	Status(ctx context.Context) Status
	// Ready says whether the node is fit to serve, and why not in words.
	Ready() (bool, []string)
	// Size returns how many entries of our ledger this node has.
	Size() uint64
	// StaleFor returns how long there has been no leader; 0 when there is one.
	StaleFor() time.Duration
	// Writable refuses where a disk failed and nothing is written here any more; nil while all is well.
	Writable() error
	// Sealed returns the size and time of the newest checkpoint that counts for a ledger.
	Sealed(origin ledger.Origin) (size uint64, at time.Time)
	// RecallAudience returns who is to hear that an alert was taken back, of those who could open it.
	RecallAudience(holders []board.Holder, unknown []ledger.AudienceName) []ledger.AudienceName
	// RemovedSince says that a holder does not belong to its jurisdiction any more, or not since then.
	RemovedSince(h board.Holder) bool
	// Receipt signs for an entry, and for the event in it that has a digest.
	Receipt(r author.Receipt, event [32]byte) []byte
	// Leaf returns the leaf hash of an entry of our ledger.
	Leaf(index ledger.Index) ([32]byte, error)
	Agencies() Agencies
	// Invite invites an agency to audiences: none named is everyone, "none" is no audience.
	Invite(agency string, audiences []string, valid time.Duration) (Invitation, error)
	// SetAudience proposes who is in an audience.
	SetAudience(ctx context.Context, name string, members []string) (author.Receipt, error)
	// Grant proposes to open an audience's past to an agency: the keys of epochs first to last; zero is the first, and the
	// one in force.
	Grant(ctx context.Context, agency, audience string, first, last uint64) (author.Receipt, error)
	Approve(ctx context.Context, proposal string) (author.Receipt, error)
	// Expunge deletes rows of an entry of our ledger everywhere, as an order says; all of them where no row is named. With
	// propose it asks the members, because another agency wrote the entry.
	Expunge(ctx context.Context, index ledger.Index, rows []uint32, o expunge.Ordered, propose bool) (author.Receipt, error)
	// Release releases events of an entry of our ledger, those in which the rows lie, to further audiences; all of them where
	// no row is named. With propose it asks the members, because another agency wrote the entry.
	Release(ctx context.Context, index ledger.Index, rows []uint32, to []ledger.AudienceName, propose bool) (author.Receipt, error)
	// Policy is what is in force, with the version of roster and policy.
	Policy() (p ledger.Policy, version uint64)
	ProposePolicy(ctx context.Context, p ledger.Policy) (author.Receipt, error)
	// Evaluators are the agencies that blind pointers; none where there are too few.
	Evaluators() []ledger.AgencyID
	// Withdraw takes this agency's own open proposal back.
	Withdraw(ctx context.Context, proposal string) (author.Receipt, error)
	// Remove proposes that an agency leaves.
	Remove(ctx context.Context, agency string) (author.Receipt, error)
	RaiseFormat(ctx context.Context, format uint64) (author.Receipt, error)
	// RotateKey makes this agency's next key, proposes it and returns its fingerprint.
	RotateKey(ctx context.Context) (r author.Receipt, fingerprint string, err error)
	AgencyKeys() []Key
	Partners() []PartnerStatus
	Card() (Card, error)
	Link(ctx context.Context, card []byte) (author.Receipt, error)
	Entry(origin string, index uint64, content bool) (Entry, error)
	Proof(origin string, index uint64) (Proof, error)
	Checkpoint(origin string) ([]byte, error)
	Trust() ([]byte, error)
	// Bundle proves one row of our ledger and shows nothing else of its entry.
	Bundle(ctx context.Context, origin ledger.Origin, at ledger.Position) ([]byte, error)
	// Sealable says whether entries can be sealed to audiences now, and if not why.
	Sealable(names []ledger.AudienceName) error
	Verify(ctx context.Context, line func(VerifyLine)) error
	// Backup prepares a backup of the ledger, sealed to the agency; of what came after another one, whose header is given.
	Backup(base []byte) (io.WriterTo, error)
	// Scrub reads everything on this node's disk, mends what it can and tells of it; resume goes on where an earlier one was
	// interrupted.
	Scrub(ctx context.Context, resume bool, line func(ScrubLine)) error
	Tile(path string) ([]byte, bool, error)
	// HasLeft says that an agency is no member of its jurisdiction any more, as far as this node knows.
	HasLeft(agency ledger.AgencyID) bool
	// VerifyAccess reads the access log again and compares it with its segments in the ledger.
	VerifyAccess(ctx context.Context) (AccessReport, error)
}

// Config names what a Server works with; every field but URL, Provider and Sessions is required.
type Config struct {
	Agency  ledger.AgencyID
	Origin  ledger.Origin
	Board   *board.Board
	Author  Author
	Node    Node
	Access  *accesslog.Log
	Drafts  *draft.Store
	Triage  Triage
	Finder  Finder
	Metrics *prometheus.Registry
	Log     *slog.Logger
	Version string
	// URL is where people reach the node: https and a name. Without it there are no passkeys and no provider.
	URL string
	// Provider is the agency's own OpenID provider.
	Provider *signin.ProviderConfig
	// Sessions says where sessions are kept over a restart.
	Sessions *signin.Keeping
}

// Server is the HTTP API of one node.
type Server struct {
	cfg Config
	mux *http.ServeMux
	api huma.API
	// accounts are the people and tokens that may ask.
	accounts    *accounts
	signIn      *signin.Service
	crossOrigin *http.CrossOriginProtection
	naming      sync.Mutex // held while a person is added
	first       firstRun
	limiters    limiters
	refusals    refusals
	streams     streams
	screeners   limiters   // of those who screen, by the policy
	blinding    sync.Mutex // held while marks of a person are made: it takes memory on purpose

	mu       sync.Mutex
	inFlight map[ledger.EventID]chan struct{} // guarded by mu
}

// New makes the API's handler.
func New(cfg Config) (*Server, error) {
	useProblems()
	s := &Server{cfg: cfg, mux: http.NewServeMux(), inFlight: map[ledger.EventID]chan struct{}{}}
	var err error
	s.accounts, s.crossOrigin = &accounts{s: s}, http.NewCrossOriginProtection()
	s.signIn, err = signin.New(signin.Config{Accounts: s.accounts, Policy: s.accessPolicy, URL: cfg.URL, Provider: cfg.Provider, Sessions: cfg.Sessions, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	c := huma.DefaultConfig("Vigil", cfg.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "/openapi", "", ""
	c.Info.Description = "Signals, not material: hash alerts on a ledger without an operator."
	c.CreateHooks = nil // no $schema links in answers
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	s.api = humago.New(s.mux, c)
	s.api.UseMiddleware(s.guard)
	s.alertRoutes()
	s.benignRoutes()
	s.floodRoutes()
	s.networkRoutes()
	s.ledgerRoutes()
	s.releaseRoutes()
	s.expungeRoutes()
	s.tokenRoutes()
	s.userRoutes()
	s.sessionRoutes()
	s.firstRunRoutes()
	s.consentRoutes()
	s.accessRoutes()
	s.referralRoutes()
	s.registryRoutes()
	s.reportRoutes()
	s.policyRoutes()
	s.figureRoutes()
	s.subscriptionRoutes()
	s.pointerRoutes()
	s.watchRoutes()
	s.recallRoutes()
	s.exportRoutes()
	s.matchRoutes()
	s.plainRoutes()
	return s, nil
}

type requestKey struct{}

type exchange struct {
	r *http.Request
	w http.ResponseWriter
}

// requestOf returns the request under the library's context.
func requestOf(ctx context.Context) (*http.Request, http.ResponseWriter) {
	x, _ := ctx.Value(requestKey{}).(*exchange)
	if x == nil {
		return nil, nil
	}
	return x.r, x.w
}

// ServeHTTP bounds and answers every request; panics and unknown paths are problems too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.cfg.Log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", p)
			writeProblem(w, problem(http.StatusInternalServerError, "internal", "an error of ours; it is in the node's log", ""))
		}
	}()
	if r.URL.Query().Has("token") || r.URL.Query().Has("access_token") {
		writeProblem(w, problem(http.StatusBadRequest, "token-in-url", "tokens do not belong into addresses: they end up in logs", "send 'Authorization: Bearer …', and revoke this token"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBatchBytes)
	if _, pattern := s.mux.Handler(r); pattern == "" {
		writeProblem(w, problem(http.StatusNotFound, "no-route", "no such path, or not with this method", "see /docs"))
		return
	}
	x := &exchange{w: w}
	x.r = r.WithContext(context.WithValue(r.Context(), requestKey{}, x))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, x.r)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if p.retry != "" {
		w.Header().Set("Retry-After", p.retry)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}

// inBulk lets an operation take a batch.
func inBulk(op *huma.Operation) { op.MaxBodyBytes = maxBatchBytes }

// asking is for a POST that changes nothing: a question too long for an address.
func asking(op *huma.Operation) { op.DefaultStatus = http.StatusOK }

// route registers one operation for roles; a POST answers 201 and takes a small body, but for what the last arguments say.
func route[I, O any](s *Server, method, path, id, summary string, roles []string, h func(ctx context.Context, in *I) (*O, error), but ...func(*huma.Operation)) {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, MaxBodyBytes: maxBodyBytes,
		Metadata: map[string]any{"roles": roles}, Security: []map[string][]string{{"token": {}}},
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}
	if method == http.MethodPost {
		op.DefaultStatus = http.StatusCreated
	}
	for _, change := range but {
		change(&op)
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err == nil {
			return out, nil
		}
		if known := explain(err); known != nil {
			return nil, known
		}
		s.cfg.Log.Error("a request failed", "operation", id, "error", err)
		return nil, problem(http.StatusInternalServerError, "internal", "an error of ours; it is in the node's log", "")
	})
}

// stream mounts and describes an answer that is written piece by piece, each of one shape.
func stream[Piece any](s *Server, path, id, summary, contentType string, roles []string, h http.HandlerFunc, params ...*huma.Param) {
	s.mux.Handle("GET "+path, s.allow(roles, s.few(h)))
	schemas := s.api.OpenAPI().Components.Schemas
	refusal := &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")},
	}}
	s.api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Parameters: params,
		Metadata: map[string]any{"roles": roles}, Security: []map[string][]string{{"token": {}}},
		Responses: map[string]*huma.Response{
			"200": {Description: "Pieces of this shape, as they come", Content: map[string]*huma.MediaType{
				contentType: {Schema: schemas.Schema(reflect.TypeFor[Piece](), true, reflect.TypeFor[Piece]().Name())},
			}},
			"400": refusal, "401": refusal, "403": refusal, "409": refusal, "429": refusal,
		},
	})
}

// plainRoutes are those that speak no JSON objects.
func (s *Server) plainRoutes() {
	s.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.Handle("GET /metrics", s.allow(anyone, promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{})))
	stream[Change](s, "/v1/events", "followEvents", "What changes on the board, as it does: server-sent events whose data is a change", "text/event-stream", followers, s.events,
		&huma.Param{Name: "Last-Event-ID", In: "header", Description: "Id of the last change that was seen; 0 begins with the oldest, without it the next change is the first. An id of a board that was built anew since, of another node or of an earlier version, which was a bare number, is refused with 409: begin again", Schema: &huma.Schema{Type: huma.TypeString}},
		&huma.Param{Name: "kind", In: "query", Description: "What kinds begin with, such as alert.; repeatable", Schema: &huma.Schema{Type: huma.TypeArray, MaxItems: new(maxKinds), Items: &huma.Schema{Type: huma.TypeString}}},
		&huma.Param{Name: "urgency", In: "query", Description: "The least urgency", Schema: &huma.Schema{Type: huma.TypeString}},
		&huma.Param{Name: "exercise", In: "query", Description: "Exercises too", Schema: &huma.Schema{Type: huma.TypeBoolean}})
	s.mux.Handle("POST /v1/backup", s.allow(operators, s.few(s.backup)))
	s.mux.Handle("POST /v1/ledger/scrub", s.allow(operators, s.few(s.scrub)))
	s.mux.Handle("POST /v1/ledger/verify", s.allow(inspectors, s.few(s.verify)))
	s.mux.HandleFunc("GET /docs", s.docs)
}

// allow guards a plain handler.
func (s *Server) allow(roles []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, refusal := s.admit(w, r, roles)
		if refusal != nil {
			writeProblem(w, refusal)
			return
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, p)))
	})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	ok, lines := s.cfg.Node.Ready()
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, l := range lines {
		_, _ = w.Write([]byte(l + "\n"))
	}
}
