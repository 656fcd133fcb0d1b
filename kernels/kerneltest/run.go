// Package kerneltest runs kernels in tests, without a device.
//
// [Run] does what a device does with a command line, on arrays that the test
// made: it binds the line, plans, makes room for the outputs, and runs on a
// pool. On the way it watches over what every kernel promises: inputs are not
// written, nothing is written beside an output, scratch memory stays within
// the plan's Cost.Scratch, the bits do not depend on the number of threads,
// and an element that is not written shows (outputs and scratch memory begin
// as a pattern that is a NaN in every float type).
package kerneltest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// Option changes how a line is run.
type Option func(*config)

type config struct {
	threads []int
	ctx     context.Context
}

// Threads runs the line once for each number of threads (default: 2) and
// demands the same bits from all.
func Threads(n ...int) Option { return func(c *config) { c.threads = n } }

// Context runs under ctx, to test cancellation.
func Context(ctx context.Context) Option { return func(c *config) { c.ctx = ctx } }

// Run executes a line. Operands are looked up in the map by their path; an
// output whose path is there exists already. Files of raw bytes
// (PATH:DTYPE[:SHAPE]) take the Data of the entry as it is.
//
// out holds the outputs by path: new arrays, in C order; of an existing one
// that is read, or written in part (by a slice), a changed copy. The operands
// themselves are left alone. err is what the device would refuse or
// fail the job with.
func Run(t testing.TB, ks []*kernels.Kernel, line string, operands map[string]ndarray.Array, opts ...Option) (out map[string]ndarray.Array, answer string, err error) {
	t.Helper()
	cfg := config{threads: []int{2}, ctx: t.Context()}
	for _, o := range opts {
		o(&cfg)
	}
	for i, n := range cfg.threads {
		j, err := Prepare(t, ks, line, operands)
		if err != nil {
			return nil, "", err
		}
		if err := j.Run(cfg.ctx, n); err != nil {
			return nil, "", err
		}
		j.check()
		if i > 0 {
			sameBits(t, line, out, j.Outputs, answer, j.Answer, cfg.threads[i-1:i+1])
		}
		out, answer = j.Outputs, j.Answer
	}
	return out, answer, nil
}

// Job is a line that is ready to run.
type Job struct {
	Call *kernels.Call
	Plan *kernels.Plan
	In   []ndarray.Array
	Out  []ndarray.Array
	// Outputs are the whole outputs by path, of which Out may be views.
	Outputs map[string]ndarray.Array
	Answer  string // once it has run

	t      testing.TB
	ran    bool
	before [][]byte // the inputs' bytes as they were
	rooms  []*room
}

// Prepare binds and plans a line and makes room for its outputs. A benchmark
// prepares once and runs often: each run after the first plans anew, as a plan
// runs once.
func Prepare(t testing.TB, ks []*kernels.Kernel, line string, operands map[string]ndarray.Array) (*Job, error) {
	t.Helper()
	l, err := command.Parse(line)
	if err != nil {
		return nil, err
	}
	c, err := kernels.NewRegistry(ks).Bind(l)
	if err != nil {
		return nil, err
	}
	j := &Job{t: t, Call: c, Outputs: map[string]ndarray.Array{}}
	if err := j.resolve(operands); err != nil {
		return nil, err
	}
	if j.Plan, err = c.Check(); err != nil {
		return nil, err
	}
	return j, j.allocate(operands)
}

// resolve finds the operands and fills in their layouts.
func (j *Job) resolve(operands map[string]ndarray.Array) error {
	for i := range j.Call.In {
		in := &j.Call.In[i]
		a, ok := operands[in.Path]
		if !ok {
			e := in.Errorf("no operand %s", in.Path)
			e.Errno = syscall.ENOENT
			return e
		}
		a, err := open(&in.Ref, a)
		if err != nil {
			return err
		}
		in.Layout = a.Layout
		j.In = append(j.In, a)
		j.before = append(j.before, bytes.Clone(a.Data))
	}
	for i := range j.Call.Out {
		o := &j.Call.Out[i]
		a, ok := operands[o.Path]
		if o.Exists = ok; !ok {
			continue
		}
		a, err := open(&o.Ref, a)
		if err != nil && o.Slice != nil {
			return err
		}
		o.Layout = a.Layout
	}
	return nil
}

// open applies the type and the slice of a reference.
func open(r *kernels.Ref, a ndarray.Array) (ndarray.Array, error) {
	if r.DType != ndarray.Invalid {
		shape := r.Shape
		if shape == nil {
			shape = []int{len(a.Data) / r.DType.Size()}
		}
		a.Layout = ndarray.NewLayout(r.DType, shape...)
	}
	if err := a.Check(); err != nil {
		return a, r.Errorf("%s: %v", r.Path, err)
	}
	if r.Slice != nil {
		l, err := a.Layout.Slice(r.Slice)
		if err != nil {
			return a, r.Errorf("%v", err)
		}
		a.Layout = l
	}
	return a, nil
}

// allocate makes the outputs: new ones, or copies of those that are read or
// written in part.
func (j *Job) allocate(operands map[string]ndarray.Array) error {
	for i, spec := range j.Plan.Out {
		o := &j.Call.Out[i]
		if o.Slice == nil && !spec.Reads {
			a := j.newArray(spec.DType, spec.Shape)
			j.Out, j.Outputs[o.Path] = append(j.Out, a), a
			continue
		}
		old := operands[o.Path]
		whole := ndarray.Array{Layout: old.Layout, Data: j.room(len(old.Data))}
		copy(whole.Data, old.Data)
		part, err := open(&o.Ref, whole)
		if err != nil {
			return err
		}
		j.Out, j.Outputs[o.Path] = append(j.Out, part), whole
	}
	return nil
}

// newArray is an output that did not exist, in C order.
func (j *Job) newArray(d ndarray.DType, shape []int) ndarray.Array {
	l := ndarray.NewLayout(d, shape...)
	return ndarray.Array{Layout: l, Data: j.room(l.Bytes())}
}

// room is guarded memory that check looks after.
func (j *Job) room(n int) []byte {
	r := newRoom(n)
	j.rooms = append(j.rooms, r)
	return r.data()
}

// Run computes, on a pool of so many threads.
func (j *Job) Run(ctx context.Context, threads int) error {
	p, err := sharedPool(threads)
	if err != nil {
		return err
	}
	return j.RunOn(ctx, p)
}

// pools are kept for the life of the test binary, one a number of threads:
// making one costs milliseconds, and a comparison runs thousands of lines.
var pools struct {
	sync.Mutex
	of map[int]*pool.Pool
}

func sharedPool(threads int) (*pool.Pool, error) {
	pools.Lock()
	defer pools.Unlock()
	if p := pools.of[threads]; p != nil {
		return p, nil
	}
	p, err := pool.New(pool.Config{Threads: threads})
	if err != nil {
		return nil, err
	}
	if pools.of == nil {
		pools.of = map[int]*pool.Pool{}
	}
	pools.of[threads] = p
	return p, nil
}

// RunOn computes on a pool that is there already.
func (j *Job) RunOn(ctx context.Context, p *pool.Pool) (err error) {
	if j.ran {
		if j.Plan, err = j.Call.Check(); err != nil {
			return err
		}
	}
	j.ran = true
	mem := &memory{t: j.t, limit: j.Plan.Cost.Scratch}
	x := &kernels.Exec{Ctx: ctx, In: j.In, Out: j.Out, Mem: mem}
	err = p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		x.W = w
		return j.Plan.Run(x)
	})
	j.Answer = x.AnswerText()
	mem.check(j.Call.Kernel.Name)
	return err
}

// check looks for writes where there should be none.
func (j *Job) check() {
	j.t.Helper()
	for i, a := range j.In {
		if !bytes.Equal(a.Data, j.before[i]) {
			j.t.Errorf("%s: the kernel wrote to its input %s", j.Call.Line.Text, j.Call.In[i].Path)
		}
	}
	for _, r := range j.rooms {
		if !r.intact() {
			j.t.Errorf("%s: the kernel wrote beside its output", j.Call.Line.Text)
		}
	}
	if j.Answer == "" && len(j.Out) == 0 {
		j.t.Errorf("%s: neither output nor answer", j.Call.Line.Text)
	}
}

// sameBits compares two runs of a line (DESIGN section 1, guarantee 2).
func sameBits(t testing.TB, line string, a, b map[string]ndarray.Array, answerA, answerB string, threads []int) {
	t.Helper()
	var diff []string
	for path := range a {
		if !bytes.Equal(a[path].Data, b[path].Data) {
			diff = append(diff, path)
		}
	}
	if answerA != answerB {
		diff = append(diff, fmt.Sprintf("the answer (%q, %q)", answerA, answerB))
	}
	if slices.Sort(diff); len(diff) > 0 {
		t.Errorf("%s: %s differ between %d and %d threads", line, strings.Join(diff, ", "), threads[0], threads[1])
	}
}
