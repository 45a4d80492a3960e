package author

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
)

// batchGroup is what becomes one entry: a governance act, or events for one audience.
type batchGroup struct {
	audience []ledger.AudienceName
	requests []*request
	rows     int
	bytes    int
	until    time.Time // when it was first held back, and for how long at most
	term     uint64    // of who led then
	behind   bool      // since then, no leader, or more than one, has told this replica of its log
}

func (g *batchGroup) fail(err error) {
	for _, r := range g.requests {
		r.done <- outcome{err: err}
	}
}

func failAll(groups []*batchGroup, err error) {
	for _, g := range groups {
		g.fail(err)
	}
}

func (g *batchGroup) fits(r *request) bool {
	return slices.Equal(g.audience, r.audience) && g.requests[0].kind == 0 && r.kind == 0 &&
		g.rows+r.rows <= ledger.MaxEntryLeaves && g.bytes+r.bytes <= maxEntryPlaintext &&
		len(g.requests[0].events) > 0 && len(r.events) > 0
}

// group puts requests for one audience together, in the order they came. A governance act stands alone, and so does what
// names an earlier entry.
func group(requests []*request) []*batchGroup {
	var groups []*batchGroup
	for _, r := range requests {
		i := slices.IndexFunc(groups, func(g *batchGroup) bool { return g.fits(r) })
		if i < 0 {
			groups = append(groups, &batchGroup{audience: r.audience})
			i = len(groups) - 1
		}
		g := groups[i]
		g.requests = append(g.requests, r)
		g.rows += r.rows
		g.bytes += r.bytes
	}
	return groups
}

type signedGroup struct {
	group    *batchGroup
	entry    ledger.Entry
	sequence uint64
	at       time.Time
}

// sign seals and signs groups as consecutive sequences. A group that cannot be sealed is answered at once and takes
// no sequence.
func (a *Author) sign(groups []*batchGroup) []signedGroup {
	state, err := a.ready()
	if err != nil {
		failAll(groups, err)
		return nil
	}
	signed := make([]signedGroup, 0, len(groups))
	for _, g := range groups {
		s, err := a.signOne(state, g, a.next+uint64(len(signed)))
		if errors.Is(err, ledger.ErrStaleEpoch) && a.hold(g, holdFor) {
			continue
		}
		if err != nil {
			g.fail(err)
			continue
		}
		signed = append(signed, s)
	}
	a.next += uint64(len(signed))
	return signed
}

func (a *Author) signOne(state *ledger.State, g *batchGroup, sequence uint64) (signedGroup, error) {
	at := a.cfg.Clock()
	rec := ledger.Record{
		Version: ledger.RecordVersion, Origin: state.Governance.Origin, Author: a.cfg.Agency, Writer: a.cfg.Writer,
		Sequence: sequence, Kind: ledger.KindGovernance, AuthoredAt: at.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
	payload := g.requests[0].act
	if payload == nil {
		var err error
		if rec.Kind = ledger.KindSealed; g.requests[0].kind != 0 {
			rec.Kind, rec.Target = g.requests[0].kind, g.requests[0].target
		}
		if payload, err = a.seal(state, g, &rec); err != nil {
			return signedGroup{}, err
		}
	}
	key := a.cfg.Key(state)
	if key == nil {
		return signedGroup{}, ErrNoKey
	}
	entry, err := ledger.SignEntry(key, rec, payload)
	if err != nil {
		return signedGroup{}, err
	}
	if rec.Kind == ledger.KindGovernance && a.cfg.Governed != nil {
		a.cfg.Governed(entry)
	}
	return signedGroup{group: g, entry: entry, sequence: sequence, at: at}, nil
}

// seal encrypts a group's events to the current epoch of each audience and notes audience and events root in rec.
func (a *Author) seal(state *ledger.State, g *batchGroup, rec *ledger.Record) ([]byte, error) {
	refs, certificates, err := a.recipients(state, g.audience)
	if err != nil {
		return nil, err
	}
	rec.Audience = refs
	p := &ledger.Payload{Author: rec.Author, Origin: rec.Origin, Audience: refs, Seed: randomSeed()}
	for _, r := range g.requests {
		p.Events = append(p.Events, r.events...)
	}
	sealed, root, err := ledger.SealPayload(p, certificates...)
	rec.EventsRoot = root
	return sealed, err
}

// recipients resolves audience names to their current epochs and certificates, ours from the roster, a partner's
// from its mirrored one.
func (a *Author) recipients(state *ledger.State, names []ledger.AudienceName) ([]ledger.AudienceRef, []*crypto.Certificate, error) {
	refs := make([]ledger.AudienceRef, 0, len(names))
	certificates := make([]*crypto.Certificate, 0, len(names))
	for _, name := range names {
		ref, raw, err := state.Recipient(name)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		c, err := a.certificate(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("author: certificate of %s: %w", name, err)
		}
		refs, certificates = append(refs, ref), append(certificates, c)
	}
	return refs, certificates, nil
}

// certificate parses a recipient's certificate once: its self-signatures cost as much as everything else in writing an entry.
func (a *Author) certificate(raw []byte) (*crypto.Certificate, error) {
	if c := a.parsed[string(raw)]; c != nil {
		return c, nil
	}
	c, err := crypto.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	if len(a.parsed) >= maxParsed {
		clear(a.parsed)
	}
	a.parsed[string(raw)] = c
	return c, nil
}
