package device

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// execute runs a job's kernel on the pool. It leaves the job's outputs
// half-written if it fails; finish marks them.
func (d *Device) execute(j *Job) error {
	if err := j.checkSources(); err != nil {
		return err
	}
	ctx, stop := d.jobContext(j)
	defer stop()
	maps, err := j.mapOperands()
	defer closeMappings(maps)
	if err != nil {
		return err
	}
	x := &kernels.Exec{Ctx: ctx}
	if err := j.bindArrays(x, maps); err != nil {
		return err
	}
	copies := j.overlapping(x)
	scratch := j.plan.Cost.Scratch
	for _, i := range copies {
		scratch += int64(x.In[i].Bytes()) + 64
	}
	mem, err := d.scratch(scratch)
	if err != nil {
		return err
	}
	defer mem.close()
	x.Mem = mem
	err = d.pool.Run(ctx, pool.Options{Priority: j.queue.Get(AttrPriority), Threads: j.limits.threads, Tag: j.ID}, func(w *pool.Worker) error {
		x.W = w
		if err := copyOverlaps(x, copies); err != nil {
			return err
		}
		return j.plan.Run(x)
	})
	if err == nil {
		d.mu.Lock()
		j.answer = x.AnswerText()
		d.mu.Unlock()
	}
	return kernelError(ctx, err)
}

// kernelError tells a stop from outside, a panic and a kernel's own error apart.
func kernelError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var end *endError
	if cause := context.Cause(ctx); errors.As(cause, &end) {
		return end
	}
	var p *pool.PanicError
	if errors.As(err, &p) {
		if e, ok := p.Value.(error); ok && errors.Is(e, syscall.ENOMEM) {
			return fmt.Errorf("the kernel asked for more scratch than it had planned: %w", e)
		}
		return fmt.Errorf("the kernel panicked: %v: %w", p.Value, syscall.EIO)
	}
	return err
}

// jobContext is cancelled by Cancel and by the job's time limit.
func (d *Device) jobContext(j *Job) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	d.mu.Lock()
	j.cancel = cancel
	if j.ending != 0 { // cancelled between its start and here
		cancel(&endError{j.ending, j.endReason})
	}
	d.mu.Unlock()
	if j.limits.timeout <= 0 {
		return ctx, func() { cancel(nil) }
	}
	timer := time.AfterFunc(j.limits.timeout, func() {
		d.mu.Lock()
		after := d.cancelLocked(j, syscall.ETIMEDOUT, fmt.Sprintf("ran longer than timeout=%g", j.limits.timeout.Seconds()))
		d.mu.Unlock()
		after()
	})
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// checkSources fails if a job that was to write an input did not end done.
func (j *Job) checkSources() error {
	for i := range j.ops {
		op := &j.ops[i]
		if s := op.source; s != nil && s.state != Done { // it has ended: its state no longer changes
			return fmt.Errorf("%s is bad: job %d, which was to write it, %s: %w", op.name, s.ID, s.state, syscall.EIO)
		}
		op.source = nil
	}
	return nil
}

func (j *Job) mapOperands() ([]*alloc.Mapping, error) {
	maps := make([]*alloc.Mapping, 0, len(j.ops))
	for i := range j.ops {
		op := &j.ops[i]
		m, err := op.buf.Map()
		if err != nil {
			return maps, fmt.Errorf("%s: %w", op.name, err)
		}
		maps = append(maps, m)
	}
	return maps, nil
}

func closeMappings(maps []*alloc.Mapping) {
	for _, m := range maps {
		m.Close()
	}
}

// bindArrays puts the layouts seen at acceptance over the mapped bytes. A
// client may have changed a buffer's size since.
func (j *Job) bindArrays(x *kernels.Exec, maps []*alloc.Mapping) error {
	for i := range j.ops {
		a := ndarray.Array{Layout: j.ops[i].layout, Data: maps[i].Data}
		if err := a.Check(); err != nil {
			return fmt.Errorf("%s %w: %w", j.ops[i].name, errShapeChanged, err)
		}
		if i < j.inputs {
			x.In = append(x.In, a)
		} else {
			x.Out = append(x.Out, a)
		}
	}
	return nil
}

// overlapping lists the inputs of which the kernel must get a copy, because
// they share bytes with an output in a way it does not allow for.
func (j *Job) overlapping(x *kernels.Exec) []int {
	var out []int
	for i, in := range x.In {
		for k, o := range x.Out {
			if j.ops[i].buf != j.ops[j.inputs+k].buf || !ndarray.Overlaps(in, o) {
				continue
			}
			if !j.plan.Alias || !ndarray.SameLayout(in.Layout, o.Layout) {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

func copyOverlaps(x *kernels.Exec, list []int) error {
	for _, i := range list {
		in := x.In[i]
		dst := ndarray.Array{Layout: ndarray.NewLayout(in.DType, in.Shape...), Data: x.Mem.Alloc(in.Bytes())}
		if err := ndarray.Convert(dst, in); err != nil {
			return err
		}
		x.In[i] = dst
	}
	return nil
}
