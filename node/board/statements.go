package board

import (
	"context"
	"database/sql"
)

// statements is a transaction that parses each statement once: parsing costs more than most of them.
type statements struct {
	tx     *sql.Tx
	parsed map[string]*sql.Stmt
}

func statementsOf(tx *sql.Tx) statements { return statements{tx, map[string]*sql.Stmt{}} }

func (s statements) prepared(query string) (*sql.Stmt, error) {
	p := s.parsed[query]
	if p == nil {
		var err error
		if p, err = s.tx.Prepare(query); err != nil {
			return nil, err
		}
		s.parsed[query] = p
	}
	return p, nil
}

func (s statements) exec(query string, args ...any) (sql.Result, error) {
	p, err := s.prepared(query)
	if err != nil {
		return nil, err
	}
	return p.Exec(args...)
}

// Query implements querier.
func (s statements) Query(query string, args ...any) (*sql.Rows, error) {
	p, err := s.prepared(query)
	if err != nil {
		return nil, err
	}
	return p.Query(args...)
}

// QueryRow implements querier.
func (s statements) QueryRow(query string, args ...any) *sql.Row {
	p, err := s.prepared(query)
	if err != nil {
		return s.tx.QueryRow(query, args...) // whose Scan returns the error
	}
	return p.QueryRow(args...)
}

// snapshot is the board as it is now, for a question of many queries: they all see one state.
func (b *Board) snapshot(ctx context.Context) (q querier, done func(), err error) {
	tx, err := b.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	return statementsOf(tx), func() { _ = tx.Rollback() }, nil // nothing was written
}
