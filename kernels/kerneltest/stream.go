package kerneltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
)

// headBytes lie before the elements of a new output, as a header does that the
// plan does not know of.
const headBytes = 128

// maxFaults bounds how many of a run's transfers are made to fail, one a run.
const maxFaults = 4

var errFault = errors.New("a fault of the blob")

// Stream runs a line in core and streamed, and demands what [kernels.Streamed]
// promises: the same bits for every bound on memory, on one thread and on two;
// no byte read or written but the operands'; no more memory and temporary space
// than it says, and no more bytes moved; nothing under way when it is over. With
// the least memory it is also run with transfers that fail, and cancelled half
// way: both must come out as its error.
//
// mems are the bounds in bytes. None stands for a few, from the least that the
// plan takes to one that holds everything.
func Stream(t testing.TB, ks []*kernels.Kernel, line string, operands map[string]ndarray.Array, mems ...int64) {
	t.Helper()
	want, answer, err := Run(t, ks, line, operands)
	if err != nil {
		t.Errorf("%s: in core: %v", line, err)
		return
	}
	c := &streamCase{t: t, ks: ks, line: line, operands: operands, want: want, answer: answer}
	least, ok := c.least()
	if !ok {
		return
	}
	if len(mems) == 0 {
		mems = []int64{least, least + least/3, 5 * least, 64<<20 + 8*least}
	}
	for i, mem := range mems {
		c.mem = max(mem, least)
		c.threads = 1 + i%2
		n, ok := c.compare()
		if ok && i == 0 {
			c.faults(n)
		}
		if t.Failed() {
			return
		}
	}
}

// streamCase is a line on its way through [Stream].
type streamCase struct {
	t        testing.TB
	ks       []*kernels.Kernel
	line     string
	operands map[string]ndarray.Array
	want     map[string]ndarray.Array
	answer   string
	mem      int64
	threads  int
}

// least is the least memory that the plan takes.
func (c *streamCase) least() (int64, bool) {
	c.t.Helper()
	j, err := Prepare(c.t, c.ks, c.line, c.operands)
	if err != nil {
		c.t.Errorf("%s: %v", c.line, err)
		return 0, false
	}
	if j.Plan.Stream == nil {
		c.t.Errorf("%s: the plan cannot be streamed", c.line)
		return 0, false
	}
	_, err = j.Plan.Stream(0)
	if err == nil {
		return 0, true // there is nothing to move
	}
	var short *stream.NoMemError
	if !errors.As(err, &short) || !errors.Is(err, syscall.ENOMEM) {
		c.t.Errorf("%s: streamed without memory: %v, want a *stream.NoMemError", c.line, err)
		return 0, false
	}
	if _, err := j.Plan.Stream(short.Least); err != nil {
		c.t.Errorf("%s: streamed with the least memory, %d: %v", c.line, short.Least, err)
		return 0, false
	}
	return short.Least, true
}

// compare runs without faults; it tells the number of transfers.
func (c *streamCase) compare() (transfers int, ok bool) {
	c.t.Helper()
	r, err := c.run(func(*Disk, context.CancelFunc) {})
	if err != nil {
		c.errorf("%v", err)
		return 0, false
	}
	for i := range r.job.Call.Out {
		path := r.job.Call.Out[i].Path
		if got, want := r.dst[i].data[r.head(i):], c.want[path].Data; !bytes.Equal(got, want) {
			c.errorf("%s differs from what is computed in core, first at byte %d of %d", path, differ(got, want), len(want))
			return 0, false
		}
	}
	if !tellsPasses(r.job.Plan.Explain) && !tellsPasses(r.plan.Explain) {
		c.errorf("explain does not tell the passes: %v", r.plan.Explain)
	}
	if got := r.exec.AnswerText(); got != c.answer {
		c.errorf("the answer is %q, and in core %q", got, c.answer)
	}
	moved, told := float64(r.disk.Moved()), r.plan.Moved
	if moved > 1.1*told+headBytes {
		c.errorf("%g bytes were moved, and the plan has %g", moved, told)
	}
	return r.disk.Started(), !c.t.Failed()
}

// tellsPasses reports whether a plan says how often it goes over its arrays: in
// all, pass by pass, or operand by operand.
func tellsPasses(list []kernels.Entry) bool {
	return slices.ContainsFunc(list, func(e kernels.Entry) bool {
		return strings.HasPrefix(e.Term, "pass") || strings.HasPrefix(e.Term, "reads_")
	})
}

// differ is the first byte that differs.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// faults makes some of n transfers fail, and cancels at some: at each of them both,
// or with -short one, in turn, and which is first differs between lines.
func (c *streamCase) faults(n int) {
	c.t.Helper()
	step := max(1, n/maxFaults)
	for at, turn := 1, n; at <= n && !c.t.Failed(); at, turn = at+step, turn+1 {
		both := !testing.Short() || n < maxFaults
		if both || turn%2 == 0 {
			c.fails(at, n)
		}
		if both || turn%2 == 1 {
			c.isCancelled(at, n)
		}
	}
}

// fails runs with a transfer of n that fails.
func (c *streamCase) fails(at, n int) {
	c.t.Helper()
	_, err := c.run(func(d *Disk, _ context.CancelFunc) { d.FailAt, d.Fault = at, errFault })
	if !errors.Is(err, errFault) {
		c.errorf("transfer %d of %d failed, and the run gave %v", at, n, err)
	}
}

// isCancelled runs until it is cancelled, at a transfer of n.
func (c *streamCase) isCancelled(at, n int) {
	c.t.Helper()
	_, err := c.run(func(d *Disk, cancel context.CancelFunc) {
		d.OnStart = func(i int) {
			if i == at {
				cancel()
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		c.errorf("it was cancelled at transfer %d of %d, and gave %v", at, n, err)
	}
}

func (c *streamCase) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s: streamed with %d bytes on %d threads: %s", c.line, c.mem, c.threads, fmt.Sprintf(format, args...))
}

// streamRun is one streamed run.
type streamRun struct {
	job  *Job
	plan *kernels.Streamed
	exec *kernels.Exec
	disk *Disk
	dst  []*Blob
	temp int64
}

// run plans, stores the operands and runs; prepare arms the disk.
func (c *streamCase) run(prepare func(d *Disk, cancel context.CancelFunc)) (*streamRun, error) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	j, err := Prepare(c.t, c.ks, c.line, c.operands)
	if err != nil {
		return nil, err
	}
	r := &streamRun{job: j, disk: NewDisk(c.t)}
	if r.plan, err = j.Plan.Stream(c.mem); err != nil {
		return nil, err
	}
	if r.plan.Mem > c.mem {
		c.errorf("the plan takes %d bytes", r.plan.Mem)
	}
	mem := &memory{t: c.t, limit: r.plan.Mem}
	r.exec = &kernels.Exec{Ctx: ctx, Mem: mem, Temp: r.newTemp}
	r.store()
	prepare(r.disk, cancel)
	p, err := sharedPool(c.threads)
	if err != nil {
		return nil, err
	}
	err = p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		r.exec.W = w
		return r.plan.Run(r.exec)
	})
	mem.check(c.line)
	r.disk.Quiet()
	if r.temp > r.plan.Temp {
		c.errorf("%d bytes of temporary space were taken, the plan has %d", r.temp, r.plan.Temp)
	}
	return r, err
}

// newTemp implements Exec.Temp.
func (r *streamRun) newTemp(n int64) (kernels.Blob, error) {
	r.temp += n
	return r.disk.Blob(bytes.Repeat([]byte{poison}, int(n)), 0, int(n)), nil
}

// store puts the operands on the disk. An output that may share memory with an
// input, and is the same part of the same file, does; any other input lies
// elsewhere than planned, as what the device sets aside does.
func (r *streamRun) store() {
	for i, a := range r.job.Out {
		s := r.stored(a, r.head(i))
		r.exec.Dst = append(r.exec.Dst, s)
		r.dst = append(r.dst, s.Blob.(*Blob))
	}
	for i, a := range r.job.In {
		s := r.stored(a, headBytes)
		for k, out := range r.job.Out {
			if r.job.Plan.Alias && r.head(k) == 0 && r.job.Call.In[i].Path == r.job.Call.Out[k].Path && ndarray.SameLayout(a.Layout, out.Layout) {
				r.dst[k].inPlace = true
				s = kernels.Stored{Blob: r.dst[k], Layout: a.Layout}
			}
		}
		r.exec.Src = append(r.exec.Src, s)
	}
}

// head is the bytes before output i: what exists and is read, or written in
// part, is as it was planned.
func (r *streamRun) head(i int) int {
	if o := &r.job.Call.Out[i]; o.Exists && (o.Slice != nil || r.job.Plan.Out[i].Reads) {
		return 0
	}
	return headBytes
}

// stored is an array on the disk, behind a header.
func (r *streamRun) stored(a ndarray.Array, head int) kernels.Stored {
	l := a.Layout
	l.Offset += head
	lo, hi := l.Extent()
	data := append(bytes.Repeat([]byte{poison}, head), a.Data...)
	return kernels.Stored{Blob: r.disk.Blob(data, lo, hi), Layout: l}
}
