package pool

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// WorkerStats are a worker's counters since the pool was made. They only grow.
type WorkerStats struct {
	ID           int
	CPU          int    // where it is meant to run; it is bound to it only with PinCPU
	Node         int    // that CPU's NUMA node
	Tasks        uint64 // tasks and pieces run
	Steals       uint64 // tasks taken from others
	FailedSteals uint64 // tasks seen, but taken by another first
	Parks        uint64 // times it went to sleep
	Busy, Idle   time.Duration
}

// TraceEvent is a stretch of time in which a worker ran a root or a stolen
// task, with all that it ran inside of it. A task stolen while waiting in a join lies
// within the event of the task that waits.
type TraceEvent struct {
	Worker     int    // its ID, or CallerID
	Tag        uint64 // Options.Tag of the job
	Root       bool   // the root task, else a stolen one
	Start, End int64  // nanoseconds since Pool.Epoch

	// The worker's counters at End, as in WorkerStats; zero for CallerID.
	Tasks, Steals uint64
	Idle          time.Duration
}

// Epoch is when the pool was made: the zero of the trace's times.
func (p *Pool) Epoch() time.Time { return p.epoch }

// Stats are the workers' counters, by ID. Each is read by itself: those of a
// worker that runs are a moment apart.
func (p *Pool) Stats() []WorkerStats {
	list := make([]WorkerStats, len(p.threads))
	for i, t := range p.threads {
		s := WorkerStats{
			ID: i, CPU: t.cpu.ID, Node: t.cpu.Node,
			Tasks: t.tasks.Load(), Steals: t.steals.Load(), FailedSteals: t.lost.Load(), Parks: t.parks.Load(),
		}
		s.Busy, s.Idle = t.rec.times(p.now)
		list[i] = s
	}
	return list
}

// Trace is what the workers remember of the last slices they ran
// (Config.Trace each), in order of Start. When Run has returned, all of the
// job's are in it.
func (p *Pool) Trace() []TraceEvent {
	var all []TraceEvent
	all = p.callers.events(all)
	for _, t := range p.threads {
		all = t.rec.events(all)
	}
	slices.SortFunc(all, func(a, b TraceEvent) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), a.Worker-b.Worker)
	})
	return all
}

// recorder keeps a worker's times and its last events. Its worker writes it, a
// few times a root or stolen task; Stats and Trace read it, on any goroutine.
type recorder struct {
	mu    sync.Mutex
	ring  []TraceEvent
	next  int // where the next event goes
	full  bool
	busy  bool  // what the worker is
	since int64 // from when on
	spent [2]int64
}

func (r *recorder) init(events int) { r.ring = make([]TraceEvent, max(events, 0)) }

// add remembers an event, and how long its worker has been idle by its end, in
// place of the oldest.
func (r *recorder) add(e TraceEvent) {
	if len(r.ring) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Worker != CallerID {
		_, e.Idle = r.timesAt(e.End)
	}
	r.ring[r.next] = e
	r.next++
	if r.next == len(r.ring) {
		r.next, r.full = 0, true
	}
}

// events appends what is remembered.
func (r *recorder) events(to []TraceEvent) []TraceEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		to = append(to, r.ring[r.next:]...)
	}
	return append(to, r.ring[:r.next]...)
}

// switchTo tells that the worker is busy, or idle, from now on.
func (r *recorder) switchTo(now int64, busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent[kind(r.busy)] += now - r.since
	r.since, r.busy = now, busy
}

// times are the sums up to now.
func (r *recorder) times(clock func() int64) (busy, idle time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.timesAt(clock())
}

// timesAt are the sums up to now. mu is held.
func (r *recorder) timesAt(now int64) (busy, idle time.Duration) {
	s := r.spent
	s[kind(r.busy)] += now - r.since
	return time.Duration(s[1]), time.Duration(s[0])
}

// kind is the index into spent.
func kind(busy bool) int {
	if busy {
		return 1
	}
	return 0
}
