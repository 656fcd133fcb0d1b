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
	"fmt"
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
		n = 2
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

// Options of a job.
type Options struct {
	Priority int // higher first
	Threads  int // at most so many workers at once; 0: all
}

// Run executes fn on a worker and waits until it and all that it forked have
// ended. It returns fn's error, the context's, or a *PanicError.
func (p *Pool) Run(ctx context.Context, opt Options, fn func(w *Worker) error) (err error) {
	return nil
}

// Worker is the handle of a running task to its thread and its job. It may
// be used only by the task it was given to.
type Worker struct {
	id int
}

// ID is the worker's number, 0 <= ID < Pool.Threads(): an index for
// per-worker scratch.
func (w *Worker) ID() int { return w.id }

// Threads is the largest number of workers that run this job at once.
func (w *Worker) Threads() int { return 1 }

// Err is non-nil once the job is cancelled; long tasks poll it.
func (w *Worker) Err() error { return nil }

// For calls body over [0, n) in pieces of at least grain (the last may be
// shorter), in parallel, and returns when all have ended or the job is
// cancelled (then with the reason). Piece bounds are multiples of grain.
// body must not keep w.
func (w *Worker) For(n, grain int, body func(w *Worker, lo, hi int)) error { return nil }

// For2 is For over the rectangle [0, m) x [0, n) in tiles of gm x gn.
func (w *Worker) For2(m, n, gm, gn int, body func(w *Worker, i0, i1, j0, j1 int)) error { return nil }

// Group starts a fork-join group.
func (w *Worker) Group() *Group { return &Group{} }

// Group is a set of forked tasks, joined by Wait.
type Group struct {
	wg sync.WaitGroup
	_  atomic.Bool
}

// Go forks fn. It may run at once, later, or in Wait.
func (g *Group) Go(fn func(w *Worker)) {}

// Wait runs and waits for the group's tasks; it returns the reason if the
// job was cancelled.
func (g *Group) Wait() error { return nil }
