package device

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/kernels/pool"
)

// ErrnoName is the name of an errno, such as EINVAL.
func ErrnoName(e unix.Errno) string {
	if e == 0 {
		return "OK"
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return e.Error()
}

// counters only grow. Guarded by Device.mu.
type counters struct {
	seconds, flops, bytes float64
	verbs                 map[string]*VerbCount
	// gone is the jobs of queues that have been removed.
	gone struct {
		accepted uint64
		ended    [TimedOut + 1]uint64
	}
}

// leave takes over the account of a queue that is removed, whose jobs have all
// ended. Device.mu is held.
func (c *counters) leave(q *Queue) {
	c.gone.accepted += q.accepted
	for state, n := range q.ended {
		c.gone.ended[state] += n
	}
}

// VerbCount is what the jobs of one verb have come to.
type VerbCount struct {
	Jobs           uint64 // that ran, however they ended
	Seconds, Flops float64
	Bytes          float64
}

// add counts a job that ran for sec seconds; its work only if it was done.
// Device.mu is held.
func (c *counters) add(j *Job, sec float64) {
	c.seconds += sec
	if c.verbs == nil {
		c.verbs = map[string]*VerbCount{}
	}
	v := c.verbs[j.Verb]
	if v == nil {
		v = &VerbCount{}
		c.verbs[j.Verb] = v
	}
	v.Jobs++
	v.Seconds += sec
	if j.state == Done {
		c.flops += j.cost.Flops
		c.bytes += j.cost.Bytes
		v.Flops += j.cost.Flops
		v.Bytes += j.cost.Bytes
	}
}

// Stats is the device's account at one moment.
type Stats struct {
	Uptime                time.Duration
	State                 string // running, draining or stopping
	Policy                Policy
	Running, Slots        int
	Accepted              uint64           // ever, on queues that are gone too
	Ended                 map[State]uint64 // likewise
	Pending, Waiting      int
	Seconds, Flops, Bytes float64 // of ended jobs
	Errors                uint64
	Memory                alloc.Usage
	Tiers                 []TierUsage        // of memory and the spill tiers; none of a plain store
	Quota                 int64              // what each user but root may have; 0: no limit
	Quotas                []alloc.QuotaUsage // of users who have buffers, if there is a quota
	Moves                 MoveStats
	Queues                []QueueStats
	Workers               []pool.WorkerStats
	Verbs                 map[string]VerbCount
	Goroutines            int // of the whole process: a leak shows here
	Descriptors           int // open files of the process; -1 if unknown
}

// Stats takes the account. It costs microseconds and waits for no job.
func (d *Device) Stats() Stats {
	d.mu.Lock()
	queues, gone := d.queuesLocked(), d.count.gone // in one moment: no queue counts twice, or not at all
	d.mu.Unlock()
	s := Stats{
		Accepted: gone.accepted, Goroutines: runtime.NumGoroutine(), Descriptors: descriptors(),
		Uptime: time.Since(d.started), State: "running", Ended: map[State]uint64{}, Memory: d.store.Usage(), Tiers: d.store.Tiers(), Quota: d.cfg.Store.Quota, Quotas: d.store.Quotas(), Moves: d.moves.count(), Workers: d.pool.Stats(), Policy: d.Policy(),
	}
	for _, state := range []State{Done, Failed, Cancelled, TimedOut} {
		s.Ended[state] = gone.ended[state]
	}
	for _, q := range queues {
		qs := q.Stats()
		s.Queues = append(s.Queues, qs)
		s.Accepted += qs.Accepted
		s.Pending += qs.Pending
		s.Waiting += qs.Waiting
		s.Ended[Done] += qs.Done
		s.Ended[Failed] += qs.Failed
		s.Ended[Cancelled] += qs.Cancelled
		s.Ended[TimedOut] += qs.TimedOut
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		s.State = "stopping"
	case d.draining:
		s.State = "draining"
	}
	s.Running, s.Slots, s.Errors = d.running, d.slots, d.errTotal
	s.Seconds, s.Flops, s.Bytes = d.count.seconds, d.count.flops, d.count.bytes
	s.Verbs = map[string]VerbCount{}
	for _, name := range slices.Sorted(maps.Keys(d.count.verbs)) {
		s.Verbs[name] = *d.count.verbs[name]
	}
	return s
}

// descriptors counts the process's open files, without the one it counts by.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list) - 1
}
