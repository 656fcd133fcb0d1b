package pool

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// How long Run polls before its goroutine sleeps, which costs about as much to
// undo: for a sleeping worker to begin, and then for a short job to end.
const (
	beginSpin = 60 * time.Microsecond
	endSpin   = 10 * time.Microsecond
)

// noRoot is the priority of an empty queue, below all others.
const noRoot = math.MinInt64

// PanicError is a panic that was carried from a task to the waiter.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the task, as debug.Stack formats it
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic in a task: %v", e.Value) }

// Unwrap is the panic's value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var errGoexit = errors.New("runtime.Goexit was called")

// caught makes a PanicError of what recover returned. A task that left by
// runtime.Goexit (as testing.T.FailNow does) recovers nothing.
func caught(v any) *PanicError {
	if v == nil {
		v = errGoexit
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// Options of a job.
type Options struct {
	Priority int    // higher first
	Threads  int    // at most so many workers at once; 0: all
	Tag      uint64 // the caller's number for the job, kept in the trace
	// Here runs the job on the calling goroutine, beside the workers and
	// without waiting for one, and its forks in place: for jobs that take less
	// than it takes to hand them over, some 50 µs. It then counts as one
	// worker, whatever Threads says.
	Here bool
}

// job is one call of Run.
type job struct {
	p        *Pool
	ctx      context.Context
	priority int64
	tag      uint64
	limit    int32
	root     *Worker
	err      error // of fn; set before done is closed
	finished atomic.Bool
	done     chan struct{}

	seq   uint64 // order of arrival; guarded by rootQueue.mu
	index int    // in the queue's heap, -1 once taken; guarded by rootQueue.mu

	failed  atomic.Pointer[error] // why it was cancelled: the first reason
	active  atomic.Int32          // workers that are in it
	taken   []atomic.Uint64       // their numbers, a bit each
	word    [1]atomic.Uint64      // taken, if one word is enough
	waiting atomic.Int32          // of these, asleep in a join
	blocked atomic.Bool           // the caller sleeps
}

// Run executes fn on a worker and waits until it and all that it forked have
// ended. It returns fn's error, the context's, or a *PanicError. A nil from
// fn does not hide that the job was cancelled and part of it left out.
//
// Roots start by priority, then in order of arrival; a cancelled one that has
// not started returns at once. Run blocks the calling goroutine (not its
// thread) and must not be called by a task of the same pool, which would wait
// for a worker while it holds one: it panics. Fork with [Worker.Group] instead.
func (p *Pool) Run(ctx context.Context, opt Options, fn func(w *Worker) error) error {
	p.refuseWorkers("Run")
	if err := ctx.Err(); err != nil {
		return err
	}
	p.procs.Store(int32(runtime.GOMAXPROCS(0)))
	j := &job{
		p: p, ctx: ctx, tag: opt.Tag, limit: int32(len(p.threads)),
		priority: max(int64(opt.Priority), noRoot+1),
		done:     make(chan struct{}),
	}
	if opt.Threads > 0 {
		j.limit = min(j.limit, int32(min(opt.Threads, maxThreads)))
	}
	j.taken = j.word[:]
	if j.limit > 64 {
		j.taken = make([]atomic.Uint64, (j.limit+63)/64)
	}
	j.root = &Worker{job: j, fn: func(w *Worker) { j.err = fn(w) }}
	if opt.Here {
		return p.runHere(j)
	}
	if !p.roots.put(j) {
		return ErrClosed
	}
	if p.parked.Load() > 0 && p.searching.Load() < p.roots.size.Load() {
		p.wakeOne(p.threads[0].near)
	}
	return j.await()
}

// refuseWorkers panics if the caller is a task of this pool.
func (p *Pool) refuseWorkers(what string) {
	runtime.LockOSThread() // or else a worker that starts anew, after a task's Goexit, may get this thread before we compare
	defer runtime.UnlockOSThread()
	tid := int32(unix.Gettid())
	for _, t := range p.threads {
		if t.tid.Load() == tid {
			panic("pool: " + what + " called by a task of the same pool; fork with Worker.Group or Worker.For")
		}
	}
}

// await blocks until the job has ended, or was cancelled before it began.
func (j *job) await() error {
	if !j.poll() {
		j.blocked.Store(true)
		select {
		case <-j.done:
		case <-j.ctx.Done():
			if j.p.roots.remove(j) {
				return j.ctx.Err()
			}
			<-j.done
		}
	}
	return j.result()
}

// result is what Run returns of a job that has ended. A panic anywhere goes
// before fn's own error, which may be its consequence; that goes before the
// reason of a cancellation.
func (j *job) result() error {
	failed := j.failed.Load()
	var pe *PanicError
	if failed != nil && (j.err == nil || errors.As(*failed, &pe)) {
		return *failed
	}
	return j.err
}

// poll waits a short while for the end without giving up the P, and tells
// whether it came. It takes no CPU time from the job for longer than endSpin,
// and does not wait for a worker if none is free.
func (j *job) poll() bool {
	if j.p.procs.Load() == 1 {
		return false // nothing can change meanwhile
	}
	begun := false
	for clock := j.p.clock(beginSpin); clock.runs(); {
		for range pollsPerCheck {
			if j.finished.Load() {
				return true
			}
		}
		if begun {
			continue
		}
		if begun = j.active.Load() > 0; begun {
			clock.end = min(clock.end, clock.now+int64(endSpin))
		} else if j.p.searching.Load() == 0 {
			return false
		}
	}
	return false
}

// fail cancels the job for a reason; the first one counts.
func (j *job) fail(err error) { j.failed.CompareAndSwap(nil, &err) }

// cause is why the job was cancelled, or nil. It costs an atomic load, and the
// context's lock while the job is not cancelled: call it once a piece, not once
// an element.
func (j *job) cause() error {
	if e := j.failed.Load(); e != nil {
		return *e
	}
	if err := j.ctx.Err(); err != nil {
		j.fail(err)
		return *j.failed.Load()
	}
	return nil
}

// enter takes a place among the job's workers, and with it a number below
// limit that no other worker in the job has.
func (j *job) enter() (id int, ok bool) {
	for n := j.active.Load(); ; n = j.active.Load() {
		if n >= j.limit {
			return 0, false
		}
		if j.active.CompareAndSwap(n, n+1) {
			return j.number(), true
		}
	}
}

// number takes the lowest free number, more or less. There is one: numbers
// are given back before places.
func (j *job) number() int {
	for {
		for i := range j.taken {
			word := &j.taken[i]
			old := word.Load()
			bit := bits.TrailingZeros64(^old)
			if bit < 64 && word.CompareAndSwap(old, old|1<<bit) {
				return 64*i + bit
			}
		}
	}
}

// leave gives back what enter took.
func (j *job) leave(id int) {
	j.taken[id/64].And(^(uint64(1) << (id % 64)))
	j.active.Add(-1)
}

// rootQueue holds the roots that wait for a worker. best and size are hints.
type rootQueue struct {
	best atomic.Int64 // priority of the first; noRoot if empty
	size atomic.Int32

	mu     sync.Mutex
	heap   rootHeap
	seq    uint64
	closed bool
}

func (q *rootQueue) put(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.seq++
	j.seq = q.seq
	heap.Push(&q.heap, j)
	q.publish()
	return true
}

// admit calls f, under the lock, unless the queue is closed; it tells which.
func (q *rootQueue) admit(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		f()
	}
	return !q.closed
}

// take removes the first root; nil if there is none.
func (q *rootQueue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return nil
	}
	j := heap.Pop(&q.heap).(*job)
	q.publish()
	return j
}

// remove takes j out; false if a worker was first.
func (q *rootQueue) remove(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.index < 0 {
		return false
	}
	heap.Remove(&q.heap, j.index)
	q.publish()
	return true
}

func (q *rootQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// publish updates what is read without the lock. Precondition: mu is held.
func (q *rootQueue) publish() {
	q.size.Store(int32(len(q.heap)))
	if len(q.heap) == 0 {
		q.best.Store(noRoot)
	} else {
		q.best.Store(q.heap[0].priority)
	}
}

// rootHeap implements heap.Interface: the highest priority first, then the
// earliest.
type rootHeap []*job

func (h rootHeap) Len() int { return len(h) }
func (h rootHeap) Less(a, b int) bool {
	if h[a].priority != h[b].priority {
		return h[a].priority > h[b].priority
	}
	return h[a].seq < h[b].seq
}
func (h rootHeap) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].index, h[b].index = a, b
}

// Push implements heap.Interface.
func (h *rootHeap) Push(x any) {
	j := x.(*job)
	j.index = len(*h)
	*h = append(*h, j)
}

// Pop implements heap.Interface.
func (h *rootHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	j.index = -1
	return j
}
