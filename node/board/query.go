package board

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// Query filters and pages. Zero values do not filter, but exercises and casework never stand in one list.
type Query struct {
	Standing   string
	Actionable string // "yes" or "no"
	Class      string // stated by anybody, or following from what is
	Series     string // its name, or an alert: then what belongs with it
	Author     string
	Urgency    string
	Text       string
	Sort       string
	Cursor     string
	Exercise   bool
	Limit      int
}

// Page is one page; Next is empty on the last.
type Page struct {
	Alerts []Alert
	Next   string
}

// conditions is a query in SQL. What rows share is filtered before any row is read, unless the standing leaves few rows.
type conditions struct {
	from    string
	head    string // the column by which pages go, before the alert's own number; empty where they go by that alone
	urgency string
	where   []string
	args    []any

	match      string   // words that are looked for, where the list is read from those
	causes     []string // of where, what is decided by a cause alone
	causesArgs []any
}

// What a list is read from, in the order of its pages. The CROSS JOINs keep that order.
const (
	byCause    = "FROM causes c CROSS JOIN alerts a ON a.id >= c.first AND a.id < c.first + c.count "
	byClass    = "FROM classes k CROSS JOIN alerts a ON a.id >= k.low AND a.id <= k.high CROSS JOIN causes c ON c.first = a.first "
	byWords    = "FROM words w CROSS JOIN causes c ON c.first = w.rowid "
	byNumber   = "FROM alerts a CROSS JOIN causes c ON c.first = a.first "
	byBar      = "FROM alerts a INDEXED BY alerts_barred CROSS JOIN causes c ON c.first = a.first "
	byStanding = "FROM alerts a INDEXED BY alerts_by_standing CROSS JOIN causes c ON c.first = a.first "
)

func (c *conditions) add(condition string, args ...any) {
	c.where, c.args = append(c.where, condition), append(c.args, args...)
}

// addOfCause adds what is decided by a cause alone.
func (c *conditions) addOfCause(condition string, args ...any) {
	c.add(condition, args...)
	c.causes, c.causesArgs = append(c.causes, condition), append(c.causesArgs, args...)
}

// drive reads from something else than causes, where nothing else was chosen before.
func (c *conditions) drive(from, head string) bool {
	if c.from != byCause {
		return false
	}
	c.from, c.head = from, head
	return true
}

func (c *conditions) text() string { return "WHERE " + strings.Join(c.where, " AND ") }

// List returns one page of alerts. Newest and oldest are in the order in which they reached this board.
func (b *Board) List(ctx context.Context, q Query) (Page, error) {
	c, err := b.conditions(ctx, q)
	if err == nil {
		err = q.after(c)
	}
	if err != nil {
		return Page{}, err
	}
	order, err := q.order(c)
	if err != nil {
		return Page{}, err
	}
	limit := pageLimit(q.Limit)
	var found []scanned
	if c.match != "" || q.sortsCauses(c) {
		found, err = b.byCauses(ctx, q, c, limit+1)
	} else {
		found, err = b.query(ctx, alertColumns+c.from+eventOfCause+c.text()+order+" LIMIT ?", append(c.args, limit+1)...)
	}
	if err != nil {
		return Page{}, err
	}
	page := Page{}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1]
		page.Next = encodeCursor(q.Sort, last.urgency, last.Row)
	}
	page.Alerts = plain(found)
	return page, nil
}

// Count returns how many alerts a query matches; sort, cursor and limit play no part.
func (b *Board) Count(ctx context.Context, q Query) (int, error) {
	c, err := b.conditions(ctx, q)
	if err != nil {
		return 0, err
	}
	if c.match != "" {
		c.add("c.first IN (SELECT rowid FROM words WHERE words MATCH ?)", c.match)
	}
	query := "SELECT count(*) " + c.from + c.text()
	if c.from == byCause && q.Standing == "" && q.Actionable == "" {
		query = "SELECT coalesce(sum(" + present + "), 0) FROM causes c " + c.text()
	}
	var n int
	err = b.read.QueryRowContext(ctx, query, c.args...).Scan(&n)
	return n, err
}

func (b *Board) conditions(ctx context.Context, q Query) (*conditions, error) {
	c := &conditions{from: byCause, head: "c.first", urgency: "c.urgency"}
	for _, filter := range []func(*conditions) error{
		func(c *conditions) error { return b.belonging(ctx, q, c) }, q.few, q.classed, q.worded, q.shared,
	} {
		if err := filter(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// few are the filters that leave few alerts: the list is read from those.
func (q Query) few(c *conditions) error {
	if q.Standing != "" {
		s, err := alert.ParseState(q.Standing)
		if err != nil {
			return fmt.Errorf("%w: standing: %w", ErrQuery, err)
		}
		c.add("a.standing = ?", s)
		if s > alert.Asserted && c.drive(byStanding, "") {
			c.add("a.standing > 1") // word for word what the partial index says, or it cannot be chosen
		}
	}
	switch q.Actionable {
	case "":
	case "yes":
		c.add("+a.bar = 0") // most are: no index is worth it
	case "no":
		c.drive(byBar, "")
		c.add("a.bar > 0")
	default:
		return fmt.Errorf("%w: actionable is yes or no", ErrQuery)
	}
	return nil
}

// classed is the filter by class: the list is read from what has it, in order.
func (q Query) classed(c *conditions) error {
	if q.Class == "" {
		return nil
	}
	class, err := alert.ParseClass(strings.TrimSpace(q.Class))
	if err != nil {
		return fmt.Errorf("%w: class: %w", ErrQuery, err)
	}
	if c.drive(byClass, "k.low") {
		c.urgency = "k.urgency"
		c.add("k.class = ?", class.Class())
		return nil
	}
	c.add("EXISTS (SELECT 1 FROM classes k WHERE k.class = ? AND k.low IN (a.id, a.first) AND k.high >= a.id)", class.Class())
	return nil
}

// worded is the filter by words.
func (q Query) worded(c *conditions) error {
	if q.Text == "" {
		return nil
	}
	match, err := matching(q.Text)
	if err != nil {
		return err
	}
	if c.from == byCause {
		c.match = match
		return nil
	}
	c.add("c.first IN (SELECT rowid FROM words WHERE words MATCH ?)", match)
	return nil
}

// shared are the filters by what all rows of a cause share.
func (q Query) shared(c *conditions) error {
	if q.Exercise {
		c.addOfCause("c.exercise = 1")
	} else {
		c.addOfCause("c.exercise = 0")
	}
	if q.Urgency != "" {
		u, err := alert.ParseUrgency(q.Urgency)
		if err != nil {
			return fmt.Errorf("%w: urgency: %w", ErrQuery, err)
		}
		c.addOfCause(c.urgency+" = ?", u)
		c.mark(urgencyMark(u))
	}
	if q.Author != "" {
		c.addOfCause("c.author = ?", q.Author)
		c.mark(authorMark(ledger.AgencyID(q.Author)))
	}
	return nil
}

// sortsCauses says whether the database would have to sort what a filter leaves: then it sorts causes, not their alerts.
func (q Query) sortsCauses(c *conditions) bool {
	return q.Sort == "urgency" && c.from == byCause && q.Series != ""
}

// belonging is the filter by series: those of a name, or what belongs with an alert by links.
func (b *Board) belonging(ctx context.Context, q Query, c *conditions) error {
	if q.Series == "" {
		return nil
	}
	if !strings.HasPrefix(q.Series, alert.IDPrefix) {
		c.addOfCause("c.series = ? AND c.series <> ''", q.Series)
		return nil
	}
	a, err := b.One(ctx, q.Series)
	if err != nil {
		return err
	}
	related, _, err := b.Related(ctx, a.ID)
	if err != nil {
		return err
	}
	c.drive(byNumber, "")
	numbers := []string{strconv.FormatInt(a.Row, 10)}
	for _, r := range related {
		if r.Known && r.Denied == 0 {
			numbers = append(numbers, strconv.FormatInt(r.number, 10))
		}
	}
	c.add("a.id IN (" + strings.Join(numbers, ", ") + ")")
	return nil
}

// matching returns the full-text expression for all of the words of a text, each the whole or the beginning of a word.
func matching(text string) (string, error) {
	words := strings.Fields(text)
	if len(text) > maxTextBytes || len(words) > maxTextWords {
		return "", fmt.Errorf("%w: text of %d bytes and %d words, at most %d and %d", ErrQuery, len(text), len(words), maxTextBytes, maxTextWords)
	}
	for i, w := range words {
		words[i] = `"` + strings.ReplaceAll(strings.ReplaceAll(w, "\x00", ""), `"`, `""`) + `"*`
	}
	if len(words) == 0 {
		return `""`, nil
	}
	return "{title notes source series} : (" + strings.Join(words, " ") + ")", nil
}

// Marks stand in the index over words beside what can be searched: the most urgent of what has a word, or what one author
// wrote with it, is found there without a look at everything that has it.
func urgencyMark(u alert.Urgency) string { return fmt.Sprintf("urgency%d", u) }

func authorMark(a ledger.AgencyID) string { return fmt.Sprintf("author%x", string(a)) }

// mark lets the index over words, where one is read from, look for a mark, too.
func (c *conditions) mark(m string) {
	if c.match != "" {
		c.match = marked(c.match, m)
	}
}

// marked adds a mark to a full-text expression.
func marked(match, mark string) string { return "(" + match + ") AND marks : " + mark }

// order names the alert alone where that is all an order needs.
func (q Query) order(c *conditions) (string, error) {
	newest, oldest := "a.id DESC", "a.id"
	if c.head != "" {
		newest, oldest = c.head+" DESC, a.id DESC", c.head+", a.id"
	}
	switch q.Sort {
	case "", "newest":
		return " ORDER BY " + newest, nil
	case "oldest":
		return " ORDER BY " + oldest, nil
	case "urgency":
		return " ORDER BY " + c.urgency + " DESC, " + newest, nil
	}
	return "", fmt.Errorf("%w: sort is newest, oldest or urgency", ErrQuery)
}

// after leaves out what earlier pages held.
func (q Query) after(c *conditions) error {
	if q.Cursor == "" {
		return nil
	}
	urgency, id, err := decodeCursor(q.Sort, q.Cursor)
	if err != nil {
		return err
	}
	switch q.Sort {
	case "oldest":
		c.add("a.id > ?", id)
		if c.head != "" {
			c.add(c.head+" >= coalesce((SELECT first FROM alerts WHERE id = ?), ?)", id, id)
		}
	case "urgency":
		c.add(c.urgency+" <= ? AND ("+c.urgency+", a.id) < (?, ?)", urgency, urgency, id)
	default:
		c.add("a.id < ?", id)
		if c.head != "" {
			c.add(c.head+" < ?", id)
		}
	}
	return nil
}

func encodeCursor(sort string, urgency, id int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %d", sort, urgency, id))
}

func decodeCursor(sort, cursor string) (urgency, id int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	parts := strings.Split(string(b), " ")
	if err != nil || len(parts) != 3 || parts[0] != sort {
		return 0, 0, fmt.Errorf("%w: the cursor is of another list", ErrQuery)
	}
	urgency, err1 := strconv.ParseInt(parts[1], 10, 64)
	id, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%w: the cursor is of another list", ErrQuery)
	}
	return urgency, id, nil
}
