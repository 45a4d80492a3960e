package node

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// Errors of inviting and joining.
var (
	ErrToken         = errors.New("node: not an invitation token")
	ErrTokenExpired  = errors.New("node: the invitation has expired; ask for a new one")
	ErrTokenUsed     = errors.New("node: the invitation has been used")
	ErrTokenOther    = errors.New("node: the invitation is for another ledger")
	ErrJoinRefused   = errors.New("node: the request to join was refused")
	ErrInviterAway   = errors.New("node: the inviter does not answer; run the same command again later, it goes on where it was")
	ErrNameTaken     = errors.New("node: another agency is called so; choose another name, so that nobody approves the one for the other")
	ErrInviteTooLong = errors.New("node: an invitation is valid for at most 30 days")
)

const (
	tokenPrefix   = "vigil-invite-"
	maxTokenBytes = 16 << 10
	maxInvite     = 30 * 24 * time.Hour
	// DefaultInvite is how long an invitation is valid unless told otherwise.
	DefaultInvite = 24 * time.Hour
	maxJoinBytes  = 64 << 10
)

// Invitation is what a token holds: CBOR [1, origin, genesis, agency, id, secret, expiry (s), inviter, nodes, audiences].
type Invitation struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Origin  ledger.Origin
	Genesis tlog.Hash
	Agency  ledger.AgencyID // who is invited
	ID      [16]byte
	Secret  [32]byte
	Expires int64
	Inviter Pin
	Members []Pin
	// Audiences are those it is admitted to; none for a support body or a platform, which is addressed by name.
	Audiences []ledger.AudienceName
}

// Token encodes the invitation for one line of a terminal.
func (i Invitation) Token() string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(ledger.Marshal(i))
}

// ParseToken reads a token.
func ParseToken(token string) (Invitation, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(token), tokenPrefix)
	if !ok || len(body) > maxTokenBytes {
		return Invitation{}, fmt.Errorf("%w: it begins with %s", ErrToken, tokenPrefix)
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return Invitation{}, fmt.Errorf("%w: was it cut when it was copied?", ErrToken)
	}
	var i Invitation
	if err := ledger.Unmarshal(b, &i, maxTokenBytes); err != nil {
		return Invitation{}, fmt.Errorf("%w: was it cut when it was copied?", ErrToken)
	}
	if _, err := ledger.ParseOrigin(string(i.Origin)); err != nil || i.Version != 1 {
		return Invitation{}, fmt.Errorf("%w: version %d", ErrToken, i.Version)
	}
	return i, nil
}

// newInvitation makes an invitation whose secret only the inviter can make again, so that nothing is kept of it.
func newInvitation(key *crypto.AgencyKey, agency ledger.AgencyID, audiences []ledger.AudienceName, expires time.Time) Invitation {
	i := Invitation{Version: 1, Agency: agency, Audiences: audiences, Expires: expires.Unix()}
	_, _ = rand.Read(i.ID[:]) // never fails
	i.Secret = inviteSecret(key, i.ID, i.Expires, agency, audiences)
	return i
}

func inviteSecret(key *crypto.AgencyKey, id [16]byte, expires int64, agency ledger.AgencyID, audiences []ledger.AudienceName) [32]byte {
	root := key.Derive("vigil invitation v1")
	mac := hmac.New(sha256.New, root[:])
	mac.Write(ledger.Marshal([]any{id[:], expires, string(agency), audiences}))
	return [32]byte(mac.Sum(nil))
}

// joinRequest is what a joiner sends to its inviter: the body and proofs that it holds every key it names and the
// invitation's secret.
type joinRequest struct {
	_          struct{} `cbor:",toarray"`
	Body       []byte   // CBOR of joinBody
	Signature  []byte   // agency key, at Body.At
	Node       []byte   // node key
	Checkpoint []byte   // checkpoint key
	MAC        [32]byte // HMAC-SHA256 under the invitation's secret
}

type joinBody struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Origin  ledger.Origin
	Invite  [16]byte
	Expires int64
	Agency  ledger.AgencyID
	Name    string
	Keys    joinKeys
	Address string
	Peers   []string
	At      int64 // s
	// Audiences are those of the invitation; the secret is made for them.
	Audiences []ledger.AudienceName
}

type joinKeys struct {
	_           struct{} `cbor:",toarray"`
	Certificate []byte
	Node        crypto.NodePublic
	Checkpoint  crypto.NodePublic
}

const joinDomain = "vigil join v1"

func signJoin(body joinBody, k Keys, secret [32]byte) (joinRequest, error) {
	b := ledger.Marshal(body)
	signature, err := k.Agency[0].Sign(b, time.Unix(body.At, 0))
	if err != nil {
		return joinRequest{}, err
	}
	r := joinRequest{Body: b, Signature: signature, Node: k.Node.Sign(joinDomain, b), Checkpoint: k.Checkpoint.Sign(joinDomain, b)}
	mac := hmac.New(sha256.New, secret[:])
	mac.Write(b)
	r.MAC = [32]byte(mac.Sum(nil))
	return r, nil
}

// openJoin checks everything a joiner proves; now is the inviter's clock, and the inviter's keys are tried one after the
// other, because it may have rotated its key since.
func openJoin(raw []byte, inviter []*crypto.AgencyKey, origin ledger.Origin, now time.Time) (joinBody, error) {
	var r joinRequest
	var body joinBody
	if err := ledger.Unmarshal(raw, &r, maxJoinBytes); err != nil {
		return body, fmt.Errorf("%w: %w", ErrJoinRefused, err)
	}
	if err := ledger.Unmarshal(r.Body, &body, maxJoinBytes); err != nil {
		return body, fmt.Errorf("%w: %w", ErrJoinRefused, err)
	}
	invited := slices.ContainsFunc(inviter, func(k *crypto.AgencyKey) bool {
		secret := inviteSecret(k, body.Invite, body.Expires, body.Agency, body.Audiences)
		mac := hmac.New(sha256.New, secret[:])
		mac.Write(r.Body)
		return hmac.Equal(mac.Sum(nil), r.MAC[:])
	})
	switch {
	case !invited:
		return body, fmt.Errorf("%w: not made with an invitation of this agency", ErrJoinRefused)
	case body.Origin != origin:
		return body, ErrTokenOther
	}
	if err := verifyJoinKeys(r, body); err != nil || now.Unix() <= body.Expires {
		return body, err
	}
	return body, ErrTokenExpired // last: what was asked in time may be asked about later
}

func verifyJoinKeys(r joinRequest, body joinBody) error {
	certificate, err := crypto.ParseCertificate(body.Keys.Certificate)
	if err != nil {
		return fmt.Errorf("%w: certificate: %w", ErrJoinRefused, err)
	}
	if err := certificate.Verify(r.Body, r.Signature, time.Unix(body.At, 0)); err != nil {
		return fmt.Errorf("%w: agency key not proved: %w", ErrJoinRefused, err)
	}
	if err := body.Keys.Node.Verify(joinDomain, r.Body, r.Node); err != nil {
		return fmt.Errorf("%w: node key not proved: %w", ErrJoinRefused, err)
	}
	if err := body.Keys.Checkpoint.Verify(joinDomain, r.Body, r.Checkpoint); err != nil {
		return fmt.Errorf("%w: checkpoint key not proved: %w", ErrJoinRefused, err)
	}
	return nil
}
