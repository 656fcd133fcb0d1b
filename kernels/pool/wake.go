package pool

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

// callWaiter wakes a thread that sleeps in a join to which x belongs; the
// nearest one, and one only, as there is one task.
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

// wakeOne wakes the first sleeper in the list. Who was woken looks for more
// work itself, and wakes the next one (search): so it takes the waker one futex
// call to set a whole pool going.
func (p *Pool) wakeOne(list []*thread) {
	for _, t := range list {
		if t.word.Load() == idle && p.wake(t) {
			return
		}
	}
}
