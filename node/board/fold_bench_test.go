package board_test

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// BenchmarkFoldEvents folds events of one alert each that are open already: no decryption, no signature.
func BenchmarkFoldEvents(b *testing.B) {
	const entries, each = 10, 1_000
	key := func(i int) alert.Key {
		return alert.Key{Home: originIn, Author: "in/a0", Event: numberedID("raised", i)}
	}
	raise := func(i int) ledger.Event { return raisedNumber(b, i) }
	for name, event := range map[string]func(i int) ledger.Event{
		"assessed": func(i int) ledger.Event {
			return encoded(b, numberedID("a", i), &alert.Assessed{Target: key(i), Rows: alert.RowSet{0}, Verdict: alert.Confirms, Basis: alert.Examined})
		},
		"sighted": func(i int) ledger.Event {
			return encoded(b, numberedID("s", i), &alert.Sighted{Target: key(i % 100), Setting: alert.OnPlatform, Count: 1, Day: 20_000})
		},
		"linked": func(i int) ledger.Event {
			l := &alert.Linked{Relation: alert.NearDuplicate, Verdict: alert.Confirms}
			l.Target, l.Other = alert.Connect{A: alert.ID{Key: key(i)}, B: alert.ID{Key: key((i + 1) % (entries * each))}}.Ordered()
			return encoded(b, numberedID("l", i), l)
		},
		"raised": nil,
	} {
		b.Run(name, func(b *testing.B) {
			p := newPlain(originIn)
			p.bulk(b, "in/a0", entries, each, raise)
			inForce := policy(b, 2, func(*alert.Policy) {})
			folded, spent := 0, time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				x := p.board(b, b.TempDir(), func() ledger.Policy { return inForce })
				p.entries[originIn] = p.entries[originIn][:entries]
				if event != nil {
					p.showAll()
					catchUp(b, x, p.fakeLedgers)
					p.bulk(b, "in/a1", entries, each, event)
				}
				p.showAll()
				before := processor(b)
				b.StartTimer()
				catchUp(b, x, p.fakeLedgers)
				b.StopTimer()
				folded, spent = folded+entries*each, spent+processor(b)-before
				if err := x.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(folded)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(folded)/spent.Seconds(), "events/core-s") // what others do on the machine plays no part
		})
	}
}

// processor returns how long the process has computed.
func processor(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bulk writes entries of many events each.
func (p *plain) bulk(t testing.TB, author ledger.AgencyID, entries, each int, event func(i int) ledger.Event) {
	for e := range entries {
		events := make([]ledger.Event, each)
		for i := range events {
			events[i] = event(e*each + i)
		}
		p.write(t, p.origins[0], author, false, events...)
	}
}

func encoded(t testing.TB, id ledger.EventID, f alert.Fact) ledger.Event {
	t.Helper()
	e, err := f.Encode(id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func numberedID(kind string, i int) ledger.EventID {
	return ledger.EventIDFor("test", fmt.Sprint(kind, i))
}

// raisedNumber is an alert such as agencies raise: two fingerprints, a class, a title.
func raisedNumber(t testing.TB, i int) ledger.Event {
	t.Helper()
	md5 := alert.Signal{Algorithm: alert.MD5, Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15), uint64(i))}
	d := alert.Details{Media: alert.Image, Handling: alert.Handling{TLP: alert.Amber}, Basis: alert.Examined, Title: fmt.Sprint("exhibit ", i%1_000), Classifications: []alert.Classification{{Scheme: alert.SchemeIWF, Value: string(rune('a' + i%3))}}}
	return encoded(t, numberedID("raised", i), &alert.Raised{Details: d.Normal(), File: alert.File{Signals: []alert.Signal{md5, numbered(i)}}.Normal()})
}
