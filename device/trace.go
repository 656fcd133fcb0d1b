package device

import (
	"encoding/json"
	"strconv"
	"time"
)

// traceEntry is an ended job as the trace shows it.
type traceEntry struct {
	id                        uint64
	queue, line, state        string
	queued, started, finished time.Time
	flops                     float64
}

// traceJob remembers an ended job. mu is held.
func (d *Device) traceJob(j *Job) {
	if len(d.trace) >= 2*traceJobs {
		d.trace = append(d.trace[:0], d.trace[len(d.trace)-traceJobs:]...)
	}
	d.trace = append(d.trace, traceEntry{j.ID, j.queue.Name, j.Line, j.state.String(), j.queued, j.started, j.finished, j.cost.Flops})
}

// traceEvent is an event of the Chrome trace format ("Trace Event Format",
// Google, 2016). Times are microseconds since the device's start.
type traceEvent struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat,omitempty"`
	Ph   string         `json:"ph"`
	TS   float64        `json:"ts"`
	Dur  float64        `json:"dur,omitempty"`
	PID  int            `json:"pid"`
	TID  int            `json:"tid"`
	ID   string         `json:"id,omitempty"`
	Args map[string]any `json:"args,omitempty"`
}

// Processes of the trace: one row a worker, one row a job, a row for each
// direction in which buffers move, and rows of what jobs read and write in place.
const (
	traceWorkers   = 1
	traceQueues    = 2
	traceMoves     = 3
	traceTransfers = 4
)

// Trace is the last jobs in Chrome trace JSON: when each waited and ran, which
// worker ran a part of it when, and the workers' counters over time.
func (d *Device) Trace() ([]byte, error) {
	d.mu.Lock()
	entries := append([]traceEntry(nil), d.trace[max(0, len(d.trace)-traceJobs):]...)
	d.mu.Unlock()
	events := []traceEvent{
		{Name: "process_name", Ph: "M", PID: traceWorkers, Args: map[string]any{"name": d.cfg.Name + " workers"}},
		{Name: "process_name", Ph: "M", PID: traceQueues, Args: map[string]any{"name": d.cfg.Name + " jobs"}},
	}
	names := map[uint64]string{}
	for _, e := range entries {
		names[e.id] = e.line
		events = append(events, e.events(d.started)...)
	}
	events = append(events, d.workerEvents(names)...)
	if d.moves != nil {
		events = append(events, traceEvent{Name: "process_name", Ph: "M", PID: traceMoves, Args: map[string]any{"name": d.cfg.Name + " moves"}})
		events = append(events, d.moves.events(d.started)...)
		events = append(events, traceEvent{Name: "process_name", Ph: "M", PID: traceTransfers, Args: map[string]any{"name": d.cfg.Name + " transfers"}})
		events = append(events, d.transfers.events(d.started)...)
	}
	return json.Marshal(map[string]any{"traceEvents": events, "displayTimeUnit": "ms"})
}

// events are the waiting and the running of a job, as asynchronous spans.
func (e *traceEntry) events(base time.Time) []traceEvent {
	us := func(t time.Time) float64 { return micros(t.Sub(base)) }
	id := strconv.FormatUint(e.id, 10)
	args := map[string]any{"job": e.id, "queue": e.queue, "state": e.state, "flops": e.flops}
	begin := e.started
	if begin.IsZero() {
		begin = e.finished
	}
	span := func(name string, from, to time.Time) []traceEvent {
		return []traceEvent{
			{Name: name, Cat: e.queue, Ph: "b", TS: us(from), PID: traceQueues, ID: id, Args: args},
			{Name: name, Cat: e.queue, Ph: "e", TS: us(to), PID: traceQueues, ID: id},
		}
	}
	out := span("waiting", e.queued, begin)
	if !e.started.IsZero() {
		out = append(out, span(e.line, e.started, e.finished)...)
	}
	return out
}
