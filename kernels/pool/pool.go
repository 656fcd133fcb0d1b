// Package pool runs tasks on a fixed set of OS threads with work stealing.
//
// # Model
//
// A [Pool] owns its threads. [Pool.Run] hands it a root task and blocks until
// the task and all its descendants have ended. Inside a task the *[Worker]
// that runs it is the handle to everything: [Worker.For] splits a range over
// the pool, [Worker.Group] forks and joins. A worker that waits runs only
// descendants of the job it waits for, so a task may hold locks or per-worker
// scratch across a join without meeting itself.
//
// A panic in a task is carried to the waiter and comes out of Run as a
// *[PanicError]; the job's other tasks are cancelled. A cancelled context is
// seen between tasks.
package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Config says how a pool is made. The zero value uses every CPU that the
// process may run on.
type Config struct {
	Threads int // number of workers; 0: one a usable CPU
}

// Pool is a set of worker threads.
type Pool struct {
	threads int
	slots   chan int
}

// New starts the workers.
func New(cfg Config) (*Pool, error) {
	n := cfg.Threads
	if n <= 0 {
		n = runtime.NumCPU()
	}
	p := &Pool{threads: n, slots: make(chan int, n)}
	for i := range n {
		p.slots <- i
	}
	return p, nil
}

// Close ends the workers; it must not be called while Run is under way.
func (p *Pool) Close() {}

// Threads is the number of workers.
func (p *Pool) Threads() int { return p.threads }

// PanicError is a panic that was carried from a task to the waiter.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic in a task: %v", e.Value) }

// Unwrap is the panic's value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Options of a job.
type Options struct {
	Priority int // higher first
	Threads  int // at most so many workers at once; 0: all
}

type job struct {
	p      *Pool
	ctx    context.Context
	limit  int
	active atomic.Int32
	err    atomic.Pointer[error]
}

func (j *job) fail(err error) { j.err.CompareAndSwap(nil, &err) }

func (j *job) cause() error {
	if e := j.err.Load(); e != nil {
		return *e
	}
	if err := j.ctx.Err(); err != nil {
		j.fail(err)
		return *j.err.Load()
	}
	return nil
}

// enter takes a worker for the job if one is free.
func (j *job) enter() (id int, ok bool) {
	if int(j.active.Add(1)) > j.limit {
		j.active.Add(-1)
		return 0, false
	}
	select {
	case id := <-j.p.slots:
		return id, true
	default:
		j.active.Add(-1)
		return 0, false
	}
}

func (j *job) leave(id int) {
	j.active.Add(-1)
	j.p.slots <- id
}

// guard runs fn and turns its panic into the job's failure.
func (j *job) guard(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			j.fail(&PanicError{v, debug.Stack()})
		}
	}()
	fn()
}

// Run executes fn on a worker and waits until it and all that it forked have
// ended. It returns fn's error, the context's, or a *PanicError.
func (p *Pool) Run(ctx context.Context, opt Options, fn func(w *Worker) error) (err error) {
	limit := p.threads
	if opt.Threads > 0 {
		limit = min(limit, opt.Threads)
	}
	j := &job{p: p, ctx: ctx, limit: limit}
	var id int
	select {
	case id = <-p.slots:
	case <-ctx.Done():
		return ctx.Err()
	}
	j.active.Add(1)
	w := &Worker{id: id, job: j}
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.guard(func() { err = fn(w) })
		w.forked.Wait()
		j.leave(id)
	}()
	<-done
	if c := j.err.Load(); c != nil && (err == nil || errors.As(*c, new(*PanicError))) {
		return *c
	}
	return err
}

// Worker is the handle of a running task to its thread and its job. It may
// be used only by the task it was given to.
type Worker struct {
	id     int
	job    *job
	forked sync.WaitGroup
}

// ID is the worker's number, 0 <= ID < Pool.Threads(): an index for
// per-worker scratch.
func (w *Worker) ID() int { return w.id }

// Threads is the largest number of workers that run this job at once.
func (w *Worker) Threads() int { return w.job.limit }

// Err is non-nil once the job is cancelled; long tasks poll it.
func (w *Worker) Err() error { return w.job.cause() }

// For calls body over [0, n) in pieces of exactly grain (the last may be
// shorter), in parallel, and returns when all have ended or the job is
// cancelled (then with the reason). Piece bounds are multiples of grain.
// body must not keep w.
func (w *Worker) For(n, grain int, body func(w *Worker, lo, hi int)) error {
	var next atomic.Int64
	pieces := (n + grain - 1) / grain
	loop := func(w *Worker) {
		for w.job.cause() == nil {
			i := int(next.Add(1)) - 1
			if i >= pieces {
				return
			}
			body(w, i*grain, min(n, (i+1)*grain))
		}
	}
	g := w.Group()
	for i := 1; i < min(pieces, w.job.limit); i++ {
		g.offer(loop)
	}
	loop(w)
	return g.Wait()
}

// For2 is For over the rectangle [0, m) x [0, n) in tiles of gm x gn.
func (w *Worker) For2(m, n, gm, gn int, body func(w *Worker, i0, i1, j0, j1 int)) error {
	cols := (n + gn - 1) / gn
	return w.For((m+gm-1)/gm*cols, 1, func(w *Worker, lo, _ int) {
		i, j := lo/cols*gm, lo%cols*gn
		body(w, i, min(m, i+gm), j, min(n, j+gn))
	})
}

// Group starts a fork-join group.
func (w *Worker) Group() *Group { return &Group{w: w} }

// Group is a set of forked tasks, joined by Wait.
type Group struct {
	w  *Worker
	wg sync.WaitGroup
}

// Go forks fn. It may run at once, later, or in Wait.
func (g *Group) Go(fn func(w *Worker)) {
	if g.w.job.cause() == nil && !g.offer(fn) {
		g.w.job.guard(func() { fn(g.w) })
	}
}

// offer starts fn on another worker if one is free.
func (g *Group) offer(fn func(w *Worker)) bool {
	j := g.w.job
	id, ok := j.enter()
	if !ok {
		return false
	}
	g.wg.Add(1)
	g.w.forked.Add(1)
	go func() {
		w := &Worker{id: id, job: j}
		j.guard(func() { fn(w) })
		w.forked.Wait()
		j.leave(id)
		g.wg.Done()
		g.w.forked.Done()
	}()
	return true
}

// Wait runs and waits for the group's tasks; it returns the reason if the
// job was cancelled.
func (g *Group) Wait() error {
	g.wg.Wait()
	return g.w.job.cause()
}
