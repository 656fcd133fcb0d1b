package device

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	"vgpu/alloc"
)

// Policy is how the next job is chosen among the queues of one priority.
type Policy string

// The policies.
const (
	Fair Policy = "fair" // seconds of the device in proportion to weight
	FIFO Policy = "fifo" // the oldest first
)

// Policies lists them.
var Policies = []Policy{Fair, FIFO}

// schedule moves ready jobs into free slots and returns them, to be launched
// once mu is released. mu is held.
func (d *Device) schedule() []*Job {
	var start []*Job
	for d.running < d.slots {
		q := d.pick()
		if q == nil {
			break
		}
		j := q.ready[0]
		q.ready = q.ready[1:]
		j.state, j.started = Running, time.Now()
		d.running++
		start = append(start, j)
	}
	return start
}

// pick chooses the queue whose oldest ready job runs next.
func (d *Device) pick() *Queue {
	var best *Queue
	for _, q := range d.queues {
		if q.paused || len(q.ready) == 0 {
			continue
		}
		if best == nil || d.precedes(q, best) {
			best = q
		}
	}
	return best
}

func (d *Device) precedes(a, b *Queue) bool {
	switch {
	case a.priority != b.priority:
		return a.priority > b.priority
	case d.policy != FIFO && a.vtime != b.vtime:
		return a.vtime < b.vtime
	default:
		return a.ready[0].ID < b.ready[0].ID
	}
}

// rejoin moves a queue that has not been served for a while to the least
// virtual time of those that it shares with, so that it cannot save up a
// share. mu is held.
func (d *Device) rejoin(q *Queue) {
	least := math.Inf(1)
	for _, o := range d.queues {
		if o != q && o.pending > 0 && !o.paused && o.priority == q.priority {
			least = min(least, o.vtime)
		}
	}
	if !math.IsInf(least, 1) {
		q.vtime = max(q.vtime, least)
	}
}

// launch runs jobs that schedule has moved to Running.
func (d *Device) launch(jobs []*Job) {
	for _, j := range jobs {
		go d.runChain(j)
	}
}

// runChain runs a job, and then one of those that its end made startable.
func (d *Device) runChain(j *Job) {
	for j != nil {
		next := d.runOne(j)
		if len(next) == 0 {
			return
		}
		d.launch(next[1:])
		j = next[0]
	}
}

// runOne runs a job to its end and returns the jobs to start after it.
func (d *Device) runOne(j *Job) []*Job {
	for waited := false; ; {
		frees := d.freesSoFar()
		err := d.execute(j)
		var short *scratchError
		if !errors.As(err, &short) {
			return d.finish(j, err)
		}
		switch d.waitForMemory(j, frees) {
		case memWaits:
			return nil
		case memNever:
			if !waited && d.lettingGo(frees) || d.streamInstead(j) {
				waited = true
				continue
			}
			return d.finish(j, short.never())
		}
	}
}

// memVerdict is what becomes of a job that found no scratch memory.
type memVerdict int

const (
	memRetry memVerdict = iota // some was freed meanwhile
	memWaits                   // it was put back until some is
	memNever                   // nothing else runs whose end could free some
)

func (d *Device) freesSoFar() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.frees
}

// waitForMemory decides about a job that found no scratch memory. frees is
// the count from before it tried: what was freed since, it may have missed.
func (d *Device) waitForMemory(j *Job, frees uint64) memVerdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case j.ending != 0:
		return memNever
	case d.frees != frees:
		return memRetry
	case d.running == 1:
		return memNever
	}
	d.running--
	j.state, j.started, j.waitsMem = Queued, time.Time{}, true
	d.memWait = append(d.memWait, j)
	return memWaits
}

// memoryFreed is called by alloc, with no lock held, when memory was freed.
func (d *Device) memoryFreed() {
	d.mu.Lock()
	d.wakeMemory()
	start := d.schedule()
	d.mu.Unlock()
	d.launch(start)
}

// wakeMemory gives the jobs and the clients that wait for memory another try. mu is held.
func (d *Device) wakeMemory() {
	d.frees++
	d.idle.Broadcast()
	for _, j := range slices.Backward(d.memWait) {
		j.waitsMem = false
		j.queue.ready = slices.Insert(j.queue.ready, 0, j)
	}
	d.memWait = nil
}

// finish ends a job that ran.
func (d *Device) finish(j *Job, err error) []*Job {
	state := d.outcome(j, err)
	for i := range j.ops {
		if op := &j.ops[i]; op.writes {
			d.settle(j, op, failureText(state, err))
		}
	}
	d.mu.Lock()
	d.running--
	d.releasing++
	d.wakeMemory()
	d.end(j, state, err)
	start := d.schedule()
	d.mu.Unlock()
	d.release(j)
	d.released()
	d.moves.wake()
	return start
}

// released takes note that a job holds no buffer any more.
func (d *Device) released() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.releasing--; d.releasing == 0 {
		d.idle.Broadcast()
	}
}

// outcome is the state in which a job that ran ends.
func (d *Device) outcome(j *Job, err error) State {
	if err == nil {
		return Done
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch j.ending {
	case syscall.ETIMEDOUT:
		return TimedOut
	case syscall.ECANCELED:
		return Cancelled
	}
	return Failed
}

func failureText(state State, err error) string {
	if state == Done {
		return ""
	}
	return fmt.Sprintf("%s: %v", state, err)
}

// settle makes an output good (reason is empty) or bad, unless a later job
// has already been accepted that writes it: then it is for that one to do.
// A mark that cannot be written is told: it would let bad data pass.
func (d *Device) settle(j *Job, op *operand, reason string) {
	var err error
	switch {
	case reason != "" && op.whole && d.cfg.Store.Plain != "":
		// A plain file cannot carry a mark that others heed: it goes.
		if rel := op.buf.Path(); rel != "" {
			err = d.store.Unlink(rel)
		}
	case reason == "":
		err = op.buf.SettleMark(j.ID, nil)
	default:
		err = op.buf.SettleMark(j.ID, &alloc.Mark{State: alloc.Bad, Path: op.name, Job: j.ID, Cmd: j.Line, Reason: reason})
	}
	if err != nil {
		d.noteError(ErrorEntry{Queue: j.queue.Name, Job: j.ID, Errno: Errno(err), Msg: fmt.Sprintf("%s: its mark cannot be written: %v", op.name, err), Line: j.Line})
	}
}

// end records the end of a job, whichever way it came, and wakes what waits.
// mu is held.
func (d *Device) end(j *Job, state State, err error) {
	q := j.queue
	j.state, j.finished = state, time.Now()
	j.cancel = nil
	q.pending--
	q.ended[state]++
	if !j.started.IsZero() {
		sec := j.finished.Sub(j.started).Seconds()
		q.seconds += sec
		q.vtime += sec / float64(q.weight)
		d.count.add(j, sec)
	}
	if state != Done {
		e := entryOf(q.Name, j.ID, j.Line, err)
		if j.ending != 0 {
			e.Errno = j.ending
		}
		j.err = &e
		d.noteErrorLocked(e)
		if !j.silent {
			q.fails.add(j, e)
		}
	}
	d.traceJob(j)
	q.publish(j)
	q.ready = append(q.ready, d.ownReady(q, d.unlink(j))...)
	j.call, j.plan = nil, nil
	close(j.done)
	q.signalRoom()
	d.retire(q)
	d.idle.Broadcast()
}

// ownReady hands jobs that have become ready to their queues and returns
// those of q.
func (d *Device) ownReady(q *Queue, ready []*Job) []*Job {
	var own []*Job
	for _, n := range ready {
		if n.queue == q {
			own = append(own, n)
		} else {
			n.queue.ready = append(n.queue.ready, n)
		}
	}
	return own
}

// release gives back an ended job's buffers.
func (d *Device) release(j *Job) {
	for i := range j.ops {
		j.ops[i].buf.Release()
	}
}

// retire forgets the oldest ended jobs past the number retained, and those
// that were to be forgotten. mu is held.
func (d *Device) retire(q *Queue) {
	q.forget = slices.DeleteFunc(q.forget, func(j *Job) bool {
		if j.ended() {
			d.forgetLocked(j)
		}
		return j.ended()
	})
	drop := len(q.jobs) - q.pending - d.cfg.Retain
	if drop < d.cfg.Retain/8+1 {
		return // in batches, so that it costs little a job
	}
	q.jobs = slices.DeleteFunc(q.jobs, func(j *Job) bool {
		if drop <= 0 || !j.ended() {
			return false
		}
		drop--
		delete(d.jobs, j.ID)
		return true
	})
}

func (d *Device) forgetLocked(j *Job) {
	delete(d.jobs, j.ID)
	j.queue.jobs = slices.DeleteFunc(j.queue.jobs, func(o *Job) bool { return o == j })
}

// cancelLocked begins the end of a job. mu is held; the returned function
// finishes what must be done without it.
func (d *Device) cancelLocked(j *Job, why syscall.Errno, reason string) func() {
	switch {
	case j.ended():
	case j.state == Running:
		if j.ending == 0 {
			j.ending, j.endReason = why, reason
		}
		if j.cancel != nil {
			j.cancel(&endError{why, reason})
		}
	default:
		return d.cancelQueued(j, why, reason)
	}
	return func() {}
}

// cancelQueued ends a job that has not started.
func (d *Device) cancelQueued(j *Job, why syscall.Errno, reason string) func() {
	j.ending, j.endReason = why, reason
	same := func(o *Job) bool { return o == j }
	j.queue.ready = slices.DeleteFunc(j.queue.ready, same)
	d.memWait = slices.DeleteFunc(d.memWait, same)
	j.state = Running // nobody else may start or cancel it while its outputs are marked
	d.running++
	return func() { d.launch(d.finish(j, &endError{why, reason})) }
}

// endError is why a job was stopped from outside.
type endError struct {
	errno  syscall.Errno
	reason string
}

func (e *endError) Error() string { return e.reason }
func (e *endError) Unwrap() error { return e.errno }
