package ledger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"vigil/crypto"
)

const maxTrustBytes = 1 << 20

// ErrTrust says that what a verifier trusts says nothing about the ledger at hand.
var ErrTrust = errors.New("ledger: trust file")

// Trust is what a verifier trusts: a JSON file that pins ledgers by origin and genesis, the checkpoint keys of members
// and partners, and how many members must have cosigned.
type Trust struct {
	Version int           `json:"version"`
	Ledgers []TrustLedger `json:"ledgers"`
}

// TrustLedger pins one ledger.
type TrustLedger struct {
	Origin    Origin              `json:"origin"`
	Genesis   string              `json:"genesis"` // base64
	Quorum    int                 `json:"quorum"`
	Members   map[AgencyID]string `json:"members"`   // base64 checkpoint keys
	Witnesses map[AgencyID]string `json:"witnesses"` // partners'; they count for the time only
}

// TrustOf returns what a node pins of its own ledger and its partners.
func TrustOf(s *State) Trust {
	t := Trust{Version: 1}
	add := func(g *Governance, witnesses map[AgencyID]string) {
		t.Ledgers = append(t.Ledgers, TrustLedger{Origin: g.Origin, Genesis: g.Genesis.String(), Quorum: g.QuorumSize(), Members: keysText(g), Witnesses: witnesses})
	}
	partners := map[AgencyID]string{}
	for _, link := range s.Governance.Partners {
		if g := s.Partners[link.Card.Origin].Mirror.Governance; g != nil {
			maps.Copy(partners, keysText(g))
			add(g, keysText(s.Governance))
		}
	}
	for _, c := range s.Governance.Predecessor {
		if g := s.Partners[c.Origin].Mirror.Governance; g != nil {
			add(g, partners)
		}
	}
	add(s.Governance, partners)
	return t
}

func keysText(g *Governance) map[AgencyID]string {
	out := map[AgencyID]string{}
	for i := range g.Agencies {
		key := g.Agencies[i].Node.Checkpoint
		out[g.Agencies[i].ID] = base64.StdEncoding.EncodeToString(key[:])
	}
	return out
}

// Encode returns the trust file.
func (t Trust) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", "  ")
	return append(b, '\n'), err
}

// ParseTrust reads a trust file; unknown fields are refused.
func ParseTrust(b []byte) (*Trust, error) {
	if len(b) > maxTrustBytes {
		return nil, fmt.Errorf("%w: a trust file of %d bytes", ErrBundle, len(b))
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	t := &Trust{}
	if err := d.Decode(t); err != nil || t.Version != 1 {
		return nil, fmt.Errorf("%w: not a trust file of version 1", ErrBundle)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: bytes behind the trust file", ErrBundle)
	}
	return t, nil
}

func (t *Trust) ledger(o Origin) (*TrustLedger, bool) {
	if t == nil {
		return nil, false
	}
	i := slices.IndexFunc(t.Ledgers, func(l TrustLedger) bool { return l.Origin == o })
	if i < 0 {
		return nil, false
	}
	return &t.Ledgers[i], true
}

// other says of which ledgers a trust file is, where it is not of the one that is asked for.
func (t *Trust) other(o Origin) error {
	names := make([]string, len(t.Ledgers))
	for i, l := range t.Ledgers {
		names[i] = string(l.Origin)
	}
	return fmt.Errorf("%w: the trust file is of another ledger: it names %s, not %s; a member of %s makes one: vigil ledger trust", ErrTrust, strings.Join(names, ", "), o, o.Jurisdiction())
}

func parseKeys(in map[AgencyID]string) (map[AgencyID][]crypto.NodePublic, error) {
	out := map[AgencyID][]crypto.NodePublic{}
	for id, text := range in {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != len(crypto.NodePublic{}) {
			return nil, fmt.Errorf("%w: checkpoint key of %s", ErrBundle, id)
		}
		out[id] = []crypto.NodePublic{crypto.NodePublic(b)}
	}
	return out, nil
}
