package pool

// popUnder pops a task that belongs to g, nil if the deque has none. Tasks of
// other groups that lie above it keep their order: they were forked later by a
// task that encloses this one (a group from outside is waited for in a piece),
// and running them here could need what this task holds.
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
// what it stole in a last look. waitOn goes before word, and word before the
// look: who pushes a task publishes it first, and then looks for waiters
// (callWaiter).
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

// stealUnder steals a task that belongs to g, nil if it sees none. The thread
// is in g's job already, so it enters none. Only the oldest task of each deque
// is looked at.
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
