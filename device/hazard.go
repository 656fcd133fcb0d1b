package device

import (
	"context"
	"slices"
	"syscall"

	"vgpu/alloc"
)

// hazard is what unfinished jobs will do to a buffer, in the order of
// acceptance. It exists only while there are some. Guarded by Device.mu.
type hazard struct{ accesses []access }

type access struct {
	job   *Job
	write bool
}

// before lists the jobs that an access has to wait for: one that reads waits
// for the last writer; one that writes also for the readers since. Waiting
// for the last writer is enough, as it waits for those before it.
func (h *hazard) before(write bool) []*Job {
	var out []*Job
	for _, a := range slices.Backward(h.accesses) {
		if a.write || write {
			out = append(out, a.job)
		}
		if a.write {
			break
		}
	}
	return out
}

// lastWriter is the last accepted job that will write the buffer, or nil.
func (h *hazard) lastWriter() *Job {
	for _, a := range slices.Backward(h.accesses) {
		if a.write {
			return a.job
		}
	}
	return nil
}

// hazardOf is the buffer's hazard, made if there is none. mu is held.
func (d *Device) hazardOf(b *alloc.Buffer) *hazard {
	h := d.hazards[b]
	if h == nil {
		h = &hazard{}
		d.hazards[b] = h
	}
	return h
}

// link enters j into the order of its buffers. Each operand's source is set
// to the job that will have written it; if that has ended since the operand
// was attached, it is known already.
//
// Precondition: mu is held, j holds a reference to each buffer.
func (d *Device) link(j *Job) {
	for i := range j.ops {
		op := &j.ops[i]
		h := d.hazardOf(op.buf)
		if w := h.lastWriter(); op.reads && w != nil {
			op.source = w
		}
		for _, dep := range h.before(op.writes) {
			if dep.linkedBy != j.ID {
				dep.linkedBy = j.ID
				j.waitFor(dep)
			}
		}
	}
	for i := range j.ops {
		op := &j.ops[i]
		h := d.hazardOf(op.buf)
		h.accesses = append(h.accesses, access{j, op.writes})
	}
}

// waitFor makes j wait for dep. Doing it twice is harmless.
func (j *Job) waitFor(dep *Job) {
	dep.dependents = append(dep.dependents, j)
	j.preds = append(j.preds, dep)
	j.deps++
}

// unlink takes an ended job out of the order and returns the jobs that have
// nothing left to wait for. If j ended before its turn (cancelled while it
// waited), those that waited for it now wait for what it waited for.
func (d *Device) unlink(j *Job) (ready []*Job) {
	for i := range j.ops {
		h := d.hazards[j.ops[i].buf]
		if h == nil {
			continue
		}
		h.accesses = slices.DeleteFunc(h.accesses, func(a access) bool { return a.job == j })
		if len(h.accesses) == 0 {
			delete(d.hazards, j.ops[i].buf)
		}
	}
	return d.passOn(j)
}

// passOn has those that waited for j wait for what it waited for, and returns the
// jobs that have nothing left to wait for.
func (d *Device) passOn(j *Job) (ready []*Job) {
	heirs := slices.DeleteFunc(j.dependents, (*Job).ended)
	preds := slices.DeleteFunc(j.preds, (*Job).ended)
	j.dependents, j.preds = nil, nil
	if len(preds)*len(heirs) > d.relayFrom {
		preds = []*Job{newRelay(j, preds)}
	}
	for _, n := range heirs {
		for _, p := range preds {
			if n != p {
				n.waitFor(p)
			}
		}
		switch n.deps--; {
		case n.deps > 0 || n.state != Queued:
		case n.relay:
			n.state = Done
			ready = append(ready, d.passOn(n)...)
		default:
			ready = append(ready, n)
		}
	}
	return ready
}

// relayFrom is Device.relayFrom but in tests: how many edges are too many for each
// heir to wait for each job itself.
const relayFrom = 256

// newRelay stands in the order in place of j, which ended before its turn. Heirs
// wait for it, and it waits for what j did: as many edges as there were, where
// 5,000 readers before a cancelled writer and 5,000 after it would have 25 million.
// It is in no queue, and holds no buffer.
func newRelay(j *Job, preds []*Job) *Job {
	r := &Job{ID: j.ID, relay: true, state: Queued}
	for _, p := range preds {
		r.waitFor(p)
	}
	return r
}

// waitsFor lists the unfinished jobs among some that are waited for, and those
// behind relays.
func waitsFor(ids []uint64, preds []*Job) []uint64 {
	for _, p := range preds {
		switch {
		case p.ended():
		case p.relay:
			ids = waitsFor(ids, p.preds)
		default:
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// holders lists the unfinished jobs that an access to b has to wait for.
func (d *Device) holders(b *alloc.Buffer, write bool) []*Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.hazards[b]; h != nil {
		return h.before(write)
	}
	return nil
}

// await waits until no job accepted before the call will write b (or, if
// write, read it). EAGAIN if nonblock and there is any; EINTR if ctx ends.
func (d *Device) await(ctx context.Context, b *alloc.Buffer, write, nonblock bool) error {
	for {
		jobs := d.holders(b, write)
		if len(jobs) == 0 {
			return nil
		}
		if nonblock {
			return syscall.EAGAIN
		}
		last := jobs[0].ID
		for _, j := range jobs {
			select {
			case <-j.done:
			case <-ctx.Done():
				return syscall.EINTR
			}
			last = max(last, j.ID)
		}
		// A writer that was cancelled in the queue ends before those it
		// waited for: look again, but only at jobs as old as these.
		if !d.olderHolder(b, write, last) {
			return nil
		}
	}
}

// olderHolder tells whether a job that was accepted no later than number last
// still stands before an access. IDs ascend in the order of acceptance.
func (d *Device) olderHolder(b *alloc.Buffer, write bool, last uint64) bool {
	return slices.ContainsFunc(d.holders(b, write), func(j *Job) bool { return j.ID <= last })
}
