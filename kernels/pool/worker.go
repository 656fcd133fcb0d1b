package pool

import "sync/atomic"

// Worker is the handle of a running task to its thread and its job. It may
// be used only by the task it was given to.
type Worker struct {
	// A Worker is the task itself, so that a fork allocates once. The first
	// group of fields is immutable once the task can be stolen: thieves read
	// them before they own it.
	job    *job
	parent *Worker // the task that forked it; nil for a root
	group  *Group  // that counts it; nil for a root
	depth  int32   // 0 for a root

	fn     func(w *Worker) // what to run; nil for a slice of a loop
	loop   *loop
	lo, hi int // the slice's pieces

	t      *thread // that runs it
	base   int64   // where its own forks begin in t's deque
	open   *Group  // groups with forks that were not joined yet
	stolen bool    // by a thread other than the one that forked it, or a root: goes to the trace
	held   bool    // served by an idle thread: may be handed back between pieces
}

// ID is the worker's number in the job, 0 <= ID < [Worker.Threads]: an index
// for per-worker scratch of the job. No two workers in a job have the same at
// the same time, and it stays while the task runs.
func (w *Worker) ID() int { return w.t.slot }

// Threads is the largest number of workers that run this job at once.
func (w *Worker) Threads() int { return int(w.job.limit) }

// Err is non-nil once the job is cancelled; long tasks poll it. It is the first
// reason: the context's error, or a *[PanicError].
func (w *Worker) Err() error { return w.job.cause() }

// Group starts a fork-join group. It costs an allocation and nothing else.
func (w *Worker) Group() *Group { return &Group{w: w, base: w.base} }

// Group is a set of forked tasks, joined by Wait. It belongs to the task that
// made it: only that task may call its methods. A group may be used again
// after Wait. Forks that were never waited for are joined when the task ends.
type Group struct {
	w       *Worker
	base    int64 // forks are at this index of the deque or above
	next    *Group
	listed  bool // in w.open
	pending atomic.Int32
}

// Go forks fn. It may run at once, later, or in Wait. Forking costs about 0.1
// µs and one allocation. A fork runs at once, on this thread, if the deque is
// full or the job has one worker; none runs once the job is cancelled.
func (g *Group) Go(fn func(w *Worker)) {
	w := g.w
	x := &Worker{job: w.job, parent: w, group: g, depth: w.depth + 1, fn: fn}
	g.pending.Add(1)
	if w.job.limit == 1 || !w.t.offer(x) {
		w.t.exec(x)
		return
	}
	if !g.listed {
		g.listed, g.next, w.open = true, w.open, g
	}
}

// Wait runs and waits for the group's tasks; it returns the reason if the job
// was cancelled. All of them have ended then, cancelled or not, and what they
// wrote is visible.
func (g *Group) Wait() error {
	g.join()
	if g.listed {
		g.unlist()
	}
	return g.w.job.cause()
}

// join returns when no task of the group is left.
func (g *Group) join() {
	t := g.w.t
	for g.pending.Load() != 0 {
		x := t.popUnder(g)
		if x == nil {
			x = t.await(g)
		}
		if x != nil {
			t.exec(x)
		}
	}
}

// unlist takes g out of its task's open groups; it is nearly always the
// first.
func (g *Group) unlist() {
	at := &g.w.open
	for *at != nil && *at != g {
		at = &(*at).next
	}
	if *at == g { // else a piece run by the task itself waits for a group from outside
		*at, g.next, g.listed = g.next, nil, false
	}
}

// done counts a task off, and wakes the waiter after the last.
func (g *Group) done() {
	t := g.w.t // before the count: the waiter may be gone after it
	if g.pending.Add(-1) == 0 && t.word.Load() == joining {
		t.rouse(joining)
	}
}

// under tells whether x belongs to g: its ancestor among the forks of g's
// task, or x itself, was forked by g.
func under(x *Worker, g *Group) bool {
	d := g.w.depth + 1
	for x.depth > d {
		x = x.parent
	}
	return x.depth == d && x.group == g
}

// joinOpen joins what the task forked and did not wait for.
func (w *Worker) joinOpen() {
	for w.open != nil {
		g := w.open
		g.join()
		w.open, g.next, g.listed = g.next, nil, false
	}
}

// chunksPerWorker is into how many slices a loop is split at once for each
// worker. More than one, so that a long piece holds up few others.
const chunksPerWorker = 8

// loop is what the slices of one For share; it is written only before the first
// slice runs and after the last.
type loop struct {
	n, grain int
	chunk    int // pieces in a slice that is not split at once
	body     func(w *Worker, lo, hi int)
	group    Group
}

// piece runs the i-th piece as w.
func (l *loop) piece(w *Worker, i int) {
	lo := i * l.grain
	l.body(w, lo, lo+min(l.grain, l.n-lo))
}

// For calls body over [0, n) in pieces, in parallel, and returns when all
// have ended or the job is cancelled (then with the reason). Piece i is
// [i·grain, min(n, (i+1)·grain)), whatever the number of threads, so partial
// results indexed by lo/grain are reproducible. A grain below 1 counts as 1.
// body must not keep w.
//
// A piece should take 10 µs to 5 ms: handing one over costs about 1 µs, and
// cancellation is seen between pieces. With one thread For is a plain loop.
func (w *Worker) For(n, grain int, body func(w *Worker, lo, hi int)) error {
	if n <= 0 {
		return w.job.cause()
	}
	grain = max(grain, 1)
	pieces := (n-1)/grain + 1
	if w.job.limit == 1 || pieces == 1 {
		return w.forSerial(n, grain, body)
	}
	l := &loop{n: n, grain: grain, body: body, chunk: max(1, pieces/(chunksPerWorker*w.Threads()))}
	l.group.w, l.group.base = w, w.t.deque.bottom.Load()
	l.group.pending.Store(1)
	w.t.exec(l.slice(0, pieces))
	l.group.join()
	l.body = nil // a stale slot in a deque may keep l for long
	return w.job.cause()
}

// forSerial runs all pieces as w itself. Its forks are told apart from what w
// forked earlier by moving the base.
func (w *Worker) forSerial(n, grain int, body func(w *Worker, lo, hi int)) (err error) {
	base, open := w.base, w.open
	w.base, w.open = w.t.deque.bottom.Load(), nil
	lo := 0
	defer func() {
		if err == nil && lo < n { // neither cancelled nor through: a panic ends For, not its caller
			w.job.fail(caught(recover()))
		}
		w.joinOpen()
		w.t.tasks.Add(uint64((lo + grain - 1) / grain))
		w.base, w.open = base, open
		err = w.job.cause()
	}()
	for lo < n {
		if err = w.job.cause(); err != nil {
			return err
		}
		hi := lo + min(grain, n-lo)
		body(w, lo, hi)
		w.joinOpen()
		lo = hi
	}
	return nil
}

// slice is a task over pieces lo to hi-1.
func (l *loop) slice(lo, hi int) *Worker {
	p := l.group.w
	return &Worker{job: p.job, parent: p, group: &l.group, depth: p.depth + 1, loop: l, lo: lo, hi: hi}
}

// middle halves the pieces from w.lo on.
func (w *Worker) middle() int { return w.lo + (w.hi-w.lo+1)/2 }

// runSlice halves the slice down to a chunk, then runs its pieces one by one
// and offers half of the rest whenever nothing of it is on offer.
func (w *Worker) runSlice() {
	l, t, floor := w.loop, w.t, w.base
	for w.hi-w.lo > l.chunk && w.offerRest(w.middle()) {
	}
	ran := uint64(0)
	defer func() { t.tasks.Add(ran) }()
	for ; w.lo < w.hi && w.job.cause() == nil; w.lo++ {
		if w.held && ran > 0 && t.p.roots.best.Load() >= w.job.priority && w.offerRest(w.lo) {
			return
		}
		if w.hi-w.lo > 1 && t.deque.noneAbove(floor) {
			w.offerRest(w.middle())
		}
		w.base = t.deque.bottom.Load()
		l.piece(w, w.lo)
		w.joinOpen()
		ran++
	}
}

// offerRest puts the pieces from mid on up for stealing.
func (w *Worker) offerRest(mid int) bool {
	g := &w.loop.group
	g.pending.Add(1)
	if !w.t.offer(w.loop.slice(mid, w.hi)) {
		g.pending.Add(-1) // not the last: w itself is pending
		return false
	}
	w.hi = mid
	return true
}

// For2 is For over the rectangle [0, m) x [0, n) in tiles of gm x gn: the tiles
// of a row of tiles follow one another. A tile is a piece of For, with its
// rules for time and cancellation.
func (w *Worker) For2(m, n, gm, gn int, body func(w *Worker, i0, i1, j0, j1 int)) error {
	if m <= 0 || n <= 0 {
		return w.job.cause()
	}
	gm, gn = max(gm, 1), max(gn, 1)
	cols := (n-1)/gn + 1
	return w.For(((m-1)/gm+1)*cols, 1, func(w *Worker, lo, _ int) {
		i, j := lo/cols*gm, lo%cols*gn
		body(w, i, i+min(gm, m-i), j, j+min(gn, n-j))
	})
}
