package device

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	vecmove "vgpu/kernels/vec/move"
)

// execute runs a job's kernel on the pool. It leaves the job's outputs
// half-written if it fails; finish marks them.
func (d *Device) execute(j *Job) error {
	if err := j.checkSources(); err != nil {
		return err
	}
	ctx, stop := d.jobContext(j)
	defer stop()
	d.moves.beginning()
	if j.mode.streamed != nil {
		return kernelError(ctx, d.runStreamed(ctx, j))
	}
	ws, err := d.stage(ctx, j)
	if err != nil {
		return kernelError(ctx, err)
	}
	defer ws.close()
	x := &kernels.Exec{Ctx: ctx, Mem: ws.mem, In: ws.arrays[:j.inputs], Out: ws.arrays[j.inputs:]}
	err = d.compute(j, x, func() error {
		if err := copyOverlaps(x, ws.copies); err != nil {
			return err
		}
		return j.plan.Run(x)
	})
	if err == nil {
		err = ws.putBack(ctx, d, j)
	}
	return kernelError(ctx, err)
}

// compute runs a kernel's function on the pool, and keeps its answer.
func (d *Device) compute(j *Job, x *kernels.Exec, run func() error) error {
	opt := pool.Options{Priority: j.queue.Get(AttrPriority), Threads: j.limits.threads, Tag: j.ID, Here: light(j.plan)}
	err := d.pool.Run(x.Ctx, opt, func(w *pool.Worker) error {
		x.W = w
		return run()
	})
	if err == nil {
		d.mu.Lock()
		j.answer = x.AnswerText()
		d.mu.Unlock()
	}
	return err
}

// lightWork is how many operations and bytes take a core less time than
// handing the job to a worker and back.
const lightWork = 64 << 10

// light tells whether a job is best run where it was started. A plan that
// tells no cost may take long, unless it is for one worker.
func light(p *kernels.Plan) bool {
	work := p.Cost.Flops + p.Cost.Bytes
	return work <= lightWork && (work > 0 || p.Threads == 1)
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
		if op.poison != nil {
			return op.poison
		}
		if s := op.source; s != nil && s.state != Done { // it has ended: its state no longer changes
			return fmt.Errorf("%s is bad: job %d, which was to write it, %s: %w", op.name, s.ID, s.state, syscall.EIO)
		}
		op.source = nil
	}
	return nil
}

// copyOverlaps gives the kernel copies of the inputs that share bytes with an
// output, in scratch memory that the plan has counted. It runs on the pool, as
// the kernel: a large input takes as long as many a kernel.
func copyOverlaps(x *kernels.Exec, list []int) error {
	for _, i := range list {
		in := x.In[i]
		dst := ndarray.Array{Layout: ndarray.NewLayout(in.DType, in.Shape...), Data: x.Mem.Alloc(in.Bytes())}
		if err := vecmove.Copy(x.W, dst, in); err != nil {
			return err
		}
		x.In[i] = dst
	}
	return nil
}
