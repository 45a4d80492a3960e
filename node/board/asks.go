package board

import (
	"context"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/release"
)

// asks is the noun of requests to release an entry.
var asks = &small[*release.Ask]{
	types: release.Types, ids: release.IDs, codec: release.Codec,
	ddl: `
CREATE TABLE asks (id INTEGER PRIMARY KEY, origin TEXT NOT NULL, idx INTEGER NOT NULL);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *release.Ask {
		return release.Fold(k, events)
	},
	write: func(f *folder, object int64, o *Folded[*release.Ask], _ int64) error {
		_, err := f.exec("INSERT INTO asks VALUES (?, ?, ?) ON CONFLICT DO NOTHING", object, string(o.Object.Made.Ledger), o.Object.Made.Index)
		return err
	},
}

// Asked is one request to release an entry.
type Asked = Folded[*release.Ask]

// Asks returns requests, the newest first; next is 0 on the last page.
func (b *Board) Asks(ctx context.Context, before int64, limit int) (page []Asked, next int64, err error) {
	limit = pageLimit(limit)
	found, err := asks.find(ctx, b, "a.id", "asks a JOIN objects o ON o.id = a.id WHERE ?1 = 0 OR a.id < ?1 ORDER BY a.id DESC LIMIT ?2", before, limit+1)
	page, next = pageOf(found, limit)
	return page, next, err
}

// Ask returns the request that an id or its beginning names.
func (b *Board) Ask(ctx context.Context, id string) (Asked, error) { return asks.one(ctx, b, id) }

// LateRelease is one audience to which an entry was released after it was written.
type LateRelease struct {
	Ledger   ledger.Origin
	Target   ledger.Index
	Audience ledger.AudienceName
	Epoch    uint64
	Entry    ledger.Index // that released it
}

// LateReleases returns releases of a ledger's entries, the newest first, from below an entry on; 0 is from the newest.
func (b *Board) LateReleases(ctx context.Context, origin ledger.Origin, before ledger.Index, limit int) ([]LateRelease, error) {
	return b.lateReleases(ctx, "origin = ? AND (? = 0 OR since < ?) ORDER BY since DESC, audience LIMIT ?", string(origin), before, before, pageLimit(limit))
}

// ReleasesOf returns to whom an entry was released after it was written.
func (b *Board) ReleasesOf(ctx context.Context, origin ledger.Origin, target ledger.Index) ([]LateRelease, error) {
	return b.lateReleases(ctx, "origin = ? AND target = ? ORDER BY since, audience LIMIT ?", string(origin), target, maxPage)
}

func (b *Board) lateReleases(ctx context.Context, condition string, args ...any) ([]LateRelease, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT origin, target, audience, epoch, since FROM releases WHERE "+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []LateRelease
	for rows.Next() {
		var r LateRelease
		var origin, audience string
		if err := rows.Scan(&origin, &r.Target, &audience, &r.Epoch, &r.Entry); err != nil {
			return nil, err
		}
		r.Ledger, r.Audience = ledger.Origin(origin), ledger.AudienceName(audience)
		out = append(out, r)
	}
	return out, rows.Err()
}
