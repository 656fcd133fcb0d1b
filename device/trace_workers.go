package device

import (
	"fmt"
	"time"

	"vgpu/kernels/pool"
)

// workerEvents are the slices of jobs that each worker ran, in a lane of its
// own, and above them its counters: tasks run, tasks stolen, time idle.
func (d *Device) workerEvents(names map[uint64]string) []traceEvent {
	base := float64(d.pool.Epoch().Sub(d.started).Nanoseconds()) / 1e3
	slices := d.pool.Trace()
	workers := d.pool.Stats() // after the slices: no counter falls
	now := float64(time.Since(d.started).Nanoseconds()) / 1e3
	out := []traceEvent{workerLane(pool.CallerID, "on the caller's thread")}
	for _, w := range workers {
		out = append(out, workerLane(w.ID, fmt.Sprintf("worker %d on CPU %d", w.ID, w.CPU)))
		out = append(out, workerCounters(w.ID, max(0, base), 0, 0, 0)...)
	}
	for _, ev := range slices {
		name := names[ev.Tag]
		if name == "" {
			name = fmt.Sprintf("job %d", ev.Tag)
		}
		out = append(out, traceEvent{
			Name: name, Cat: "worker", Ph: "X", TS: base + float64(ev.Start)/1e3,
			Dur: float64(ev.End-ev.Start) / 1e3, PID: traceWorkers, TID: ev.Worker, Args: map[string]any{"job": ev.Tag},
		})
		if ev.Worker != pool.CallerID {
			out = append(out, workerCounters(ev.Worker, base+float64(ev.End)/1e3, ev.Tasks, ev.Steals, ev.Idle)...)
		}
	}
	for _, w := range workers {
		out = append(out, workerCounters(w.ID, now, w.Tasks, w.Steals, w.Idle)...)
	}
	return out
}

// workerLane names a worker's row.
func workerLane(worker int, name string) traceEvent {
	return traceEvent{Name: "thread_name", Ph: "M", PID: traceWorkers, TID: worker, Args: map[string]any{"name": name}}
}

// workerCounters are a worker's, from ts on. Those of one event are drawn on one
// scale, so the time has an event to itself.
func workerCounters(worker int, ts float64, tasks, steals uint64, idle time.Duration) []traceEvent {
	name := fmt.Sprintf("worker %d ", worker)
	return []traceEvent{
		{Name: name + "tasks", Cat: "worker", Ph: "C", TS: ts, PID: traceWorkers, TID: worker, Args: map[string]any{"run": tasks, "steal": steals}},
		{Name: name + "idle", Cat: "worker", Ph: "C", TS: ts, PID: traceWorkers, TID: worker, Args: map[string]any{"ms": float64(idle.Nanoseconds()) / 1e6}},
	}
}
