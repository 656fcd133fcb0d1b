package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// submission is the lines of one write, and how its writer wants them taken.
type submission struct {
	queue    *Queue
	cred     Cred
	lines    []string // without newlines
	nonblock bool
	silent   bool // the writer waits for the outcome itself
}

// submit accepts all the lines of a write or none. It returns the jobs, in
// order, and those of them to start now. It waits while the queue is full
// (EAGAIN if nonblock, EINTR if ctx ends).
func (d *Device) submit(ctx context.Context, s *submission) (jobs, start []*Job, err error) {
	lines, err := d.parse(s)
	if err != nil || len(lines) == 0 {
		return nil, nil, err
	}
	if err := d.lockWithRoom(ctx, s, len(lines)); err != nil {
		return nil, nil, err
	}
	defer d.accept.Unlock()
	b := &batch{d: d, sub: s, virtual: map[string]*virtual{}}
	for _, line := range lines {
		if err := b.check(line); err != nil {
			d.noteError(entryOf(s.queue.Name, 0, line.Text, err))
			return nil, nil, err
		}
	}
	if err := b.prepare(); err != nil {
		return nil, nil, err
	}
	if jobs, err = b.publish(); err != nil {
		return nil, nil, err
	}
	start = d.enqueue(s.queue, jobs)
	d.moves.wake()
	return jobs, start, nil
}

// parse splits lines into words; blank lines and comments fall away.
func (d *Device) parse(s *submission) ([]*command.Line, error) {
	var out []*command.Line
	for _, text := range s.lines {
		line, err := command.Parse(text)
		if err != nil {
			d.noteError(entryOf(s.queue.Name, 0, text, err))
			return nil, err
		}
		if !line.Empty() {
			out = append(out, line)
		}
	}
	return out, nil
}

// lockWithRoom takes the accept lock at a moment when the queue has room for
// n more jobs.
func (d *Device) lockWithRoom(ctx context.Context, s *submission, n int) error {
	q := s.queue
	for {
		d.accept.Lock()
		d.mu.Lock()
		removed, draining, room := q.removed, d.draining, q.room
		depth, full := q.depth, q.pending+n > q.depth
		d.mu.Unlock()
		switch {
		case removed:
			d.accept.Unlock()
			return fmt.Errorf("queue %s was removed: %w", q.Name, syscall.ENOENT)
		case draining:
			d.accept.Unlock()
			return d.refuse(s, syscall.EBUSY, "the device is draining", "echo resume > ctl ends that")
		case n > depth:
			d.accept.Unlock()
			return d.refuse(s, syscall.EINVAL, fmt.Sprintf("%d commands in one write, and the queue's depth is %d", n, depth), "write fewer at once, or raise depth")
		case !full:
			return nil
		}
		d.accept.Unlock()
		if s.nonblock {
			return syscall.EAGAIN
		}
		select {
		case <-room:
		case <-ctx.Done():
			return syscall.EINTR
		}
	}
}

func (d *Device) refuse(s *submission, errno syscall.Errno, msg, hint string) error {
	e := ErrorEntry{Queue: s.queue.Name, Errno: errno, Msg: msg, Hint: hint, Line: s.lines[0]}
	d.noteError(e)
	return fmt.Errorf("%s: %w", msg, errno)
}

// enqueue makes the jobs of a batch visible, in order, and returns those to start.
func (d *Device) enqueue(q *Queue, jobs []*Job) []*Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q.pending == 0 {
		d.rejoin(q)
	}
	for _, j := range jobs {
		d.link(j)
		d.jobs[j.ID] = j
		q.jobs = append(q.jobs, j)
		q.pending++
		q.accepted++
		if j.deps == 0 {
			q.ready = append(q.ready, j)
		}
	}
	d.retire(q)
	return d.schedule()
}

// batch checks the lines of one write against what the device holds and what
// the earlier lines of the same write will have made.
type batch struct {
	d       *Device
	sub     *submission
	virtual map[string]*virtual // by path: outputs of earlier lines
	drafts  []*draft
	marks   int // pages made for the marks of outputs
}

// virtual is a buffer as an earlier line of the batch will have left it.
type virtual struct {
	layout ndarray.Layout
	typed  bool // it has a header
	size   int64
}

// draft is a checked line that is not yet a job.
type draft struct {
	line    *command.Line
	call    *kernels.Call
	plan    *kernels.Plan
	limits  limits
	outs    []outDraft
	ins     []inDraft
	explain bool
	mode    mode
}

type inDraft struct {
	rel    string
	ref    *kernels.Ref
	layout ndarray.Layout
	file   int64 // bytes of the whole file that is there
}

type outDraft struct {
	inDraft
	size    int64
	header  []byte
	whole   bool            // every byte is written
	inPlace bool            // the inode that is there will do
	fresh   *alloc.Prepared // a new inode, not yet under its name
}

// check binds, resolves and plans one line.
func (b *batch) check(line *command.Line) error {
	dr := &draft{line: line}
	if line.Verb.Text == explainVerb {
		inner, err := innerLine(line)
		if err != nil {
			return err
		}
		dr.explain, line = true, inner
	}
	call, err := b.d.cfg.Registry.Bind(line)
	if err != nil {
		return err
	}
	dr.call = call
	if dr.limits, err = parseLimits(call); err != nil {
		return err
	}
	b.d.tuned(dr)
	for i := range call.In {
		if err := b.checkInput(dr, &call.In[i]); err != nil {
			return err
		}
	}
	for i := range call.Out {
		if err := b.findOutput(dr, &call.Out[i]); err != nil {
			return err
		}
	}
	if dr.plan, err = planCall(call); err != nil {
		return err
	}
	dr.limits.threads = fewer(dr.limits.threads, dr.plan.Threads)
	if light(dr.plan) {
		dr.limits.threads = 1
	}
	for i := range call.Out {
		if err := b.checkOutput(dr, i); err != nil {
			return err
		}
	}
	if err := b.checkMemory(dr); err != nil {
		return err
	}
	b.drafts = append(b.drafts, dr)
	return nil
}

// planCall has the kernel plan. Its panic is a refusal of this line, and
// nothing to the device.
func planCall(call *kernels.Call) (p *kernels.Plan, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failf(syscall.EIO, call.Line.Verb.Span, "a fault of the kernel's, not of the command", fmt.Sprintf("%s panicked: %v", call.Kernel.Name, v))
		}
	}()
	return call.Check()
}

// prepare makes the new inodes with their space and headers, and room for every
// output's mark, which publish needs. If something cannot be had, nothing is
// kept and nothing has changed.
func (b *batch) prepare() error {
	if n := b.outputs(); n > 0 {
		var err error
		if b.marks, err = b.d.store.ReserveMarks(n); err != nil {
			b.d.store.TrimMarks(b.marks)
			return b.d.refuse(b.sub, Errno(err), fmt.Sprintf("no memory to note what writes %d outputs: %v", n, err), "write fewer lines at once, or remove buffers")
		}
	}
	for _, dr := range b.drafts {
		if dr.explain {
			continue
		}
		for i := range dr.outs {
			o := &dr.outs[i]
			if o.inPlace {
				continue
			}
			if err := b.prepareOutput(dr, o); err != nil {
				err = b.noOutput(o, err)
				b.d.noteError(entryOf(b.sub.queue.Name, 0, dr.line.Text, err))
				return errors.Join(err, b.discard())
			}
		}
	}
	return nil
}

// outputs is how many buffers the batch marks.
func (b *batch) outputs() (n int) {
	for _, dr := range b.drafts {
		if !dr.explain {
			n += len(dr.outs)
		}
	}
	return n
}

// noOutput says why an output cannot be made: mostly there is no room.
func (b *batch) noOutput(o *outDraft, err error) *command.Error {
	e := b.d.refError(o.ref, err)
	switch e.Errno {
	case syscall.ENOSPC, syscall.ENOMEM:
		e.Msg, e.Hint = fmt.Sprintf("%s: no room for %d bytes: %v", o.ref.Path, o.size, err), "remove buffers, or mount with a larger --mem or --spill"
		if b.d.cfg.Store.Plain != "" {
			e.Hint = "make room on the disk"
		}
	}
	return e
}

func (b *batch) prepareOutput(dr *draft, o *outDraft) error {
	prepare := b.d.store.PrepareWhole // a new inode is written whole
	if dr.mode.streamed != nil {      // it would take the memory that its own job streams through
		prepare = b.d.store.PrepareSpilled
	}
	frees := b.d.freesSoFar()
	buf, err := prepare(o.rel, o.size)
	if errors.Is(err, syscall.ENOSPC) && b.d.lettingGo(frees) {
		buf, err = prepare(o.rel, o.size)
	}
	if err != nil {
		return err
	}
	o.fresh = buf
	if len(o.header) == 0 {
		return nil
	}
	_, err = buf.WriteAt(o.header, 0)
	return err
}

// discard drops the inodes that have not been given a name, and the room for
// marks.
func (b *batch) discard() (err error) {
	defer b.d.store.TrimMarks(b.marks)
	for _, dr := range b.drafts {
		for i := range dr.outs {
			if o := &dr.outs[i]; o.fresh != nil {
				err = errors.Join(err, o.fresh.Discard(o.rel))
				o.fresh = nil
			}
		}
	}
	return err
}

// publish puts the outputs under their names and makes the jobs. What can
// still fail here is a client removing a directory or an input since check:
// then the outputs published so far are left marked bad.
func (b *batch) publish() ([]*Job, error) {
	b.d.mu.Lock()
	first := b.d.lastID + 1
	b.d.lastID += uint64(len(b.drafts))
	b.d.mu.Unlock()
	jobs := make([]*Job, 0, len(b.drafts))
	for i, dr := range b.drafts {
		j := b.newJob(first+uint64(i), dr)
		jobs = append(jobs, j)
		if dr.explain {
			continue
		}
		if err := b.attach(j, dr); err != nil {
			b.d.noteError(entryOf(b.sub.queue.Name, 0, dr.line.Text, err))
			b.withdraw(jobs, err)
			return nil, errors.Join(err, b.discard())
		}
	}
	return jobs, nil
}

func (b *batch) newJob(id uint64, dr *draft) *Job {
	j := &Job{
		ID: id, Line: dr.line.Text, Verb: dr.line.Verb.Text, Owner: b.sub.cred, queue: b.sub.queue, call: dr.call, plan: dr.plan,
		limits: dr.limits, done: make(chan struct{}), queued: time.Now(), silent: b.sub.silent, cost: dr.plan.Cost,
		mode: dr.mode, explain: dr.mode.entries(dr.plan),
	}
	if dr.explain {
		j.cost = kernels.Cost{}
		j.plan, j.mode = b.d.explainPlan(dr), mode{}
		j.call = nil
	}
	return j
}

// attach gets hold of the job's buffers and marks its outputs.
func (b *batch) attach(j *Job, dr *draft) error {
	for i := range dr.ins {
		in := &dr.ins[i]
		buf, err := b.d.store.Get(in.rel)
		if err != nil {
			return b.d.refError(in.ref, err)
		}
		j.ops = append(j.ops, operand{buf: buf, name: in.ref.Path, layout: in.layout, reads: true})
		b.findSource(&j.ops[i], in.ref)
	}
	j.inputs = len(j.ops)
	for i := range dr.outs {
		o := &dr.outs[i]
		if err := b.place(j, o); err != nil {
			return b.d.refError(o.ref, err)
		}
	}
	return nil
}

// findSource notes who writes what an operand reads. It is asked here, before
// the job's own mark hides that of a writer, and again by link: a writer may
// end between the two, and must not be forgotten if it ended badly. One that
// ended badly since check has left its mark: then the job is one that fails, as
// it would have if it had been accepted a moment before.
func (b *batch) findSource(op *operand, ref *kernels.Ref) {
	b.d.mu.Lock()
	if h := b.d.hazards[op.buf]; h != nil {
		op.source = h.lastWriter()
	}
	b.d.mu.Unlock()
	if m, ok := op.buf.Mark(); ok && m.Bad() && op.source == nil {
		op.poison = badError(ref, m)
	}
}

// place marks an output as pending, gives it its name, and hands it, held, to
// the job.
func (b *batch) place(j *Job, o *outDraft) error {
	mark := alloc.Mark{State: alloc.Pending, Path: o.rel, Job: j.ID, Cmd: j.Line, Reason: "the job has not ended"}
	op := operand{name: o.ref.Path, layout: o.layout, reads: !o.whole, writes: true, whole: o.whole, header: o.header}
	if o.inPlace {
		return b.placeOld(j, o, op, mark)
	}
	if err := o.fresh.SetMark(mark); err != nil {
		return err // discard drops it
	}
	if err := o.fresh.Publish(b.sub.cred, o.rel, outputMode); err != nil {
		return err
	}
	op.buf, o.fresh = o.fresh.Buffer, nil
	b.d.hints.inherit(op.buf.Ino(), o.rel)
	j.ops = append(j.ops, op)
	return nil
}

// placeOld takes what is there as the output.
func (b *batch) placeOld(j *Job, o *outDraft, op operand, mark alloc.Mark) (err error) {
	if op.buf, err = b.d.store.Get(o.rel); err != nil {
		return err
	}
	if op.reads {
		b.findSource(&op, o.ref)
	}
	if err = op.buf.SetMark(mark); err != nil {
		op.buf.Release()
		return err
	}
	j.ops = append(j.ops, op)
	return nil
}

// outputMode are the permissions of a buffer that a job makes.
const outputMode = 0o644

// withdraw gives back what a batch that failed half way had taken.
func (b *batch) withdraw(jobs []*Job, why error) {
	for _, j := range jobs {
		for i := range j.ops {
			op := &j.ops[i]
			if op.writes {
				b.d.settle(j, op, "its command was refused: "+strings.TrimSpace(why.Error()))
			}
			op.buf.Release()
		}
	}
}
