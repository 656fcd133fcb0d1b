package vfs

import (
	"bytes"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"vgpu/device"
)

// collector turns the device's account into Prometheus metrics, in base units.
// Its labels are bounded: queues, verbs, workers and end states. Names and
// labels are an interface: dashboards are built on them, and none is renamed.
type collector struct{ dev *device.Device }

var _ prometheus.Collector = collector{}

// desc is a metric's name, which gets the prefix vgpu_, and its help.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vgpu_"+name, help, labels, nil)
}

var (
	descUptime   = desc("uptime_seconds", "Time since the device was opened.")
	descJobs     = desc("jobs_total", "Jobs that have ended, by queue and state.", "queue", "state")
	descAccepted = desc("jobs_accepted_total", "Jobs accepted, by queue.", "queue")
	descPending  = desc("jobs_pending", "Jobs accepted that have not ended, by queue.", "queue")
	descRunning  = desc("jobs_running", "Jobs running.")
	descSlots    = desc("job_slots", "Jobs that may run at once.")
	descBusy     = desc("queue_seconds_total", "Run time of ended jobs, by queue.", "queue")
	descVerbJobs = desc("verb_jobs_total", "Jobs that ran, by verb.", "verb")
	descVerbTime = desc("verb_seconds_total", "Run time of ended jobs, by verb.", "verb")
	descFlops    = desc("verb_flops_total", "Floating-point operations done, by verb.", "verb")
	descBytes    = desc("verb_bytes_total", "Bytes of operands read and written, by verb.", "verb")
	descMemory   = desc("memory_bytes", "Memory of the device, by use: buffers, scratch, staging, free.", "use")
	descMemSize  = desc("memory_size_bytes", "The limit that --mem sets.")
	descMemPeak  = desc("memory_peak_bytes", "The most memory that was in use.")
	descBuffers  = desc("buffers", "Buffers that exist.")
	descTierSize = desc("tier_size_bytes", "What a tier can hold, by tier.", "tier")
	descTierUsed = desc("tier_used_bytes", "What buffers hold of a tier, by tier.", "tier")
	descTierBare = desc("tier_logical_bytes", "What they would hold of it without compression, by tier.", "tier")
	descTierZip  = desc("tier_compression_ratio", "How much smaller compression makes what is on a tier, by tier: 1 is not at all.", "tier")
	descTierBufs = desc("tier_buffers", "Buffers whose bytes are on a tier, by tier.", "tier")
	descTierMove = desc("tier_moved_bytes_total", "Bytes of buffers moved to a tier and away from it, by tier and direction.", "tier", "direction")
	descTierIO   = desc("tier_streamed_bytes_total", "Bytes read and written where they are by streamed jobs, by tier and direction.", "tier", "direction")
	descTierHits = desc("tier_hits_total", "Operands found in memory and not (misses), by tier and result.", "tier", "result")
	descTierSums = desc("tier_checked_chunks_total", "Chunks whose checksum was compared, by tier and result; a wrong one counts once until its bytes change.", "tier", "result")
	descQuota    = desc("quota_used_bytes", "What a user's buffers take of the quota, by user number.", "uid")
	descQuotaMax = desc("quota_limit_bytes", "What --quota allows each user but root.")
	descMoves    = desc("moves_total", "Buffers moved, by reason: eviction, eager, promotion, prefetch.", "reason")
	descFetched  = desc("prefetch_hits_total", "Buffers that a job found in memory since they were brought in ahead of it.")
	descStalls   = desc("stalls_total", "Jobs that waited for buffers to move.")
	descStalled  = desc("stall_seconds_total", "How long jobs waited for buffers to move.")
	descStreamed = desc("streamed_jobs_total", "Jobs that ran on operands outside memory.")
	descPlanned  = desc("moves_planned", "Moves that the plan holds.")
	descErrors   = desc("errors_total", "Entries ever made in the error list.")
	descTasks    = desc("worker_tasks_total", "Tasks run, by worker.", "worker")
	descSteals   = desc("worker_steals_total", "Tasks stolen from other workers, by worker.", "worker")
	descWorking  = desc("worker_busy_seconds_total", "Time spent running tasks, by worker.", "worker")
	descInfo     = desc("info", "What the device is; the value is 1.", "name", "version", "isa")
)

// Describe sends nothing: the collector is unchecked, as its labels come and go.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends one snapshot of the account.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.dev.Stats()
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { send(d, prometheus.GaugeValue, v, labels...) }
	count := func(d *prometheus.Desc, v float64, labels ...string) { send(d, prometheus.CounterValue, v, labels...) }
	gauge(descInfo, 1, c.dev.Name(), c.dev.Version(), c.dev.ISA().String())
	gauge(descUptime, s.Uptime.Seconds())
	gauge(descRunning, float64(s.Running))
	gauge(descSlots, float64(s.Slots))
	gauge(descMemSize, float64(s.Memory.Mem))
	gauge(descMemPeak, float64(s.Memory.Peak))
	gauge(descMemory, float64(s.Memory.Used), "buffers")
	gauge(descMemory, float64(s.Memory.Scratch), "scratch")
	gauge(descMemory, float64(s.Memory.Staging), "staging")
	gauge(descMemory, float64(s.Memory.Free), "free")
	gauge(descBuffers, float64(s.Memory.Buffers))
	collectTiers(&s, gauge, count)
	count(descErrors, float64(s.Errors))
	for _, q := range s.Queues {
		count(descAccepted, float64(q.Accepted), q.Name)
		gauge(descPending, float64(q.Pending), q.Name)
		count(descBusy, q.Seconds, q.Name)
		for state, n := range map[string]uint64{"done": q.Done, "failed": q.Failed, "cancelled": q.Cancelled, "timedout": q.TimedOut} {
			count(descJobs, float64(n), q.Name, state)
		}
	}
	for verb, v := range s.Verbs {
		count(descVerbJobs, float64(v.Jobs), verb)
		count(descVerbTime, v.Seconds, verb)
		count(descFlops, v.Flops, verb)
		count(descBytes, v.Bytes, verb)
	}
	for i, w := range s.Workers {
		id := strconv.Itoa(i)
		count(descTasks, float64(w.Tasks), id)
		count(descSteals, float64(w.Steals), id)
		count(descWorking, w.Busy.Seconds(), id)
	}
}

// collectTiers sends the account of the tiers, and of what moves between them.
func collectTiers(s *device.Stats, gauge, count func(d *prometheus.Desc, v float64, labels ...string)) {
	for i := range s.Tiers {
		u := &s.Tiers[i]
		gauge(descTierSize, float64(u.Size), u.Name)
		gauge(descTierUsed, float64(u.Used), u.Name)
		gauge(descTierBare, float64(u.Logical), u.Name)
		gauge(descTierZip, u.Ratio(), u.Name)
		gauge(descTierBufs, float64(u.Buffers), u.Name)
		count(descTierMove, float64(u.BytesIn), u.Name, "in")
		count(descTierMove, float64(u.BytesOut), u.Name, "out")
		count(descTierIO, float64(u.BytesRead), u.Name, "read")
		count(descTierIO, float64(u.BytesWritten), u.Name, "written")
		count(descTierHits, float64(u.Hits), u.Name, "hit")
		count(descTierHits, float64(u.Misses), u.Name, "miss")
		count(descTierSums, float64(u.Verified), u.Name, "good")
		count(descTierSums, float64(u.Bad), u.Name, "bad")
	}
	for _, q := range s.Quotas {
		gauge(descQuota, float64(q.Used), strconv.FormatUint(uint64(q.UID), 10))
	}
	if s.Quota > 0 {
		gauge(descQuotaMax, float64(s.Quota))
	}
	m := &s.Moves
	for reason, n := range map[string]uint64{"eviction": m.Evictions, "eager": m.Eager, "promotion": m.Promotions, "prefetch": m.Prefetched} {
		count(descMoves, float64(n), reason)
	}
	count(descFetched, float64(m.PrefetchHits))
	count(descStalls, float64(m.Stalls))
	count(descStalled, m.Stalled.Seconds())
	count(descStreamed, float64(m.Streamed))
	gauge(descPlanned, float64(m.Queue))
}

// metricsText is the metrics in OpenMetrics text. The registry is made for each
// reading and checks what was collected: a metric sent twice is an error of the
// open, and not a bad file.
func (t *tree) metricsText() ([]byte, error) {
	reg := prometheus.NewRegistry()
	if err := reg.Register(collector{t.dev}); err != nil {
		return nil, err
	}
	families, err := reg.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeOpenMetrics))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
