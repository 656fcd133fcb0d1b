package device

import (
	"context"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// State is where a job is in its life. A job ends once, in one of the states
// from Done on.
type State int

// The states of a job.
const (
	Queued State = iota // accepted; Reason says what it waits for
	Running
	Done
	Failed
	Cancelled
	TimedOut
)

// String is the state's name as files show it.
func (s State) String() string {
	return [...]string{"queued", "running", "done", "failed", "cancelled", "timedout"}[s]
}

// Job is an accepted command. All fields below ops are guarded by Device.mu
// until the job has ended; then they do not change.
type Job struct {
	ID    uint64
	Line  string
	Verb  string
	Owner Cred

	queue    *Queue
	call     *kernels.Call // nil once ended
	plan     *kernels.Plan // nil once ended
	mode     mode          // of the goroutine that runs it, as are used and stalled
	used     bool          // its use of its buffers has been counted
	stalled  bool          // and that it waited for moves
	limits   limits
	done     chan struct{} // closed when it has ended
	ops      []operand     // inputs, then outputs
	inputs   int           // how many of ops are inputs
	linkedBy uint64        // scratch of link: the job that last linked to this one

	state      State
	deps       int    // entries in preds that have not ended
	preds      []*Job // jobs it waits for
	dependents []*Job // jobs that wait for it
	relay      bool   // it stands for one that ended before its turn; see newRelay
	waitsMem   bool
	step       string                  // what it does before its kernel runs
	cancel     context.CancelCauseFunc // set while running
	ending     syscall.Errno           // why it is being cancelled
	endReason  string
	silent     bool // its failure was returned to the writer: wait need not tell
	err        *ErrorEntry
	answer     string
	queued     time.Time
	started    time.Time
	finished   time.Time
	cost       kernels.Cost
	explain    []kernels.Entry
}

// operand is a buffer of a job.
type operand struct {
	buf    *alloc.Buffer
	name   string // as written, for messages
	layout ndarray.Layout
	reads  bool // uses what the buffer held
	writes bool
	whole  bool   // writes every byte, header included
	header []byte // of an output that is written whole: what its data follow
	poison error  // what is read was found bad when the job was accepted
	source *Job   // who writes what is read, if unfinished at acceptance
}

// ended tells whether the job is over, in whichever way. Device.mu is held.
func (j *Job) ended() bool { return j.state >= Done }

// Queue is the queue that the job was accepted on.
func (j *Job) Queue() *Queue { return j.queue }

// Snapshot is a job's account at one moment.
type Snapshot struct {
	ID        uint64
	Queue     string
	Line      string
	Verb      string
	UID, GID  uint32
	State     State
	Reason    string // what it waits for, or how its operands get where it needs them
	Queued    time.Time
	Started   time.Time // zero if it never ran
	Finished  time.Time
	Seconds   float64 // run time so far
	Cost      kernels.Cost
	Threads   int
	ISA       string
	Answer    string
	Explain   []kernels.Entry
	Error     *ErrorEntry // of a job that ended otherwise than done
	Errno     syscall.Errno
	WaitsFor  []uint64 // jobs before it
	Operands  []string
	OutputBad bool
}

// Gflops is the rate reached, 0 if there is none to tell.
func (s *Snapshot) Gflops() float64 {
	if s.Seconds <= 0 {
		return 0
	}
	return s.Cost.Flops / s.Seconds / 1e9
}

// Snapshot takes the job's account.
func (j *Job) Snapshot() Snapshot {
	d := j.queue.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	return j.snapshotLocked()
}

// snapshotLocked copies what is known of the job. Device.mu is held; what the
// snapshot shares with the job (explain, error) does not change any more.
func (j *Job) snapshotLocked() Snapshot {
	d := j.queue.dev
	s := Snapshot{
		ID: j.ID, Queue: j.queue.Name, Line: j.Line, Verb: j.Verb, UID: j.Owner.UID, GID: j.Owner.GID,
		State: j.state, Reason: j.reason(), Queued: j.queued, Started: j.started, Finished: j.finished,
		Cost: j.cost, Threads: j.threads(), ISA: d.ISA().String(), Answer: j.answer, Explain: j.explain, Error: j.err,
	}
	if j.err != nil {
		s.Errno = j.err.Errno
	}
	switch {
	case j.started.IsZero():
	case j.ended():
		s.Seconds = j.finished.Sub(j.started).Seconds()
	default:
		s.Seconds = time.Since(j.started).Seconds()
	}
	s.WaitsFor = waitsFor(nil, j.preds)
	for i := range j.ops {
		s.Operands = append(s.Operands, j.ops[i].name)
	}
	s.OutputBad = j.ended() && j.state != Done && len(j.ops) > j.inputs
	return s
}

// threads is how many workers the job may use at once, by threads= and the
// pool.
func (j *Job) threads() int {
	if n := j.limits.threads; n > 0 {
		return min(n, j.queue.dev.pool.Threads())
	}
	return j.queue.dev.pool.Threads()
}

// reason says what a job waits for: a word while it is queued, and what is
// moved for it while it has not begun to compute.
func (j *Job) reason() string {
	switch {
	case j.state == Running:
		return j.step
	case j.state != Queued:
		return ""
	case j.deps > 0:
		return "dependency"
	case j.queue.paused:
		return "paused"
	case j.waitsMem:
		return "memory"
	default:
		return "slot"
	}
}

// Job finds a remembered job by its number.
func (d *Device) Job(id uint64) *Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.jobs[id]
}

// Cancel ends a job: one that waits at once, one that runs between two pieces
// of its work. It returns without waiting. A job that has ended is left as it is.
func (j *Job) Cancel(reason string) {
	d := j.queue.dev
	d.mu.Lock()
	after := d.cancelLocked(j, syscall.ECANCELED, reason)
	d.mu.Unlock()
	after()
}

// Forget removes an ended job from the list, or cancels one that has not
// ended and removes it when it has.
func (j *Job) Forget() {
	j.Cancel("removed by its owner")
	d := j.queue.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.ended() {
		d.forgetLocked(j)
	} else {
		j.queue.forget = append(j.queue.forget, j)
	}
}
