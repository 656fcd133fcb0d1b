package pool

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// States of thread.word, the futex it sleeps on.
const (
	awake   uint32 = iota
	idle           // asleep for want of work
	joining        // asleep in Group.join, waitOn tells of which
)

// thread is a worker: an OS thread with its deque. What is not atomic is fixed
// by Pool.place or used by the thread alone.
type thread struct {
	p     *Pool
	id    int
	cpu   CPU          // where it is meant to run
	mask  []int        // CPUs it is bound to; nil: not bound
	tiers [][]*thread  // all threads, itself first, nearest tiers first
	near  []*thread    // tiers in one list
	tid   atomic.Int32 // 0: ended
	slot  int          // its number in the job it serves

	deque  deque
	word   atomic.Uint32
	waitOn atomic.Pointer[Group]
	rng    *rand.Rand // picks victims; used by the thread only

	tasks, steals, lost, parks atomic.Uint64
	rec                        recorder
}

// main is the thread's life. It never unlocks the thread, so the runtime ends
// the thread with the goroutine, and its nice value and affinity with it.
func (t *thread) main(up chan<- error) {
	runtime.LockOSThread()
	ended := false
	defer func() {
		t.tid.Store(0)
		if ended {
			t.p.alive.Done()
		} else {
			// A task called runtime.Goexit, which cannot be stopped.
			go t.main(make(chan error, 1)) // what setup may not do is known already
		}
	}()
	up <- t.setup()
	t.p.searching.Add(1)
	for x := t.search(); x != nil; x = t.search() {
		t.serve(x)
		t.p.searching.Add(1)
	}
	t.p.searching.Add(-1)
	ended = true
}

// setup applies the affinity, nice value and class of scheduling. It does as
// much as it may and returns the first refusal.
func (t *thread) setup() error {
	tid := unix.Gettid()
	t.tid.Store(int32(tid))
	var first error
	note := func(what string, err error) {
		if err != nil && first == nil {
			first = fmt.Errorf("pool: worker %d: %s: %w", t.id, what, err)
		}
	}
	if t.mask != nil {
		set := unix.NewCPUSet(maxCPU)
		for _, c := range t.mask {
			set.Set(c)
		}
		note("affinity to CPUs "+formatCPUs(t.mask), unix.SchedSetaffinityDynamic(tid, set))
	}
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	note("getpriority", err)
	now := 20 - nice // the system call returns 20 - nice
	nice = min(19, now+t.p.cfg.Nice)
	if t.p.cfg.Batch {
		// With the nice value as it is: a lower one may be refused, which must not cost the class.
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: int32(now), Runtime: batchSlice}
		note("SCHED_BATCH", unix.SchedSetAttr(tid, &attr, 0))
	}
	if t.p.cfg.Nice != 0 {
		note(fmt.Sprintf("nice %d", nice), unix.Setpriority(unix.PRIO_PROCESS, tid, nice))
	}
	return first
}

// serve runs a root, or a task stolen from a job that was entered, and what
// that left in the deque.
func (t *thread) serve(x *Worker) {
	j := x.job
	root := x == j.root
	t.rec.switchTo(t.p.now(), true)
	defer func() {
		t.rec.switchTo(t.p.now(), false)
		j.leave(t.slot)
		if root {
			t.finish(j)
		}
	}()
	for ; x != nil; x = t.popOf(j) {
		x.held = !root
		x.stolen = true
		t.exec(x)
	}
}

// popOf pops a task of job j, unless a root should go first.
func (t *thread) popOf(j *job) *Worker {
	if t.p.roots.best.Load() >= j.priority {
		return nil
	}
	x := t.deque.pop(0)
	if x != nil && x.job != j { // handed back by this thread earlier
		t.deque.push(x)
		return nil
	}
	return x
}

// finish tells Run that the job has ended. finished is for those who poll, done
// for those who sleep. Precondition: the thread has left the job.
func (t *thread) finish(j *job) {
	p := t.p
	p.running.Add(-1)
	j.finished.Store(true)
	close(j.done)
	if j.blocked.Load() && p.up() >= p.procs.Load() {
		// All Ps are with workers, and the caller waits in the queue of ours.
		runtime.Gosched()
	}
}

// exec runs a task and joins what it forked, whichever way it ends.
func (t *thread) exec(x *Worker) {
	x.t, x.base = t, t.deque.bottom.Load()
	begin := int64(0)
	if x.stolen {
		begin = t.p.now()
	}
	returned := false
	defer func() {
		if !returned {
			x.job.fail(caught(recover()))
		}
		t.end(x, begin)
	}()
	if x.loop != nil {
		x.runSlice()
	} else if x.job.cause() == nil {
		t.tasks.Add(1)
		x.fn(x)
	}
	returned = true
}

// end is the end of a task. It drops what the task refers to, since a
// thief's slot may keep the Worker itself for long.
func (t *thread) end(x *Worker, begin int64) {
	x.joinOpen()
	if x.stolen {
		e := TraceEvent{Worker: t.id, Tag: x.job.tag, Root: x.parent == nil, Start: begin, End: t.p.now()}
		if t.id != CallerID {
			e.Tasks, e.Steals = t.tasks.Load(), t.steals.Load()
		}
		t.recorder().add(e)
	}
	x.fn, x.loop = nil, nil
	if x.group != nil {
		x.group.done()
	}
}

// recorder is where its events go.
func (t *thread) recorder() *recorder {
	if t.id == CallerID {
		return &t.p.callers
	}
	return &t.rec
}

// batchSlice is the time slice asked for under SCHED_BATCH, in nanoseconds. Since
// Linux 6.12 a thread that wakes with a shorter slice (ordinary ones have about
// 3 ms) takes the CPU from one with a longer slice at once, instead of after
// what is left of it; older kernels ignore it.
const batchSlice = 20_000_000
