package device

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The queues that always exist. Lines written to the file `run` go to RunQueue.
const (
	MainQueue = "main"
	RunQueue  = "run"
)

// Ranges of a queue's attributes.
const (
	MinWeight, MaxWeight, DefaultWeight       = 1, 10000, 100
	MinPriority, MaxPriority, DefaultPriority = 0, 100, 50
	MaxDepth                                  = 1 << 20
)

// Queue is an ordered list of jobs with a share of the device. All fields
// but dev, Name, Owner and Mode are guarded by Device.mu.
type Queue struct {
	dev  *Device
	Name string

	owner    Cred
	mode     uint32 // permission bits of its directory
	created  time.Time
	weight   int
	priority int
	depth    int
	paused   bool
	removed  bool

	jobs    []*Job // all remembered, oldest first
	ready   []*Job // nothing to wait for but a slot, oldest first
	pending int    // accepted and not ended
	vtime   float64
	forget  []*Job // to be forgotten when they end
	room    chan struct{}

	fails    failures
	log      logFile
	streams  map[*Stream]struct{}
	accepted uint64
	ended    [TimedOut + 1]uint64 // by state
	seconds  float64
}

// newQueue makes a queue that the device does not have yet.
func newQueue(d *Device, name string, owner Cred, mode uint32) *Queue {
	return &Queue{
		dev: d, Name: name, owner: owner, mode: mode, created: time.Now(), weight: DefaultWeight, priority: DefaultPriority,
		depth: d.cfg.Depth, room: make(chan struct{}), streams: map[*Stream]struct{}{},
	}
}

// Queue finds a queue by name, or returns nil.
func (d *Device) Queue(name string) *Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queues[name]
}

// Queues lists the queues by name.
func (d *Device) Queues() []*Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queuesLocked()
}

// queuesLocked lists the queues by name. mu is held.
func (d *Device) queuesLocked() []*Queue {
	var out []*Queue
	for _, name := range slices.Sorted(maps.Keys(d.queues)) {
		out = append(out, d.queues[name])
	}
	return out
}

// validQueueName tells whether a queue may be called so.
func validQueueName(name string) bool {
	return name != "" && len(name) <= 255 && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/ \t\n\"'\\#=")
}

// queueNames is the remedy for a bad name.
const queueNames = "a name has no slashes, blanks, quotes, = and #, and no dot in front"

// MakeQueue creates a queue. EINVAL for a bad name, which is listed among the
// errors, ENAMETOOLONG, EEXIST, ENOSPC past 1024.
func (d *Device) MakeQueue(c Cred, name string, mode uint32) (*Queue, error) {
	if len(name) > 255 {
		return nil, fmt.Errorf("queue name of %d bytes: %w", len(name), syscall.ENAMETOOLONG)
	}
	if !validQueueName(name) {
		d.noteError(ErrorEntry{Errno: syscall.EINVAL, Msg: "bad queue name " + strconv.Quote(name), Hint: queueNames})
		return nil, fmt.Errorf("bad queue name %q: %w", name, syscall.EINVAL)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.queues[name] != nil:
		return nil, fmt.Errorf("queue %s: %w", name, syscall.EEXIST)
	case len(d.queues) >= maxQueues:
		return nil, fmt.Errorf("%d queues exist: %w", len(d.queues), syscall.ENOSPC)
	case d.closed:
		return nil, fmt.Errorf("the device is stopping: %w", syscall.ESHUTDOWN)
	}
	q := newQueue(d, name, c, mode&0o777)
	d.queues[name] = q
	return q, nil
}

// RemoveQueue cancels what is left in a queue, waits for it to end, and
// removes the queue. EBUSY for the queues that always exist.
func (d *Device) RemoveQueue(ctx context.Context, name string) error {
	if name == MainQueue || name == RunQueue {
		return fmt.Errorf("queue %s always exists: %w", name, syscall.EBUSY)
	}
	q := d.Queue(name)
	if q == nil {
		return fmt.Errorf("queue %s: %w", name, syscall.ENOENT)
	}
	left := q.Unfinished()
	for _, j := range left {
		j.Cancel("its queue was removed")
	}
	if err := waitFor(ctx, left); err != nil { // for these: one accepted since may wait for ever
		return err
	}
	d.accept.Lock() // whoever is accepting saw a queue that is there
	defer d.accept.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case q.removed:
		return fmt.Errorf("queue %s: %w", name, syscall.ENOENT)
	case q.pending > 0:
		return fmt.Errorf("queue %s took a new job: %w", name, syscall.EBUSY)
	}
	q.removed = true
	d.count.leave(q)
	q.closeStreams()
	close(q.room)
	for _, j := range q.jobs {
		delete(d.jobs, j.ID)
	}
	delete(d.queues, name)
	return nil
}

// CancelAll cancels every job of the queue that has not ended.
func (q *Queue) CancelAll(reason string) {
	for _, j := range q.Unfinished() {
		j.Cancel(reason)
	}
}

// Unfinished lists the jobs that have not ended, newest first, so that
// cancelling them in this order starts none of them.
func (q *Queue) Unfinished() []*Job {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	var out []*Job
	for _, j := range slices.Backward(q.jobs) {
		if !j.ended() {
			out = append(out, j)
		}
	}
	return out
}

// waitIdle waits for the jobs now in the queue to end; EINTR if ctx ends.
func (q *Queue) waitIdle(ctx context.Context) error { return waitFor(ctx, q.Unfinished()) }

// waitFor waits for jobs to end; EINTR if ctx ends.
func waitFor(ctx context.Context, jobs []*Job) error {
	for _, j := range jobs {
		select {
		case <-j.done:
		case <-ctx.Done():
			return syscall.EINTR
		}
	}
	return nil
}

// Jobs lists the remembered jobs, oldest first.
func (q *Queue) Jobs() []*Job {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	return slices.Clone(q.jobs)
}

// Owner gives the queue's owner and the mode bits of its directory.
func (q *Queue) Owner() (c Cred, mode uint32, created time.Time) {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	return q.owner, q.mode, q.created
}

// SetOwner changes owner and mode as chown and chmod do; -1 keeps.
func (q *Queue) SetOwner(uid, gid int, mode int) {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	if uid >= 0 {
		q.owner.UID = uint32(uid)
	}
	if gid >= 0 {
		q.owner.GID = uint32(gid)
	}
	if mode >= 0 {
		q.mode = uint32(mode) & 0o777
	}
}

// Attribute is a value of a queue that can be read and set.
type Attribute string

// The attributes of a queue.
const (
	AttrWeight   Attribute = "weight"   // share among queues of one priority, 1 to 10000
	AttrPriority Attribute = "priority" // 0 to 100, higher first
	AttrDepth    Attribute = "depth"    // jobs accepted and not ended, at most
	AttrPaused   Attribute = "paused"   // 1: accept, but start nothing
)

// Attributes lists them all.
var Attributes = []Attribute{AttrWeight, AttrPriority, AttrDepth, AttrPaused}

// Get reads an attribute.
func (q *Queue) Get(a Attribute) int {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	switch a {
	case AttrWeight:
		return q.weight
	case AttrPriority:
		return q.priority
	case AttrDepth:
		return q.depth
	case AttrPaused:
		if q.paused {
			return 1
		}
	}
	return 0
}

// checkAttribute refuses a value: EINVAL outside the attribute's range, EPERM
// for a pause of the run queue, whose writers would hang.
func checkAttribute(queue string, a Attribute, v int) error {
	bounds := map[Attribute][2]int{
		AttrWeight: {MinWeight, MaxWeight}, AttrPriority: {MinPriority, MaxPriority}, AttrDepth: {1, MaxDepth}, AttrPaused: {0, 1},
	}
	b, ok := bounds[a]
	if !ok || v < b[0] || v > b[1] {
		return fmt.Errorf("%s takes %d to %d, not %d: %w", a, b[0], b[1], v, syscall.EINVAL)
	}
	if a == AttrPaused && v == 1 && queue == RunQueue {
		return fmt.Errorf("queue %s cannot be paused, its writers wait: %w", queue, syscall.EPERM)
	}
	return nil
}

// Set changes an attribute. EINVAL outside its range, EPERM for a pause of the
// run queue.
func (q *Queue) Set(a Attribute, v int) error {
	if err := checkAttribute(q.Name, a, v); err != nil {
		return err
	}
	d := q.dev
	d.mu.Lock()
	q.setLocked(a, v)
	start := d.schedule()
	d.mu.Unlock()
	d.launch(start)
	return nil
}

// Assign sets an attribute from the lines of one write to its file: the last
// counts, if all are good. A refusal is listed among the errors.
func (q *Queue) Assign(a Attribute, lines []string) (err error) {
	v := q.Get(a)
	for _, text := range lines {
		if v, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
			err = fmt.Errorf("%s takes a whole number, not %q: %w", a, text, syscall.EINVAL)
		} else {
			err = checkAttribute(q.Name, a, v)
		}
		if err != nil {
			q.dev.noteError(entryOf(q.Name, 0, "", err))
			return err
		}
	}
	return q.Set(a, v)
}

// setLocked sets a value that checkAttribute has passed, and lets its effects
// be seen: who waits for room looks again, and the queue's jobs change their
// place. Device.mu is held.
func (q *Queue) setLocked(a Attribute, v int) {
	switch a {
	case AttrWeight:
		q.weight = v
	case AttrPriority:
		q.priority = v
		q.dev.rejoin(q)
	case AttrDepth:
		q.depth = v
		q.signalRoom()
	case AttrPaused:
		q.paused = v == 1
		q.dev.rejoin(q)
	}
}

// signalRoom wakes the writers that wait for room. mu is held.
func (q *Queue) signalRoom() {
	if !q.removed {
		close(q.room)
		q.room = make(chan struct{})
	}
}

// QueueStats is a queue's account at one moment.
type QueueStats struct {
	Name                              string
	State                             string // running, paused or draining
	Weight, Priority, Depth           int
	Pending, Waiting, Ready, Running  int
	Accepted                          uint64
	Done, Failed, Cancelled, TimedOut uint64
	Seconds                           float64
	OldestQueued                      time.Time
	Failures                          uint64 // not done, ever
}

// Stats takes the queue's account.
func (q *Queue) Stats() QueueStats {
	d := q.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	s := QueueStats{
		Name: q.Name, State: "running", Weight: q.weight, Priority: q.priority, Depth: q.depth, Pending: q.pending, Ready: len(q.ready),
		Accepted: q.accepted, Done: q.ended[Done], Failed: q.ended[Failed], Cancelled: q.ended[Cancelled], TimedOut: q.ended[TimedOut],
		Seconds: q.seconds, Failures: q.fails.seq,
	}
	switch {
	case q.paused:
		s.State = "paused"
	case d.draining:
		s.State = "draining"
	}
	for _, j := range q.jobs {
		switch j.state {
		case Running:
			s.Running++
		case Queued:
			s.Waiting++
			if s.OldestQueued.IsZero() {
				s.OldestQueued = j.queued
			}
		}
	}
	return s
}
