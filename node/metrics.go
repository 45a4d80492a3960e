package node

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what Prometheus reads. Labels are ledgers, never ids of entries or people.
type metrics struct {
	registry *prometheus.Registry
	commit   prometheus.Histogram
	sealed   prometheus.Histogram
	seals    sealTimes
	alarms   prometheus.Counter
	batches  prometheus.Counter
	messages *prometheus.CounterVec
	scrubbed prometheus.Counter
	damages  *prometheus.CounterVec
}

func newMetrics(n *Node) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		commit:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "vigil_ledger_commit_duration_seconds", Help: "From proposing entries to the leader's answer.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		sealed:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "vigil_ledger_sealed_age_seconds", Help: "Age of a checkpoint's time when it began to count here.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 14)}),
		seals:    sealTimes{took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "vigil_ledger_seal_duration_seconds", Help: "From the leader's answer to a checkpoint that counts and covers the entry, for what this node wrote.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)})},
		alarms:   prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_alarms_total", Help: "What an honest peer never does."}),
		batches:  prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_federation_refused_batches_total", Help: "Mirror batches that did not verify."}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vigil_notify_messages_total", Help: "Messages to subscribers, by channel and result."}, []string{"channel", "result"}),
	}
	m.scrubbed = prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_scrub_bytes_total", Help: "Read from disk to see whether it is what was written."})
	m.damages = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vigil_scrub_damages_total", Help: "What was not, by whether it was mended at once."}, []string{"result"})
	m.damages.WithLabelValues("repaired").Add(0)
	m.damages.WithLabelValues("left").Add(0)
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.commit, m.sealed, m.seals.took, m.alarms, m.batches, m.messages, m.scrubbed, m.damages,
		gauge("vigil_ledger_entries", "Entries of our ledger on this node.", func() float64 { return float64(n.Size()) }),
		gauge("vigil_ledger_sealed_entries", "Entries under a checkpoint that counts.", func() float64 { size, _ := n.Sealed(n.id.Origin); return float64(size) }),
		gauge("vigil_readmodel_lag_entries", "Entries the board has not followed yet.", func() float64 {
			return float64(n.Size()) - float64(n.board.Position(n.id.Origin))
		}),
		gauge("vigil_case_overdue", "Referrals whose first deadline has passed.", func() float64 {
			overdue, _ := n.board.Overdue(context.Background(), time.Now()) // 0 while the board cannot be read
			return float64(overdue)
		}),
		gauge("vigil_report_waiting", "Platform reports that nobody has claimed.", func() float64 {
			waiting, _ := n.board.WaitingReports(context.Background()) // 0 while the board cannot be read
			return float64(waiting)
		}),
		gauge("vigil_raft_leader", "1 where this node leads.", func() float64 {
			if n.cluster.Leads() {
				return 1
			}
			return 0
		}),
		gauge("vigil_disk_failed", "1 where a disk failed and nothing more is written.", func() float64 {
			if failed := n.store.Failed(); failed != nil && stopOf(failed) == diskStop {
				return 1
			}
			return 0
		}),
		gauge("vigil_scrub_last_completed_timestamp_seconds", "When everything on disk had been read last; 0 never.", func() float64 {
			if at := n.scrubs.completed(); !at.IsZero() {
				return float64(at.Unix())
			}
			return 0
		}),
		gauge("vigil_backup_last_completed_timestamp_seconds", "When the last backup was made that was read back; 0 never.", func() float64 {
			if last := n.lastBackup(); last != nil {
				return float64(last.Made.Unix())
			}
			return 0
		}),
		gauge("vigil_disk_free_bytes", "What can still be written to the data directory.", func() float64 { free, _ := n.space(); return float64(free) }),
		gauge("vigil_raft_last_contact_seconds", "Since the leader was last heard.", func() float64 { return n.StaleFor().Seconds() }),
	)
	return m
}

func (m *metrics) alarm() {
	if m != nil {
		m.alarms.Inc()
	}
}

// scrub counts what was read, and what was not as it was written.
func (m *metrics) scrub(read uint64, found, mended int) {
	if m != nil {
		m.scrubbed.Add(float64(read))
		m.damages.WithLabelValues("repaired").Add(float64(mended))
		m.damages.WithLabelValues("left").Add(float64(found - mended))
	}
}

func (m *metrics) refused() { m.batches.Inc() }

// told counts a message to a subscriber.
func (m *metrics) told(channel, result string) { m.messages.WithLabelValues(channel, result).Inc() }
