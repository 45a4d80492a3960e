package board

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"vigil/ledger/alert"
)

// Query filters and pages. Zero values do not filter, but exercises and casework never stand in one list.
type Query struct {
	Standing   string
	Actionable string // "yes" or "no"
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
	from  string
	where []string
	args  []any
	few   bool // by the index over standings
}

const (
	byCause    = "FROM causes c CROSS JOIN alerts a ON a.id >= c.first AND a.id < c.first + c.count "
	byBar      = "FROM alerts a INDEXED BY alerts_barred CROSS JOIN causes c ON c.first = a.first "
	byStanding = "FROM alerts a INDEXED BY alerts_by_standing CROSS JOIN causes c ON c.first = a.first "
)

func (c *conditions) add(condition string, args ...any) {
	c.where, c.args = append(c.where, condition), append(c.args, args...)
}

func (c *conditions) text() string { return "WHERE " + strings.Join(c.where, " AND ") }

// List returns one page of alerts. Newest and oldest are in the order in which they reached this board.
func (b *Board) List(ctx context.Context, q Query) (Page, error) {
	c, err := q.conditions()
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
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	found, err := b.query(ctx, alertColumns+c.from+eventOfCause+c.text()+order+" LIMIT ?", append(c.args, limit+1)...)
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
	c, err := q.conditions()
	if err != nil {
		return 0, err
	}
	query := "SELECT count(*) " + c.from + c.text()
	if q.Standing == "" && q.Actionable == "" {
		query = "SELECT coalesce(sum(c.count), 0) FROM causes c " + c.text()
	}
	var n int
	err = b.read.QueryRowContext(ctx, query, c.args...).Scan(&n)
	return n, err
}

func (q Query) conditions() (*conditions, error) {
	c := &conditions{from: byCause}
	c.add("c.exercise = ?", q.Exercise)
	if q.Standing != "" {
		s, err := alert.ParseState(q.Standing)
		if err != nil {
			return nil, fmt.Errorf("%w: standing: %w", ErrQuery, err)
		}
		c.add("a.standing = ?", s)
		if s > alert.Asserted {
			c.from, c.few = byStanding, true
			c.add("a.standing > 1") // word for word what the partial index says, or it cannot be chosen
		}
	}
	switch q.Actionable {
	case "":
	case "yes":
		c.add("+a.bar = 0") // most are: no index is worth it
	case "no":
		if !c.few {
			c.from, c.few = byBar, true
		}
		c.add("a.bar > 0")
	default:
		return nil, fmt.Errorf("%w: actionable is yes or no", ErrQuery)
	}
	if q.Urgency != "" {
		u, err := alert.ParseUrgency(q.Urgency)
		if err != nil {
			return nil, fmt.Errorf("%w: urgency: %w", ErrQuery, err)
		}
		c.add("c.urgency = ?", u)
	}
	if q.Author != "" {
		c.add("c.author = ?", q.Author)
	}
	if q.Text != "" {
		match, err := matching(q.Text)
		if err != nil {
			return nil, err
		}
		c.add("c.first IN (SELECT rowid FROM words WHERE words MATCH ?)", match)
	}
	return c, nil
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
	return strings.Join(words, " "), nil
}

// order names the alert alone where that is all an order needs: by causes it is the order of causes, then of rows.
func (q Query) order(c *conditions) (string, error) {
	switch {
	case (q.Sort == "" || q.Sort == "newest") && c.few:
		return " ORDER BY a.id DESC", nil
	case q.Sort == "" || q.Sort == "newest":
		return " ORDER BY c.first DESC, a.id DESC", nil
	case q.Sort == "oldest" && c.few:
		return " ORDER BY a.id", nil
	case q.Sort == "oldest":
		return " ORDER BY c.first, a.id", nil
	case q.Sort == "urgency":
		return " ORDER BY c.urgency DESC, c.first DESC, a.id DESC", nil
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
		c.add("a.id > ? AND c.first + c.count > ?", id, id)
	case "urgency":
		c.add("c.urgency <= ? AND (c.urgency, a.id) < (?, ?)", urgency, urgency, id)
	default:
		c.add("a.id < ? AND c.first < ?", id, id)
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
