package device

import (
	"context"
	"slices"

	"vgpu/alloc"
)

// outlook is what the mover would do now, and the buffers that it is about.
type outlook struct {
	plan
	low     []move // to the watermark
	names   map[uint64]string
	victims map[uint64]alloc.Victim
	bufs    map[uint64]*alloc.Buffer // held
}

// close gives the references to the buffers back.
func (o *outlook) close() {
	for _, b := range o.bufs {
		b.Release()
	}
}

// outlook looks at the jobs that wait, and at what clients asked for.
func (d *Device) outlook() (*outlook, error) {
	o := &outlook{names: map[uint64]string{}, bufs: map[uint64]*alloc.Buffer{}}
	needs := d.needs(o)
	u := d.store.Usage()
	if d.moves.quiet(needs, u) { // nothing to find out by going through all buffers
		return o, nil
	}
	list, at, err := d.residents()
	if err != nil {
		o.close()
		return nil, err
	}
	o.victims = at
	for ino, v := range at {
		o.names[ino] = v.Rel
	}
	o.plan = planAhead(list, u.Free, needs)
	o.low = d.moves.toWatermark(list, &o.plan, u)
	return o, nil
}

// quiet tells whether all that waiting jobs need is there.
func (m *mover) quiet(needs []need, u alloc.Usage) bool {
	for i := range needs {
		if len(needs[i].away) > 0 || needs[i].bytes() > u.Free {
			return false
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.pressed
}

// waiting is a job that waits, as seen at one moment.
type waiting struct {
	job     uint64
	parts   []part
	later   []bool // of parts: an earlier job will write it first
	scratch int64
}

// waitingJobs lists the next jobs that will run in memory, in the order of
// acceptance. Their buffers are held.
func (d *Device) waitingJobs() []waiting {
	d.mu.Lock()
	defer d.mu.Unlock()
	var jobs []*Job
	for _, q := range d.queues {
		n := 0
		for _, j := range q.jobs {
			if j.state != Queued || q.paused || n == lookahead {
				continue
			}
			if n++; j.mode.streamed == nil {
				jobs = append(jobs, j)
			}
		}
	}
	slices.SortFunc(jobs, func(a, b *Job) int { return int(a.ID) - int(b.ID) })
	var out []waiting
	for _, j := range jobs[:min(len(jobs), lookahead)] {
		w := waiting{job: j.ID, parts: j.parts()}
		w.scratch = lent(j.scratchFor(w.parts, j.overlaps(j.plan.Alias)))
		for i := range w.parts {
			b := w.parts[i].buf
			b.Ref()
			first := d.hazards[b].lastWriterBefore(j)
			w.later = append(w.later, first != nil)
		}
		out = append(out, w)
	}
	return out
}

// lastWriterBefore is the last unfinished job before j that will write, or nil.
func (h *hazard) lastWriterBefore(j *Job) *Job {
	var w *Job
	for _, a := range h.accesses {
		if a.job == j {
			break
		}
		if a.write {
			w = a.job
		}
	}
	return w
}

// needs turns waiting jobs into what they need. What is written whole, or by an
// earlier job, needs room and is not brought.
func (d *Device) needs(o *outlook) (out []need) {
	for _, w := range d.waitingJobs() {
		n := need{job: w.job, away: map[uint64]int64{}, scratch: w.scratch}
		for i := range w.parts {
			p := &w.parts[i]
			ino := p.buf.Ino()
			o.hold(p.buf, p.name)
			bytes, err := p.missing()
			if err != nil || p.window {
				continue // its turn will tell
			}
			n.bufs = append(n.bufs, ino)
			switch {
			case p.buf.Resident():
				n.scratch += bytes
			case p.reads && !w.later[i]:
				n.away[ino] = bytes
			case !w.later[i]:
				n.scratch += bytes
			}
		}
		out = append(out, n)
	}
	for _, b := range d.moves.wishes() {
		if st, err := b.Stat(); err == nil && !b.Resident() {
			out = append(out, need{job: never - 1, bufs: []uint64{b.Ino()}, away: map[uint64]int64{b.Ino(): st.Size}})
		}
		o.hold(b, b.Path())
	}
	return out
}

// hold takes over a hold on a buffer.
func (o *outlook) hold(b *alloc.Buffer, name string) {
	if o.bufs[b.Ino()] != nil {
		b.Release()
		return
	}
	o.bufs[b.Ino()], o.names[b.Ino()] = b, name
}

// want asks for a buffer to be brought in, and takes over a hold on it.
func (m *mover) want(b *alloc.Buffer) {
	m.mu.Lock()
	full := len(m.wanted) >= maxWanted
	if !full {
		m.wanted = append(m.wanted, b)
	}
	m.mu.Unlock()
	if full { // it is advice
		b.Release()
	}
	m.wake()
}

// wishes lists what clients want brought in, held anew.
func (m *mover) wishes() []*alloc.Buffer {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.wanted {
		b.Ref()
	}
	return slices.Clone(m.wanted)
}

// fulfilled drops what has been brought in, or cannot be.
func (m *mover) fulfilled(gone func(*alloc.Buffer) bool) {
	m.mu.Lock()
	var out []*alloc.Buffer
	m.wanted = slices.DeleteFunc(m.wanted, func(b *alloc.Buffer) bool {
		if !gone(b) {
			return false
		}
		out = append(out, b)
		return true
	})
	m.mu.Unlock()
	for _, b := range out {
		b.Release()
	}
}

// toWatermark lists what leaves so that the next who needs room finds it.
func (m *mover) toWatermark(list []resident, p *plan, u alloc.Usage) (out []move) {
	m.mu.Lock()
	pressed, low, free := m.pressed, u.Mem/lowWater, u.Free
	if m.growers > 0 {
		low, free = u.Mem/highWater, forFiles(u)
	}
	m.mu.Unlock()
	for _, e := range p.evict {
		free += e.bytes
	}
	if !pressed || free >= low {
		return nil
	}
	idle := slices.DeleteFunc(slices.Clone(list), func(r resident) bool {
		return r.next != never || slices.ContainsFunc(p.evict, func(e move) bool { return e.ino == r.ino })
	})
	slices.SortFunc(idle, leavesBefore)
	for _, r := range idle {
		if free >= min(u.Mem/highWater, maxHigh) {
			break
		}
		out = append(out, move{ino: r.ino, bytes: r.bytes, next: r.next, hint: r.hint})
		free += r.bytes
	}
	return out
}

// loop is the mover's goroutine.
func (m *mover) loop(ctx context.Context) {
	defer close(m.done)
	for {
		select {
		case <-m.kick:
		case <-m.tick():
			if !m.watch() {
				continue
			}
		case <-ctx.Done():
			return
		}
		for m.one(ctx) {
		}
	}
}

// one makes the first move of the plan, or the first small ones, and tells whether
// there was one. What fails is left to the job that needs it, which will tell.
func (m *mover) one(ctx context.Context) bool {
	if m.enter(ctx) != nil {
		return false
	}
	defer func() { <-m.turn }()
	o, err := m.d.outlook()
	if err != nil {
		return false
	}
	defer o.close()
	m.note(len(o.evict) + len(o.bring) + len(o.low))
	switch {
	case len(o.bring) > 0 && (len(o.evict) == 0 || o.bring[0].job < o.evict[0].job):
		return m.fetch(ctx, o, o.bring[0])
	case len(o.evict) > 0:
		return m.carryOutSome(ctx, o, o.evict)
	case len(o.low) > 0:
		return m.carryOutSome(ctx, o, o.low)
	}
	m.rest(o)
	return false
}

// onePlanBytes is how much leaves by one plan: a plan looks at all buffers, which for
// ten thousand takes longer than many small ones take to leave.
const onePlanBytes = 256 << 10

// carryOutSome spills the first of a list, and if it is small those that leave for the
// same job, up to onePlanBytes. It tells whether any has left.
func (m *mover) carryOutSome(ctx context.Context, o *outlook, list []move) bool {
	bytes := int64(0)
	for i, mv := range list {
		if i > 0 && (mv.job != list[0].job || bytes+mv.bytes > onePlanBytes) {
			break
		}
		if m.d.carryOut(ctx, o.victims[mv.ino], true) != nil {
			return i > 0
		}
		bytes += mv.bytes
	}
	return true
}

// fetch brings a buffer in ahead of its job.
func (m *mover) fetch(ctx context.Context, o *outlook, mv move) bool {
	b := o.bufs[mv.ino]
	err := m.carry(moving{true, o.names[mv.ino], mv.bytes}, b, func() error { return b.Promote(ctx, false) })
	m.fulfilled(func(w *alloc.Buffer) bool { return w == b })
	if err != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Prefetched++
	m.ahead[mv.ino] = true
	return true
}

// note keeps the length of the plan for the gauges.
func (m *mover) note(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Queue = n
}

// rest is when there is nothing more to do: the pressure is off, and what
// clients had asked for when o was made is there or has no room. What they have
// asked for since then is for the next look.
func (m *mover) rest(o *outlook) {
	m.mu.Lock()
	m.pressed = false
	m.mu.Unlock()
	m.fulfilled(func(b *alloc.Buffer) bool { return o.bufs[b.Ino()] != nil })
}
