// Package pool runs tasks on a fixed set of OS threads with work stealing.
//
// # Model
//
// A [Pool] owns its threads. [Pool.Run] hands it a root task and blocks until
// the task and all its descendants have ended. Inside a task the *[Worker]
// that runs it is the handle to everything: [Worker.For] splits a range over
// the pool, [Worker.Group] forks and joins. A worker that waits runs only
// descendants of the group it waits for, so a task may hold locks or
// per-worker scratch across a join without meeting itself.
//
// A panic in a task is carried to the waiter and comes out of Run as a
// *[PanicError]; the job's other tasks are cancelled. A cancelled context is
// seen between tasks.
//
// # Scheduling
//
// Each worker is a goroutine locked to its thread, with a Chase-Lev deque
// that it uses as a stack while others take the oldest task. An idle worker
// looks, in this order, for tasks of running jobs with a higher priority than
// any waiting root, for the waiting root of the highest priority, and for
// tasks of any running job; among tasks the highest priority wins, then the
// nearest victim: same last-level cache, same NUMA node, then by the nodes'
// distance. It polls for [Config].Spin after its last work, then sleeps on a
// futex: an idle pool uses no CPU.
//
// A range is halved down to an eighth of a worker's share, and from there
// lazily (Tzannes et al., "Lazy binary-splitting", PPoPP 2010): a worker offers
// half of what is left of its slice whenever it has nothing on offer.
// A helper returns what is left of its slice between two pieces if a root of
// the same or a higher priority waits, so a long loop does not hold up a short job
// while it has more than one worker. Tasks are never interrupted.
//
// # What it asks of the process
//
// GOMAXPROCS should exceed the number of threads, or goroutines wait for a
// worker's time slice (10 ms) when all are busy. A task must not wait for
// anything but its own forks: a lock that a descendant holds across a join, or
// a channel that another task feeds, may need a worker that is not free.
//
// # Synchronization
//
// The path of a task is lock-free. rootQueue.mu and recorder.mu are leaves:
// nothing is called with either held. A thread goes to sleep in two steps:
// it publishes that it sleeps, then looks for work once more. Who makes work
// publishes it first and then looks for sleepers. All of these are sequentially
// consistent atomics, so at least one of the two sees the other.
package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by Run after Close.
var ErrClosed = errors.New("pool: closed")

// Defaults of a Config.
const (
	defaultSpin  = 50 * time.Microsecond
	defaultTrace = 1024
	maxThreads   = 4096
)

// Config says how a pool is made. The zero value uses every CPU that the
// process may run on.
type Config struct {
	// Threads is the number of workers; 0: one a usable CPU, where the usable
	// CPUs are those of the affinity mask and of CPUs, and no more than the
	// cgroup's CPU quota pays for (rounded down, at least one).
	Threads int
	// CPUs are those the workers may use, a subset of the affinity mask;
	// nil: all of it.
	CPUs []int
	// Pin says how tightly a worker is bound to its CPU.
	Pin Pinning
	// Nice is added to the process's nice value for the workers; the sum is
	// capped at 19. A negative one needs a privilege and is dropped without.
	Nice int
	// Batch puts the workers under SCHED_BATCH: they do not preempt others
	// when they wake.
	Batch bool
	// Spin is how long an idle worker polls before it sleeps. 0: 50 µs, what
	// waking an idle CPU costs; negative: not at all.
	Spin time.Duration
	// Trace is the number of slices each worker remembers; 0: 1024,
	// negative: none.
	Trace int
	// Root is the file system whose sys and proc describe the machine;
	// nil: the machine's own.
	Root fs.FS
}

// Pinning is a policy of CPU affinity for workers.
type Pinning int

// The policies. A thread the kernel may move freely among CPUs that share a
// cache is found a free one when something else takes its CPU, at no cost; one that
// crosses caches or nodes loses its data.
const (
	PinAuto   Pinning = iota // PinDomain if the usable CPUs have several last-level caches, else PinNone
	PinNone                  // the process's mask, or Config.CPUs
	PinDomain                // the CPUs that share its last-level cache
	PinCPU                   // one CPU a worker
)

// Pool is a set of worker threads. Its methods are safe for concurrent use.
type Pool struct {
	cfg     Config
	topo    *Topology
	epoch   time.Time
	threads []*thread
	roots   rootQueue

	running   atomic.Int32 // roots being run
	searching atomic.Int32 // threads that poll for work, or were just woken to
	parked    atomic.Int32 // threads asleep for want of work
	procs     atomic.Int32 // GOMAXPROCS at the last Run; asking takes a global lock
	closed    atomic.Bool
	alive     sync.WaitGroup
	callers   recorder // of jobs that their callers ran
	warnings  []error
}

// New starts the workers. It fails if the configuration names a CPU that the
// process may not use. A nice value, affinity or scheduling class that the kernel
// refuses (EPERM) is left undone and told by [Pool.Warnings].
func New(cfg Config) (*Pool, error) {
	if cfg.Root == nil {
		cfg.Root = os.DirFS("/")
	}
	if cfg.Spin == 0 {
		cfg.Spin = defaultSpin
	}
	if cfg.Trace == 0 {
		cfg.Trace = defaultTrace
	}
	if cfg.Threads < 0 || cfg.Threads > maxThreads {
		return nil, fmt.Errorf("pool: %d threads: want 0 (automatic) to %d", cfg.Threads, maxThreads)
	}
	topo, err := ReadTopology(cfg.Root, cfg.CPUs)
	if err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg, topo: topo, epoch: time.Now()}
	p.roots.best.Store(noRoot)
	n := cfg.Threads
	if n == 0 {
		n = topo.Threads()
	}
	p.callers.init(cfg.Trace)
	p.place(n)
	p.start()
	return p, nil
}

// start launches the threads and waits until each has set itself up.
func (p *Pool) start() {
	up := make(chan error, len(p.threads))
	p.alive.Add(len(p.threads))
	for _, t := range p.threads {
		go t.main(up)
	}
	for range p.threads {
		if err := <-up; err != nil {
			p.warnings = append(p.warnings, err)
		}
	}
}

// Close refuses new roots, waits for those accepted, and ends the threads.
// It may be called more than once, but not by a task.
func (p *Pool) Close() {
	p.refuseWorkers("Close")
	p.roots.close()
	p.closed.Store(true)
	for _, t := range p.threads {
		p.wake(t)
	}
	p.alive.Wait()
}

// Threads is the number of workers.
func (p *Pool) Threads() int { return len(p.threads) }

// Topology is what the pool knows of the machine. It must not be changed.
func (p *Pool) Topology() *Topology { return p.topo }

// Warnings are what the process was not allowed to set up, a message for each.
func (p *Pool) Warnings() []error { return p.warnings }

// now is the time since the pool was made, in nanoseconds, at least 1.
func (p *Pool) now() int64 { return int64(time.Since(p.epoch)) + 1 }
