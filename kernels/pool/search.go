package pool

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
func (t *thread) maySpin() bool {
	procs := t.p.procs.Load()
	return t.p.cfg.Spin > 0 && procs > 1 && t.p.up() <= procs
}

// up is the number of threads that do not sleep for want of work.
func (p *Pool) up() int32 { return int32(len(p.threads)) - p.parked.Load() }

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

// sweep steals a task of a job whose priority is above a bound: of the highest
// priority, of the nearest thread. It enters the job, before it steals: a task
// that was taken could not be put back if the job had no place for its thief.
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

// candidate finds what sweep should steal: the first task in order of nearness,
// of the greatest priority among all that are above the bound and whose job has
// a place left. It takes nothing.
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
