package vfs

import (
	"bytes"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"vgpu/device"
)

// collector turns the device's account into Prometheus metrics, in base
// units. Its labels are bounded: queues, verbs, workers and end states.
type collector struct{ dev *device.Device }

var _ prometheus.Collector = collector{}

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
	descMemory   = desc("memory_bytes", "Memory of the device, by use: buffers, scratch, free.", "use")
	descMemSize  = desc("memory_size_bytes", "The limit that --mem sets.")
	descMemPeak  = desc("memory_peak_bytes", "The most memory that was in use.")
	descBuffers  = desc("buffers", "Buffers that exist.")
	descErrors   = desc("errors_total", "Entries ever made in the error list.")
	descTasks    = desc("worker_tasks_total", "Tasks run, by worker.", "worker")
	descSteals   = desc("worker_steals_total", "Tasks stolen from other workers, by worker.", "worker")
	descWorking  = desc("worker_busy_seconds_total", "Time spent running tasks, by worker.", "worker")
	descInfo     = desc("info", "What the device is; the value is 1.", "name", "version", "isa")
)

// Describe sends nothing: the collector is unchecked, as its labels come and go.
func (collector) Describe(chan<- *prometheus.Desc) {}

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
	gauge(descMemory, float64(s.Memory.Free), "free")
	gauge(descBuffers, float64(s.Memory.Buffers))
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

// metricsText is the metrics in OpenMetrics text.
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
