package board

import (
	"context"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
)

// users, tokens and consents are the nouns of package account; all are this agency's own.
var (
	users = &small[*account.User]{
		types: account.UserTypes, ids: account.UserIDs, codec: account.UserCodec, own: true,
		ddl: "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, removed INTEGER NOT NULL);",
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *account.User {
			return account.FoldUser(k, events)
		},
		write: func(f *folder, object int64, o *Folded[*account.User], _ int64) error {
			_, err := f.exec("INSERT INTO users VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET removed = excluded.removed", object, o.Object.Name, o.Object.Removed)
			return err
		},
	}
	tokens = &small[*account.Token]{
		types: account.TokenTypes, ids: account.TokenIDs, codec: account.TokenCodec, own: true,
		ddl: "CREATE TABLE tokens (id INTEGER PRIMARY KEY);",
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *account.Token {
			return account.FoldToken(k, events)
		},
		write: func(f *folder, object int64, _ *Folded[*account.Token], _ int64) error {
			_, err := f.exec("INSERT INTO tokens VALUES (?) ON CONFLICT DO NOTHING", object)
			return err
		},
	}
	consents = &small[*account.Request]{
		types: account.ConsentTypes, ids: account.ConsentIDs, codec: account.ConsentCodec, own: true,
		ddl: `CREATE TABLE consents (id INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE INDEX consents_by_state ON consents (state, id);
`,
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *account.Request {
			return account.FoldRequest(k, events)
		},
		write: func(f *folder, object int64, o *Folded[*account.Request], _ int64) error {
			_, err := f.exec("INSERT INTO consents VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state", object, string(o.Object.State))
			return err
		},
	}
)

// Users returns every person, the removed ones too, in the order in which they were added.
func (b *Board) Users(ctx context.Context) ([]Folded[*account.User], error) {
	return users.find(ctx, b, "u.id", "users u JOIN objects o ON o.id = u.id ORDER BY u.id LIMIT ?", maxAccounts)
}

// User returns the person whom an id or its beginning names, a removed one too.
func (b *Board) User(ctx context.Context, text string) (Folded[*account.User], error) {
	return users.one(ctx, b, text)
}

// Token returns the token that an id or its beginning names, a revoked one too.
func (b *Board) Token(ctx context.Context, text string) (Folded[*account.Token], error) {
	return tokens.one(ctx, b, text)
}

// Tokens returns every token, the revoked ones too, in the order in which they were issued.
func (b *Board) Tokens(ctx context.Context) ([]Folded[*account.Token], error) {
	return tokens.find(ctx, b, "t.id", "tokens t JOIN objects o ON o.id = t.id ORDER BY t.id LIMIT ?", maxAccounts)
}

// Consents returns requests for a second person's agreement in a state, the latest first; next is the cursor of the last,
// 0 on the last page.
func (b *Board) Consents(ctx context.Context, state account.RequestState, before int64, limit int) (page []Folded[*account.Request], next int64, err error) {
	limit = pageLimit(limit)
	if before <= 0 {
		before = 1 << 62
	}
	found, err := consents.find(ctx, b, "c.id", "consents c JOIN objects o ON o.id = c.id WHERE c.state = ? AND c.id < ? ORDER BY c.id DESC LIMIT ?", string(state), before, limit+1)
	page, next = pageOf(found, limit)
	return page, next, err
}

// Consent returns the request that an id or its beginning names.
func (b *Board) Consent(ctx context.Context, text string) (Folded[*account.Request], error) {
	return consents.one(ctx, b, text)
}
