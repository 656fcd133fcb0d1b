package vfs

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"vgpu/device"
	"vgpu/kernels/command"
)

// lines writes flat `key value` text.
type lines struct{ bytes.Buffer }

// add writes one line.
func (l *lines) add(key string, v any) { fmt.Fprintf(&l.Buffer, "%s %s\n", key, format(v)) }

// time adds a time as seconds since the epoch; the zero time is left out.
func (l *lines) time(key string, t time.Time) {
	if !t.IsZero() {
		l.add(key, device.UnixSeconds(t))
	}
}

// format writes a value in base units: durations in seconds, truth as yes and
// no, floats with up to nine decimals and no exponent, which shells cannot
// read.
func format(v any) string {
	switch v := v.(type) {
	case float64:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.9f", v), "0"), ".")
	case time.Duration:
		return format(v.Seconds())
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}

// valueText is the text of a file of one value.
func valueText(v any) []byte { return []byte(format(v) + "\n") }

// infoText is what the device is. Keys are never renamed.
func (t *tree) infoText() ([]byte, error) {
	var l lines
	for _, f := range t.dev.Info() {
		l.add(f.Key, f.Value)
	}
	l.add("passthrough", t.passthrough.Load())
	l.add("mmap_shared", t.passthrough.Load())
	if t.opt.Log != "" {
		l.add("log", t.opt.Log)
	}
	return l.Bytes(), nil
}

// statText is what the device is doing.
func (t *tree) statText() ([]byte, error) {
	s := t.dev.Stats()
	var l lines
	l.add("state", s.State)
	l.add("uptime", s.Uptime)
	l.add("policy", s.Policy)
	l.add("jobs.accepted", s.Accepted)
	for _, st := range []device.State{device.Done, device.Failed, device.Cancelled, device.TimedOut} {
		l.add("jobs."+st.String(), s.Ended[st])
	}
	l.add("jobs.running", s.Running)
	l.add("jobs.waiting", s.Waiting)
	l.add("slots", s.Slots)
	l.add("seconds", s.Seconds)
	l.add("flops", s.Flops)
	l.add("bytes", s.Bytes)
	l.add("memory.size", s.Memory.Mem)
	l.add("memory.used", s.Memory.Used)
	l.add("memory.scratch", s.Memory.Scratch)
	l.add("memory.free", s.Memory.Free)
	l.add("memory.peak", s.Memory.Peak)
	l.add("buffers", s.Memory.Buffers)
	t.statTiers(&l, &s)
	l.add("queues", len(s.Queues))
	tuning := t.dev.Tuning()
	l.add("tuning.entries", tuning.Entries)
	l.add("tuning.running", tuning.Running)
	l.add("tuning.done", tuning.Done)
	l.add("tuning.points", tuning.Total)
	l.add("errors", s.Errors)
	l.add("panics", t.panics.Load())
	l.add("goroutines", s.Goroutines)
	l.add("descriptors", s.Descriptors)
	for i, w := range s.Workers {
		key := fmt.Sprintf("worker.%d.", i)
		l.add(key+"tasks", w.Tasks)
		l.add(key+"steals", w.Steals)
		l.add(key+"busy", w.Busy)
		l.add(key+"idle", w.Idle)
	}
	return l.Bytes(), nil
}

// errorsText is the error list: a line on what happened, the command, a caret
// under the fault, and the remedy.
func (t *tree) errorsText() ([]byte, error) {
	entries, _ := t.dev.Errors()
	var b bytes.Buffer
	for _, e := range entries {
		where := "device"
		if e.Queue != "" {
			where = e.Queue
		}
		if e.Job != 0 {
			where += fmt.Sprintf(" job %d", e.Job)
		}
		fmt.Fprintf(&b, "[%s] %s: %s: %s\n", e.Time.Format("2006-01-02T15:04:05.000000Z07:00"), where, device.ErrnoName(e.Errno), e.Msg)
		switch {
		case e.Line != "" && e.Caret:
			fmt.Fprintf(&b, "%s\n", indent(command.Caret(e.Line, e.Span)))
		case e.Line != "":
			fmt.Fprintf(&b, "  %s\n", command.Printable(e.Line))
		}
		if e.Hint != "" {
			fmt.Fprintf(&b, "  remedy: %s\n", e.Hint)
		}
	}
	return b.Bytes(), nil
}

// indent moves lines in by two columns, the caret with its line.
func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
}

// queueText is a queue's status.
func queueText(s device.QueueStats) []byte {
	var l lines
	l.add("state", s.State)
	l.add("accepted", s.Accepted)
	l.add("pending", s.Pending)
	l.add("waiting", s.Waiting)
	l.add("running", s.Running)
	l.add("done", s.Done)
	l.add("failed", s.Failed)
	l.add("cancelled", s.Cancelled)
	l.add("timedout", s.TimedOut)
	l.add("weight", s.Weight)
	l.add("priority", s.Priority)
	l.add("depth", s.Depth)
	l.add("seconds", s.Seconds)
	l.time("oldest", s.OldestQueued)
	return l.Bytes()
}

// jobStatus is where a job is in its life.
func jobStatus(s device.Snapshot) []byte {
	var l lines
	l.add("id", s.ID)
	l.add("queue", s.Queue)
	l.add("state", s.State)
	if s.Reason != "" {
		l.add("reason", s.Reason)
	}
	if len(s.WaitsFor) > 0 {
		l.add("waits_for", strings.Trim(fmt.Sprint(s.WaitsFor), "[]"))
	}
	if s.Error != nil {
		l.add("errno", device.ErrnoName(s.Errno))
	}
	l.add("uid", s.UID)
	l.add("gid", s.GID)
	l.time("queued", s.Queued)
	l.time("started", s.Started)
	l.time("finished", s.Finished)
	l.Write(jobStats(s))
	return l.Bytes()
}

// jobStats is what a job has cost.
func jobStats(s device.Snapshot) []byte {
	var l lines
	l.add("seconds", s.Seconds)
	l.add("flops", s.Cost.Flops)
	l.add("bytes", s.Cost.Bytes)
	l.add("gflops", s.Gflops())
	l.add("scratch", s.Cost.Scratch)
	l.add("threads", s.Threads)
	l.add("isa", s.ISA)
	return l.Bytes()
}

// jobExplain is how the kernel does the job.
func jobExplain(s device.Snapshot) []byte {
	var l lines
	l.add("kernel", s.Verb)
	for _, e := range s.Explain {
		l.add(e.Term, e.Text)
	}
	return l.Bytes()
}

// jobAnswer is the answer with one newline; nothing while there is none.
func jobAnswer(s device.Snapshot) []byte {
	if s.Answer == "" {
		return nil
	}
	return []byte(strings.TrimRight(s.Answer, "\n") + "\n")
}

// jobError is why a job failed; nothing of one that has not.
func jobError(s device.Snapshot) []byte {
	if s.Error == nil {
		return nil
	}
	return []byte(device.ErrnoName(s.Errno) + ": " + s.Error.Msg + "\n")
}

// verbList is what reading run or a queue's ctl gives: the commands it takes.
func (t *tree) verbList() []byte {
	var b bytes.Buffer
	reg := t.dev.Registry()
	for _, name := range reg.Names() {
		fmt.Fprintf(&b, "%s\n", reg.Lookup(name).Synopsis)
	}
	fmt.Fprintf(&b, "explain COMMAND\n")
	return b.Bytes()
}

// ctlHelp is what reading the device's ctl gives.
func ctlHelp() ([]byte, error) {
	var b bytes.Buffer
	for _, v := range device.Verbs() {
		fmt.Fprintf(&b, "%s\n", v.Synopsis)
	}
	return b.Bytes(), nil
}
