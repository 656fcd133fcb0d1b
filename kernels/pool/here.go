package pool

// runHere runs a root on the calling goroutine. Its thread is no worker's: it
// has no deque to steal from, since a job of one worker runs its forks in
// place. Close waits for it, as for any job that was accepted. What it counts
// (tasks, busy time) is in no worker's statistics; its root is in the trace.
func (p *Pool) runHere(j *job) error {
	if !p.roots.admit(func() { p.alive.Add(1) }) {
		return ErrClosed
	}
	defer p.alive.Done()
	j.limit = 1
	t := &thread{p: p, id: CallerID}
	t.slot, _ = j.enter()
	j.root.stolen = true // so that it is in the trace
	t.exec(j.root)
	return j.result()
}

// CallerID is the Worker of a TraceEvent that no worker ran, but the caller
// of Run.
const CallerID = -1
