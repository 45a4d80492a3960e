package accesslog

import (
	"context"
	"slices"
	"time"
)

// Query says which entries are wanted. A zero field wants all.
type Query struct {
	Actor  Actor
	Verb   Verb
	Object Object
	Case   string
	From   time.Time // and later
	To     time.Time // before
	Before uint64    // entries below this index: Next of the page before; 0: from the newest on
	Limit  int       // 1 to MaxPage; 0: MaxPage
}

// Page is a part of an answer, newest first.
type Page struct {
	Entries []Entry
	// Next continues the answer as Before; 0 where there is nothing older. A page may have few entries, or none, and
	// still go on: the work for one page is bounded.
	Next uint64
}

func (q *Query) wants(e Entry) bool {
	r := &e.Record
	return (q.Actor == "" || r.Actor == q.Actor) &&
		(q.Verb == "" || r.Verb == q.Verb) &&
		(q.Object == "" || slices.Contains(r.Objects, q.Object)) &&
		(q.Case == "" || r.Case == q.Case) &&
		(q.From.IsZero() || !e.At.Before(q.From)) &&
		(q.To.IsZero() || e.At.Before(q.To))
}

// within says whether a segment with these times can have an entry that is wanted.
func (q *Query) within(start, end int64) bool {
	return (q.From.IsZero() || !millis(end).Before(q.From)) && (q.To.IsZero() || millis(start).Before(q.To))
}

// Query returns entries, newest first. An entry that is not what was written is a Fault, never skipped.
func (l *Log) Query(ctx context.Context, q Query) (Page, error) {
	v := l.now.Load()
	if q.Before == 0 || q.Before > v.size() {
		q.Before = v.size()
	}
	if q.Limit <= 0 || q.Limit > MaxPage {
		q.Limit = MaxPage
	}
	page := Page{Next: q.Before}
	for read := 0; page.Next > 0 && len(page.Entries) < q.Limit; {
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		c, before := v.segmentOf(page.Next - 1)
		if !q.within(c.start, c.end) {
			page.Next = c.first
			continue
		}
		if read++; read > scanSegments {
			break
		}
		var entries []Entry
		err := l.readSegment(v, c, before, func(e Entry, _ []byte) { entries = append(entries, e) })
		if err != nil {
			return Page{}, err
		}
		page.take(&q, entries[:page.Next-c.first], c.first)
	}
	return page, nil
}

// take adds what is wanted of the entries from first on, newest first, until the page is full.
func (p *Page) take(q *Query, entries []Entry, first uint64) {
	for _, e := range slices.Backward(entries) {
		if len(p.Entries) == q.Limit {
			return
		}
		p.Next = e.Index
		if q.wants(e) {
			p.Entries = append(p.Entries, e)
		}
	}
	p.Next = first
}

// segmentOf returns the segment of a record, the open one as if it were closed now, and where it is among the closed.
func (v *view) segmentOf(index uint64) (c closed, place int) {
	if index >= v.open.first {
		return v.asClosed(), len(v.history.segments)
	}
	i, ok := v.history.find(index)
	if !ok {
		i--
	}
	return v.history.segments[i], i
}

// asClosed is the open segment as if it were closed now.
func (v *view) asClosed() closed {
	o := v.open
	return closed{first: o.first, count: v.size() - o.first, bytes: o.bytes, start: o.start, end: o.end, tree: v.tree}
}
