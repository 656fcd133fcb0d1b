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

// thread is a worker: an OS thread with its deque.
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
	called bool       // it has just woken a goroutine that waits for its P

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
	nice = min(19, 20-nice+t.p.cfg.Nice) // the system call returns 20 - nice
	if t.p.cfg.Batch {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: int32(nice)}
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

// finish tells Run that the job has ended.
func (t *thread) finish(j *job) {
	t.p.running.Add(-1)
	j.finished.Store(true)
	t.called = j.blocked.Load()
	close(j.done)
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
		t.rec.add(TraceEvent{Worker: t.id, Tag: x.job.tag, Root: x.parent == nil, Start: begin, End: t.p.now()})
	}
	x.fn, x.loop = nil, nil
	if x.group != nil {
		x.group.done()
	}
}

// offer pushes a forked task and wakes who may take it. False: the deque is
// full.
func (t *thread) offer(x *Worker) bool {
	if !t.deque.push(x) {
		return false
	}
	p, j := t.p, x.job
	if p.parked.Load() > 0 && int64(p.searching.Load()) < t.deque.size() && j.active.Load() < j.limit {
		p.wakeOne(t.near)
	}
	if j.waiting.Load() > 0 {
		t.callWaiter(x)
	}
	return true
}

// callWaiter wakes a thread that sleeps in a join to which x belongs.
func (t *thread) callWaiter(x *Worker) {
	for _, v := range t.near {
		if g := v.waitOn.Load(); g != nil && g.w.job == x.job && under(x, g) && v.rouse(joining) {
			return
		}
	}
}

// rouse wakes the thread from a state of sleep; false if it was not in it.
func (t *thread) rouse(from uint32) bool {
	if !t.word.CompareAndSwap(from, awake) {
		return false
	}
	futexWake(&t.word)
	return true
}

// wake wakes t if it sleeps for want of work; it counts as searching at once,
// so that nobody wakes another for the same task.
func (p *Pool) wake(t *thread) bool {
	if !t.word.CompareAndSwap(idle, awake) {
		return false
	}
	p.parked.Add(-1)
	p.searching.Add(1)
	futexWake(&t.word)
	return true
}

// wakeOne wakes the first sleeper in the list.
func (p *Pool) wakeOne(list []*thread) {
	for _, t := range list {
		if t.word.Load() == idle && p.wake(t) {
			return
		}
	}
}

// search waits for a task to serve; nil when the pool is closed.
// Precondition: t is counted in searching. Postcondition: if a task was
// found, t is not, and is counted in the task's job.
func (t *thread) search() *Worker {
	p := t.p
	for {
		x := t.pollIdle()
		if x == nil && !(p.closed.Load() && p.roots.size.Load() == 0) {
			x = t.parkIdle()
		}
		if x != nil {
			// Tasks may have been published without waking anybody because t
			// was searching; now it is not.
			if p.searching.Add(-1) == 0 && p.parked.Load() > 0 && p.visible() {
				p.wakeOne(t.near)
			}
			return x
		}
		if p.closed.Load() && p.roots.size.Load() == 0 {
			return nil
		}
	}
}

// visible tells whether there is work that a searcher would see.
func (p *Pool) visible() bool {
	if p.roots.size.Load() > 0 {
		return true
	}
	for _, t := range p.threads {
		if t.deque.size() > 0 {
			return true
		}
	}
	return false
}

// pollIdle looks for work for as long as Config.Spin says.
func (t *thread) pollIdle() *Worker {
	if x := t.look(); x != nil || !t.maySpin() {
		return x
	}
	for clock := t.p.clock(t.p.cfg.Spin); clock.runs(); {
		for range pollsPerCheck {
			if x := t.look(); x != nil || t.p.closed.Load() {
				return x
			}
		}
	}
	return nil
}

// maySpin tells whether polling does not keep a P from who has work to do.
// When all Ps are taken by workers, and a caller of Run was just made runnable
// on ours, it gets the P.
func (t *thread) maySpin() bool {
	procs := runtime.GOMAXPROCS(0)
	up := len(t.p.threads) - int(t.p.parked.Load())
	called := t.called
	t.called = false
	if called && up >= procs {
		runtime.Gosched()
		return false
	}
	return t.p.cfg.Spin > 0 && procs > 1 && up <= procs
}

// parkIdle sleeps until it is woken; it returns what it found in a last look.
// Precondition: t is counted in searching. Postcondition: again so.
func (t *thread) parkIdle() *Worker {
	p := t.p
	t.word.Store(idle)
	p.parked.Add(1)
	p.searching.Add(-1)
	x := t.look()
	if x != nil || p.closed.Load() {
		if t.word.CompareAndSwap(idle, awake) { // else who woke it has counted it
			p.parked.Add(-1)
			p.searching.Add(1)
		}
		return x
	}
	t.parks.Add(1)
	for t.word.Load() == idle {
		futexWait(&t.word, idle)
	}
	return nil
}

// look takes the most urgent work in sight; nil if there is none. A root is
// taken before equally urgent tasks of running jobs, so that jobs run side by
// side rather than one with all the threads.
func (t *thread) look() *Worker {
	p := t.p
	best := p.roots.best.Load()
	if x := t.sweep(best); x != nil || best == noRoot {
		return x
	}
	j := p.roots.take()
	if j == nil {
		return nil
	}
	p.running.Add(1)
	t.slot, _ = j.enter() // nobody else can be in it yet
	return j.root
}

// sweep steals a task of a job whose priority is above a bound: of the
// highest priority, of the nearest thread. It enters the job.
func (t *thread) sweep(above int64) *Worker {
	for {
		x, from, at := t.candidate(above)
		if x == nil {
			return nil
		}
		id, ok := x.job.enter()
		if !ok {
			continue
		}
		if from.deque.steal(at) {
			t.slot = id
			t.steals.Add(1)
			return x
		}
		x.job.leave(id)
		t.lost.Add(1)
	}
}

// candidate finds what sweep should steal.
func (t *thread) candidate(above int64) (x *Worker, from *thread, at int64) {
	alone := t.p.running.Load() <= 1 // then all tasks are equally urgent
	for _, tier := range t.tiers {
		for i, k := 0, t.first(tier); i < len(tier); i, k = i+1, k+1 {
			v := tier[k%len(tier)]
			y, n := v.deque.peek()
			if y == nil || y.job.priority <= above || y.job.active.Load() >= y.job.limit {
				continue
			}
			x, from, at, above = y, v, n, y.job.priority
			if alone {
				return x, from, at
			}
		}
	}
	return x, from, at
}

// first picks where to begin in a tier, so that thieves spread.
func (t *thread) first(tier []*thread) int {
	if len(tier) == 1 {
		return 0
	}
	return t.rng.IntN(len(tier))
}

// popUnder pops a task that belongs to g. Tasks of other groups that lie
// above it keep their order.
func (t *thread) popUnder(g *Group) *Worker {
	var aside []*Worker
	var x *Worker
	for x = t.deque.pop(g.base); x != nil && !under(x, g); x = t.deque.pop(g.base) {
		aside = append(aside, x)
	}
	for i := len(aside) - 1; i >= 0; i-- {
		t.deque.push(aside[i]) // there is room: they were just taken out
	}
	return x
}

// await returns a stolen task that belongs to g, or nil when none of g is
// left.
func (t *thread) await(g *Group) *Worker {
	if x := t.stealUnder(g); x != nil {
		return x
	}
	t.rec.switchTo(t.p.now(), false)
	defer func() { t.rec.switchTo(t.p.now(), true) }()
	for {
		if x, over := t.pollJoin(g); x != nil || over {
			return x
		}
		if x := t.parkJoin(g); x != nil {
			return x
		}
	}
}

// pollJoin polls g for as long as Config.Spin says.
func (t *thread) pollJoin(g *Group) (x *Worker, over bool) {
	spin := t.p.cfg.Spin
	if !t.maySpin() {
		spin = 0
	}
	for clock := t.p.clock(spin); ; {
		for range pollsPerCheck {
			if g.pending.Load() == 0 {
				return nil, true
			}
			if x := t.stealUnder(g); x != nil {
				return x, false
			}
		}
		if !clock.runs() {
			return nil, false
		}
	}
}

// parkJoin sleeps until g is done or a task of it may be stolen; it returns
// what it stole in a last look.
func (t *thread) parkJoin(g *Group) *Worker {
	j := g.w.job
	j.waiting.Add(1)
	t.waitOn.Store(g)
	t.word.Store(joining)
	x := t.stealUnder(g)
	if x == nil && g.pending.Load() != 0 {
		t.parks.Add(1)
		for t.word.Load() == joining {
			futexWait(&t.word, joining)
		}
	}
	t.word.Store(awake)
	t.waitOn.Store(nil)
	j.waiting.Add(-1)
	return x
}

// stealUnder steals a task that belongs to g. The thread is in g's job
// already.
func (t *thread) stealUnder(g *Group) *Worker {
	for _, tier := range t.tiers[1:] { // the first is t itself
		for i, k := 0, t.first(tier); i < len(tier); i, k = i+1, k+1 {
			v := tier[k%len(tier)]
			x, at := v.deque.peek()
			if x == nil || x.job != g.w.job || !under(x, g) {
				continue
			}
			if v.deque.steal(at) {
				t.steals.Add(1)
				x.stolen = true
				return x
			}
			t.lost.Add(1)
		}
	}
	return nil
}
