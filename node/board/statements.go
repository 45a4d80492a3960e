package board

import (
	"context"
	"database/sql"
	"strings"
)

// statements is a transaction that parses each statement once, and that writes rows of one table together: to parse and
// to step a statement cost more than what most of them do.
type statements struct {
	raw     *sql.Tx // for this file only: what waits to be written is not seen through it
	parsed  map[string]*sql.Stmt
	kept    *kept // nil where nothing is kept
	waiting *inserts
}

// kept are statements that stay parsed from one transaction to the next. They belong to Run.
type kept struct {
	db     *sql.DB
	parsed map[string]*sql.Stmt
}

// inserts are rows that wait to be written, by what comes before and after their values.
type inserts struct {
	order []string
	rows  map[string]*rows
}

type rows struct {
	into, conflict string
	columns        int
	args           []any
	bytes          int
}

func statementsOf(tx *sql.Tx, k *kept) statements {
	return statements{tx, map[string]*sql.Stmt{}, k, &inserts{rows: map[string]*rows{}}}
}

// keep parses what this transaction did, for the next ones. The transaction has ended.
func (s statements) keep(ctx context.Context) error {
	for query := range s.parsed {
		if s.kept.parsed[query] != nil || len(s.kept.parsed) >= maxKept {
			continue
		}
		p, err := s.kept.db.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		s.kept.parsed[query] = p
	}
	return nil
}

// prepared writes what waits, and returns a statement.
func (s statements) prepared(query string) (*sql.Stmt, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	return s.quick(query)
}

// quick returns a statement that neither reads nor changes what may be waiting.
func (s statements) quick(query string) (*sql.Stmt, error) {
	p := s.parsed[query]
	if p != nil {
		return p, nil
	}
	if s.kept != nil && s.kept.parsed[query] != nil {
		p = s.raw.Stmt(s.kept.parsed[query])
	} else {
		var err error
		if p, err = s.raw.Prepare(query); err != nil {
			return nil, err
		}
	}
	s.parsed[query] = p
	return p, nil
}

// insert writes a row, some time before anything else is asked of the transaction or it ends. into is all that comes
// before VALUES, conflict all that comes after them. Bytes must not change until then.
func (s statements) insert(into, conflict string, args ...any) error {
	r := s.waiting.rows[into]
	if r == nil {
		r = &rows{into: into, conflict: conflict, columns: len(args)}
		s.waiting.rows[into] = r
	}
	if len(r.args) == 0 {
		s.waiting.order = append(s.waiting.order, into)
	}
	r.args = append(r.args, args...)
	for _, a := range args {
		if b, ok := a.([]byte); ok {
			r.bytes += len(b)
		}
	}
	if len(r.args) == insertRows*r.columns || r.bytes > insertBytes {
		return s.write(r)
	}
	return nil
}

// flush writes what waits.
func (s statements) flush() error {
	if len(s.waiting.order) == 0 {
		return nil
	}
	for _, into := range s.waiting.order {
		if err := s.write(s.waiting.rows[into]); err != nil {
			return err
		}
	}
	s.waiting.order = s.waiting.order[:0]
	return nil
}

// write writes rows in as few statements as there are bits in their number, so that there are few different ones.
func (s statements) write(r *rows) error {
	args := r.args
	for size := insertRows; size > 0; size /= 2 {
		for len(args) >= size*r.columns {
			p, err := s.quick(r.text(size))
			if err == nil {
				_, err = p.Exec(args[:size*r.columns]...)
			}
			if err != nil {
				return err
			}
			args = args[size*r.columns:]
		}
	}
	clear(r.args)
	r.args, r.bytes = r.args[:0], 0
	return nil
}

func (r *rows) text(size int) string {
	row := "(" + strings.Repeat("?, ", r.columns-1) + "?)"
	return r.into + " VALUES " + strings.Repeat(row+", ", size-1) + row + r.conflict
}

func (s statements) exec(query string, args ...any) (sql.Result, error) {
	p, err := s.prepared(query)
	if err != nil {
		return nil, err
	}
	return p.Exec(args...)
}

// get reads one row of one column; sql.ErrNoRows where there is none.
func (s statements) get(into any, query string, args ...any) error {
	return s.QueryRow(query, args...).Scan(into)
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
		return s.raw.QueryRow(query, args...) // whose Scan returns the error, or another
	}
	return p.QueryRow(args...)
}

// snapshot is the board as it is now, for a question of many queries: they all see one state.
func (b *Board) snapshot(ctx context.Context) (q querier, done func(), err error) {
	tx, err := b.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	return statementsOf(tx, nil), func() { _ = tx.Rollback() }, nil // nothing was written
}
