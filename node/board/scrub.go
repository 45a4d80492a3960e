package board

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"lukechampine.com/adiantum"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/durable"
)

// A scrub of the board reads every page against the checksum under its encryption, lets SQLite compare each table with its indexes,
// and folds samples again: a page that was put back to what it was before has a checksum that is right. What it finds is words, of
// no object's content. Nothing of it is mended here: the board is made anew when it is opened next (Condemn).

// ScrubSlice is one stretch of a scrub.
type ScrubSlice struct {
	Next  []byte // where to go on; nil at the end
	Bytes uint64 // read
	Found []string
}

const (
	scrubPages   = 0
	scrubTables  = 1
	scrubSamples = 2

	pageBytes  = 4096 // of SQLite and of the cipher
	sumBytes   = 8
	condemned  = ".rebuild"
	pageTries  = 3
	cursorSize = 9
)

// Scrub reads on from a cursor until about so many bytes are read; an empty cursor is the beginning.
func (b *Board) Scrub(ctx context.Context, cursor []byte, most int) (ScrubSlice, error) {
	stage, at := byte(scrubPages), uint64(0)
	if len(cursor) == cursorSize {
		stage, at = cursor[0], binary.BigEndian.Uint64(cursor[1:])
	}
	var out ScrubSlice
	var err error
	var more bool
	switch stage {
	case scrubPages:
		more, err = b.pages(&out, at, most)
	case scrubTables:
		more, err = b.table(ctx, &out, at)
	default:
		more, err = b.sample(ctx, &out, at)
	}
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		out.Found = append(out.Found, err.Error())
		more = false
	}
	switch {
	case more && stage == scrubPages:
		at += out.Bytes / pageBytes
	case more:
		at++
	default:
		stage, at = stage+1, 0
	}
	if stage <= scrubSamples {
		out.Next = binary.BigEndian.AppendUint64([]byte{stage}, at)
	}
	return out, nil
}

// Bytes is how large the board's file is.
func (b *Board) Bytes() uint64 {
	info, err := os.Stat(b.path())
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

// pages checks pages from one on against their checksums.
func (b *Board) pages(out *ScrubSlice, from uint64, most int) (more bool, err error) {
	f, err := os.Open(b.path())
	if err != nil {
		return false, err
	}
	defer f.Close()
	for out.Bytes < uint64(most) {
		number := from + out.Bytes/pageBytes
		good, err := b.page(f, number)
		for tries := 1; err == nil && !good && tries < pageTries; tries++ {
			good, err = b.pageAlone(f, number)
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !good {
			out.Found = append(out.Found, fmt.Sprintf("board: page %d is not what was written", number))
		}
		out.Bytes += pageBytes
	}
	return true, nil
}

// page reads one page as it lies on disk.
func (b *Board) page(f io.ReaderAt, number uint64) (good bool, err error) {
	var page [pageBytes]byte
	if _, err := f.ReadAt(page[:], int64(number)*pageBytes); err != nil {
		return false, err
	}
	var tweak [8]byte
	binary.LittleEndian.PutUint64(tweak[:], number*pageBytes)
	plain := adiantum.New(b.cfg.Key[:]).Decrypt(page[:], tweak[:])
	sum := pageSum(plain[:pageBytes-sumBytes])
	return bytes.Equal(sum[:], plain[pageBytes-sumBytes:]), nil
}

// pageAlone reads it again while nobody writes.
func (b *Board) pageAlone(f io.ReaderAt, number uint64) (bool, error) {
	tx, err := b.write.Begin()
	if err != nil {
		return false, err
	}
	good, err := b.page(f, number)
	return good, errors.Join(err, tx.Rollback())
}

// pageSum is the checksum of SQLite's checksum file system (https://sqlite.org/cksumvfs.html).
func pageSum(a []byte) (sum [sumBytes]byte) {
	var s1, s2 uint32
	for ; len(a) >= sumBytes; a = a[sumBytes:] {
		s1 += binary.LittleEndian.Uint32(a[:4]) + s2
		s2 += binary.LittleEndian.Uint32(a[4:8]) + s1
	}
	binary.LittleEndian.PutUint32(sum[:4], s1)
	binary.LittleEndian.PutUint32(sum[4:], s2)
	return sum
}

// derivedTables are those that no event has rows of: a query says whether one differs from what it was made of. A page of the
// look-up's that was put back to what it was before holds fewer signals, or more.
var derivedTables = map[string]struct{ differ, found string }{
	"seals":   {sealsDiffer, "the dates of checkpoints are not those that were noted"},
	"tallies": {talliesDiffer, "the figures are not those of the alerts"},
	"signals": {"SELECT (SELECT count(*) FROM signals) <> (SELECT coalesce(sum(signals), 0) FROM causes)", "the look-up has not the signals of the alerts"},
}

// table lets SQLite compare one table with its indexes.
func (b *Board) table(ctx context.Context, out *ScrubSlice, number uint64) (more bool, err error) {
	var name string
	err = b.read.QueryRowContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name LIMIT 1 OFFSET ?", number).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var verdict string
	if err := b.read.QueryRowContext(ctx, "SELECT integrity_check FROM pragma_integrity_check(?) LIMIT 1", name).Scan(&verdict); err != nil {
		return false, err
	}
	if verdict != "ok" {
		out.Found = append(out.Found, "board: table "+name+" and its indexes disagree")
	}
	derived, ok := derivedTables[name]
	if !ok {
		return true, nil
	}
	var differ bool
	if err := b.read.QueryRowContext(ctx, derived.differ).Scan(&differ); err != nil {
		return false, err
	}
	if differ {
		out.Found = append(out.Found, "board: "+derived.found)
	}
	return true, nil
}

// sample compares an entry at random with its events on the board, and an object at random with the fold of its events.
func (b *Board) sample(ctx context.Context, out *ScrubSlice, number uint64) (more bool, err error) {
	origins := b.cfg.Ledger.Origins()
	if number >= samples || len(origins) == 0 {
		return false, nil
	}
	origin := origins[number%uint64(len(origins))]
	if size := b.Position(origin); size > 0 {
		index := rand.Uint64N(size)
		same, bytes, err := b.entryIsHere(ctx, origin, index)
		out.Bytes += bytes
		if err != nil {
			return false, err
		}
		if !same {
			out.Found = append(out.Found, fmt.Sprintf("board: what is here of entry %d of %s is not what the ledger says", index, origin))
		}
	}
	same, err := b.foldIsHere(ctx)
	if err == nil && !same {
		out.Found = append(out.Found, "board: an object is not the fold of its events")
	}
	return true, err
}

// entryIsHere compares the events of an entry with those stored of it. What does not open, or was expunged, has none to compare.
func (b *Board) entryIsHere(ctx context.Context, origin ledger.Origin, index uint64) (same bool, read uint64, err error) {
	e, bare, _, err := b.cfg.Ledger.Entry(origin, index)
	if err != nil || bare || len(e.Payload) == 0 {
		return true, 0, nil // the ledger's own scrub speaks of it
	}
	rec, err := e.Open()
	if err != nil || rec.Kind != ledger.KindSealed {
		return true, 0, nil
	}
	p, err := b.cfg.Opener.Open(rec, e.Payload)
	if err != nil {
		return true, 0, nil
	}
	q, done, err := b.snapshot(ctx)
	if err != nil {
		return false, 0, err
	}
	defer done()
	at := ledger.Position{Index: index}
	for i := range p.Events {
		x := &p.Events[i]
		if x.Type != ledger.TypeCarried {
			if same, err := b.eventIsHere(q, rec, at, x); err != nil || !same {
				return same, uint64(len(e.Payload)), err
			}
		}
		at.Leaf += uint32(x.Count())
	}
	return true, uint64(len(e.Payload)), nil
}

func (b *Board) eventIsHere(q querier, rec *ledger.Record, at ledger.Position, e *ledger.Event) (bool, error) {
	var author, kind, audience string
	var id, shared, rows, holes []byte
	var fate uint8
	var object sql.NullInt64
	err := q.QueryRow(`SELECT e.author, e.event, e.type, e.audience, e.shared, b.rows, e.holes, e.fate, e.object FROM events e JOIN bodies b ON b.seq = e.seq
		WHERE e.origin = ? AND e.idx = ? AND e.leaf = ?`, string(rec.Origin), at.Index, at.Leaf).Scan(&author, &id, &kind, &audience, &shared, &rows, &holes, &fate, &object)
	if errors.Is(err, sql.ErrNoRows) {
		if _, gone, err := b.cfg.Ledger.Gone(rec.Origin, at.Index); err != nil || gone {
			return err == nil, err
		}
		return strings.HasPrefix(e.Type, "expunge."), nil // an order outside an expungement has no effect
	}
	if err != nil {
		return false, err
	}
	_, p, want := b.place(where{origin: rec.Origin, at: at, author: rec.Author, authoredAt: rec.AuthoredAt}, audience, e)
	same := author == string(rec.Author) && kind == e.Type && bytes.Equal(id, e.ID[:]) && bytes.Equal(shared, e.Shared) &&
		(len(holes) > 0 || bytes.Equal(rows, e.Rows)) && (fate == uint8(want) || fate == uint8(newer))
	if !same || want != folded || fate == uint8(newer) {
		return same, nil
	}
	var home, of string
	var event []byte
	if err := q.QueryRow("SELECT home, author, event FROM objects WHERE id = ?", object).Scan(&home, &of, &event); err != nil {
		return false, ignoreNone(err)
	}
	return home == string(p.key.Home) && of == string(p.key.Author) && bytes.Equal(event, p.key.Event[:]), nil
}

func ignoreNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// foldIsHere folds an object at random again and compares its rows. Nothing that it writes stays.
func (b *Board) foldIsHere(ctx context.Context) (same bool, err error) {
	tx, err := b.write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // that is the purpose
	f := &folder{statements: statementsOf(tx), board: b, waits: map[int64]int{}}
	f.policy = b.cfg.Policy()
	f.rules = alert.RulesOf(f.policy, b.cfg.Agency.Jurisdiction())
	var folded []byte
	sum := sha256.Sum256(ledger.Marshal(f.policy))
	if err := f.get(&folded, "SELECT policy FROM meta"); err != nil || !bytes.Equal(folded, sum[:]) {
		return err == nil, err // folds follow it soon
	}
	var last int64
	if err := f.get(&last, "SELECT coalesce(max(id), 0) FROM objects"); err != nil || last == 0 {
		return true, err
	}
	var id int64
	var prefix, home, author string
	var event []byte
	err = tx.QueryRow("SELECT id, noun, home, author, event FROM objects WHERE id >= ? AND founding IS NOT NULL AND stale = 0 ORDER BY id LIMIT 1", 1+rand.Int64N(last)).
		Scan(&id, &prefix, &home, &author, &event)
	if err != nil {
		return errors.Is(err, sql.ErrNoRows), ignoreNone(err)
	}
	for _, n := range tables() {
		if n.prefix() != prefix {
			continue
		}
		if s, ok := n.(interface{ rowsOf() []string }); ok {
			return b.refolds(f, n, s.rowsOf(), id, home, author, event)
		}
		if _, ok := n.(*alerts); ok {
			return f.alertStands(id, home, author, event)
		}
	}
	return true, nil
}

// rowsOf are queries for the rows of an object in the noun's own tables.
func (s *small[O]) rowsOf() (queries []string) {
	for _, m := range byObject.FindAllStringSubmatch(s.ddl, -1) {
		queries = append(queries, "SELECT * FROM "+m[1]+" WHERE id = ? ORDER BY 1")
	}
	for _, part := range s.parts {
		name, column, _ := strings.Cut(part, ".")
		queries = append(queries, "SELECT * FROM "+name+" WHERE "+column+" = ? ORDER BY 1, 2")
	}
	return queries
}

func (b *Board) refolds(f *folder, n table, queries []string, id int64, home, author string, event []byte) (bool, error) {
	before, err := f.dump(queries, id)
	if err == nil {
		err = n.refold(f, id, keyOf(home, author, event))
	}
	if err == nil {
		err = f.foldWaiting()
	}
	if err != nil {
		return false, err
	}
	after, err := f.dump(queries, id)
	return slices.Equal(before, after), err
}

// dump returns rows as text.
func (f *folder) dump(queries []string, id int64) (out []string, err error) {
	for _, query := range queries {
		rows, err := f.tx.Query(query, id)
		if err != nil {
			return nil, err
		}
		columns, err := rows.Columns()
		for err == nil && rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err = rows.Scan(into...); err == nil {
				out = append(out, fmt.Sprint(values...))
			}
		}
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}

// alertStands compares how the rows of an alert stand with the fold of its events.
func (f *folder) alertStands(object int64, home, author string, event []byte) (bool, error) {
	events, err := alertEvents(f.tx, "e.object = ?", object)
	if err != nil {
		return false, nil //nolint:nilerr // what was read once cannot be read any more
	}
	o := alert.Fold(keyOf(home, author, event), events)
	var first, founding int64
	if err := f.tx.QueryRow("SELECT first, founding FROM causes WHERE object = ?", object).Scan(&first, &founding); err != nil {
		return o.Founded() == nil, ignoreNone(err)
	}
	body, err := storedEvents(f.tx, "e.seq = ?", founding)
	if err != nil || len(body) != 1 || o.Founded() == nil {
		return false, err
	}
	holes, err := f.holes(founding)
	if err != nil {
		return false, err
	}
	for row := range min(uint32(o.Rows()), sampleRows) {
		if slices.Contains(holes, row) {
			continue
		}
		var have alert.Standing
		var file []byte
		err := f.tx.QueryRow("SELECT standing, agencies, independent, jurisdictions, seconded, disputes, file FROM alerts WHERE id = ?", first+int64(row)).
			Scan(&have.State, &have.Agencies, &have.Independent, &have.Jurisdictions, &have.Seconded, &have.Disputes, &file)
		if err != nil {
			return false, ignoreNone(err)
		}
		want := o.Standing(row, f.rules)
		if have != want || !bytes.Equal(file, body[0].Event.Row(int(row))) {
			return false, nil
		}
		if found, err := f.lookedUp(o, row, first+int64(row)); err != nil || !found {
			return false, err
		}
	}
	return true, nil
}

// lookedUp says whether an alert is found by each of its signals.
func (f *folder) lookedUp(o *alert.Object, row uint32, id int64) (bool, error) {
	c, _ := o.Cause()
	for _, x := range alert.FileOf(c, row).Signals {
		var found bool
		err := f.get(&found, "SELECT EXISTS (SELECT 1 FROM signals WHERE alg = ? AND value = ? AND alert = ?)", uint8(x.Algorithm), indexKey(x.Value), id)
		if err != nil || !found {
			return false, err
		}
	}
	return true, nil
}

// Condemn has the board made anew when it is opened next.
func Condemn(dir string) error {
	return durable.WriteFile((&Board{cfg: Config{Dir: dir}}).path()+condemned, nil, 0o600)
}

// errCondemned says that a scrub found the file to be other than what was written.
var errCondemned = errors.New("board: a scrub found it damaged")

func (b *Board) spared() error {
	if _, err := os.Lstat(b.path() + condemned); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errCondemned
}
